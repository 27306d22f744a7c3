"""Multi-scalar multiplication, by every kernel: against sums of known discrete logarithms."""

from __future__ import annotations

import random

import numpy as np
import pytest

from aggregator.bn254 import GENERATOR, IntVector, Kernel, P, Point, R, Vector, kernel, pack_points, vector_from_ints
from aggregator.errors import InvalidPoint, OutOfRange, WrongShape
from tests.unit.bn254.known import COUNT, known, negative, times

INTEGER_TYPES: list[type[np.signedinteger]] = [np.int8, np.int16, np.int32, np.int64]


def limbs_of(value: int) -> list[int]:
    return [value >> 64 * k & 2**64 - 1 for k in range(4)]


@pytest.mark.parametrize("dtype", INTEGER_TYPES)
def test_integers_at_the_ends_of_their_range(any_kernel: Kernel, dtype: type[np.signedinteger]) -> None:
    ends = np.iinfo(dtype)
    scalars = np.array([ends.min, ends.max, 5, -1, 0, 1, ends.min + 1] + [ends.min] * (COUNT - 7), dtype=dtype)
    assert any_kernel.msm(known().points, scalars) == known().sum_of(scalars.tolist())


@pytest.mark.parametrize("dtype", INTEGER_TYPES)
def test_one_scalar(any_kernel: Kernel, dtype: type[np.signedinteger]) -> None:
    for value in (np.iinfo(dtype).min, -1, 0, 1, np.iinfo(dtype).max):
        assert any_kernel.msm(pack_points([GENERATOR]), np.array([value], dtype=dtype)) == times(value)


