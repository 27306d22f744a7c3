"""The Gram matrix and the weighted sum: exact, streamed, and their bytes on chain."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.bn254.selection import VARIABLE
from aggregator.errors import InvalidInput, OutOfRange, WrongShape
from aggregator.fixedpoint import BLOCK, IntVector
from aggregator.gram import (
    check_dimension,
    check_gram,
    extend_gram,
    gram_matrix,
    inner_products,
    pack_gram,
    unpack_gram,
    weighted_sum,
)
from aggregator.updates_kernel import _built, updates_kernel

GRAM_BLOCK = 1 << 16


@pytest.fixture(autouse=True, params=["native", "reference"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run every test with the native kernel, where it was built, and with NumPy."""
    if request.param == "native":
        pytest.importorskip("aggregator._updates")
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


def exact(updates: list[IntVector]) -> list[list[int]]:
    """Return the Gram matrix by int64 products of slices too short to overflow, added up as Python integers."""
    pieces = range(0, len(updates[0]), 1 << 16)
    wide = [update.astype(np.int64) for update in updates]
    return [[sum(int(u[p : p + (1 << 16)] @ v[p : p + (1 << 16)]) for p in pieces) for v in wide] for u in wide]


def random_updates(count: int, dimension: int, bits: int, seed: int = 0) -> list[IntVector]:
    limit = 2 ** (bits - 1) - 1
    drawn = np.random.default_rng(seed).integers(-limit, limit + 1, size=(count, dimension))
    return [row.astype(np.int8) if bits <= 8 else row.astype(np.int16) for row in drawn]


@pytest.mark.parametrize("dimension", [1, 7, GRAM_BLOCK - 1, GRAM_BLOCK, GRAM_BLOCK + 1, 3 * GRAM_BLOCK + 17])
def test_equals_exact_integers_whatever_the_block(dimension: int) -> None:
    updates = random_updates(3, dimension, 16, seed=dimension)
    assert gram_matrix(updates, bits=16).tolist() == exact(updates)


def test_of_one_update() -> None:
    assert gram_matrix([np.array([3, -4], dtype=np.int8)], bits=8).tolist() == [[25]]


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_at_the_ends_of_the_range_every_partial_sum_is_exact(bits: int) -> None:
    limit, dimension = 2 ** (bits - 1) - 1, 2 * GRAM_BLOCK + 1
    wide = np.full(dimension, limit)
    full = wide.astype(np.int8) if bits <= 8 else wide.astype(np.int16)
    odd = full.copy()
    odd[-1] = 1
    square = dimension * limit**2
    expected = [[square, -square, square - limit**2 + limit]]
    assert gram_matrix([full, -full, odd], bits=bits)[:1].tolist() == expected


def test_large_entries_are_summed_where_float32_and_int32_would_fail() -> None:
    updates = [np.array([32767, 1, -32767], dtype=np.int16), np.array([32767, 1, 32766], dtype=np.int16)]
    assert gram_matrix(updates, bits=16).tolist() == [[2147352579, 32768], [32768, 2147287046]]


def test_takes_memory_maps(tmp_path: Path) -> None:
    updates = random_updates(4, GRAM_BLOCK + 9, 8)
    maps: list[npt.NDArray[np.int8]] = []
    for i, update in enumerate(updates):
        (tmp_path / str(i)).write_bytes(update.tobytes())
        maps.append(np.memmap(tmp_path / str(i), dtype=np.int8, mode="r"))
    assert np.array_equal(gram_matrix(maps, bits=8), gram_matrix(updates, bits=8))
    assert np.array_equal(weighted_sum(maps, [1, 2, 3, 4]), weighted_sum(updates, [1, 2, 3, 4]))


def test_extra_memory_is_one_block_for_each_update(kernel: str) -> None:
    dimension, count = 40 * GRAM_BLOCK, 4
    updates = [np.ones(dimension, dtype=np.int8) for _ in range(count)]
    tracemalloc.start()
    try:
        gram_matrix(updates, bits=8)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block_bytes = count * GRAM_BLOCK * 8
    assert peak_bytes < 1.5 * block_bytes < count * dimension  # less than a copy of the updates
    assert (peak_bytes >= block_bytes) == (kernel == "reference")


