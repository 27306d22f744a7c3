"""A job's history as rows of the index: pure, so that the same events always give the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from market.domain import Address, JobTerms, RoundSettled
from market.indexer.history import JobHistory, Place, accepted_places
from market.rounds import JobState, RoundState
from market.rounds.verdicts import verdicts

Row = dict[str, Any]
BUDGET_DIGITS = 60
MONEY = ("escrow", "stakes", "bonds", "unclaimed", "claimed", "volume")
"""Columns of a job that a market's totals add up."""


@dataclass(slots=True)
class JobRows:
    """Rows of one job by table, all but the market's id; of rounds only those asked for."""

    jobs: list[Row]
    aggregators: list[Row]
    members: list[Row]
    namings: list[Row]
    rounds: list[Row] = field(default_factory=list)
    updates: list[Row] = field(default_factory=list)
    settlements: list[Row] = field(default_factory=list)

    def tables(self) -> tuple[list[Row], ...]:
        """Return the rows in the order of `schema.JOB_TABLES`."""
        return (
            *(self.jobs, self.aggregators, self.members, self.namings),
            *(self.rounds, self.updates, self.settlements),
        )


def project(history: JobHistory, changed: Iterable[RoundState]) -> JobRows:
    """Return a job's rows, and those of the rounds given."""
    state = history.state
    rows = JobRows([_job(history)], _aggregators(state), _members(history), _namings(state))
    for each in changed:
        rows.rounds.append(_round(history, each))
        rows.updates.extend(_updates(history, each))
        rows.settlements.extend(_settlements(history, each))
    return rows


def money(history: JobHistory) -> dict[str, int]:
    """Return what a job adds to its market's totals."""
    state, paid, claimed = history.state, history.paid, history.claimed
    amounts = (state.escrow, sum(state.stakes.values()), state.bonds, paid - claimed, claimed, history.volume)
    return dict(zip(MONEY, amounts, strict=True))


@lru_cache(4_096)
def _terms(terms: JobTerms) -> Row:
    return {name: _plain(str(value)) if name in _TEXTS else value for name, value in asdict(terms).items()}


def _job(history: JobHistory) -> Row:
    state, terms, latest = history.state, history.state.terms, history.state.latest
    settled = None if latest is None else latest.settled
    return {
        "job_id": state.job_id,
        "owner": state.owner,
        "manifest_cid": state.created.manifest_cid,
        "created_tx": history.created.tx,
        "created": history.created.timestamp,
        "token": terms.token,
        "rule": _plain(terms.rule),
        "score": _plain(terms.score),
        "terms": _terms(terms),
        "round_budget": str(terms.round_budget),
        "budget_key": str(terms.escrow).zfill(BUDGET_DIGITS),
        "rounds": terms.rounds,
        "used": state.used,
        "min_trainers": terms.min_trainers,
        "max_trainers": terms.max_trainers,
        "deadline": _bounded(terms.deadline),
        "refund_void": terms.refund_void,
        "closed": state.closed,
        "trainers": len(state.stakes),
        "latest": len(state.rounds),
        "commit_end": None if latest is None else latest.opened.commit_end,
        "settle_end": None if latest is None else latest.opened.settle_end,
        "challenge_end": None if settled is None else settled.challenge_end,
        "settled": settled is not None,
        "overturned": latest is not None and latest.overturned is not None,
        "refunded": latest is not None and latest.refunded,
        "has_reference": state.reference is not None,
        "rounds_settled": sum(1 for each in state.rounds if each.valid),
        **{name: str(amount) for name, amount in money(history).items()},
        "fault": history.fault,
    }


_TEXTS = frozenset({"round_budget", "stake_min", "stake_max", "aggregator_bond", "rule", "score"})
"""Terms that are text in JSON: amounts, as its numbers end at 2^53, and ids."""
_LARGEST = (1 << 63) - 1


def _bounded(value: int) -> int:
    """Return a number that a column holds: anybody may claim that a payload has 2^64 - 1 bytes."""
    return min(value, _LARGEST)


def _plain(text: str) -> str:
    """Return a rule's or score's id without what PostgreSQL takes in no text."""
    return text.replace("\0", "\ufffd")


def _aggregators(state: JobState) -> list[Row]:
    held: dict[Address, int] = {}
    for each in state.rounds:
        if each.bond and each.settled is not None:
            held[each.settled.aggregator] = held.get(each.settled.aggregator, 0) + each.bond
    owners = state.created.aggregators
    everybody = dict.fromkeys((*owners, *state.named.values(), *held, *sorted(state.dismissed)))
    return [
        {
            "job_id": state.job_id,
            "place": place,
            "address": address,
            "by_owner": address in owners,
            "dismissed": address in state.dismissed,
            "held": str(held.get(address, 0)),
        }
        for place, address in enumerate(everybody)
    ]


