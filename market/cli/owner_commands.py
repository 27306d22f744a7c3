"""``gramercy owner``: open and fund a job, close it, download the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import (
    JobId,
    Poll,
    Recipient,
    Reference,
    Rule,
    Score,
    parse_address,
    parse_amount,
    parse_recipient,
)
from market.cli.session import Session

app = typer.Typer(name="owner", help="For who wants a model trained.", no_args_is_help=True)

_UINT32 = (1 << 32) - 1


@command(app, "create")
def create(
    session: Session,
    verifier: Annotated[str, typer.Option(help="Verifier contract that checks settlements; see the address book.")],
    aggregator: Annotated[list[str], typer.Option(help="Address that may settle; repeat for several.")],
    task: Annotated[str, typer.Option(help="Built-in task (digits, mnist:cnn, ...) or an own .py file.")] = "digits",
    name: Annotated[str, typer.Option(help="For people.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=_UINT32)] = 5,
    round_budget: Annotated[str, typer.Option(help="Paid in each round, e.g. 1ether.")] = "1ether",
    stake: Annotated[str, typer.Option(help="Smallest stake of a trainer.")] = "0.1ether",
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
    bits: Annotated[int, typer.Option(min=4, max=16, help="Bits an entry is quantised to.")] = 16,
    scale_exponent: Annotated[
        int | None, typer.Option(min=-64, max=64, help="First scale; default: from a trial round.")
    ] = None,
    scale_per_tensor: Annotated[
        bool, typer.Option(help="Give each tensor a scale of its own; its entries then count by it in distances.")
    ] = False,
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
    srs: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The verifier's reference string; default: from the cache."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Pay and stake in this ERC-20 token; 1ether is then 10^18 of its smallest units.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial model.")] = 0,
) -> dict[str, Any]:
    """Publish the task and its first model, then open a job and pay its whole escrow."""
    from market.chain.transactions import format_coins
    from market.domain import NATIVE_COIN, WHOLE_BPS
    from market.services.journal import Journal
    from market.services.owner import JobRequest, choose_split, create_job

    smallest = parse_amount(stake)
    request = JobRequest(
        task=task,
        name=name or Path(task).name,
        verifier=parse_address(verifier, "--verifier"),
        aggregators=[parse_address(address, "--aggregator") for address in aggregator],
        round_budget=parse_amount(round_budget),
        rounds=rounds,
        stake_min=smallest,
        stake_max=parse_amount(stake_max) if stake_max else smallest,
        min_trainers=2 * byzantine + 3 if min_trainers is None else min_trainers,
        max_trainers=max_trainers,
        byzantine=byzantine,
        commit_seconds=commit_seconds,
        settle_seconds=settle_seconds,
        challenge_seconds=challenge_seconds,
        lifetime_seconds=lifetime,
        aggregator_bond=_bond(bond, parse_amount(round_budget), challenge_seconds),
        challenger_share_bps=round(challenger_share * WHOLE_BPS),
        split=choose_split(
            rule, score, reference=reference, floor_bps=round(floor * WHOLE_BPS), cap_bps=round(cap * WHOLE_BPS)
        ),
        bits=bits,
        scale_exponent=scale_exponent,
        scale_per_tensor=scale_per_tensor,
        seed=seed,
        srs=srs,
        token=parse_address(token, "--token") if token else NATIVE_COIN,
    )
    escrow = format_coins(request.round_budget * rounds)
    session.confirm(f"Pay {escrow} coins into escrow from {session.account.address}?")
    journal = Journal(session.settings.state / f"owner-{session.account.address.lower()}")
    created = create_job(session.market, session.storage, request, journal, session.report)
    session.say(f"job {created.job_id}: {escrow} coins in escrow for {rounds} rounds")
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


def _bond(given: str | None, round_budget: int, challenge_seconds: int) -> int:
    """Return the aggregator's bond; without a challenge window nobody could take it, so none is asked for."""
    if given is not None:
        return parse_amount(given)
    return round_budget if challenge_seconds else 0


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


@command(app, "close")
def close(session: Session, job_id: JobId, recipient: Recipient = None) -> dict[str, Any]:
    """Close a finished job and withdraw what is left of its escrow."""
    from market.chain.transactions import format_coins
    from market.services.closing import close_job

    job = session.job(job_id)
    amount = close_job(job, parse_recipient(recipient) or session.account.address, session.report)
    session.say(f"{format_coins(amount)} coins returned")
    return {"job": job_id, "refund_wei": amount}


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
