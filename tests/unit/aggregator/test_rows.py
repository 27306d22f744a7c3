"""Inner products of updates and wider rows together, against big integers."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.errors import WrongShape
from aggregator.fixedpoint import BLOCK, IntVector
from aggregator.gram import extra_products, inner_products
from aggregator.products import Layout
from aggregator.rows import products_of_rows


def exact(left: np.ndarray, right: np.ndarray) -> int:
    return sum(int(a) * int(b) for a, b in zip(left.tolist(), right.tolist(), strict=True))


@pytest.mark.parametrize("dimension", [1, 7, 400])
def test_all_products_are_exact(dimension: int) -> None:
    random = np.random.default_rng(dimension)
    updates: list[IntVector] = [random.integers(-127, 128, dimension).astype(np.int8) for _ in range(3)]
    reference = random.integers(-127, 128, dimension).astype(np.int8)
    wide = [random.integers(-(2**k), 2**k, dimension) for k in (47, 45, 3, 0)]
    rows = [*updates, reference, *wide]
    layout = Layout(3, reference=True, previous=True, history=True)
    found = products_of_rows(layout, updates, [reference, *wide], bits=8)
    assert found.matrix == tuple(tuple(exact(a, b) for b in rows) for a in rows)


def test_blocks_add_up_and_extremes_do_not_overflow() -> None:
    dimension = BLOCK + 5
    update = np.full(dimension, -32767, dtype=np.int16)
    largest = np.full(dimension, 2**46 - 1, dtype=np.int64)
    seen: list[int] = []
    assert extra_products([update], [largest, -largest], progress=seen.append) == [
        [-32767 * (2**46 - 1) * dimension, (2**46 - 1) ** 2 * dimension],
        [32767 * (2**46 - 1) * dimension, -((2**46 - 1) ** 2) * dimension, (2**46 - 1) ** 2 * dimension],
    ]
    assert sum(seen) == dimension


def test_it_agrees_with_one_row_at_a_time() -> None:
    random = np.random.default_rng(2)
    updates: list[IntVector] = [random.integers(-9, 9, 50).astype(np.int16) for _ in range(4)]
    extras = [random.integers(-(2**40), 2**40, 50) for _ in range(3)]
    rows = [*updates, *extras]
    assert extra_products(updates, extras) == [inner_products(rows[: 5 + k], row) for k, row in enumerate(extras)]
    assert extra_products(updates, []) == []


def test_rows_must_fit_the_layout_and_each_other() -> None:
    row = np.array([1, 2], dtype=np.int8)
    with pytest.raises(WrongShape, match="extra rows"):
        products_of_rows(Layout(1, reference=True), [row], [], bits=8)
    with pytest.raises(WrongShape):
        products_of_rows(Layout(1, reference=True), [row], [np.array([1, 2, 3])], bits=8)
    with pytest.raises(WrongShape):
        extra_products([row], [np.array([1.0, 2.0])])
