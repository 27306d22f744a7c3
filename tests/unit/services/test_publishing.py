"""Tests of market.services.publishing: which aggregates wait for the middle of the window, and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market import rounds
from market.domain import REFERENCE_BIT, ReferenceCommitted
from market.rounds import RoundState
from market.services.publishing import (
    completion_begins,
    is_complete,
    middle_of_window,
    was_completed,
    why_withheld,
    withheld_until,
)
from tests.unit.rounds.play import (
    AGGREGATOR,
    CHALLENGE_END,
    CID,
    COMMITTED,
    DONE,
    OUT_OF_RANGE,
    PARTIAL,
    REPLACED_STATE,
    SECOND,
    TERMS,
    B,
    settled,
    settlement,
)

MIDDLE = CHALLENGE_END - 20
WITHOUT_B, WHOLE = PARTIAL.rounds[0], DONE.rounds[0]
ROW = ReferenceCommitted(1, 1, b"\x07" * 32, CID, 9)


def with_reference(state: RoundState, *, included: bool) -> RoundState:
    """Return the round with a reference row, in its settlement or not."""
    assert state.settled is not None
    mask = state.settled.settlement.included | included << REFERENCE_BIT
    posted = replace(state.settled.settlement, included=mask)
    return replace(state, reference=ROW, settled=replace(state.settled, settlement=posted))


def test_a_settlement_is_complete_with_every_sound_update_and_the_reference() -> None:
    assert is_complete(WHOLE)
    assert is_complete(REPLACED_STATE.rounds[0])
    assert not is_complete(WITHOUT_B)
    assert not is_complete(COMMITTED.rounds[0]), "there is no settlement"
    slashed = rounds.apply(PARTIAL, replace(OUT_OF_RANGE, trainer=B, stake=15, reward=3))
    assert is_complete(slashed.rounds[0]), "nobody may include it any more"
    assert is_complete(with_reference(WHOLE, included=True))
    assert not is_complete(with_reference(WHOLE, included=False))
    assert not is_complete(with_reference(WITHOUT_B, included=True))


def test_the_middle_second_belongs_to_the_second_half() -> None:
    assert withheld_until(TERMS, WITHOUT_B, MIDDLE - 1) == MIDDLE
    assert withheld_until(TERMS, WITHOUT_B, MIDDLE) is None
    assert withheld_until(TERMS, WHOLE, MIDDLE - 1) is None
    assert withheld_until(TERMS, COMMITTED.rounds[0], 0) is None
    reason = why_withheld(TERMS, WITHOUT_B, MIDDLE - 7)
    assert reason is not None
    assert "round 1 is not published yet" in reason
    assert "in 7 s" in reason
    assert why_withheld(TERMS, WITHOUT_B, MIDDLE) is None


@pytest.mark.parametrize(("window", "second_half"), [(0, 0), (1, 0), (2, 1), (5, 2), (40, 20)])
def test_the_second_half_is_rounded_down(window: int, second_half: int) -> None:
    found = middle_of_window(replace(TERMS, challenge_seconds=window), settled(settlement()))
    assert found == CHALLENGE_END - second_half


@pytest.mark.parametrize(("window", "before_the_middle"), [(1, 1), (7, 1), (40, 5), (3_600, 450)])
def test_an_own_settlement_is_completed_from_an_eighth_of_the_window_before_its_middle(
    window: int, before_the_middle: int
) -> None:
    terms, own = replace(TERMS, challenge_seconds=window), settled(settlement())
    assert middle_of_window(terms, own) - completion_begins(terms, own) == before_the_middle


def test_only_replacing_ones_own_settlement_is_completing_it() -> None:
    replaced = REPLACED_STATE.rounds[0]
    own = replace(replaced, settled=replace(settled(settlement()), aggregator=AGGREGATOR))
    assert was_completed(own, AGGREGATOR)
    assert not was_completed(own, SECOND)
    assert not was_completed(replaced, AGGREGATOR)
    assert not was_completed(replaced, SECOND)
    assert not was_completed(COMMITTED.rounds[0], AGGREGATOR)
    later = replace(own, replaced=(*own.replaced, settled(settlement())), settled=replaced.settled)
    assert was_completed(later, AGGREGATOR), "it stays so when another completes it further"
