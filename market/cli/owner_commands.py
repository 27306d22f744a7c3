"""``gramercy owner``: open and fund a job, extend, stop or close it, download the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from market.cli.balance_commands import add_balance, add_withdraw
from market.cli.command import command
from market.cli.options import (
    JobId,
    Poll,
    Recipient,
    Reference,
    Rule,
    Score,
    parse_address,
    parse_recipient,
)
from market.cli.session import Session

app = typer.Typer(name="owner", help="For who wants a model trained.", no_args_is_help=True)

_UINT32 = (1 << 32) - 1
_UINT64 = (1 << 64) - 1

Verifier = Annotated[str, typer.Option(help="Verifier contract that checks settlements; see the address book.")]
TaskName = Annotated[str, typer.Option("--task", help="Built-in task (digits, mnist:cnn, ...) or an own .py file.")]
Name = Annotated[str, typer.Option(help="For people.")]
Bits = Annotated[int, typer.Option(min=4, max=16, help="Bits an entry is quantised to.")]
ScaleExponent = Annotated[int | None, typer.Option(min=-64, max=64, help="First scale; default: from a trial round.")]
ScalePerTensor = Annotated[
    bool, typer.Option(help="Give each tensor a scale of its own; its entries then count by it in distances.")
]
ModelSeed = Annotated[int, typer.Option(help="Seed of the initial model.")]
Srs = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="The verifier's reference string; default: from the cache."),
]


@command(app, "publish")
def publish(
    session: Session,
    verifier: Verifier,
    task: TaskName = "digits",
    name: Name = "",
    bits: Bits = 16,
    scale_exponent: ScaleExponent = None,
    scale_per_tensor: ScalePerTensor = False,
    seed: ModelSeed = 0,
    srs: Srs = None,
    dashboard: Annotated[
        str, typer.Option(help="Address of the dashboard that the link goes to.")
    ] = "http://127.0.0.1:8420",
) -> dict[str, Any]:
    """Publish a task and its first model, for a job that is opened in the dashboard. Moves no money, needs no key."""
    from urllib.parse import urlencode

    from market.services.owner import TaskRequest, publish_task

    request = TaskRequest(
        task=task,
        name=name or Path(task).name,
        verifier=parse_address(verifier, "--verifier"),
        bits=bits,
        scale_exponent=scale_exponent,
        scale_per_tensor=scale_per_tensor,
        seed=seed,
        srs=srs,
    )
    found = publish_task(session.reader, session.storage, request, session.report)
    fields = {
        "name": request.name,
        "manifest": found.manifest_cid,
        "dimension": found.dimension,
        "bits": bits,
        "scaleExponent": found.scale_exponent,
    }
    market = session.reader
    link = f"{dashboard.rstrip('/')}/markets/{market.chain_id}/{market.address}/new?{urlencode(fields)}"
    session.say(f"CID of the manifest    {found.manifest_cid}")
    session.say(f"parameters             {found.dimension}")
    session.say(f"first scale exponent   {found.scale_exponent}")
    session.say(f"open the job           {link}")
    return {
        "manifest_cid": found.manifest_cid,
        "dimension": found.dimension,
        "bits": bits,
        "scale_exponent": found.scale_exponent,
        "link": link,
    }


@command(app, "create")
def create(
    session: Session,
    verifier: Verifier,
    aggregator: Annotated[list[str], typer.Option(help="Address that may settle; repeat for several.")],
    task: TaskName = "digits",
    name: Name = "",
    rounds: Annotated[int, typer.Option(min=1, max=_UINT32)] = 5,
    round_budget: Annotated[
        str | None, typer.Option(help="Paid in each round, e.g. 2ether, or 2token with --token; default: 1 of either.")
    ] = None,
    stake: Annotated[str | None, typer.Option(help="Smallest stake of a trainer; default: 0.1 of either.")] = None,
    stake_max: Annotated[
        str | None, typer.Option(help="Largest stake, the cap on weight; default: as smallest.")
    ] = None,
    byzantine: Annotated[int, typer.Option(min=0, max=30, help="f: Byzantine trainers to tolerate.")] = 2,
    min_trainers: Annotated[
        int | None, typer.Option(min=3, max=64, help="Trainers a round needs; default 2f + 3.")
    ] = None,
    max_trainers: Annotated[int, typer.Option(min=3, max=64)] = 16,
    rule: Rule = None,
    score: Score = None,
    reference: Reference = None,
    floor: Annotated[
        float, typer.Option(min=0, max=1, help="Part of the pay that is divided without the reference row.")
    ] = 0.5,
    cap: Annotated[
        float, typer.Option(min=0, max=6.5, help="Most that a trainer gets, in shares by stake; 0 for no cap.")
    ] = 3.0,
    bits: Bits = 16,
    scale_exponent: ScaleExponent = None,
    scale_per_tensor: ScalePerTensor = False,
    commit_seconds: Annotated[int, typer.Option(min=1, max=_UINT32)] = 3600,
    settle_seconds: Annotated[int, typer.Option(min=1, max=_UINT32)] = 3600,
    challenge_seconds: Annotated[int, typer.Option(min=0, max=_UINT32)] = 86400,
    lifetime: Annotated[int, typer.Option(min=1, max=_UINT32, help="Seconds after which no round opens.")] = 30 * 86400,
    bond: Annotated[
        str | None,
        typer.Option(help="Deposit of an aggregator, lost when it settles falsely; default: as a round's budget."),
    ] = None,
    challenger_share: Annotated[
        float, typer.Option(min=0, max=1, help="Part of a lost bond that goes to who proved the fault.")
    ] = 0.5,
    srs: Srs = None,
    token: Annotated[
        str | None, typer.Option(help="Pay and stake in this ERC-20 token; amounts are then written 1.5token.")
    ] = None,
    refund_void: Annotated[
        bool, typer.Option(help="A round that ends void is used up, and its budget yours; default: it is repeated.")
    ] = False,
    seed: ModelSeed = 0,
) -> dict[str, Any]:
    """Publish the task and its first model, then open a job and pay its whole escrow."""
    from market.domain import NATIVE_COIN, WHOLE_BPS
    from market.services.journal import Journal
    from market.services.owner import JobRequest, choose_split, create_job

    paid_in = parse_address(token, "--token") if token else NATIVE_COIN
    money = session.money(paid_in)
    unit = "token" if token else "ether"
    smallest = money.parse(stake or f"0.1{unit}")
    budget = money.parse(round_budget or f"1{unit}")
    request = JobRequest(
        task=task,
        name=name or Path(task).name,
        verifier=parse_address(verifier, "--verifier"),
        aggregators=[parse_address(address, "--aggregator") for address in aggregator],
        round_budget=budget,
        rounds=rounds,
        stake_min=smallest,
        stake_max=money.parse(stake_max) if stake_max else smallest,
        min_trainers=2 * byzantine + 3 if min_trainers is None else min_trainers,
        max_trainers=max_trainers,
        byzantine=byzantine,
        commit_seconds=commit_seconds,
        settle_seconds=settle_seconds,
        challenge_seconds=challenge_seconds,
        lifetime_seconds=lifetime,
        # Without a challenge window nobody could take a bond.
        aggregator_bond=money.parse(bond) if bond else budget if challenge_seconds else 0,
        challenger_share_bps=round(challenger_share * WHOLE_BPS),
        split=choose_split(
            rule, score, reference=reference, floor_bps=round(floor * WHOLE_BPS), cap_bps=round(cap * WHOLE_BPS)
        ),
        bits=bits,
        scale_exponent=scale_exponent,
        scale_per_tensor=scale_per_tensor,
        seed=seed,
        srs=srs,
        token=paid_in,
        refund_void=refund_void,
    )
    escrow = money.format(request.round_budget * rounds)
    session.confirm(f"Pay {escrow} into escrow from {session.account.address}?")
    journal = Journal(session.settings.state / f"owner-{session.account.address.lower()}")
    created = create_job(session.market, session.storage, request, journal, session.report)
    session.say(f"job {created.job_id}: {escrow} in escrow for {rounds} rounds")
    if created.terms.reference:
        session.say(f"rounds open once you commit reference rows: run `gramercy owner run {created.job_id}`")
    return {
        "job": created.job_id,
        "escrow_wei": created.terms.escrow,
        "dimension": created.terms.dimension,
        "scale_exponent": created.terms.scale_exponent,
        "bond_wei": created.terms.aggregator_bond,
        "rule": created.terms.rule,
        "score": created.terms.score,
        "reference": created.terms.reference,
        "manifest_cid": created.manifest_cid,
    }


@command(app, "run")
def run(
    session: Session,
    job_id: JobId,
    task_file: Annotated[
        str | None, typer.Option("--task", help="Your copy of the task's .py file, where the job has an own one.")
    ] = None,
    root_samples: Annotated[
        int | None, typer.Option(min=1, help="Held-out samples to train the row on; default 250, at most a third.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which held-out samples these are.")] = 0,
    poll_seconds: Poll = 0.5,
) -> dict[str, Any]:
    """Commit the reference row of each round until the job ends. Ctrl-C and start at will."""
    from market.services import loop
    from market.services.inputs import load_job_task, require_schema
    from market.services.journal import Journal
    from market.services.reference_row import ReferenceOwner, owner_folder, root_count, split_root

    job = session.job(job_id)
    task = load_job_task(job.manifest, task_file)
    require_schema(task, job.manifest)
    validation = task.load_data().validation
    owner = ReferenceOwner(
        job=job,
        account=session.account,
        journal=Journal(owner_folder(session.settings.state, session.account.address, job_id)),
        task=task,
        samples=split_root(validation, root_samples or root_count(len(validation)), seed)[0],
        seed=seed,
        report=session.report,
    )
    owner.prepare()
    loop.run(owner, poll_seconds=poll_seconds, report=session.report)
    session.say(f"job {job_id}: no further round can come")
    return {"job": job_id, "rounds": len(job.state.rounds), "root_samples": len(owner.samples)}


@command(app, "extend")
def extend(
    session: Session,
    job_id: JobId,
    rounds: Annotated[int | None, typer.Option(min=1, max=_UINT32, help="Rounds in all, used ones included.")] = None,
    budget: Annotated[str | None, typer.Option(help="Paid in each round to come.")] = None,
    deadline: Annotated[
        int | None, typer.Option(min=1, max=_UINT64, help="Chain time, in Unix seconds, from which no round opens.")
    ] = None,
) -> dict[str, Any]:
    """Give a job more rounds, a larger budget or more time, between its rounds. Nothing can become less."""
    from market.services.extending import Extension, extend_job

    job = session.job(job_id)
    terms, money = job.state.terms, session.money(job.state.terms.token)
    extension = Extension(
        rounds=terms.rounds if rounds is None else rounds,
        round_budget=terms.round_budget if budget is None else money.parse(budget),
        deadline=terms.deadline if deadline is None else deadline,
    )
    deposit = extension.deposit(job)
    session.confirm(f"Pay {money.format(deposit)} into the escrow of job {job_id}?")
    extend_job(job, extension, session.report)
    terms = job.state.terms
    session.say(f"job {job_id}: {terms.rounds} rounds of {money.format(terms.round_budget)}, until {terms.deadline}")
    return {
        "job": job_id,
        "deposit_wei": deposit,
        "rounds": terms.rounds,
        "round_budget_wei": terms.round_budget,
        "deadline": terms.deadline,
        "escrow_wei": job.state.escrow,
    }


@command(app, "stop")
def stop(session: Session, job_id: JobId) -> dict[str, Any]:
    """Let no further round open; a live one takes its course, with its pay. `owner close` then returns the rest."""
    from market.services.extending import stop_job

    job = session.job(job_id)
    stop_job(job, session.report)
    session.say(f"job {job_id}: no further round opens")
    return {"job": job_id, "deadline": job.state.terms.deadline, "phase": job.state.phase(job.now).name.lower()}


@command(app, "close")
def close(session: Session, job_id: JobId, recipient: Recipient = None) -> dict[str, Any]:
    """Close a job between its rounds; your free balance of its token, the escrow's rest included, is paid out."""
    from market.services.closing import close_job

    job = session.job(job_id)
    amount = close_job(job, parse_recipient(recipient) or session.account.address, session.report)
    session.say(f"{session.money(job.state.terms.token).format(amount)} returned")
    return {"job": job_id, "refund_wei": amount}


add_withdraw(app)
add_balance(app)


@command(app, "watch")
def watch(session: Session, job_id: JobId, poll_seconds: Poll = 1.0) -> dict[str, Any]:
    """Follow a job until no further round can come."""
    import time

    from market.services.view import round_summary

    job = session.job(job_id, reading=True)
    shown: set[int] = set()
    while True:
        for state in job.state.settled_rounds:
            if state.number not in shown:
                shown.add(state.number)
                session.report("round", round_summary(job, state))
        if job.state.finished(job.now):
            return {"job": job_id, "rounds": len(job.state.settled_rounds)}
        time.sleep(poll_seconds)
        job.refresh()


@command(app, "download")
def download(
    session: Session,
    job_id: JobId,
    output: Annotated[Path, typer.Option("--output", "-o", help="safetensors file to write.")] = Path(
        "model.safetensors"
    ),
) -> dict[str, Any]:
    """Rebuild the latest model from chain and storage, every aggregate checked, and write it."""
    from market.services.owner import download_model

    settled = download_model(session.job(job_id, reading=True), output)
    session.say(f"{output}: the model after {settled} rounds")
    return {"job": job_id, "rounds": settled, "path": str(output)}
