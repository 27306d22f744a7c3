"""The native kernel for updates against exact integers: every level of instructions, 1 or 2 threads, any address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.errors import WrongShape
from aggregator.fixedpoint import IntVector

_updates = pytest.importorskip("aggregator._updates")
LEVELS = range(len(_updates.LEVELS))
KINDS: list[Any] = [np.int8, np.int16]
MANY_BLOCKS = 70_003
"""Beyond what one thread takes at once, at every level; not a multiple of any block."""


@pytest.fixture(params=LEVELS, ids=_updates.LEVELS)
def level(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def exact(left: list[IntVector], right: list[IntVector]) -> npt.NDArray[np.int64]:
    """Return inner products by int64 arithmetic, which cannot overflow at these lengths."""
    a, b = (np.array([row.astype(np.int64) for row in rows]) for rows in (left, right))
    product: npt.NDArray[np.int64] = a @ b.T
    return product


def random_rows(count: int, length: int, kind: Any, seed: int = 0) -> list[IntVector]:
    ends = np.iinfo(kind)
    rows = np.random.default_rng([seed, count, length]).integers(ends.min, ends.max, (count, length), kind, True)
    return list(rows)


def extreme_rows(length: int, kind: Any) -> list[IntVector]:
    """Return rows of the range's ends, alone and mixed: where sums of 32 bits overflow first."""
    ends = np.iinfo(kind)
    drawn = np.random.default_rng(length)
    constant = [np.full(length, value, dtype=kind) for value in (ends.min, ends.max, -ends.max, 0, -1, 1)]
    mixed = [drawn.choice(np.array([ends.min, ends.max], dtype=kind), length) for _ in range(3)]
    low_bytes = [np.full(length, value, dtype=kind) for value in (ends.min + 127, ends.max - 127, ends.min // 2)]
    return [*constant, *mixed, *low_bytes]


@pytest.mark.parametrize("kind", KINDS)
def test_every_length_up_to_300(level: int, kind: Any) -> None:
    for length in range(1, 301):
        rows = random_rows(1 + length % 7, length, kind)
        assert np.array_equal(_updates.gram(rows, 1, level), exact(rows, rows)), length


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 9, 10, 11, 16, 23])
def test_every_shape_of_tile(level: int, kind: Any, count: int) -> None:
    rows = random_rows(count, 777, kind)
    assert np.array_equal(_updates.gram(rows, 1, level), exact(rows, rows))
    for left in {1, count // 2, count - 1} - {0, count}:
        found = _updates.cross_products(rows[:left], rows[left:], 1, level)
        assert np.array_equal(found, exact(rows[:left], rows[left:]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 63, 64, 2048, 4096, 4160, MANY_BLOCKS])
def test_ends_of_the_range(level: int, kind: Any, length: int) -> None:
    rows = extreme_rows(length, kind)
    assert np.array_equal(_updates.gram(rows, 2, level), exact(rows, rows))


def test_one_least_entry_among_many(level: int) -> None:
    rows = random_rows(3, 9_000, np.int16)
    for row in rows:
        row[row == -(2**15)] = 0
    rows[1][5_000] = rows[2][5_000] = -(2**15)
    assert np.array_equal(_updates.gram(rows, 1, level), exact(rows, rows))


@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_levels_do_not_change_a_bit(kind: Any) -> None:
    count = 12  # fewer are not worth a second thread at this length
    rows = random_rows(count, 2 * MANY_BLOCKS, kind)
    weights = [(-1) ** i * (2**33 // count - i) for i in range(count)]
    gram, total = exact(rows, rows), np.array(weights) @ np.array(rows, dtype=np.int64)
    for level in LEVELS:
        for threads in (1, 2, 3):
            assert np.array_equal(_updates.gram(rows, threads, level), gram)
            assert np.array_equal(_updates.weighted_sum(rows, weights, threads, level), total)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_at_any_address(level: int, kind: Any, tmp_path: Path) -> None:
    size, length = np.dtype(kind).itemsize, 10_001
    rows: list[IntVector] = []
    for i, row in enumerate(random_rows(6, length, kind)):
        path = tmp_path / str(i)
        path.write_bytes(bytes(i * size) + row.tobytes() + b"\xff")
        rows.append(np.memmap(path, dtype=kind, mode="r", offset=i * size, shape=length))
        assert np.array_equal(rows[-1], row)
    assert np.array_equal(_updates.gram(rows, 2, level), exact(rows, rows))
    assert np.array_equal(_updates.weighted_sum(rows, [1] * 6, 2, level), np.array(rows, dtype=np.int64).sum(axis=0))


def test_rows_at_odd_addresses(level: int) -> None:
    row = random_rows(1, 333, np.int16)[0]
    odd = np.frombuffer(b"\0" + row.tobytes(), dtype=np.int16, offset=1)
    assert not odd.flags.aligned
    assert np.array_equal(_updates.gram([odd, row], 1, level), exact([row, row], [row, row]))
    assert np.array_equal(_updates.weighted_sum([odd, row], [1, -1], 1, level), np.zeros(333))


def test_rows_of_both_widths(level: int) -> None:
    rows = [*random_rows(3, 5_003, np.int8), *random_rows(4, 5_003, np.int16)]
    assert np.array_equal(_updates.gram(rows, 2, level), exact(rows, rows))
    assert np.array_equal(_updates.cross_products(rows[:1], rows[1:], 1, level), exact(rows[:1], rows[1:]))
    expected = np.arange(7) @ np.array([row.astype(np.int64) for row in rows])
    assert np.array_equal(_updates.weighted_sum(rows, list(range(7)), 1, level), expected)


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 32_769])
def test_weighted_sum_at_the_ends_of_the_range(level: int, length: int) -> None:
    rows = extreme_rows(length, np.int16)
    weights = [2**37 - 2**20, *[-(2**15)] * (len(rows) - 1)]
    expected = np.array(weights) @ np.array(rows, dtype=np.int64)
    assert np.array_equal(_updates.weighted_sum(rows, weights, 1, level), expected)


def test_what_does_not_fit_is_refused() -> None:
    row = np.zeros(3, dtype=np.int16)
    with pytest.raises(WrongShape):
        _updates.gram([], 0, -1)
    with pytest.raises(WrongShape):
        _updates.gram([row, row[1:]], 0, -1)
    with pytest.raises(WrongShape):
        _updates.gram([row.astype(np.float32)], 0, -1)
    with pytest.raises(WrongShape):
        _updates.cross_products([row], [row[1:]], 0, -1)
    for weights in ([1], [2**37, 1], [2**62, 2**62], [-(2**63), 0]):
        with pytest.raises(WrongShape):
            _updates.weighted_sum([row, row], weights, 0, -1)
    with pytest.raises(RuntimeError):
        _updates.gram([row[::2]], 0, -1)
