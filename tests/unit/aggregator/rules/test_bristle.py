"""Bristle's distance prioritiser: near ones, some in the middle, a few far ones."""

from __future__ import annotations

import pytest

from aggregator.rules.bristle import Bristle
from aggregator.rules.krum import Krum
from tests.unit.aggregator.rules.rows import normal_rows, products_of


def test_takes_shares_of_each_third_by_distance_to_the_reference() -> None:
    # Twelve updates at distances 0, 10, ... from the reference at 0; f = 2, N = 10: 3.6, 4.8 and 1.6 of four each.
    positions = [40, 10, 110, 0, 70, 20, 100, 30, 90, 60, 80, 50]
    products = products_of([[position] for position in positions], [0])
    accepted = Bristle().decide(products, 2, [1] * 12).accepted
    assert sorted(position for position, ok in zip(positions, accepted, strict=True) if ok) == [
        *(0, 10, 20, 30),
        *(40, 50, 60, 70),
        *(80, 90),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_krum_s_choice_stands_in_for_a_missing_reference(seed: int) -> None:
    updates = normal_rows(seed, 11)
    chosen = Krum().decide(products_of(updates), 3, [1] * 11).accepted.index(True)
    alone = Bristle().decide(products_of(updates), 3, [1] * 11)
    assert alone == Bristle().decide(products_of(updates, updates[chosen]), 3, [1] * 11)
    assert alone.accepted[chosen]


@pytest.mark.parametrize("n", range(3, 20))
def test_takes_no_more_than_n_minus_f_and_no_third_twice(n: int) -> None:
    f = min(1, (n - 3) // 2)
    decision = Bristle().decide(products_of(normal_rows(n, n)), 1, [1] * n)
    middle = (2 * n // 3) - n // 3
    assert 0.52 * (n - f) + min(0.48 * (n - f), middle) - 1.5 <= sum(decision.accepted) <= n - f + 1
    assert Bristle().hints(products_of(normal_rows(n, n)), 1, [1] * n) == b""
