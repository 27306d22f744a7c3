"""Projecting the previous aggregate out of inner products, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aggregator.products import Layout, Products
from aggregator.residuals import truncated_quotient, without_previous


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [(7, 2, 3), (-7, 2, -3), (6, 3, 2), (-6, 3, -2), (0, 5, 0), (-1, 2**122, 0)],
)
def test_quotients_are_rounded_toward_zero(numerator: int, denominator: int, quotient: int) -> None:
    assert truncated_quotient(numerator, denominator) == quotient


def of_rows(layout: Layout, rows: Sequence[tuple[int, ...]]) -> Products:
    return Products(layout, tuple(tuple(sum(map(int.__mul__, u, v)) for v in rows) for u in rows))


def test_what_lies_along_the_previous_aggregate_is_taken_away() -> None:
    rows = [(3, 4), (-3, 4), (5, 1), (100, 0)]  # the last is the previous aggregate, the one before the reference
    found = without_previous(of_rows(Layout(2, reference=True, previous=True), rows))
    assert found.layout == Layout(2, reference=True)
    assert found == of_rows(Layout(2, reference=True), [(0, 4), (0, 4), (0, 1)])


def test_a_replay_has_nothing_left_at_any_scale() -> None:
    rows = [(6, -9, 3), (-4, 6, -2), (1, 1, 1), (2, -3, 1)]
    found = without_previous(of_rows(Layout(3, previous=True), rows))
    assert [found.matrix[i][j] for i in range(2) for j in range(3)] == [0] * 6
    assert found.matrix[2][2] == 3  # the third is orthogonal to it


def test_rounding_is_toward_zero_on_both_sides() -> None:
    rows = [(1, 0), (-1, 0), (1, 1), (1, 1)]
    found = without_previous(of_rows(Layout(3, previous=True), rows))
    assert found.matrix == ((1, -1, 0), (-1, 1, 0), (0, 0, 0))  # 1 - trunc(1/2), -1 - trunc(-1/2), 1 - 1


def test_without_a_previous_aggregate_nothing_is_taken_away() -> None:
    rows = [(3, 4), (-3, 4), (5, 1)]
    products = of_rows(Layout(2, reference=True), rows)
    assert without_previous(products) == products
    zero = of_rows(Layout(2, reference=True, previous=True), [*rows, (0, 0)])
    assert without_previous(zero) == products


def test_running_sums_are_dropped() -> None:
    rows = [(3, 4), (5, 1), (1, 0), (2, 0)]
    found = without_previous(of_rows(Layout(2, history=True), rows))
    assert found == of_rows(Layout(2), rows[:2])
