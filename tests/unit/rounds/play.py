"""A small job, event by event: what tests of the reducer, of refusals and of free balances begin from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aggregator.proofs.statement import Witness
from market import rounds
from market.domain import (
    NATIVE_COIN,
    AggregatorNamed,
    BondReleased,
    Event,
    JobClosed,
    JobCreated,
    JobTerms,
    ReferenceCommitted,
    RoundOpened,
    RoundRefunded,
    RoundSettled,
    Settlement,
    SettlementOverturned,
    SettlementReplaced,
    TrainerJoined,
    TrainerSlashed,
    UpdateCommitted,
)
from market.rounds import JobState

OWNER, AGGREGATOR, OUTSIDER = "owner", "aggregator", "outsider"
SECOND, THIRD, CHALLENGER = "second aggregator", "third aggregator", "challenger"
A, B, C, D = "a", "b", "c", "d"
OPENED, COMMIT_END, SETTLE_END = 1_000, 1_100, 1_160
SETTLED, CHALLENGE_END, DEADLINE = 1_110, 1_150, 9_000
REPLACED, LATER_END = 1_140, 1_180
CID = b"\x01\x55\x12\x20" + bytes(32)

# Fewer trainers than a contract would take for f = 1, to keep the examples short.
TERMS = JobTerms(
    token=NATIVE_COIN,
    verifier=NATIVE_COIN,
    round_budget=100,
    rounds=2,
    stake_min=10,
    stake_max=20,
    aggregator_bond=0,
    challenger_share_bps=0,
    min_trainers=3,
    max_trainers=3,
    byzantine=1,
    dimension=4,
    bits=8,
    headroom_bits=2,
    scale_exponent=-7,
    commit_seconds=100,
    settle_seconds=60,
    challenge_seconds=40,
    deadline=DEADLINE,
    rule="mean",
    score="shapley",
)
CREATED = JobCreated(1, OWNER, TERMS, (AGGREGATOR,), CID)
OPEN = RoundOpened(1, 1, -7, COMMIT_END, SETTLE_END)
OPEN_AGAIN = RoundOpened(1, 2, -7, 2_100, 2_160)


def join(trainer: str, stake: int = 10) -> TrainerJoined:
    """Return that a trainer joined."""
    return TrainerJoined(1, trainer, stake)


def commit(trainer: str, index: int, number: int = 1) -> UpdateCommitted:
    """Return that a trainer committed an update."""
    return UpdateCommitted(1, number, trainer, index, trainer.encode() * 32, CID, 7)


def settlement(payouts: tuple[int, ...] = (50, 0, 49), included: int = 7) -> Settlement:
    """Return a settlement whose figures nobody checks."""
    return Settlement(*(included, (), (), b"", (), (), payouts, -9, bytes(32), bytes(32), bytes(32), CID, 7, Witness()))


def settled(posted: Settlement, **changes: Any) -> RoundSettled:
    """Return that the aggregator settled the first round."""
    return replace(RoundSettled(1, 1, AGGREGATOR, posted, sum(posted.payouts), CHALLENGE_END), **changes)


def play(*events: Event, created: JobCreated = CREATED) -> JobState:
    """Return the state of the job after these events."""
    state = rounds.start(created)
    for event in events:
        state = rounds.apply(state, event)
    return state


JOINS = (join(A), join(B, 15), join(C, 20))
COMMITS = (commit(A, 0), commit(B, 1), commit(C, 2))
FRESH = play()
JOINED = play(*JOINS)
OPENED_STATE = play(*JOINS, OPEN)
COMMITTED = play(*JOINS, OPEN, *COMMITS)
DONE = play(*JOINS, OPEN, *COMMITS, settled(settlement()))
CLOSED = rounds.apply(DONE, JobClosed(1, 101))

BONDED_TERMS = replace(TERMS, aggregator_bond=31, challenger_share_bps=2_500)
BONDED_CREATED = replace(CREATED, terms=BONDED_TERMS, aggregators=(AGGREGATOR, SECOND))
RELEASE = BondReleased(1, 1, AGGREGATOR, 31)
SLASH = SettlementOverturned(1, 1, CHALLENGER, AGGREGATOR, 31, 7, 99)
BONDED_COMMITTED = play(*JOINS, OPEN, *COMMITS, created=BONDED_CREATED)
CHALLENGEABLE = rounds.apply(BONDED_COMMITTED, settled(settlement()))
OVERTURNED = rounds.apply(CHALLENGEABLE, SLASH)

PARTIAL = rounds.apply(BONDED_COMMITTED, settled(settlement((60, 30), 0b101)))
"""Settled without the second trainer."""
GIVES_WAY = SettlementReplaced(1, 1, AGGREGATOR, 90)
WHOLE = settled(settlement(), aggregator=SECOND, challenge_end=LATER_END)
GAP = rounds.apply(rounds.apply(PARTIAL, GIVES_WAY), RELEASE)
REPLACED_STATE = rounds.apply(GAP, WHOLE)

OUT_OF_RANGE = TrainerSlashed(1, 1, CHALLENGER, A, 10, 2, 0)
SLASHED_EARLY = rounds.apply(BONDED_COMMITTED, OUT_OF_RANGE)
SLASHED_LATE = rounds.apply(CHALLENGEABLE, replace(OUT_OF_RANGE, returned=50))

REFUNDING = replace(CREATED, terms=replace(TERMS, refund_void=True))
REFUND = RoundRefunded(1, 1, 100)
VOID = play(*JOINS, OPEN, *COMMITS, created=REFUNDING)
"""Void from the end of its settling phase on."""

NAMING = AggregatorNamed(1, A, THIRD)
NAMED = rounds.apply(JOINED, NAMING)
NAMED_COMMITTED = rounds.apply(BONDED_COMMITTED, NAMING)
REFERRED = play(
    *(ReferenceCommitted(1, 1, b"r" * 32, CID, 7), *JOINS, OPEN, *COMMITS, NAMING),
    created=replace(CREATED, terms=replace(TERMS, reference=True)),
)
"""A round with a reference, in which one trainer named an aggregator."""

ALL_SETTLED = play(
    *(*JOINS, OPEN, *COMMITS, settled(settlement()), replace(OPEN_AGAIN, scale_exponent=-9)),
    *(replace(event, number=2) for event in COMMITS),
    settled(settlement(), number=2, challenge_end=2_140),
)