def test_progress_counts_every_coordinate_once(kernel: str) -> None:
    dimension, steps = 2 * BLOCK + 5, list[int]()
    updates = random_updates(2, dimension, 8)
    assert np.array_equal(gram_matrix(updates, bits=8, progress=steps.append), gram_matrix(updates, bits=8))
    assert sum(steps) == dimension
    assert steps[0] == (BLOCK if kernel == "native" else GRAM_BLOCK)


def test_updates_that_do_not_match_are_refused() -> None:
    with pytest.raises(WrongShape):
        gram_matrix([], bits=8)
    with pytest.raises(WrongShape):
        gram_matrix([np.zeros(2, dtype=np.int8), np.zeros(3, dtype=np.int8)], bits=8)
    with pytest.raises(WrongShape):
        gram_matrix([np.zeros((2, 2), dtype=np.int8)], bits=8)
    with pytest.raises(WrongShape):
        gram_matrix([np.zeros(0, dtype=np.int8)], bits=8)
    for floats in (np.array([1.0, np.nan]), np.array([1, 2])):
        with pytest.raises(WrongShape, match="int8 or int16"):
            gram_matrix([floats], bits=8)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_the_largest_dimension_is_where_64_bits_end(bits: int) -> None:
    largest = 2 ** (63 - 2 * bits) - 1
    check_dimension(largest, bits)
    assert 4 * largest * 2 ** (2 * bits - 2) < 2**63
    for dimension in (largest + 1, 0):
        with pytest.raises(OutOfRange):
            check_dimension(dimension, bits)


@pytest.mark.parametrize("bits", [3, 17])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(OutOfRange):
        check_dimension(1, bits)


# -- further rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
def test_a_row_more_extends_the_matrix(bits: int) -> None:
    updates = random_updates(7, 1003, bits)
    whole = gram_matrix(updates, bits=bits)
    assert np.array_equal(extend_gram(whole[:6, :6], updates[:6], updates[6]), whole)
    assert extend_gram(np.zeros((0, 0), dtype=np.int64), [], updates[6]).tolist() == [[whole[6, 6]]]
    with pytest.raises(WrongShape):
        extend_gram(whole, updates[:6], updates[6])
    with pytest.raises(WrongShape):
        extend_gram(whole, updates, updates[0][1:])


