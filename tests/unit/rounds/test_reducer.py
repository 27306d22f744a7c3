"""The reducer by itself: it is pure, it refuses what no sound contract emits, and it knows every boundary second."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from market import accounts, rounds
from market.accounts import Accounts
from market.domain import (
    NATIVE_COIN,
    AggregatorNamed,
    Deposited,
    Event,
    JobClosed,
    JobCreated,
    JobExtended,
    JobStopped,
    MarketEvent,
    PayoutClaimed,
    Phase,
    RoundOpened,
    TrainerLeft,
    Withdrawn,
)
from market.errors import ForbiddenTransition
from market.rounds import JobState
from tests.unit.rounds.play import (
    AGGREGATOR,
    ALL_SETTLED,
    BONDED_COMMITTED,
    BONDED_CREATED,
    CHALLENGE_END,
    CHALLENGEABLE,
    CHALLENGER,
    CLOSED,
    COMMIT_END,
    COMMITS,
    COMMITTED,
    CREATED,
    DEADLINE,
    DONE,
    FRESH,
    GAP,
    GIVES_WAY,
    JOINED,
    JOINS,
    LATER_END,
    NAMED,
    NAMING,
    OPEN,
    OPEN_AGAIN,
    OPENED,
    OPENED_STATE,
    OUT_OF_RANGE,
    OUTSIDER,
    OVERTURNED,
    OWNER,
    PARTIAL,
    REFERRED,
    REFUND,
    REFUNDING,
    RELEASE,
    REPLACED_STATE,
    SECOND,
    SETTLE_END,
    SETTLED,
    SLASH,
    SLASHED_EARLY,
    SLASHED_LATE,
    TERMS,
    THIRD,
    VOID,
    WHOLE,
    A,
    B,
    C,
    D,
    commit,
    join,
    play,
    settled,
    settlement,
)


def test_a_job_starts_with_its_whole_escrow() -> None:
    assert (FRESH.escrow, FRESH.closed, FRESH.latest, FRESH.used) == (200, False, None, 0)
    assert FRESH.liabilities == 200
    assert (FRESH.job_id, FRESH.owner, FRESH.terms) == (1, OWNER, TERMS)
    assert FRESH.phase(0) is Phase.NONE
    assert FRESH.next_scale_exponent() == -7


Moves = list[tuple[MarketEvent, int]]
WHOLE_JOB: Moves = [
    *((event, event.stake) for event in JOINS),
    (OPEN, 0),
    *((event, 0) for event in COMMITS),
    (settled(settlement()), 0),
    (PayoutClaimed(1, 1, A, 50, A), -50),
    (TrainerLeft(1, B, 15, B), -15),
    (JobClosed(1, 101), 0),
    (Withdrawn(NATIVE_COIN, OWNER, 101, OWNER), -101),
    (PayoutClaimed(1, 1, C, 49, D), -49),
    (TrainerLeft(1, A, 10, A), -10),
    (TrainerLeft(1, C, 20, C), -20),
]
OVERTURNED_TWICE: Moves = [
    *((event, event.stake) for event in JOINS),
    (Deposited(NATIVE_COIN, AGGREGATOR, 31), 31),
    (Deposited(NATIVE_COIN, SECOND, 32), 32),
    (OPEN, 0),
    *((event, 0) for event in COMMITS),
    (settled(settlement()), 0),
    (SLASH, 0),
    (Withdrawn(NATIVE_COIN, OWNER, 24, OWNER), -24),
    (OPEN_AGAIN, 0),
    *((replace(event, number=2), 0) for event in COMMITS),
    (settled(settlement(), number=2, aggregator=SECOND, challenge_end=2_150), 0),
    (replace(SLASH, number=2, aggregator=SECOND), 0),
    (Withdrawn(NATIVE_COIN, CHALLENGER, 14, CHALLENGER), -14),
    *((TrainerLeft(1, event.trainer, event.stake, A), -event.stake) for event in JOINS),
    (JobClosed(1, 200), 0),
    (Withdrawn(NATIVE_COIN, OWNER, 224, OWNER), -224),
    (Withdrawn(NATIVE_COIN, SECOND, 1, SECOND), -1),
]
REPLACED_AND_SLASHED: Moves = [
    *((event, event.stake) for event in JOINS),
    (AggregatorNamed(1, A, THIRD), 0),
    (Deposited(NATIVE_COIN, AGGREGATOR, 31), 31),
    (Deposited(NATIVE_COIN, THIRD, 31), 31),
    (OPEN, 0),
    *((event, 0) for event in COMMITS),
    (settled(settlement((60, 30), 0b101)), 0),
    (GIVES_WAY, 0),
    (RELEASE, 0),
    (Withdrawn(NATIVE_COIN, AGGREGATOR, 31, AGGREGATOR), -31),
    (replace(WHOLE, aggregator=THIRD), 0),
    (AggregatorNamed(1, A, NATIVE_COIN), 0),
    (replace(OUT_OF_RANGE, returned=50), 0),
    (replace(RELEASE, aggregator=THIRD), 0),
    (JobExtended(1, 3, 150, DEADLINE, 200), 200),
    (JobStopped(1, DEADLINE - 1), 0),
    (PayoutClaimed(1, 1, C, 49, C), -49),
    (TrainerLeft(1, B, 15, B), -15),
    (TrainerLeft(1, C, 20, C), -20),
    (JobClosed(1, 351), 0),
    (Withdrawn(NATIVE_COIN, OWNER, 359, OWNER), -359),
    (Withdrawn(NATIVE_COIN, CHALLENGER, 2, CHALLENGER), -2),
    (Withdrawn(NATIVE_COIN, THIRD, 31, THIRD), -31),
]
REFUNDED: Moves = [
    *((event, event.stake) for event in JOINS),
    (OPEN, 0),
    *((event, 0) for event in COMMITS),
    (REFUND, 0),
    (OPEN_AGAIN, 0),
    (replace(REFUND, number=2), 0),
    (JobClosed(1, 0), 0),
    (Withdrawn(NATIVE_COIN, OWNER, 200, OWNER), -200),
    *((TrainerLeft(1, event.trainer, event.stake, A), -event.stake) for event in JOINS),
]


@pytest.mark.parametrize(
    ("created", "moves"),
    [
        (CREATED, WHOLE_JOB),
        (BONDED_CREATED, OVERTURNED_TWICE),
        (BONDED_CREATED, REPLACED_AND_SLASHED),
        (REFUNDING, REFUNDED),
    ],
    ids=["whole job", "overturned twice", "replaced and slashed", "refunded"],
)
def test_a_job_and_the_free_balances_hold_what_came_in_at_every_step(created: JobCreated, moves: Moves) -> None:
    state, books, held = rounds.start(created), accounts.apply(Accounts(), created), 200
    for event, change in moves:
        if not isinstance(event, Deposited | Withdrawn):
            state = rounds.apply(state, event)
        books, held = accounts.apply(books, event), held + change
        assert state.liabilities + books.owed(NATIVE_COIN) == held
    assert held == 0
    assert (state.escrow, state.bonds, state.closed, dict(state.stakes), dict(state.named)) == (0, 0, True, {}, {})
    assert books.balances == {}


def test_an_overturned_round_is_void_pays_nobody_and_hands_on_its_own_scale() -> None:
    (target,) = OVERTURNED.rounds
    assert [target.phase(now) for now in (SETTLED, CHALLENGE_END - 1, CHALLENGE_END, 1 << 64)] == [Phase.VOID] * 4
    assert target.payouts == {}
    assert [event.trainer for event in target.included] == [A, B, C]  # what it claimed stays on record
    assert OVERTURNED.next_scale_exponent() == OPEN.scale_exponent
    assert CHALLENGEABLE.next_scale_exponent() == -9
    assert OVERTURNED.claimable(A, 1 << 64) == {}
    assert (OVERTURNED.escrow, OVERTURNED.bonds, OVERTURNED.used) == (200, 0, 0)
    assert OVERTURNED.aggregators == (SECOND,)
    assert OVERTURNED.dismissed == {AGGREGATOR}
    assert OVERTURNED.settled_rounds == ()
    assert not OVERTURNED.finished(DEADLINE - 1)


def test_a_settlement_with_more_trainers_takes_the_place_and_its_window_begins_anew() -> None:
    (target,) = REPLACED_STATE.rounds
    assert (target.settled, target.bond, REPLACED_STATE.escrow) == (WHOLE, 31, 101)
    assert [event.settlement.included for event in target.replaced] == [0b101]
    assert target.payouts == {A: 50, B: 0, C: 49}
    assert target.phase(CHALLENGE_END) is Phase.CHALLENGEABLE
    assert target.phase(LATER_END) is Phase.FINAL
    assert REPLACED_STATE.releasable(SECOND, LATER_END) == {1: 31}
    assert REPLACED_STATE.releasable(SECOND, LATER_END - 1) == REPLACED_STATE.releasable(AGGREGATOR, LATER_END) == {}


def test_a_slash_after_the_settlement_leaves_room_for_who_was_left_out() -> None:
    state = PARTIAL
    for event in (replace(OUT_OF_RANGE, returned=60), replace(GIVES_WAY, returned=30), RELEASE):
        state = rounds.apply(state, event)
    others = settled(settlement((40, 41), 0b110), aggregator=SECOND, challenge_end=LATER_END)
    state = rounds.apply(state, others)
    assert state.rounds[0].payouts == {B: 40, C: 41}
    assert state.escrow == 200 - 81


def test_a_trainer_out_of_range_loses_stake_place_and_this_rounds_pay() -> None:
    for state in (SLASHED_EARLY, SLASHED_LATE):
        assert A not in state.stakes
        assert state.rounds[0].slashed_mask == 1
        assert state.rounds[0].commit_of(A) is not None
    assert SLASHED_LATE.rounds[0].payouts == {A: 0, B: 0, C: 49}
    assert (SLASHED_EARLY.escrow, SLASHED_LATE.escrow) == (200, 151)
    back = rounds.apply(SLASHED_EARLY, join(A, 20))
    assert rounds.refusal_to_commit(back, 1, A, OPENED) == "Market_AlreadyCommitted"


def test_a_naming_counts_until_its_trainer_changes_it_or_its_aggregator_is_dismissed() -> None:
    assert NAMED.aggregators == (AGGREGATOR, THIRD)
    assert rounds.apply(NAMED, replace(NAMING, trainer=B)).aggregators == (AGGREGATOR, THIRD)
    assert rounds.apply(NAMED, replace(NAMING, aggregator=SECOND)).aggregators == (AGGREGATOR, SECOND)
    assert rounds.apply(NAMED, replace(NAMING, aggregator=NATIVE_COIN)).aggregators == (AGGREGATOR,)
    again = rounds.apply(OVERTURNED, replace(NAMING, aggregator=AGGREGATOR))
    assert again.aggregators == (SECOND,)


def test_an_extension_changes_the_rounds_to_come_and_a_stop_the_deadline() -> None:
    state = rounds.apply(DONE, JobExtended(1, 4, 120, DEADLINE + 5, 260))
    assert (state.terms.rounds, state.terms.round_budget, state.terms.deadline) == (4, 120, DEADLINE + 5)
    assert state.escrow == 101 + 260
    assert DONE.extension_deposit(4, 120, CHALLENGE_END) == 260
    assert (state.rounds[0].budget, state.rules_of(state.rounds[0]).budget) == (100, 100)
    again = rounds.apply(state, replace(OPEN_AGAIN, scale_exponent=-9))
    assert again.rules_of(again.rounds[1]).budget == 120
    stopped = rounds.apply(state, JobStopped(1, 2_000))
    assert rounds.refusal_to_open(state, 2_000) is None
    assert rounds.refusal_to_open(stopped, 2_000) == "Market_DeadlinePassed"


def test_a_void_round_is_used_up_where_the_job_says_so() -> None:
    assert [VOID.used_by(now) for now in (SETTLE_END - 1, SETTLE_END)] == [0, 1]
    assert [COMMITTED.used_by(now) for now in (SETTLE_END - 1, SETTLE_END)] == [0, 0]
    assert VOID.refund_due(SETTLE_END) == 100
    assert VOID.extension_deposit(3, 100, SETTLE_END) == 100
    done = rounds.apply(VOID, REFUND)
    assert (done.escrow, done.used, done.refund_due(SETTLE_END)) == (100, 1, 0)
    last = rounds.apply(done, OPEN_AGAIN)
    assert [last.finished(now) for now in (2_159, 2_160)] == [False, True]
    assert rounds.refusal_to_open(last, 2_160) == "Market_AllRoundsUsed"


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
    "settled after a slash": (OVERTURNED, settled(settlement())),
    "settled by who was dismissed": (
        play(*JOINS, OPEN, *COMMITS, settled(settlement()), SLASH, OPEN_AGAIN, created=BONDED_CREATED),
        settled(settlement(), number=2),
    ),
    "settled first without the reference by whom only a trainer named": (
        REFERRED,
        settled(settlement(), aggregator=THIRD),
    ),
    "replaced before the settlement": (BONDED_COMMITTED, GIVES_WAY),
    "replaced of another aggregator": (PARTIAL, replace(GIVES_WAY, aggregator=SECOND)),
    "replaced with another sum": (PARTIAL, replace(GIVES_WAY, returned=89)),
    "replaced after an overturn": (OVERTURNED, replace(GIVES_WAY, returned=0)),
    "replaced while its bond is held": (rounds.apply(PARTIAL, GIVES_WAY), WHOLE),
    "replaced by the same trainers": (GAP, settled(settlement((60, 30), 0b101), challenge_end=LATER_END)),
    "replaced by others": (GAP, settled(settlement((60, 30), 0b110), challenge_end=LATER_END)),
    "replaced after the window": (GAP, replace(WHOLE, challenge_end=CHALLENGE_END + 40)),
    "replaced by a slashed trainer": (
        rounds.apply(
            rounds.apply(rounds.apply(PARTIAL, replace(OUT_OF_RANGE, returned=60)), replace(GIVES_WAY, returned=30)),
            RELEASE,
        ),
        WHOLE,
    ),
    "overturned before the settlement": (BONDED_COMMITTED, SLASH),
    "overturned before any round": (play(*JOINS, created=BONDED_CREATED), SLASH),
    "overturned another round": (CHALLENGEABLE, replace(SLASH, number=2)),
    "overturned twice": (OVERTURNED, SLASH),
    "overturned of another aggregator": (CHALLENGEABLE, replace(SLASH, aggregator=SECOND)),
    "overturned of who was replaced": (REPLACED_STATE, SLASH),
    "overturned with another bond": (CHALLENGEABLE, replace(SLASH, bond=30)),
    "overturned with another reward": (CHALLENGEABLE, replace(SLASH, reward=8)),
    "overturned with another sum": (CHALLENGEABLE, replace(SLASH, returned=98)),
    "overturned after a claim": (rounds.apply(CHALLENGEABLE, PayoutClaimed(1, 1, A, 50, A)), SLASH),
    "overturned after the close": (rounds.apply(rounds.apply(CHALLENGEABLE, RELEASE), JobClosed(1, 101)), SLASH),
    "claimed from an overturned round": (OVERTURNED, PayoutClaimed(1, 1, A, 50, A)),
    "claimed what was replaced": (REPLACED_STATE, PayoutClaimed(1, 1, A, 60, A)),
    "claimed after a slash": (SLASHED_LATE, PayoutClaimed(1, 1, A, 50, A)),
    "slashed without a commitment": (OPENED_STATE, OUT_OF_RANGE),
    "slashed twice": (SLASHED_EARLY, OUT_OF_RANGE),
    "slashed twice after coming back": (rounds.apply(SLASHED_EARLY, join(A)), OUT_OF_RANGE),
    "slashed of another stake": (BONDED_COMMITTED, replace(OUT_OF_RANGE, stake=9)),
    "slashed with another reward": (BONDED_COMMITTED, replace(OUT_OF_RANGE, reward=3)),
    "slashed with another sum": (CHALLENGEABLE, replace(OUT_OF_RANGE, returned=49)),
    "slashed in an overturned round": (OVERTURNED, OUT_OF_RANGE),
    "slashed with a naming": (rounds.apply(BONDED_COMMITTED, NAMING), OUT_OF_RANGE),
    "bond released before the settlement": (BONDED_COMMITTED, RELEASE),
    "bond released in no round": (CHALLENGEABLE, replace(RELEASE, number=2)),
    "bond released to somebody else": (CHALLENGEABLE, replace(RELEASE, aggregator=SECOND)),
    "bond released of another amount": (CHALLENGEABLE, replace(RELEASE, bond=30)),
    "bond released twice": (rounds.apply(CHALLENGEABLE, RELEASE), RELEASE),
    "bond released after a slash": (OVERTURNED, RELEASE),
    "opened with a bond held": (CHALLENGEABLE, replace(OPEN_AGAIN, scale_exponent=-9)),
    "closed with a bond held": (CHALLENGEABLE, JobClosed(1, 101)),
    "extended with a bond held": (CHALLENGEABLE, JobExtended(1, 3, 100, DEADLINE, 100)),
    "refunded where rounds are repeated": (COMMITTED, REFUND),
    "refunded another round": (VOID, replace(REFUND, number=2)),
    "refunded of another amount": (VOID, replace(REFUND, amount=99)),
    "refunded twice": (rounds.apply(VOID, REFUND), REFUND),
    "refunded a settled round": (rounds.apply(VOID, settled(settlement())), REFUND),
    "opened before the refund": (VOID, OPEN_AGAIN),
    "closed before the refund": (VOID, JobClosed(1, 200)),
    "settled after the refund": (rounds.apply(VOID, REFUND), settled(settlement((0, 0, 0)))),
    "committed after the refund": (
        rounds.apply(play(*JOINS, OPEN, *COMMITS[:2], created=REFUNDING), REFUND),
        commit(C, 2),
    ),
    "named by a stranger": (JOINED, replace(NAMING, trainer=D)),
    "left with a naming": (NAMED, TrainerLeft(1, A, 10, A)),
    "extended to fewer rounds": (FRESH, JobExtended(1, 1, 200, DEADLINE, 0)),
    "extended to a smaller budget": (FRESH, JobExtended(1, 4, 99, DEADLINE, 196)),
    "extended to an earlier deadline": (FRESH, JobExtended(1, 3, 100, DEADLINE - 1, 100)),
    "extended for another sum": (FRESH, JobExtended(1, 3, 100, DEADLINE, 99)),
    "extended after the close": (CLOSED, JobExtended(1, 3, 100, DEADLINE, 100)),
    "stopped after the deadline": (FRESH, JobStopped(1, DEADLINE)),
    "stopped after the close": (CLOSED, JobStopped(1, 5)),
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
