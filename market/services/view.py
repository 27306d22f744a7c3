"""A job in words and figures: what the command line, the live view and the report show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aggregator.gram import unpack_gram
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.multi_krum import MultiKrum, krum_scores
from market.domain import Address
from market.errors import PayloadError, StorageError
from market.rounds import RoundState
from market.safe_json import parse_json
from market.services.job import Job
from market.services.publishing import withheld_until

_WHY_REJECTED = {
    "marginal-value": "over the rounds, updates like it took the model away from the owner's reference",
    "fltrust": "it does not point where the owner's reference points",
    "foolsgold": "its trainer's updates resemble another's too much over the rounds",
}

_SLASHED = "slashed: its update was proved out of range"


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
    if state.settled is None:
        return []
    settlement = state.settled.settlement
    if state.overturned is not None:
        reason = "void: the aggregate was proved false, and nobody is paid"
        return [Verdict(commit.trainer, False, reason, 0, 0, 0) for commit in state.commits]
    included = {commit.trainer: place for place, commit in enumerate(state.included)}
    if not len(included) == len(settlement.weights) == len(settlement.scores):  # whatever a verifier lets pass
        return [
            Verdict(commit.trainer, False, "this job's verifier posts figures of its own", 0, 0, amount)
            for commit in state.commits
            for amount in [state.payouts.get(commit.trainer, 0)]
        ]
    distances = _relative_krum_scores(state, byzantine) if rule == MultiKrum().id else None
    found = []
    for commit in state.commits:
        place = included.get(commit.trainer)
        if commit.index in state.slashed:
            found.append(Verdict(commit.trainer, False, _SLASHED, 0, 0, 0))
            continue
        if place is None:
            reason = f"left out: {exclusions.get(commit.trainer, 'the aggregator gave no reason')}"
            found.append(Verdict(commit.trainer, False, reason, 0, 0, 0))
            continue
        weight = settlement.weights[place]
        found.append(
            Verdict(
                trainer=commit.trainer,
                accepted=weight > 0,
                reason=_reason(rule, weight, distances[place] if distances else None),
                weight=weight,
                score=settlement.scores[place],
                payout=settlement.payouts[place],
            )
        )
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


def _relative_krum_scores(state: RoundState, byzantine: int) -> list[float]:
    """Return each included update's Krum score over the median one."""
    n = len(state.included)
    inner = n * (n + 1) * 4  # bytes of the updates' own products; extra rows come after
    if state.settled is None or n < 3 or len(state.settled.settlement.gram) < inner:  # noqa: PLR2004
        return [1.0] * n
    gram = unpack_gram(state.settled.settlement.gram[:inner], n)
    scores = krum_scores(gram, neighbours=n - min(byzantine, (n - 3) // 2) - 2)
    median = sorted(scores)[(n - 1) // 2]
    return [score / median if median else 1.0 for score in scores]


def _reason(rule: str, weight: int, relative: float | None) -> str:
    accepted = weight > 0
    if relative is not None:
        words = f"{relative:.2g} x the median distance to its neighbours"
        return f"accepted: {words}" if accepted else f"rejected: {words}"
    if accepted:
        return f"accepted: weight {weight / WEIGHT_ONE:.1%}"
    return f"rejected: {_WHY_REJECTED.get(rule, 'the rule gives it no weight')}"
