"""Weights that shorten long updates, by hand."""

from __future__ import annotations

from math import isqrt

import pytest

from aggregator.rules import WEIGHT_ONE
from aggregator.scores.clipping import clip, lower_median_square, median_hint

HALF = WEIGHT_ONE // 2


@pytest.mark.parametrize(
    ("squares", "weights", "median"),
    [
        ((9, 1, 4), (1, 1, 1), 4),
        ((9, 1, 4, 16), (1, 1, 1, 1), 4),  # the lower of the two in the middle
        ((9, 1, 4), (0, 1, 0), 1),
        ((9, 1, 4), (5, 1, 1), 9),
        ((9, 1, 4), (2, 1, 1), 4),  # 1 and 4 have half
        ((7,), (3,), 7),
        ((9, 1, 4), (0, 0, 0), 0),
        ((), (), 0),
    ],
)
def test_the_median_is_weighted(squares: tuple[int, ...], weights: tuple[int, ...], median: int) -> None:
    assert lower_median_square(squares, weights) == median
    assert median_hint(squares, weights) == median.to_bytes(32, "big")


def test_identities_that_split_a_stake_do_not_move_the_median() -> None:
    assert lower_median_square((100, 1, 4, 9), (4, 3, 3, 3)) == 9
    assert lower_median_square((100,) * 4 + (1, 4, 9), (1,) * 4 + (3, 3, 3)) == 9


def test_what_is_longer_is_shortened_to_the_median() -> None:
    found = clip((4, 16, 1), (HALF, HALF // 2, HALF // 2), times=1)
    assert found.factors == (WEIGHT_ONE, WEIGHT_ONE // 2, WEIGHT_ONE)
    assert found.weights == (HALF, HALF // 4, HALF // 2)


def test_or_to_three_times_the_median_rounded_down() -> None:
    found = clip((4, 36, 37), (HALF, HALF // 2, HALF // 2 - 1), times=3)
    factor = isqrt(2**64 * 36 // 37)
    assert found.factors == (WEIGHT_ONE, WEIGHT_ONE, factor)
    assert found.weights[2] == (HALF // 2 - 1) * factor // WEIGHT_ONE


def test_where_most_updates_are_zero_others_get_no_weight() -> None:
    assert clip((0, 0, 5), (1, 1, 1), times=3).weights == (1, 1, 0)
