"""Arrays of points, by every kernel: multiples, checks and encodings."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.bn254 import (
    GENERATOR,
    Kernel,
    P,
    Point,
    Points,
    R,
    decode_point,
    encode_point,
    pack_points,
    unpack_points,
    vector_from_ints,
)
from aggregator.errors import InvalidPoint, WrongShape
from tests.unit.bn254.known import COUNT, OFF_CURVE, known, negative, times

POINTS = unpack_points(known().points)
FINITE: list[Point] = [point for point in POINTS if point is not None]


def off_curve(count: int, place: int) -> Points:
    points = pack_points([GENERATOR] * count)
    points[place, 0] ^= np.uint64(1)
    return points


def test_multiples_of_one_point(any_kernel: Kernel) -> None:
    scalars = [0, 1, 2, R - 1, R - 2, 2**128, *known().logs[3:6]]
    multiples = any_kernel.fixed_base(GENERATOR, vector_from_ints(scalars))
    assert (multiples.dtype, multiples.shape) == (np.dtype(np.uint64), (len(scalars), 8))
    assert unpack_points(multiples) == [times(scalar) for scalar in scalars]
    again = any_kernel.fixed_base(POINTS[5], vector_from_ints([3, 0]))
    assert unpack_points(again) == [times(3 * known().logs[5]), None]
    assert any_kernel.fixed_base(GENERATOR, vector_from_ints([])).shape == (0, 8)
    assert unpack_points(any_kernel.fixed_base(None, vector_from_ints([5, 0]))) == [None, None]


def test_multiples_of_many_points(any_kernel: Kernel) -> None:
    scalars = [3, 5, 7, 0, 1, R - 1, 2**200]
    scaled = any_kernel.scale(known().points[:7], vector_from_ints(scalars))
    assert unpack_points(scaled) == [times(x * y) for x, y in zip(known().logs, scalars, strict=False)]
    assert any_kernel.scale(known().points[:0], vector_from_ints([])).shape == (0, 8)
    with pytest.raises(WrongShape):
        any_kernel.scale(known().points[:2], vector_from_ints([1, 2, 3]))


@pytest.mark.parametrize("base", [OFF_CURVE, (1 + P, 2), (0, 0), (-1, 2)])
def test_base_that_is_no_point_is_refused(any_kernel: Kernel, base: Point) -> None:
    with pytest.raises(InvalidPoint):
        any_kernel.fixed_base(base, vector_from_ints([1]))


def test_points_of_the_curve_pass(any_kernel: Kernel) -> None:
    any_kernel.check_points(pack_points(FINITE))
    any_kernel.check_points(pack_points([]))


def test_check_names_the_first_point_that_fails(any_kernel: Kernel) -> None:
    beyond = pack_points([GENERATOR] * 5)
    beyond[4] = 2**64 - 1
    cases = [(off_curve(5, 3), 3), (beyond, 4), (pack_points([GENERATOR, GENERATOR, None, GENERATOR, None]), 2)]
    for points, place in cases:
        with pytest.raises(InvalidPoint, match=str(place)) as caught:
            any_kernel.check_points(points)
        assert caught.value.details["index"] == place


def test_check_finds_one_bad_point_among_many(any_kernel: Kernel) -> None:
    points = np.tile(pack_points([GENERATOR]), (5000, 1))
    any_kernel.check_points(points)
    points[4321, 4] ^= np.uint64(1)
    with pytest.raises(InvalidPoint) as caught:
        any_kernel.check_points(points)
    assert caught.value.details["index"] == 4321


def test_arrays_encode_as_single_points_do(any_kernel: Kernel) -> None:
    encoded = any_kernel.encode_points(known().points)
    assert (encoded.dtype, encoded.shape) == (np.dtype(np.uint8), (COUNT, 64))
    assert encoded.tobytes() == b"".join(map(encode_point, POINTS))
    assert np.array_equal(any_kernel.decode_points(encoded), known().points)
    assert any_kernel.encode_points(pack_points([])).shape == (0, 64)
    assert any_kernel.decode_points(encoded[:0]).shape == (0, 8)


@pytest.mark.parametrize(
    "bad",
    [
        (1).to_bytes(32, "big") + (3).to_bytes(32, "big"),
        (P + 1).to_bytes(32, "big") + (2).to_bytes(32, "big"),
        (1).to_bytes(32, "big") + (P + 2).to_bytes(32, "big"),
        P.to_bytes(32, "big") * 2,
        bytes([255]) * 64,
    ],
)
def test_decoding_names_the_first_row_that_is_no_point(any_kernel: Kernel, bad: bytes) -> None:
    with pytest.raises(InvalidPoint):
        decode_point(bad)
    rows = [encode_point(GENERATOR), bytes(64), bad, encode_point(GENERATOR), bad]
    data = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, 64)
    with pytest.raises(InvalidPoint) as caught:
        any_kernel.decode_points(data)
    assert caught.value.details["index"] == 2


def test_coordinates_that_are_not_canonical_are_refused(any_kernel: Kernel) -> None:
    points = pack_points([GENERATOR] * 2)
    points[1, :4] = [P >> 64 * k & 2**64 - 1 for k in range(4)]
    for call in (any_kernel.encode_points, any_kernel.check_points):
        with pytest.raises(InvalidPoint):
            call(points)
    with pytest.raises(InvalidPoint):
        any_kernel.scale(points, vector_from_ints([1, 1]))


def test_arrays_of_another_type_are_refused(any_kernel: Kernel) -> None:
    for points in (np.zeros((2, 7), dtype=np.uint64), np.zeros(8, dtype=np.uint64)):
        for call in (any_kernel.encode_points, any_kernel.check_points):
            with pytest.raises(WrongShape):
                call(points)
        with pytest.raises(WrongShape):
            any_kernel.scale(points, vector_from_ints([1, 1]))
    for data in (np.zeros((2, 63), dtype=np.uint8), np.zeros(64, dtype=np.uint8)):
        with pytest.raises(WrongShape):
            any_kernel.decode_points(data)
    with pytest.raises(WrongShape):
        any_kernel.decode_points(np.zeros((2, 64), dtype=np.int8))


def test_multiple_and_its_negative_differ_in_y(any_kernel: Kernel) -> None:
    plus, minus = unpack_points(any_kernel.fixed_base(GENERATOR, vector_from_ints([12345, -12345])))
    assert minus == negative(plus)
