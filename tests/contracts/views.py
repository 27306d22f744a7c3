"""What the market's views must tell of a job by its reducer, and what it must tell the verifier."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from aggregator.bn254 import decompress
from market.chain.market_encoding import encode_id, encode_terms
from market.domain import NATIVE_COIN, Phase, Settlement
from market.rounds import JobState
from tests.contracts.encoding import Call, Views

if TYPE_CHECKING:
    from tests.contracts.job import Job

Expected = list[tuple[Call, Any]]
"""Calls of views, and what they should answer."""


def job_views(market: Views, state: JobState, now: int, first_round: int = 0) -> Expected:
    """Return the views of a job, and of its rounds from ``first_round`` on, up to one that has not opened."""
    view, count = market.functions, len(state.rounds)
    job = (state.owner, state.closed, len(state.stakes), count, state.used, state.escrow)
    expected: Expected = [(view.job(state.job_id), job), (view.terms(state.job_id), encode_terms(state.terms))]
    known = {*state.stakes, *(commit.trainer for round_state in state.rounds for commit in round_state.commits)}
    for account in sorted(known):
        expected.append((view.stakeOf(state.job_id, account), state.stakes.get(account, 0)))
        expected.append((view.namedBy(state.job_id, account), state.named.get(account, NATIVE_COIN)))
    for account in sorted({*state.created.aggregators, *state.named.values(), *state.dismissed, *known}):
        expected.append((view.isAggregator(state.job_id, account), account in state.aggregators))
    for number in range(first_round, count + 2):
        expected += _round_views(market, state, number, now)
    return expected


def _round_views(market: Views, job: JobState, number: int, now: int) -> Expected:
    """Return the views of a round, also of one that never opened, and what they should tell."""
    view, state = market.functions, job.round(number)
    commits = () if state is None else state.commits
    phase = Phase.NONE if state is None else state.phase(now)
    expected: Expected = [
        (view.phase(job.job_id, number), int(phase)),
        (view.round(job.job_id, number), round_view(job, number)),
        (view.committed(job.job_id, number), [commit.trainer for commit in commits]),
    ]
    for commit in commits:
        assert state is not None
        payout = (state.payouts.get(commit.trainer, 0), commit.trainer in state.claimed)
        expected.append((view.commitmentOf(job.job_id, number, commit.trainer), commit.commitment))
        expected.append((view.payoutOf(job.job_id, number, commit.trainer), payout))
    return expected


def round_view(job: JobState, number: int) -> tuple[Any, ...]:
    """Return IMarket.Round as the contract must tell it."""
    state = job.round(number)
    if state is None:
        next_reference = job.reference if number == len(job.rounds) + 1 else None
        word = bytes(32) if next_reference is None else next_reference.commitment
        nothing = (0, 0, 0, 0, 0, 0, False, False, bytes(32), bytes(32), NATIVE_COIN, 0, 0)
        return (*nothing, word, bytes(32), bytes(32), 0, 0, False, False, False)
    opened, settled, before = state.opened, state.settled, job.settled_before(number)
    times, commits = (opened.commit_end, opened.settle_end), len(state.commits)
    reference = bytes(32) if state.reference is None else state.reference.commitment
    given = (0 if before is None else before.number, reference, job.memory_digest(number))
    if settled is None:
        empty = (bytes(32), bytes(32), NATIVE_COIN, 0)
        flags = (0, state.slashed_mask, False, False, state.refunded)
        return (*times, 0, opened.scale_exponent, 0, commits, False, False, *empty, *given, bytes(32), *flags)
    done = settled.settlement
    return (
        *times,
        settled.challenge_end,
        opened.scale_exponent,
        done.next_scale_exponent,
        commits,
        True,
        state.overturned is not None,
        done.aggregate_commitment,
        done.aggregate_root,
        settled.aggregator,
        sum(done.weights),
        *given,
        done.next_memory_digest,
        done.included & (1 << 64) - 1,
        state.slashed_mask,
        done.reference,
        bool(state.bond),
        state.refunded,
    )


def statement(job: Job, settlement: Settlement, aggregator: str) -> tuple[Any, ...]:
    """Return IProofVerifier.Statement as the market must put it when ``aggregator`` settles the latest round."""
    included = [commit for commit in job.latest.commits if settlement.included >> commit.index & 1]
    terms, chain, reference = job.terms, job.scene.chain, settlement.reference
    words = [commit.commitment for commit in included]
    if reference:
        assert job.latest.reference is not None
        words.append(job.latest.reference.commitment)
    words += [] if job.previous is None else [job.previous]
    gram = (
        *(chain.chain_id, job.scene.market.address, job.id, job.number, aggregator),
        *(encode_id(terms.rule), encode_id(terms.score), terms.byzantine, terms.dimension),
        *(terms.bits, terms.headroom_bits, job.latest.opened.scale_exponent, job.latest.budget),
        *(terms.floor_bps, terms.cap_bps, reference, job.previous is not None, bool(settlement.history)),
        [commit.trainer for commit in included],
        [job.state.stakes[commit.trainer] for commit in included],
        [*map(decompress, words), *settlement.history],
        settlement.gram,
    )
    figures = (list(settlement.weights), list(settlement.scores), list(settlement.payouts))
    return (
        *(gram, *figures, settlement.aggregate_commitment, settlement.next_scale_exponent, terms.reference),
        *(job.state.memory_digest(job.number), settlement.next_memory_digest, astuple(settlement.witness)),
    )


def aggregate_claim(job: Job) -> tuple[Any, ...]:
    """Return IProofVerifier.AggregateClaim as the market must put it for the latest round."""
    assert job.latest.settled is not None
    terms, posted = job.terms, job.latest.settled.settlement
    return (
        *(job.scene.chain.chain_id, job.scene.market.address, job.id, job.number, terms.dimension, terms.bits),
        *(sum(posted.weights), posted.aggregate_commitment, posted.aggregate_root),
    )


def update_claim(job: Job, index: int) -> tuple[Any, ...]:
    """Return IProofVerifier.AggregateClaim as the market must put it for a committed update of the latest round."""
    terms = job.terms
    return (
        *(job.scene.chain.chain_id, job.scene.market.address, job.id, job.number, terms.dimension, terms.bits),
        *(1, job.latest.commits[index].commitment, bytes(32)),
    )
