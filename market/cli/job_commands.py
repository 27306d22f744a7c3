"""``gramercy job``: look at jobs, open a round, verify settlements, challenge false ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import JobId
from market.cli.session import Session

if TYPE_CHECKING:
    from market.domain import Phase
    from market.rounds import RoundState
    from market.services.job import Job
    from market.services.updates import OpenedUpdate

app = typer.Typer(name="job", help="Look at jobs, verify and challenge them.", no_args_is_help=True)


@command(app, "list")
def list_jobs(session: Session) -> dict[str, Any]:
    """List the market's jobs."""
    rows: list[dict[str, Any]] = []
    escrows: list[str] = []
    for job_id in range(1, session.reader.job_count() + 1):
        account = session.reader.job_account(job_id)
        phase = session.reader.phase(job_id, account.round)
        token = session.reader.token_of(job_id)
        escrows.append(session.money(token).format(account.escrow))
        rows.append(
            {
                "job": job_id,
                "owner": account.owner,
                "trainers": account.joined,
                "round": account.round,
                "used": account.used,
                "escrow_wei": account.escrow,
                "token": token,
                "state": "closed" if account.closed else _state(phase),
            }
        )
    session.table(
        "jobs",
        ["job", "owner", "trainers", "round", "used", "escrow", "state"],
        [[*list(row.values())[:5], escrow, row["state"]] for row, escrow in zip(rows, escrows, strict=True)],
    )
    return {"jobs": rows}


@command(app, "show")
def show(session: Session, job_id: JobId) -> dict[str, Any]:
    """Show terms, rounds, and what became of each update."""
    from dataclasses import asdict

    from market.services.view import exclusions_of, job_summary, round_summary, verdicts

    job = session.job(job_id, reading=True)
    terms, money = job.state.terms, session.money(job.state.terms.token)
    summary = job_summary(job)
    session.say(
        f"job {job_id} by {job.state.owner}: {terms.rounds} rounds of {money.format(terms.round_budget)}, "
        f"{summary['used']} used, rule {terms.rule}, f = {terms.byzantine}, d = {terms.dimension}, {terms.bits} bits, "
        f"{len(job.state.stakes)} trainers, escrow {money.format(job.state.escrow)}"
    )
    session.table(
        "who may settle",
        ["aggregator", "named by", "bond held", "free balance"],
        [
            [one["address"], one["named_by"], money.format(one["held_wei"]), money.format(one["free_wei"])]
            for one in summary["aggregators"]
        ],
    )
    told = []
    for state in job.state.rounds:
        each = round_summary(job, state)
        found = verdicts(state, terms.rule, terms.byzantine, exclusions_of(job, state))
        each["trainers"] = [asdict(verdict) for verdict in found]
        again = f", settled {len(state.replaced) + 1} times" if state.replaced else ""
        session.table(
            f"round {state.number}, {each['phase']}{again}",
            ["trainer", "verdict", "payout"],
            [[verdict.trainer, verdict.reason, money.format(verdict.payout)] for verdict in found],
        )
        told.append(each)
    return {**summary, "terms": asdict(terms), "rounds": told}


@command(app, "open")
def open_round(session: Session, job_id: JobId) -> dict[str, Any]:
    """Open the next round; anybody may, once the previous one is over."""
    job = session.job(job_id)
    session.market.open_round(job_id)
    job.refresh()
    number = job.state.latest.number if job.state.latest else 0
    session.say(f"round {number} is open")
    return {"job": job_id, "round": number}


@command(app, "verify")
def verify(session: Session, job_id: JobId) -> dict[str, Any]:
    """Check everything that a job's settlements claim, from chain and storage alone; exit code 5 if anything fails."""
    from dataclasses import asdict

    from market.services.audit import audit, count_checks

    job = session.job(job_id, reading=True)
    with session.counting("verifying", count_checks(job)) as advance:
        found = audit(job, advance)
    session.table(
        f"job {job_id}",
        ["round", "check", "", ""],
        [
            [one.round or "", one.name, "pending" if one.pending else "holds" if one.holds else "FAILS", one.words]
            for one in found.checks
        ],
    )
    found.require()
    pending = f"; {len(found.pending)} cannot be made yet" if found.pending else ""
    checked = len(found.checks) - len(found.pending)
    session.say(f"job {job_id}: {checked} checks of {len(job.state.settled_rounds)} settled rounds hold{pending}")
    return {
        "job": job_id,
        "rounds": len(job.state.settled_rounds),
        "holds": True,
        "checks": [asdict(one) for one in found.checks],
    }


