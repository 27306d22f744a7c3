"""Polynomials and linear combinations, by every kernel: the ends of the ranges, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aggregator.bn254 import IntVector, Kernel, R, Vector, ints_from_vector, vector_from_ints
from aggregator.errors import OutOfRange, WrongShape

MAX_WEIGHT = 2**128 - 1


def ints(vector: Vector) -> list[int]:
    assert vector.dtype == np.uint64
    return ints_from_vector(vector)


def not_canonical() -> Vector:
    vector = vector_from_ints([1, 2, 3])
    vector[1] = 2**64 - 1
    return vector


def test_combination_at_the_ends_of_the_ranges(any_kernel: Kernel) -> None:
    rows: list[IntVector] = [
        np.array([-(2**15), 2**15 - 1, 0, 1, -1], dtype=np.int16),
        np.array([-128, 127, 0, 1, -1], dtype=np.int8),
        np.array([-(2**15), 2**15 - 1, 0, -1, 1], dtype=np.int16),
    ]
    weights = [MAX_WEIGHT, 1, MAX_WEIGHT]
    expected = [sum(w * int(row[k]) for w, row in zip(weights, rows, strict=True)) % R for k in range(5)]
    tail = vector_from_ints([R - 1, 0, 7])
    assert ints(any_kernel.combine(rows, weights)) == expected
    assert ints(any_kernel.combine(rows, weights, tail=tail)) == [*expected, R - 1, 0, 7]
    assert ints(any_kernel.combine(rows, [0, 0, 0], tail=tail)) == [0, 0, 0, 0, 0, R - 1, 0, 7]


def test_combination_of_many_rows(any_kernel: Kernel) -> None:
    rows: list[IntVector] = [np.full(3, -(2**15), dtype=np.int16)] * 300
    assert ints(any_kernel.combine(rows, [MAX_WEIGHT] * 300)) == [-(2**15) * 300 * MAX_WEIGHT % R] * 3


def test_combination_longer_than_a_block(any_kernel: Kernel) -> None:
    size = 2**16 + 3
    row = (np.arange(size, dtype=np.int64) % 251 - 125).astype(np.int8)
    combined = any_kernel.combine([row, row], [3, 2**64])
    factor = 3 + 2**64
    for k in (0, 1, 2**16 - 1, 2**16, size - 1):
        assert ints(combined[k : k + 1]) == [factor * int(row[k]) % R]


def test_combination_without_coordinates_is_its_tail(any_kernel: Kernel) -> None:
    assert ints(any_kernel.combine([np.zeros(0, dtype=np.int8)], [5], tail=vector_from_ints([9]))) == [9]
    assert any_kernel.combine([np.zeros(0, dtype=np.int8)], [5]).shape == (0, 4)


@pytest.mark.parametrize(
    ("rows", "weights"),
    [
        ([], []),
        ([np.zeros(2, dtype=np.int8)], []),
        ([np.zeros(2, dtype=np.int8)], [1, 2]),
        ([np.zeros(2, dtype=np.int8), np.zeros(3, dtype=np.int8)], [1, 2]),
        ([np.zeros(2, dtype=np.int32)], [1]),
        ([np.zeros(2, dtype=np.uint8)], [1]),
        ([np.zeros((2, 1), dtype=np.int8)], [1]),
    ],
)
def test_combinations_that_do_not_fit_are_refused(
    any_kernel: Kernel, rows: list[IntVector], weights: list[int]
) -> None:
    with pytest.raises(WrongShape):
        any_kernel.combine(rows, weights)


@pytest.mark.parametrize("weight", [-1, 2**128, 2**300])
def test_weights_outside_their_range_are_refused(any_kernel: Kernel, weight: int) -> None:
    with pytest.raises(OutOfRange):
        any_kernel.combine([np.ones(2, dtype=np.int8)] * 2, [1, weight])


def test_autocorrelation_of_a_constant(any_kernel: Kernel) -> None:
    square, rest = any_kernel.correlate(vector_from_ints([-3]))
    assert square == 9
    assert ints(rest) == [0]


def test_autocorrelation_of_three_coefficients(any_kernel: Kernel) -> None:
    square, rest = any_kernel.correlate(vector_from_ints([1, -2, 4]))
    assert square == 21
    assert ints(rest) == [-10 % R, 4]


def test_zeros_at_either_end_keep_their_place(any_kernel: Kernel) -> None:
    square, rest = any_kernel.correlate(vector_from_ints([0, 0, 5, 0]))
    assert (square, ints(rest)) == (25, [0, 0, 0])
    assert any_kernel.correlate(vector_from_ints([0] * 4))[0] == 0
    product = any_kernel.multiply(vector_from_ints([0, 3, 0]), vector_from_ints([0, 0, 2, 0]))
    assert ints(product) == [0, 0, 0, 6, 0, 0]
    assert ints(any_kernel.multiply(vector_from_ints([0, 0]), vector_from_ints([1, 1]))) == [0, 0, 0]


def test_polynomials_without_coefficients(any_kernel: Kernel) -> None:
    none, one = vector_from_ints([]), vector_from_ints([1])
    assert any_kernel.multiply(none, one).shape == (0, 4)
    assert any_kernel.multiply(one, none).shape == (0, 4)
    assert any_kernel.evaluate(none, 5) == 0
    assert ints(any_kernel.add_scaled(none, one, 5)) == [5]
    assert any_kernel.add_scaled(none, none, 5).shape == (0, 4)
    assert any_kernel.divide(one, 5).shape == (0, 4)
    with pytest.raises(WrongShape):
        any_kernel.correlate(none)
    with pytest.raises(WrongShape):
        any_kernel.divide(none, 5)


def test_sum_is_as_long_as_the_longer_polynomial(any_kernel: Kernel) -> None:
    long, short = vector_from_ints([1, 2, R - 1]), vector_from_ints([R - 1])
    assert ints(any_kernel.add_scaled(long, short, R - 1)) == [2, 2, R - 1]
    assert ints(any_kernel.add_scaled(short, long, 2)) == [1, 4, R - 2]


def test_value_and_quotient(any_kernel: Kernel) -> None:
    cube = vector_from_ints([-8, 0, 0, 1])
    assert any_kernel.evaluate(cube, 2) == 0
    assert any_kernel.evaluate(cube, R - 1) == R - 9
    assert any_kernel.evaluate(cube, 0) == R - 8
    assert ints(any_kernel.divide(cube, 2)) == [4, 2, 1]
    assert ints(any_kernel.divide(cube, 0)) == [0, 0, 1]


def test_geometric_series(any_kernel: Kernel) -> None:
    assert ints(any_kernel.geometric(3, R - 2, 4)) == [3, R - 6, 12, R - 24]
    assert ints(any_kernel.geometric(3, 0, 3)) == [3, 0, 0]
    assert any_kernel.geometric(3, 2, 0).shape == (0, 4)
    size = 5000  # longer than what a thread takes
    assert ints(any_kernel.geometric(7, 5, size)) == [7 * pow(5, k, R) % R for k in range(size)]
    with pytest.raises(OutOfRange):
        any_kernel.geometric(3, 2, -1)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_integers_become_field_elements(any_kernel: Kernel, dtype: type[np.signedinteger]) -> None:
    ends = np.iinfo(dtype)
    values = [ends.min, ends.min + 1, -1, 0, 1, ends.max]
    assert ints(any_kernel.from_integers(np.array(values, dtype=dtype))) == [value % R for value in values]
    assert any_kernel.from_integers(np.zeros(0, dtype=dtype)).shape == (0, 4)


@pytest.mark.parametrize(
    "values", [np.ones(2, dtype=np.uint8), np.ones((2, 2), dtype=np.int8), np.ones((2, 4), dtype=np.uint64)]
)
def test_what_are_no_integers_is_refused(any_kernel: Kernel, values: IntVector) -> None:
    with pytest.raises(WrongShape):
        any_kernel.from_integers(values)


Call = Callable[[Kernel, Vector], object]
VECTOR_CALLS: list[Call] = [
    lambda k, bad: k.combine([np.zeros(1, dtype=np.int8)], [1], tail=bad),
    lambda k, bad: k.correlate(bad),
    lambda k, bad: k.multiply(bad, vector_from_ints([1])),
    lambda k, bad: k.multiply(vector_from_ints([1]), bad),
    lambda k, bad: k.evaluate(bad, 2),
    lambda k, bad: k.add_scaled(bad, vector_from_ints([1]), 2),
    lambda k, bad: k.add_scaled(vector_from_ints([1]), bad, 2),
    lambda k, bad: k.divide(bad, 2),
    lambda k, bad: k.fixed_base((1, 2), bad),
    lambda k, bad: k.scale(np.zeros((3, 8), dtype=np.uint64), bad),
]


@pytest.mark.parametrize("call", VECTOR_CALLS)
def test_vectors_that_are_not_canonical_are_refused(any_kernel: Kernel, call: Call) -> None:
    with pytest.raises(OutOfRange):
        call(any_kernel, not_canonical())


@pytest.mark.parametrize("call", VECTOR_CALLS)
def test_vectors_of_another_shape_are_refused(any_kernel: Kernel, call: Call) -> None:
    for shape in ((4,), (3, 3), (3, 8), (1, 3, 4)):
        with pytest.raises(WrongShape):
            call(any_kernel, np.zeros(shape, dtype=np.uint64))
    with pytest.raises(WrongShape):
        call(any_kernel, np.zeros((3, 4), dtype=np.int64))


@pytest.mark.parametrize("value", [-1, R, 2**256, -(2**300)])
def test_scalars_outside_the_field_are_refused(any_kernel: Kernel, value: int) -> None:
    a = vector_from_ints([1, 2])
    calls: list[Callable[[], object]] = [
        lambda: any_kernel.evaluate(a, value),
        lambda: any_kernel.divide(a, value),
        lambda: any_kernel.add_scaled(a, a, value),
        lambda: any_kernel.geometric(value, 1, 2),
        lambda: any_kernel.geometric(1, value, 2),
    ]
    for call in calls:
        with pytest.raises(OutOfRange):
            call()
