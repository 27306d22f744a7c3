"""The reducer by itself: it is pure, it refuses what no sound contract emits, and it knows every boundary second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from aggregator.proofs.statement import Witness
from market import rounds
from market.domain import (
    NATIVE_COIN,
    BondPosted,
    BondWithdrawn,
    Event,
    JobClosed,
    JobCreated,
    JobTerms,
    PayoutClaimed,
    Phase,
    RefundWithdrawn,
    RewardWithdrawn,
    RoundOpened,
    RoundSettled,
    Settlement,
    SettlementOverturned,
    TrainerJoined,
    TrainerLeft,
    UpdateCommitted,
)
from market.errors import ForbiddenTransition
from market.rounds import JobState

OWNER, AGGREGATOR, OUTSIDER = "owner", "aggregator", "outsider"
A, B, C, D = "a", "b", "c", "d"
OPENED, COMMIT_END, SETTLE_END = 1_000, 1_100, 1_160
SETTLED, CHALLENGE_END, DEADLINE = 1_110, 1_150, 9_000
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


def join(trainer: str, stake: int = 10) -> TrainerJoined:
    return TrainerJoined(1, trainer, stake)


def commit(trainer: str, index: int, number: int = 1) -> UpdateCommitted:
    return UpdateCommitted(1, number, trainer, index, trainer.encode() * 32, CID, 7)


def settlement(payouts: tuple[int, ...] = (50, 0, 49), included: int = 7) -> Settlement:
    return Settlement(*(included, (), (), b"", (), (), payouts, -9, bytes(32), bytes(32), bytes(32), CID, 7, Witness()))


def settled(posted: Settlement, **changes: Any) -> RoundSettled:
    return replace(RoundSettled(1, 1, AGGREGATOR, posted, sum(posted.payouts), CHALLENGE_END), **changes)


def play(*events: Event, created: JobCreated = CREATED) -> JobState:
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

SECOND, CHALLENGER = "second aggregator", "challenger"
BONDED_TERMS = replace(TERMS, aggregator_bond=31, challenger_share_bps=2_500)
BONDED_CREATED = replace(CREATED, terms=BONDED_TERMS, aggregators=(AGGREGATOR, SECOND))
BOND = BondPosted(1, AGGREGATOR, 31)
SLASH = SettlementOverturned(1, 1, CHALLENGER, AGGREGATOR, 31, 7, 99)
UNBONDED = play(*JOINS, created=BONDED_CREATED)
BONDED = rounds.apply(UNBONDED, BOND)
BONDED_COMMITTED = play(*JOINS, BOND, OPEN, *COMMITS, created=BONDED_CREATED)
CHALLENGEABLE = rounds.apply(BONDED_COMMITTED, settled(settlement()))
OVERTURNED = rounds.apply(CHALLENGEABLE, SLASH)


def test_a_job_starts_with_its_whole_escrow() -> None:
    assert (FRESH.escrow, FRESH.refund, FRESH.closed, FRESH.latest) == (200, 0, False, None)
    assert FRESH.liabilities == 200
    assert FRESH.job_id == 1
    assert FRESH.phase(0) is Phase.NONE
    assert FRESH.next_scale_exponent() == -7


def test_a_whole_job_balances_at_every_step() -> None:
    state, held = rounds.start(CREATED), 200
    moves: list[tuple[Event, int]] = [
        *((event, event.stake) for event in JOINS),
        (OPEN, 0),
        *((event, 0) for event in COMMITS),
        (settled(settlement()), 0),
        (PayoutClaimed(1, 1, A, 50, A), -50),
        (TrainerLeft(1, B, 15, B), -15),
        (JobClosed(1, 101), 0),
        (RefundWithdrawn(1, OWNER, 101, OWNER), -101),
        (PayoutClaimed(1, 1, C, 49, D), -49),
        (TrainerLeft(1, A, 10, A), -10),
        (TrainerLeft(1, C, 20, C), -20),
    ]
    for event, change in moves:
        state, held = rounds.apply(state, event), held + change
        assert state.liabilities == held
    assert held == 0
    assert state.settled_rounds == state.rounds
    assert (state.escrow, state.refund, state.closed, dict(state.stakes)) == (0, 0, True, {})


def test_a_job_with_a_slash_balances_at_every_step() -> None:
    state, held = rounds.start(BONDED_CREATED), 200
    second_bond = BondPosted(1, SECOND, 31)
    moves: list[tuple[Event, int]] = [
        *((event, event.stake) for event in JOINS),
        (BOND, 31),
        (second_bond, 31),
        (OPEN, 0),
        *((event, 0) for event in COMMITS),
        (settled(settlement()), 0),
        (SLASH, 0),
        (RefundWithdrawn(1, OWNER, 24, OWNER), -24),
        (RoundOpened(1, 2, -7, 2_100, 2_160), 0),
        *((replace(event, number=2), 0) for event in COMMITS),
        (settled(settlement(), number=2, aggregator=SECOND, challenge_end=2_150), 0),
        (replace(SLASH, number=2, aggregator=SECOND), 0),
        (RewardWithdrawn(1, CHALLENGER, 14, CHALLENGER), -14),
        *((TrainerLeft(1, event.trainer, event.stake, A), -event.stake) for event in JOINS),
        (JobClosed(1, 200), 0),
        (RefundWithdrawn(1, OWNER, 224, OWNER), -224),
    ]
    for event, change in moves:
        state, held = rounds.apply(state, event), held + change
        assert state.liabilities == held
    assert held == 0
    assert (state.aggregators, state.settled_rounds, dict(state.rewards)) == ((), (), {})


def test_an_overturned_round_is_void_pays_nobody_and_hands_on_its_own_scale() -> None:
    (target,) = OVERTURNED.rounds
    assert [target.phase(now) for now in (SETTLED, CHALLENGE_END - 1, CHALLENGE_END, 1 << 64)] == [Phase.VOID] * 4
    assert target.payouts == {}
    assert [event.trainer for event in target.included] == [A, B, C]  # what it claimed stays on record
    assert OVERTURNED.next_scale_exponent() == OPEN.scale_exponent
    assert CHALLENGEABLE.next_scale_exponent() == -9
    assert OVERTURNED.claimable(A, 1 << 64) == {}
    assert (OVERTURNED.escrow, OVERTURNED.refund, dict(OVERTURNED.rewards)) == (200, 24, {CHALLENGER: 7})
    assert OVERTURNED.aggregators == (SECOND,)
    assert OVERTURNED.slashed == {AGGREGATOR}
    assert OVERTURNED.bonds == {}
    assert OVERTURNED.settled_rounds == ()
    assert not OVERTURNED.finished(DEADLINE - 1)


def test_without_a_share_nobody_has_a_reward() -> None:
    terms = replace(BONDED_TERMS, challenger_share_bps=0)
    state = play(*JOINS, BOND, OPEN, *COMMITS, settled(settlement()), created=replace(BONDED_CREATED, terms=terms))
    state = rounds.apply(state, replace(SLASH, reward=0))
    assert (dict(state.rewards), state.refund) == ({}, 31)


def test_applying_an_event_changes_no_earlier_state() -> None:
    before, seen = COMMITTED, repr(COMMITTED)
    first = rounds.apply(before, settled(settlement()))
    assert rounds.apply(before, settled(settlement())) == first
    assert repr(before) == seen
    with pytest.raises(FrozenInstanceError):
        before.escrow = 0  # type: ignore[misc]
    with pytest.raises(TypeError):
        before.stakes[A] = 0  # type: ignore[index]


FORBIDDEN: dict[str, tuple[JobState, Event]] = {
    "created twice": (FRESH, CREATED),
    "joined twice": (JOINED, join(A)),
    "joined a full job": (JOINED, join(D)),
    "joined a closed job": (CLOSED, join(D)),
    "joined with too little": (FRESH, join(A, 9)),
    "joined with too much": (FRESH, join(A, 21)),
    "left without a stake": (FRESH, TrainerLeft(1, A, 10, A)),
    "left with another stake": (JOINED, TrainerLeft(1, A, 11, A)),
    "opened out of turn": (JOINED, replace(OPEN, number=2)),
    "opened with another scale": (JOINED, replace(OPEN, scale_exponent=-8)),
    "opened with another window": (JOINED, replace(OPEN, settle_end=SETTLE_END + 1)),
    "opened with too few": (play(join(A)), OPEN),
    "opened while another is live": (OPENED_STATE, RoundOpened(1, 2, -7, COMMIT_END + 50, SETTLE_END + 50)),
    "opened from the deadline on": (JOINED, replace(OPEN, commit_end=DEADLINE + 100, settle_end=DEADLINE + 160)),
    "opened after the close": (CLOSED, RoundOpened(1, 2, -9, 2_100, 2_160)),
    "committed before any round": (JOINED, commit(A, 0)),
    "committed to another round": (OPENED_STATE, commit(A, 0, 2)),
    "committed out of order": (OPENED_STATE, commit(A, 1)),
    "committed twice": (COMMITTED, commit(A, 3)),
    "committed without a stake": (OPENED_STATE, commit(D, 0)),
    "committed a copy": (
        rounds.apply(OPENED_STATE, commit(A, 0)),
        replace(commit(B, 1), commitment=commit(A, 0).commitment),
    ),
    "committed after the settlement": (
        rounds.apply(rounds.apply(DONE, TrainerLeft(1, B, 15, B)), join(D)),
        commit(D, 3),
    ),
    "settled before any round": (JOINED, settled(settlement())),
    "settled another round": (COMMITTED, settled(settlement(), number=2)),
    "settled twice": (DONE, settled(settlement())),
    "settled by somebody else": (COMMITTED, settled(settlement(), aggregator=OUTSIDER)),
    "settled too early": (COMMITTED, settled(settlement(), challenge_end=COMMIT_END + 39)),
    "settled too late": (COMMITTED, settled(settlement(), challenge_end=SETTLE_END + 40)),
    "settled with too few": (rounds.apply(OPENED_STATE, commit(A, 0)), settled(settlement((1,), 1))),
    "settled with strangers": (COMMITTED, settled(settlement((1, 1, 1, 1), 15))),
    "settled without too many": (COMMITTED, settled(settlement((50,), 1))),
    "settled with payouts of another length": (COMMITTED, settled(settlement((50, 49)))),
    "settled with another sum": (COMMITTED, settled(settlement(), paid=98)),
    "settled above the budget": (COMMITTED, settled(settlement((50, 50, 1)))),
    "claimed in no round": (DONE, PayoutClaimed(1, 2, A, 50, A)),
    "claimed before the settlement": (COMMITTED, PayoutClaimed(1, 1, A, 50, A)),
    "claimed another amount": (DONE, PayoutClaimed(1, 1, A, 49, A)),
    "claimed nothing": (DONE, PayoutClaimed(1, 1, B, 0, B)),
    "claimed by a stranger": (DONE, PayoutClaimed(1, 1, D, 50, D)),
    "claimed twice": (rounds.apply(DONE, PayoutClaimed(1, 1, A, 50, A)), PayoutClaimed(1, 1, A, 50, A)),
    "closed twice": (CLOSED, JobClosed(1, 0)),
    "closed with another refund": (DONE, JobClosed(1, 100)),
    "withdrawn before the close": (DONE, RefundWithdrawn(1, OWNER, 101, OWNER)),
    "withdrawn nothing": (DONE, RefundWithdrawn(1, OWNER, 0, OWNER)),
    "bonded where none is asked": (JOINED, BondPosted(1, AGGREGATOR, 0)),
    "bonded by somebody else": (UNBONDED, replace(BOND, aggregator=OUTSIDER)),
    "bonded with another amount": (UNBONDED, replace(BOND, bond=30)),
    "bonded twice": (BONDED, BOND),
    "bonded after a slash": (OVERTURNED, BOND),
    "bonded after the close": (rounds.apply(UNBONDED, JobClosed(1, 200)), BOND),
    "bond withdrawn by who has none": (BONDED, BondWithdrawn(1, SECOND, 31, SECOND)),
    "bond withdrawn of another amount": (BONDED, BondWithdrawn(1, AGGREGATOR, 30, AGGREGATOR)),
    "bond withdrawn after a slash": (OVERTURNED, BondWithdrawn(1, AGGREGATOR, 31, AGGREGATOR)),
    "settled without a bond": (
        rounds.apply(BONDED_COMMITTED, BondWithdrawn(1, AGGREGATOR, 31, AGGREGATOR)),
        settled(settlement()),
    ),
    "settled after a slash": (OVERTURNED, settled(settlement())),
    "overturned before the settlement": (BONDED_COMMITTED, SLASH),
    "overturned before any round": (UNBONDED, SLASH),
    "overturned another round": (CHALLENGEABLE, replace(SLASH, number=2)),
    "overturned twice": (OVERTURNED, SLASH),
    "overturned of another aggregator": (CHALLENGEABLE, replace(SLASH, aggregator=SECOND)),
    "overturned with another bond": (CHALLENGEABLE, replace(SLASH, bond=30)),
    "overturned with another reward": (CHALLENGEABLE, replace(SLASH, reward=8)),
    "overturned with another sum": (CHALLENGEABLE, replace(SLASH, returned=98)),
    "overturned after a claim": (rounds.apply(CHALLENGEABLE, PayoutClaimed(1, 1, A, 50, A)), SLASH),
    "overturned after the close": (rounds.apply(CHALLENGEABLE, JobClosed(1, 101)), SLASH),
    "claimed from an overturned round": (OVERTURNED, PayoutClaimed(1, 1, A, 50, A)),
    "reward of somebody else": (OVERTURNED, RewardWithdrawn(1, OUTSIDER, 7, OUTSIDER)),
    "reward of another amount": (OVERTURNED, RewardWithdrawn(1, CHALLENGER, 8, CHALLENGER)),
    "reward withdrawn twice": (
        rounds.apply(OVERTURNED, RewardWithdrawn(1, CHALLENGER, 7, A)),
        RewardWithdrawn(1, CHALLENGER, 7, A),
    ),
    "withdrawn another amount": (CLOSED, RefundWithdrawn(1, OWNER, 100, OWNER)),
    "withdrawn twice": (
        rounds.apply(CLOSED, RefundWithdrawn(1, OWNER, 101, OWNER)),
        RefundWithdrawn(1, OWNER, 0, OWNER),
    ),
    "committed after the close": (
        rounds.apply(play(*JOINS, OPEN, *COMMITS[:2]), JobClosed(1, 200)),
        commit(C, 2),
    ),
    "settled after the close": (
        rounds.apply(COMMITTED, JobClosed(1, 200)),
        settled(settlement((0, 0, 0))),
    ),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_no_sound_contract_emits_is_refused(name: str) -> None:
    state, event = FORBIDDEN[name]
    before = repr(state)
    with pytest.raises(ForbiddenTransition) as refusal:
        rounds.apply(state, event)
    assert refusal.value.details["event"] == type(event).__name__
    assert repr(state) == before


@pytest.mark.parametrize(
    ("now", "phase"),
    [
        (0, Phase.OPEN),
        (COMMIT_END - 1, Phase.OPEN),
        (COMMIT_END, Phase.SETTLING),
        (SETTLE_END - 1, Phase.SETTLING),
        (SETTLE_END, Phase.VOID),
        (1 << 64, Phase.VOID),
    ],
)
def test_phases_of_an_unsettled_round(now: int, phase: Phase) -> None:
    assert COMMITTED.phase(now) is phase
    assert phase.terminal == (phase is Phase.VOID)


@pytest.mark.parametrize(
    ("now", "phase"), [(CHALLENGE_END - 1, Phase.CHALLENGEABLE), (CHALLENGE_END, Phase.FINAL), (1 << 64, Phase.FINAL)]
)
def test_phases_of_a_settled_round(now: int, phase: Phase) -> None:
    assert DONE.phase(now) is phase
    assert phase.terminal == (phase is Phase.FINAL)


def test_payouts_belong_to_the_included_in_their_order() -> None:
    state = rounds.apply(COMMITTED, settled(settlement((1, 2), included=0b101)))
    assert state.rounds[0].payouts == {A: 1, C: 2}
    assert [event.trainer for event in state.rounds[0].included] == [A, C]
    assert COMMITTED.rounds[0].payouts == {}
    assert COMMITTED.rounds[0].included == ()


def test_what_is_claimable_is_final_positive_and_unclaimed() -> None:
    assert DONE.claimable(A, CHALLENGE_END - 1) == {}
    assert DONE.claimable(A, CHALLENGE_END) == {1: 50}
    assert DONE.claimable(B, CHALLENGE_END) == {}
    assert DONE.claimable(D, CHALLENGE_END) == {}
    assert rounds.apply(DONE, PayoutClaimed(1, 1, A, 50, A)).claimable(A, CHALLENGE_END) == {}


def test_scales_are_handed_on_as_agreed() -> None:
    assert OPENED_STATE.next_scale_exponent() == -7
    assert DONE.next_scale_exponent() == -9


def test_rounds_are_found_by_number() -> None:
    assert DONE.round(1) is DONE.rounds[0]
    assert [DONE.round(number) for number in (-1, 0, 2)] == [None, None, None]


ALL_SETTLED = rounds.apply(
    play(*JOINS, OPEN, *COMMITS, settled(settlement()), RoundOpened(1, 2, -9, 2_100, 2_160)),
    UpdateCommitted(1, 2, A, 0, b"x" * 32, CID, 7),
)
for _index, _trainer in enumerate((B, C), start=1):
    ALL_SETTLED = rounds.apply(ALL_SETTLED, replace(commit(_trainer, _index, 2)))
ALL_SETTLED = rounds.apply(ALL_SETTLED, settled(settlement(), number=2, challenge_end=2_140))

Refusal = Callable[[], str | None]
REFUSALS: list[tuple[str | None, Refusal]] = [
    ("Market_JobClosed", lambda: rounds.refusal_to_open(CLOSED, 5_000)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_open(COMMITTED, SETTLE_END - 1)),
    (None, lambda: rounds.refusal_to_open(COMMITTED, SETTLE_END)),
    ("Market_AllRoundsSettled", lambda: rounds.refusal_to_open(ALL_SETTLED, DEADLINE)),
    (None, lambda: rounds.refusal_to_open(JOINED, DEADLINE - 1)),
    ("Market_DeadlinePassed", lambda: rounds.refusal_to_open(JOINED, DEADLINE)),
    ("Market_TooFewTrainers", lambda: rounds.refusal_to_open(FRESH, 0)),
    ("Market_JobClosed", lambda: rounds.refusal_to_join(CLOSED, A, 10)),
    ("Market_AlreadyJoined", lambda: rounds.refusal_to_join(JOINED, A, 0)),
    ("Market_JobFull", lambda: rounds.refusal_to_join(JOINED, D, 0)),
    ("Market_StakeOutOfRange", lambda: rounds.refusal_to_join(FRESH, A, 9)),
    ("Market_StakeOutOfRange", lambda: rounds.refusal_to_join(FRESH, A, 21)),
    (None, lambda: rounds.refusal_to_join(FRESH, A, 20)),
    ("Market_NotTrainer", lambda: rounds.refusal_to_leave(COMMITTED, D, 0)),
    ("Market_StakeLocked", lambda: rounds.refusal_to_leave(COMMITTED, A, SETTLE_END - 1)),
    (None, lambda: rounds.refusal_to_leave(COMMITTED, A, SETTLE_END)),
    (None, lambda: rounds.refusal_to_leave(OPENED_STATE, A, OPENED)),
    (None, lambda: rounds.refusal_to_leave(JOINED, A, 0)),
    ("Market_StakeLocked", lambda: rounds.refusal_to_leave(DONE, A, CHALLENGE_END - 1)),
    ("Market_NotTrainer", lambda: rounds.refusal_to_commit(OPENED_STATE, 1, D, OPENED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_commit(OPENED_STATE, 2, A, OPENED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_commit(OPENED_STATE, 1, A, COMMIT_END)),
    ("Market_AlreadyCommitted", lambda: rounds.refusal_to_commit(COMMITTED, 1, A, COMMIT_END - 1)),
    (None, lambda: rounds.refusal_to_commit(OPENED_STATE, 1, A, COMMIT_END - 1)),
    ("Market_NotAggregator", lambda: rounds.refusal_to_settle(COMMITTED, 1, OWNER, 7, SETTLED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_settle(COMMITTED, 2, AGGREGATOR, 7, SETTLED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_settle(COMMITTED, 1, AGGREGATOR, 7, COMMIT_END - 1)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_settle(COMMITTED, 1, AGGREGATOR, 7, SETTLE_END)),
    ("Market_TooFewTrainers", lambda: rounds.refusal_to_settle(OPENED_STATE, 1, AGGREGATOR, 0, SETTLED)),
    ("Market_UnknownTrainers", lambda: rounds.refusal_to_settle(COMMITTED, 1, AGGREGATOR, 8, SETTLED)),
    ("Market_TooManyExcluded", lambda: rounds.refusal_to_settle(COMMITTED, 1, AGGREGATOR, 1, SETTLED)),
    (None, lambda: rounds.refusal_to_settle(COMMITTED, 1, AGGREGATOR, 6, SETTLED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_claim(DONE, 2, A, CHALLENGE_END)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_claim(DONE, 1, A, CHALLENGE_END - 1)),
    ("Market_NothingToClaim", lambda: rounds.refusal_to_claim(DONE, 1, B, CHALLENGE_END)),
    (None, lambda: rounds.refusal_to_claim(DONE, 1, A, CHALLENGE_END)),
    (
        "Market_AlreadyClaimed",
        lambda: rounds.refusal_to_claim(rounds.apply(DONE, PayoutClaimed(1, 1, A, 50, A)), 1, A, CHALLENGE_END),
    ),
    ("Market_JobClosed", lambda: rounds.refusal_to_close(CLOSED, OWNER, DEADLINE)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_close(DONE, OWNER, CHALLENGE_END - 1)),
    ("Market_JobRunning", lambda: rounds.refusal_to_close(DONE, OWNER, CHALLENGE_END)),
    ("Market_JobRunning", lambda: rounds.refusal_to_close(FRESH, OUTSIDER, DEADLINE - 1)),
    (None, lambda: rounds.refusal_to_close(FRESH, OWNER, 0)),
    (None, lambda: rounds.refusal_to_close(JOINED, OUTSIDER, DEADLINE)),
    (None, lambda: rounds.refusal_to_close(ALL_SETTLED, OUTSIDER, 2_140)),
    ("Market_NotOwner", lambda: rounds.refusal_to_withdraw(CLOSED, A)),
    ("Market_NothingToWithdraw", lambda: rounds.refusal_to_withdraw(DONE, OWNER)),
    (None, lambda: rounds.refusal_to_withdraw(CLOSED, OWNER)),
    (None, lambda: rounds.refusal_to_withdraw(OVERTURNED, OWNER)),
    ("Market_NotAggregator", lambda: rounds.refusal_to_post_bond(UNBONDED, OUTSIDER)),
    ("Market_NotAggregator", lambda: rounds.refusal_to_post_bond(OVERTURNED, AGGREGATOR)),
    ("Market_JobClosed", lambda: rounds.refusal_to_post_bond(CLOSED, AGGREGATOR)),
    ("Market_NoBondAsked", lambda: rounds.refusal_to_post_bond(JOINED, AGGREGATOR)),
    ("Market_AlreadyBonded", lambda: rounds.refusal_to_post_bond(BONDED, AGGREGATOR)),
    (None, lambda: rounds.refusal_to_post_bond(BONDED, SECOND)),
    ("Market_NotBonded", lambda: rounds.refusal_to_withdraw_bond(BONDED, SECOND, 0)),
    (None, lambda: rounds.refusal_to_withdraw_bond(BONDED_COMMITTED, AGGREGATOR, SETTLED)),
    ("Market_BondLocked", lambda: rounds.refusal_to_withdraw_bond(CHALLENGEABLE, AGGREGATOR, CHALLENGE_END - 1)),
    (None, lambda: rounds.refusal_to_withdraw_bond(CHALLENGEABLE, AGGREGATOR, CHALLENGE_END)),
    ("Market_NotBonded", lambda: rounds.refusal_to_withdraw_bond(OVERTURNED, AGGREGATOR, CHALLENGE_END)),
    ("Market_NotBonded", lambda: rounds.refusal_to_settle(BONDED_COMMITTED, 1, SECOND, 7, 0)),
    (None, lambda: rounds.refusal_to_settle(BONDED_COMMITTED, 1, AGGREGATOR, 7, SETTLED)),
    ("Market_NotAggregator", lambda: rounds.refusal_to_settle(OVERTURNED, 1, AGGREGATOR, 7, SETTLED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_challenge(BONDED_COMMITTED, 1, SETTLED)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_challenge(CHALLENGEABLE, 2, SETTLED)),
    (None, lambda: rounds.refusal_to_challenge(CHALLENGEABLE, 1, CHALLENGE_END - 1)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_challenge(CHALLENGEABLE, 1, CHALLENGE_END)),
    ("Market_WrongPhase", lambda: rounds.refusal_to_challenge(OVERTURNED, 1, CHALLENGE_END - 1)),
    ("Market_NothingToWithdraw", lambda: rounds.refusal_to_withdraw_reward(OVERTURNED, AGGREGATOR)),
    (None, lambda: rounds.refusal_to_withdraw_reward(OVERTURNED, CHALLENGER)),
    (None, lambda: rounds.refusal_to_open(OVERTURNED, SETTLED)),
    (None, lambda: rounds.refusal_to_leave(OVERTURNED, A, SETTLED)),
]


@pytest.mark.parametrize(("expected", "refusal"), REFUSALS, ids=lambda value: value if isinstance(value, str) else "")
def test_refusals_are_named_as_the_contract_names_them(expected: str | None, refusal: Refusal) -> None:
    assert refusal() == expected


@pytest.mark.parametrize(
    ("state", "now", "finished"),
    [
        (FRESH, DEADLINE - 1, False),
        (FRESH, DEADLINE, True),
        (rounds.apply(FRESH, JobClosed(1, 200)), 0, True),
        (DONE, CHALLENGE_END, False),
        (ALL_SETTLED, 2_139, False),
        (ALL_SETTLED, 2_140, True),
        (
            play(*JOINS, replace(OPEN, commit_end=DEADLINE + 50, settle_end=DEADLINE + 110)),
            DEADLINE + 109,
            False,
        ),
        (
            play(*JOINS, replace(OPEN, commit_end=DEADLINE + 50, settle_end=DEADLINE + 110)),
            DEADLINE + 110,
            True,
        ),
    ],
)
def test_a_job_is_finished_when_no_round_can_come_and_none_is_live(state: JobState, now: int, finished: bool) -> None:
    assert state.finished(now) is finished