@command(app, "challenge")
def challenge(
    session: Session,
    job_id: JobId,
    number: Annotated[int, typer.Argument(min=1, metavar="ROUND", help="A settled round in its challenge window.")],
    aggregate: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The true aggregate, where the published file is another."),
    ] = None,
    update: Annotated[
        int | None,
        typer.Option(min=0, help="Challenge this update instead, by its place in the round: it is out of range."),
    ] = None,
    write_evidence: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, metavar="FILE", help="Write the challenge for the round's page, and send nothing."
        ),
    ] = None,
) -> dict[str, Any]:
    """Prove an aggregate false, or an update out of range: who is at fault is slashed, and you are rewarded.

    A false aggregate voids its round. An update can be challenged by whoever it is encrypted to, until its round is
    final; its trainer loses stake, place and pay of that round. With --write-evidence FILE nothing is sent: a wallet
    sends the file's challenge from the round's page in the dashboard, and no key is needed here but to open an update.
    """
    from market.services import challenge as challenges

    if write_evidence is not None:
        return _write_evidence(session, job_id, number, aggregate, update, write_evidence)
    job = session.job(job_id)
    state = job.require_round(number)
    if update is None:
        done = challenges.challenge(job, state, aggregate, session.report)
    else:
        done = challenges.challenge_update(job, state, _opened_update(session, job, state, update), session.report)
    challenges.withdraw_reward(job, done.reward, session.report)
    what = f"round {number} is void" if update is None else f"the trainer of update {update} is slashed"
    session.say(f"{what}: {done.evidence.words}; reward {session.money(job.state.terms.token).format(done.reward)}")
    return {
        "job": job_id,
        "round": number,
        "fault": done.evidence.words,
        "kind": done.evidence.kind,
        "reward_wei": done.reward,
        "gas": done.gas,
    }


def _write_evidence(
    session: Session, job_id: int, number: int, aggregate: Path | None, update: int | None, output: Path
) -> dict[str, Any]:
    """Make a challenge, try it on the market, and write it for somebody to send."""
    from market.services import evidence_file

    job = session.job(job_id, reading=True)
    state = job.require_round(number)
    if update is None:
        made, evidence = evidence_file.settlement_file(job, state, aggregate)
    else:
        made, evidence = evidence_file.update_file(job, state, _opened_update(session, job, state, update))
    fields = made.fields()
    output.write_text(json.dumps(fields, indent=1) + "\n")
    session.say(f"{evidence.words}; nothing is sent: whoever sends {output} first is rewarded")
    return {"path": str(output), "fault": evidence.words, **fields}


def _opened_update(session: Session, job: Job, state: RoundState, index: int) -> OpenedUpdate:
    """Open a committed update with the account's encryption keys, whatever its range."""
    from market.errors import ContractRefused
    from market.services.encryption import EncryptionKeys, encryption_folder
    from market.services.updates import open_update

    if index >= len(state.commits):
        raise ContractRefused(f"round {state.number} has no update {index}", error="Market_UnknownTrainers")
    keys = EncryptionKeys(encryption_folder(session.settings.state, session.account.address), session.account)
    return open_update(
        job.storage,
        job.market.round_id(job.job_id, state.number),
        state.commits[index],
        [key.private for key in keys.all()],
        dimension=job.state.terms.dimension,
        bits=job.state.terms.bits,
        workdir=job.workdir,
        ranged=False,
    )


def _state(phase: Phase) -> str:
    from market.domain import Phase

    return "waiting for trainers" if phase is Phase.NONE else phase.name.lower()
