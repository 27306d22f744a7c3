"""The split of a round's budget, by hand."""

from __future__ import annotations

import pytest

from aggregator.errors import OutOfRange, WrongShape
from aggregator.payouts import floor_weights, split_budget
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
    assert split_budget(scores, (1,) * len(scores), budget=budget) == payouts


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
    assert split_budget(scores, floor_scores, budget=budget, floor_bps=floor_bps) == payouts


@pytest.mark.parametrize(
    ("cap_bps", "payouts"),
    [(10_000, (750, 250)), (7500, (750, 250)), (7499, (749, 250)), (2000, (200, 200)), (1, (0, 0))],
)
def test_nobody_gets_more_than_the_cap(cap_bps: int, payouts: Ints) -> None:
    assert split_budget((3, 1), (3, 1), budget=1000, floor_bps=5000, cap_bps=cap_bps) == payouts


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(WrongShape):
        split_budget((1, 2), (1,), budget=1)


@pytest.mark.parametrize(
    ("budget", "floor_bps", "cap_bps"),
    [(-1, 0, 10_000), (1, -1, 10_000), (1, 10_001, 10_000), (1, 0, 0), (1, 0, 10_001)],
)
def test_impossible_shares_are_refused(budget: int, floor_bps: int, cap_bps: int) -> None:
    with pytest.raises(OutOfRange):
        split_budget((1,), (1,), budget=budget, floor_bps=floor_bps, cap_bps=cap_bps)


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