def test_full_scalars(any_kernel: Kernel) -> None:
    rng = random.Random(1)
    scalars = [R - 1, 0, 1, R - 1, (R - 1) // 2, 2**253, 2**128, 2**64 - 1] + [rng.randrange(R) for _ in range(8)]
    assert any_kernel.msm(known().points, vector_from_ints(scalars)) == known().sum_of(scalars)


def test_zeros_and_nothing_give_infinity(any_kernel: Kernel) -> None:
    points = known().points
    assert any_kernel.msm(points, np.zeros(COUNT, dtype=np.int16)) is None
    assert any_kernel.msm(points, vector_from_ints([0] * COUNT)) is None
    assert any_kernel.msm(points, np.zeros(0, dtype=np.int8)) is None
    assert any_kernel.msm(points[:0], vector_from_ints([])) is None


@pytest.mark.parametrize("count", [2, 3, 300])
def test_equal_points_and_equal_scalars(any_kernel: Kernel, count: int) -> None:
    points = pack_points([GENERATOR] * count)
    assert any_kernel.msm(points, np.full(count, -3, dtype=np.int8)) == times(-3 * count)
    if count < 300:
        assert any_kernel.msm(points, vector_from_ints([R - 3] * count)) == times(-3 * count)


def test_sums_that_cancel(any_kernel: Kernel) -> None:
    pair: list[Point] = [GENERATOR, negative(GENERATOR)]
    assert any_kernel.msm(pack_points(pair), np.array([7, 7], dtype=np.int16)) is None
    assert any_kernel.msm(pack_points([GENERATOR] * 2), vector_from_ints([7, -7])) is None
    assert any_kernel.msm(pack_points(pair * 40), np.full(80, -128, dtype=np.int8)) is None
    assert any_kernel.msm(pack_points([*pair * 40, GENERATOR]), np.full(81, 9, dtype=np.int8)) == times(9)


def test_infinity_among_the_points(any_kernel: Kernel) -> None:
    points = pack_points([None, GENERATOR, None, GENERATOR, None])
    assert any_kernel.msm(points, np.array([100, 2, -100, 3, 1], dtype=np.int8)) == times(5)
    assert any_kernel.msm(points, vector_from_ints([R - 1, 2, 1, 3, 5])) == times(5)
    assert any_kernel.msm(pack_points([None] * 4), np.arange(4, dtype=np.int16)) is None


def test_points_beyond_the_scalars_are_ignored(any_kernel: Kernel) -> None:
    scalars = np.array([1, -2, 3, 4], dtype=np.int8)
    assert any_kernel.msm(known().points, scalars) == any_kernel.msm(known().points[:4], scalars)


def test_fewer_points_than_scalars_are_refused(any_kernel: Kernel) -> None:
    with pytest.raises(WrongShape):
        any_kernel.msm(known().points[:3], np.ones(4, dtype=np.int8))
    with pytest.raises(WrongShape):
        any_kernel.msm(known().points[:3], vector_from_ints([1] * 4))


@pytest.mark.parametrize("value", [R, R + 1, 2**256 - 1, 2**255])
def test_scalars_that_are_not_canonical_are_refused(any_kernel: Kernel, value: int) -> None:
    scalars = vector_from_ints([1, 2, 3])
    scalars[1] = limbs_of(value)
    with pytest.raises(OutOfRange):
        any_kernel.msm(known().points, scalars)


@pytest.mark.parametrize("value", [P, P + 1, 2**256 - 1])
@pytest.mark.parametrize("coordinate", [0, 4])
def test_coordinates_that_are_not_canonical_are_refused(any_kernel: Kernel, value: int, coordinate: int) -> None:
    points = pack_points([GENERATOR] * 3)
    points[2, coordinate : coordinate + 4] = limbs_of(value)
    with pytest.raises(InvalidPoint):
        any_kernel.msm(points, np.ones(3, dtype=np.int8))


@pytest.mark.parametrize(
    "scalars",
    [
        np.ones(3, dtype=np.uint8),
        np.ones(3, dtype=np.uint64),
        np.ones(3, dtype=np.float64),
        np.ones(3, dtype=np.bool_),
        np.ones((3, 1), dtype=np.int8),
        np.ones((), dtype=np.int8),
        np.ones((3, 3), dtype=np.uint64),
        np.ones((3, 4), dtype=np.int64),
        np.ones(3, dtype=">i4"),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_scalars_of_another_type_are_refused(any_kernel: Kernel, scalars: IntVector | Vector) -> None:
    with pytest.raises(WrongShape):
        any_kernel.msm(known().points, scalars)


@pytest.mark.parametrize(
    "points",
    [np.zeros((3, 7), dtype=np.uint64), np.zeros(8, dtype=np.uint64), np.zeros((3, 8), dtype=np.int64)],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_points_of_another_type_are_refused(any_kernel: Kernel, points: Vector) -> None:
    with pytest.raises(WrongShape):
        any_kernel.msm(points, np.ones(1, dtype=np.int8))


@pytest.mark.parametrize("size", [1 << 14, pytest.param(1 << 18, marks=pytest.mark.slow)])
def test_known_logarithms_at_size(any_kernel: Kernel, size: int) -> None:
    if any_kernel.name == "reference":
        pytest.skip("the reference is too slow for this size")
    rng = np.random.default_rng(3)
    logs = rng.integers(1, 2**62, size)
    points = kernel().fixed_base(GENERATOR, kernel().from_integers(logs))
    for dtype in INTEGER_TYPES:
        ends = np.iinfo(dtype)
        scalars = rng.integers(ends.min, ends.max, size, dtype=dtype, endpoint=True)
        expected = times(sum(x * y for x, y in zip(logs.tolist(), scalars.tolist(), strict=True)))
        assert any_kernel.msm(points, scalars, threads=1) == any_kernel.msm(points, scalars, threads=2) == expected
    full = [int(value) * 2**191 % R for value in rng.integers(1, 2**62, size)]
    expected = times(sum(x * y for x, y in zip(logs.tolist(), full, strict=True)))
    vector = vector_from_ints(full)
    assert any_kernel.msm(points, vector, threads=1) == any_kernel.msm(points, vector, threads=2) == expected
