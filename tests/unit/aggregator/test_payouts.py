"""The split of a round's budget, by hand."""

from __future__ import annotations

import pytest

from aggregator.errors import OutOfRange, WrongShape
from aggregator.payouts import CAP_MAX, NO_CAP, floor_weights, split_budget
from aggregator.rules import WEIGHT_ONE, Decision

Ints = tuple[int, ...]


@pytest.mark.parametrize(
    ("scores", "budget", "payouts"),
    [
        ((1, 1, 1), 100, (33, 33, 33)),
        ((3, 0, 1), 100, (75, 0, 25)),
        ((3, -5, 1), 100, (75, 0, 25)),
        ((-3, -1), 100, (0, 0)),
        ((0, 0), 100, (0, 0)),
        ((2, 1), 1, (0, 0)),
        ((5,), 1, (1,)),
        ((5,), 7, (7,)),
        ((2**199, 2**199), 2**128 - 1, (2**127 - 1, 2**127 - 1)),
        ((1, 2), 0, (0, 0)),
        ((), 5, ()),
    ],
)
def test_without_a_floor_the_score_divides_the_budget(scores: Ints, budget: int, payouts: Ints) -> None:
    assert split_budget(scores, (1,) * len(scores), (1,) * len(scores), budget=budget) == payouts


@pytest.mark.parametrize(
    ("scores", "floor_scores", "budget", "floor_bps", "payouts"),
    [
        ((1, 0, 1), (1, 1, 2), 100, 5000, (37, 12, 50)),  # 12 + 25, 12 + 0, 25 + 25: each part rounds down
        ((1, 0, 1), (1, 1, 2), 100, 10_000, (25, 25, 50)),
        ((0, -1, -2), (1, 1, 2), 100, 5000, (12, 12, 25)),
        ((1, 0, 1), (0, -1, 0), 100, 5000, (25, 0, 25)),
        ((1, 1, 1), (1, 1, 1), 3, 5000, (0, 0, 0)),  # 1 and 2 units for three
        ((1, 0, 0), (0, 1, 0), 3, 5000, (2, 1, 0)),
        ((1, 0, 0), (0, 1, 0), 3, 1, (3, 0, 0)),
    ],
)
def test_the_floor_is_divided_first(
    scores: Ints, floor_scores: Ints, budget: int, floor_bps: int, payouts: Ints
) -> None:
    assert split_budget(scores, floor_scores, (1, 1, 1), budget=budget, floor_bps=floor_bps) == payouts


@pytest.mark.parametrize(
    ("stakes", "cap_bps", "payouts"),
    [
        ((1, 1), NO_CAP, (750, 250)),
        ((1, 1), CAP_MAX, (750, 250)),
        ((1, 1), 15_000, (750, 250)),
        ((1, 1), 14_999, (749, 250)),
        ((1, 1), 10_000, (500, 250)),
        ((3, 1), 10_000, (750, 250)),
        ((2**128 - 1, 1), 10_000, (750, 0)),
        ((1, 2**128 - 1), 65_535, (0, 250)),
    ],
)
def test_nobody_gets_more_than_its_stake_allows(stakes: Ints, cap_bps: int, payouts: Ints) -> None:
    assert split_budget((3, 1), (3, 1), stakes, budget=1000, floor_bps=5000, cap_bps=cap_bps) == payouts


def test_what_a_cap_cuts_goes_to_nobody() -> None:
    assert sum(split_budget((9, 1), (9, 1), (1, 1), budget=1000, cap_bps=10_000)) == 600


@pytest.mark.parametrize(("floor_scores", "stakes"), [((1,), (1, 1)), ((1, 1), (1,)), ((1, 1), (1, 1, 1))])
def test_lists_of_different_lengths_are_refused(floor_scores: Ints, stakes: Ints) -> None:
    with pytest.raises(WrongShape):
        split_budget((1, 2), floor_scores, stakes, budget=1)


@pytest.mark.parametrize(
    ("budget", "floor_bps", "cap_bps"),
    [(-1, 0, 0), (1, -1, 0), (1, 10_001, 0), (1, 0, -1), (1, 0, 1), (1, 0, 9_999), (1, 0, 65_536)],
)
def test_impossible_shares_are_refused(budget: int, floor_bps: int, cap_bps: int) -> None:
    with pytest.raises(OutOfRange):
        split_budget((1,), (1,), (1,), budget=budget, floor_bps=floor_bps, cap_bps=cap_bps)


ACCEPTED_TWO = Decision((True, True, False, False), (WEIGHT_ONE // 4, WEIGHT_ONE // 2, 0, 0))
STAKES = (3, 1, 1, 3)
BY_STAKE = tuple(WEIGHT_ONE * stake // 8 for stake in STAKES)


@pytest.mark.parametrize(
    ("needs_reference", "byzantine", "weights"),
    [
        (False, 2, ACCEPTED_TWO.weights),
        (False, 3, ACCEPTED_TWO.weights),
        (False, 1, BY_STAKE),  # two accepted, three must be
        (True, 2, BY_STAKE),
    ],
)
def test_weights_of_the_floor(needs_reference: bool, byzantine: int, weights: Ints) -> None:
    found = floor_weights(ACCEPTED_TWO, STAKES, needs_reference=needs_reference, byzantine=byzantine)
    assert found == weights
