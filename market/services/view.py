"""A job in words and figures: what the command line, the live view and the report show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from market.domain import Address
from market.errors import PayloadError, StorageError
from market.rounds import RoundState
from market.rounds import verdicts as chain
from market.safe_json import parse_json
from market.services.job import Job
from market.services.publishing import withheld_until


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one trainer's update in a settled round, and why, in words."""

    trainer: Address
    accepted: bool
    reason: str
    weight: int
    score: int
    payout: int


def verdicts(state: RoundState, rule: str, byzantine: int, exclusions: dict[Address, str]) -> list[Verdict]:
    """Explain a settled round from chain data: one verdict a commitment, in order.

    ``exclusions`` are the aggregator's reasons for updates it could not open; those are its word, not the chain's.
    """
    found = []
    for commit, told in zip(state.commits, chain.verdicts(state, rule, byzantine), strict=False):
        reason = told.reason
        if reason == chain.LEFT_OUT:
            reason = f"left out: {exclusions.get(commit.trainer, 'the aggregator gave no reason')}"
        found.append(Verdict(commit.trainer, told.accepted, reason, told.weight or 0, told.score or 0, told.payout))
    return found


def exclusions_of(job: Job, state: RoundState) -> dict[Address, str]:
    """Return the aggregator's reasons for leaving updates out, from the notes published with the aggregate."""
    if len(state.included) == len(state.commits):
        return {}
    if withheld_until(job.state.terms, state, job.now) is not None:
        left_out = (commit.trainer for commit in state.commits if commit not in state.included)
        return dict.fromkeys(left_out, "the aggregator's reason comes with its aggregate, which is not published yet")
    try:
        reasons = parse_json(job.aggregate_metadata(state).get("exclusions", "{}").encode())
    except (StorageError, PayloadError, ValueError):
        return {}
    return {str(trainer): str(reason) for trainer, reason in reasons.items()} if isinstance(reasons, dict) else {}


def round_summary(job: Job, state: RoundState) -> dict[str, Any]:
    """Return a settled round's figures for output."""
    if state.settled is None:
        return {
            "round": state.number,
            "phase": state.phase(job.now).name.lower(),
            "slashed": [commit.trainer for commit in state.commits if commit.index in state.slashed],
            "refunded": state.refunded,
        }
    settlement = state.settled.settlement
    return {
        "round": state.number,
        "phase": state.phase(job.now).name.lower(),
        "committed": len(state.commits),
        "included": len(state.included),
        "accepted": sum(1 for weight in settlement.weights if weight),
        "paid_wei": sum(state.payouts.values()),
        "aggregator": state.settled.aggregator,
        "held_wei": state.bond,
        "replaced": [{"aggregator": one.aggregator, "paid_wei": one.paid} for one in state.replaced],
        "slashed": [commit.trainer for commit in state.commits if commit.index in state.slashed],
        "overturned": state.overturned is not None,
        "refunded": state.refunded,
    }


def job_summary(job: Job) -> dict[str, Any]:
    """Return a job's accounts for output: rounds used, who may settle with what behind them, who lost its place."""
    state = job.state
    token = state.terms.token
    named: dict[Address, list[Address]] = {account: [state.owner] for account in state.created.aggregators}
    for trainer, account in state.named.items():
        named.setdefault(account, []).append(trainer)
    held = dict.fromkeys(named, 0)
    for each in state.rounds:
        if each.settled is not None and each.bond:
            held[each.settled.aggregator] = held.get(each.settled.aggregator, 0) + each.bond
    return {
        "job": job.job_id,
        "owner": state.owner,
        "used": state.used_by(job.now),
        "aggregators": [
            {
                "address": account,
                "named_by": "the owner" if by[0] == state.owner else ", ".join(by),
                "held_wei": held[account],
                "free_wei": job.market.free_balance(token, account),
            }
            for account, by in named.items()
            if account in state.aggregators
        ],
        "dismissed": sorted(state.dismissed),
        "slashed": sorted(
            {commit.trainer for each in state.rounds for commit in each.commits if commit.index in each.slashed}
        ),
        "stakes": dict(state.stakes),
        "bonds_wei": state.bonds,
        "owner_free_wei": job.market.free_balance(token, state.owner),
        "escrow_wei": state.escrow,
        "closed": state.closed,
        "chain_time": job.now,
    }
