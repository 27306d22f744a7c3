"""``gramercy job``: look at jobs, open a round, verify settlements, challenge false ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import JobId
from market.cli.session import Session

if TYPE_CHECKING:
    from market.domain import Phase

app = typer.Typer(name="job", help="Look at jobs, verify and challenge them.", no_args_is_help=True)


@command(app, "list")
def list_jobs(session: Session) -> dict[str, Any]:
    """List the market's jobs."""
    from market.chain.transactions import format_coins

    rows: list[dict[str, Any]] = []
    for job_id in range(1, session.reader.job_count() + 1):
        account = session.reader.job_account(job_id)
        phase = session.reader.phase(job_id, account.round)
        rows.append(
            {
                "job": job_id,
                "owner": account.owner,
                "trainers": account.joined,
                "round": account.round,
                "settled": account.settled,
                "escrow_wei": account.escrow,
                "state": "closed" if account.closed else _state(phase),
            }
        )
    session.table(
        "jobs",
        ["job", "owner", "trainers", "round", "settled", "escrow", "state"],
        [[*list(row.values())[:5], format_coins(row["escrow_wei"]), row["state"]] for row in rows],
    )
    return {"jobs": rows}


@command(app, "show")
def show(session: Session, job_id: JobId) -> dict[str, Any]:
    """Show terms, rounds, and what became of each update."""
    from dataclasses import asdict

    from market.chain.transactions import format_coins
    from market.services.view import exclusions_of, round_summary, verdicts

    job = session.job(job_id, reading=True)
    terms = job.state.terms
    session.say(
        f"job {job_id} by {job.state.created.owner}: {terms.rounds} rounds of {format_coins(terms.round_budget)}, "
        f"rule {terms.rule}, f = {terms.byzantine}, d = {terms.dimension}, {terms.bits} bits, "
        f"{len(job.state.stakes)} trainers, escrow {format_coins(job.state.escrow)}"
    )
    told = []
    for state in job.state.rounds:
        summary = round_summary(job, state)
        found = verdicts(state, terms.rule, terms.byzantine, exclusions_of(job, state))
        summary["trainers"] = [asdict(verdict) for verdict in found]
        session.table(
            f"round {state.number}, {summary['phase']}",
            ["trainer", "verdict", "payout"],
            [[verdict.trainer, verdict.reason, format_coins(verdict.payout)] for verdict in found],
        )
        told.append(summary)
    return {
        "job": job_id,
        "owner": job.state.created.owner,
        "terms": asdict(terms),
        "aggregators": list(job.state.created.aggregators),
        "slashed": sorted(job.state.slashed),
        "stakes": dict(job.state.stakes),
        "bonds": dict(job.state.bonds),
        "escrow_wei": job.state.escrow,
        "closed": job.state.closed,
        "chain_time": job.now,
        "rounds": told,
    }


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
        [[one.round or "", one.name, "holds" if one.holds else "FAILS", one.words] for one in found.checks],
    )
    found.require()
    session.say(f"job {job_id}: {len(found.checks)} checks of {len(job.state.settled_rounds)} settled rounds hold")
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
) -> dict[str, Any]:
    """Prove that a round's aggregate is false: the round is voided, its aggregator slashed, and you are rewarded."""
    from market.chain.transactions import format_coins
    from market.services.challenge import challenge as send

    job = session.job(job_id)
    done = send(job, job.require_round(number), aggregate, session.report)
    session.say(f"round {number} is void: {done.evidence.words}; reward {format_coins(done.reward)} coins")
    return {
        "job": job_id,
        "round": number,
        "fault": done.evidence.words,
        "kind": done.evidence.kind,
        "reward_wei": done.reward,
        "gas": done.gas,
    }


def _state(phase: Phase) -> str:
    from market.domain import Phase

    return "waiting for trainers" if phase is Phase.NONE else phase.name.lower()