@pytest.mark.parametrize("power", [0, 14, 15, 16, 30, 31, 45, 47, 48, 62, 63])
def test_inner_products_with_wide_rows_are_exact(power: int) -> None:
    ends = [2**power - 1, -(2**power), -1, 0, 1, 2 ** (power // 2)]
    wide = np.array([*ends, *np.random.default_rng(power).integers(-(2**power), 2**power - 1, 500)], dtype=np.int64)
    updates = random_updates(2, len(wide), 16) + random_updates(1, len(wide), 8)
    expected = [int(np.dot(wide.astype(object), row.astype(object))) for row in (*updates, wide)]
    assert inner_products([*updates, wide], wide) == expected
    assert inner_products([wide], updates[2]) == expected[2:3]


def test_inner_products_beyond_a_block(kernel: str) -> None:
    row = np.full(BLOCK + 3, 2**47, dtype=np.int64)
    narrow = np.full(BLOCK + 3, -(2**31), dtype=np.int32)
    assert inner_products([row, narrow], row) == [(BLOCK + 3) << 94, -((BLOCK + 3) << 78)]
    assert inner_products([], row) == []


def test_rows_without_integers_have_no_inner_products() -> None:
    rows: list[npt.NDArray[Any]] = [np.array([1.0, np.nan]), np.array([1, 2], dtype=np.uint64), np.array([True])]
    for row in rows:
        with pytest.raises(WrongShape):
            inner_products([np.array([1, 2], dtype=np.int8)], row)
    with pytest.raises(WrongShape):
        inner_products([np.array([1, 2, 3])], np.array([1, 2]))


# -- the aggregate ------------------------------------------------------------------------------------------------


def test_weighted_sum_equals_a_naive_one_beyond_a_block() -> None:
    updates, weights = random_updates(3, BLOCK + 3, 16), [2**31, 0, 2**31]
    naive = sum(update.astype(np.int64) * weight for update, weight in zip(updates, weights, strict=True))
    assert np.array_equal(weighted_sum(updates, weights), naive)


def test_weighted_sum_at_the_ends_of_the_range() -> None:
    full = np.full(3, 2**15 - 1, dtype=np.int16)
    assert weighted_sum([full, -full], [2**32, 0]).tolist() == [(2**15 - 1) << 32] * 3


def test_weights_may_be_negative() -> None:
    full = np.full(5, -(2**15), dtype=np.int16)
    assert weighted_sum([full, full], [-(2**33), 2**33]).tolist() == [0] * 5
    assert weighted_sum([full, full[::-1]], [-(2**34), 0]).tolist() == [2**49] * 5


def test_an_update_without_weight_is_not_read() -> None:
    mixed: list[IntVector] = [np.array([1, 2], dtype=np.int16), np.array([3, 4], dtype=np.int8)]
    assert weighted_sum(mixed, [0, 0]).tolist() == [0, 0]
    assert weighted_sum(mixed, [2, -1]).tolist() == [-1, 0]


def test_weights_outside_their_range_are_refused() -> None:
    updates = random_updates(2, 3, 8)
    for weights in ([-(2**33), 2**33 + 1], [2**34, 1]):
        with pytest.raises(OutOfRange):
            weighted_sum(updates, weights)
    with pytest.raises(WrongShape):
        weighted_sum(updates, [1])


# -- bytes --------------------------------------------------------------------------------------------------------


def test_packed_row_by_row_as_big_endian_int64() -> None:
    gram = np.array([[1, -2, 3], [-2, 4, 5], [3, 5, 2**62]], dtype=np.int64)
    expected = b"".join(value.to_bytes(8, "big", signed=True) for value in (1, -2, 3, 4, 5, 2**62))
    assert pack_gram(gram) == expected
    assert unpack_gram(expected, 3).tolist() == gram.tolist()


@pytest.mark.parametrize("length", [0, 40, 47, 49, 56])
def test_bytes_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(WrongShape):
        unpack_gram(bytes(length), 3)


# -- what a contract checks ---------------------------------------------------------------------------------------


def test_a_matrix_that_is_not_symmetric_and_square_is_refused() -> None:
    for gram in (np.zeros((2, 3)), np.zeros(4), np.array([[1, 0], [1, 1]])):
        with pytest.raises(WrongShape):
            check_gram(gram.astype(np.int64), dimension=10, bits=8)


def test_bounds_are_those_of_the_contract() -> None:
    bound = 10 << 14
    good = np.array([[bound, -bound], [-bound, bound]], dtype=np.int64)
    check_gram(good, dimension=10, bits=8)
    check_gram(np.zeros((0, 0), dtype=np.int64), dimension=10, bits=8)
    for i, j, value in ((0, 0, bound + 1), (0, 0, -1), (0, 1, bound + 1), (0, 1, -bound - 1), (0, 1, -(2**63))):
        bad = good.copy()
        bad[i, j] = bad[j, i] = value
        with pytest.raises(OutOfRange):
            check_gram(bad, dimension=10, bits=8)


def test_an_inner_product_exceeds_no_mean_of_the_norms() -> None:
    check_gram(np.array([[3, 4], [4, 5]], dtype=np.int64), dimension=10, bits=8)
    for value in (5, -5):
        with pytest.raises(OutOfRange):
            check_gram(np.array([[3, value], [value, 5]], dtype=np.int64), dimension=10, bits=8)


# -- which kernel -------------------------------------------------------------------------------------------------


def test_variable_decides(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (updates_kernel() is not None) == (kernel == "native")
    monkeypatch.setenv(VARIABLE, "portable")
    assert updates_kernel() is None
    monkeypatch.setitem(sys.modules, "aggregator._updates", None)
    monkeypatch.delattr("aggregator._updates", raising=False)
    _built.cache_clear()
    try:
        monkeypatch.delenv(VARIABLE)
        assert updates_kernel() is None
        monkeypatch.setenv(VARIABLE, "native")
        with pytest.raises(InvalidInput, match="not installed"):
            updates_kernel()
    finally:
        _built.cache_clear()