def _members(history: JobHistory) -> list[Row]:
    state = history.state
    return [
        {
            "job_id": state.job_id,
            "trainer": trainer,
            "place": member.place,
            "stake": str(state.stakes.get(trainer, 0)),
            "joined": member.joined,
            "left": member.left,
            "committed": member.committed,
            "accepted": member.accepted,
            "slashed": member.slashed > 0,
            "paid": str(member.paid),
            "final": str(member.claimed),
        }
        for trainer, member in history.members.items()
    ]


def _namings(state: JobState) -> list[Row]:
    return [
        {"job_id": state.job_id, "trainer": trainer, "aggregator": aggregator}
        for trainer, aggregator in state.named.items()
    ]


def _round(history: JobHistory, state: RoundState) -> Row:
    settled, overturned, reference = state.settled, state.overturned, state.reference
    return {
        "job_id": history.state.job_id,
        "number": state.number,
        "tx": history.opened[state.number].tx,
        "scale_exponent": state.opened.scale_exponent,
        "commit_end": state.opened.commit_end,
        "settle_end": state.opened.settle_end,
        "challenge_end": None if settled is None else settled.challenge_end,
        "budget": str(state.budget),
        "reference_cid": None if reference is None else reference.cid,
        "reference_commitment": None if reference is None else reference.commitment,
        "committed": len(state.commits),
        "included": None if settled is None else len(state.included),
        "accepted": None if settled is None else len(accepted_places(state)),
        "slashed": len(state.slashed),
        "paid": None if settled is None else str(sum(state.payouts.values())),
        "aggregator": None if settled is None else settled.aggregator,
        "gas": None if settled is None else history.settled[state.number][-1].gas,
        "aggregate_commitment": None if settled is None else settled.settlement.aggregate_commitment,
        "overturned_by": None if overturned is None else overturned.challenger,
        "overturned_tx": history.overturned.get(state.number),
        "refunded": state.refunded,
    }


def _updates(history: JobHistory, state: RoundState) -> list[Row]:
    terms = history.state.terms
    found = verdicts(state, terms.rule, terms.byzantine)
    rows = []
    for commit in state.commits:
        verdict = found[commit.index] if found else None
        tx, stake = history.commits[state.number, commit.index]
        claimed = commit.trainer in state.claimed
        payable = verdict is not None and verdict.payout > 0 and not claimed and state.settled is not None
        rows.append(
            {
                "job_id": history.state.job_id,
                "round": state.number,
                "place": commit.index,
                "trainer": commit.trainer,
                "commitment": commit.commitment,
                "cid": commit.cid,
                "payload_bytes": _bounded(commit.payload_bytes),
                "tx": tx,
                "stake": str(stake),
                "included": None if verdict is None else verdict.included,
                "accepted": None if verdict is None else verdict.accepted,
                "slashed": commit.index in state.slashed,
                "weight": None if verdict is None or verdict.weight is None else _bounded(verdict.weight),
                "score": None if verdict is None or verdict.score is None else str(verdict.score),
                "payout": None if verdict is None else str(verdict.payout),
                "payable_from": state.settled.challenge_end if payable and state.settled is not None else None,
                "claimed": claimed,
                "reason": None if verdict is None else verdict.reason,
            }
        )
    return rows


def _settlements(history: JobHistory, state: RoundState) -> list[Row]:
    everything = (*state.replaced, *(() if state.settled is None else (state.settled,)))
    places = history.settled.get(state.number, [])
    return [
        _settlement(history.state, state, at, settled, place)
        for at, (settled, place) in enumerate(zip(everything, places, strict=True))
    ]


def _settlement(job: JobState, state: RoundState, at: int, settled: RoundSettled, place: Place) -> Row:
    posted = settled.settlement
    mask = (1 << len(state.commits)) - 1
    return {
        "job_id": job.job_id,
        "round": state.number,
        "place": at,
        "stands": settled is state.settled,
        "aggregator": settled.aggregator,
        "tx": place.tx,
        "block": place.block,
        "log_index": place.index,
        "timestamp": place.timestamp,
        "gas": place.gas,
        "paid": str(settled.paid),
        "bond": str(job.terms.aggregator_bond),
        "included": (posted.included & mask).bit_count(),
        "reference": posted.reference,
        "aggregate_commitment": posted.aggregate_commitment,
        "aggregate_root": posted.aggregate_root,
        "aggregate_cid": posted.aggregate_cid,
        "aggregate_bytes": _bounded(posted.aggregate_bytes),
        "next_scale_exponent": posted.next_scale_exponent,
        "challenge_end": settled.challenge_end,
        "proof_bytes": len(settled.proof),
    }
