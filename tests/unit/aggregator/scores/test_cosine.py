"""Cosine to the aggregate, by hand."""

from __future__ import annotations

from math import isqrt

from aggregator.products import Products
from aggregator.rules import WEIGHT_ONE
from aggregator.scores.cosine import cosine_scores

QUARTER = WEIGHT_ONE // 4


def of_rows(*rows: tuple[int, ...]) -> Products:
    return Products.of_updates([[sum(map(int.__mul__, u, v)) for v in rows] for u in rows])


def test_of_equal_updates_the_cosine_is_one() -> None:
    assert cosine_scores(of_rows((3, 4), (3, 4)), (QUARTER, 3 * QUARTER)) == (QUARTER << 32, 3 * QUARTER << 32)


def test_length_does_not_count_but_direction_does() -> None:
    # the aggregate is (1, 1) up to a factor: cosine 1 / sqrt(2) to the first two, -1 to the third, 0 to the last
    scores = cosine_scores(of_rows((8, 0), (0, 8), (-1, -1), (1, -1)), (QUARTER, QUARTER, QUARTER, 0))
    root = isqrt(2**63)
    assert scores == (QUARTER * root, QUARTER * root, -QUARTER << 32, 0)


def test_without_length_there_is_no_cosine() -> None:
    assert cosine_scores(of_rows((1, 0), (-1, 0)), (QUARTER, QUARTER)) == (0, 0)
    assert cosine_scores(of_rows((1, 0), (0, 0)), (QUARTER, QUARTER)) == (QUARTER << 32, 0)
