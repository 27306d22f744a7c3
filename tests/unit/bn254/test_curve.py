"""Points as bytes and limbs: known values, and everything that is no point."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.bn254 import (
    GENERATOR,
    P,
    Point,
    R,
    check_point,
    compress,
    decode_point,
    decompress,
    encode_point,
    ints_from_vector,
    pack_points,
    unpack_points,
    vector_from_ints,
)
from aggregator.errors import InvalidPoint, OutOfRange, WrongShape
from tests.unit.bn254.known import OFF_CURVE, known, negative

POINTS: list[Point] = unpack_points(known().points)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_generator_compresses_as_gnark_crypto_writes_it() -> None:
    assert compress(GENERATOR).hex() == "80" + "00" * 30 + "01"
    assert compress(negative(GENERATOR)).hex() == "c0" + "00" * 30 + "01"
    assert compress(None).hex() == "40" + "00" * 31


def test_encodings_round_trip() -> None:
    for point in [*POINTS, *map(negative, POINTS)]:
        assert decompress(compress(point)) == point
        assert decode_point(encode_point(point)) == point
    assert unpack_points(pack_points(POINTS)) == POINTS
    assert encode_point(GENERATOR) == word(1) + word(2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(31),
        bytes(33),
        bytes(32),  # no flag
        bytes([0x40]) + bytes(30) + b"\x01",  # infinity with an x
        bytes([0xC0]) + bytes(31),  # x = 0: 3 is not a square
        word(P | 0x80 << 248),  # x = P
        word(P + 1 | 0x80 << 248),  # x = P + 1, the generator's modulo P
        word(1),  # the generator without a flag
        word(1 | 0x40 << 248),
        word(4 | 0x80 << 248),  # 67 is not a square
    ],
)
def test_other_words_are_no_compressed_points(data: bytes) -> None:
    with pytest.raises(InvalidPoint):
        decompress(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(63),
        bytes(65),
        word(1) + word(3),
        word(P + 1) + word(2),
        word(1) + word(P + 2),
        word(0) + word(1),
        word(P) + word(P),  # zeros modulo P, but not how infinity is written
    ],
)
def test_other_bytes_are_no_points(data: bytes) -> None:
    with pytest.raises(InvalidPoint):
        decode_point(data)


@pytest.mark.parametrize("point", [OFF_CURVE, (1 + P, 2), (1, 2 + P), (1, -2), (0, 0)])
def test_pairs_that_are_no_points_are_refused_everywhere(point: Point) -> None:
    for refuse in (check_point, encode_point, compress, lambda bad: pack_points([GENERATOR, bad])):
        with pytest.raises(InvalidPoint):
            refuse(point)


def test_limbs_are_little_endian_montgomery_form() -> None:
    limbs = pack_points([GENERATOR, None])
    assert (limbs.dtype, limbs.shape) == (np.dtype(np.uint64), (2, 8))
    one = sum(int(limb) << 64 * k for k, limb in enumerate(limbs[0, :4]))
    assert one == 2**256 % P
    assert not limbs[1].any()


@pytest.mark.parametrize(("row", "limb", "value"), [(1, 3, 2**64 - 1), (2, 7, 2**64 - 1), (3, 0, 12345)])
def test_unpacking_names_the_first_row_that_is_no_point(row: int, limb: int, value: int) -> None:
    limbs = pack_points([GENERATOR] * 5)
    limbs[row, limb] = value
    limbs[4, limb] = value
    with pytest.raises(InvalidPoint) as caught:
        unpack_points(limbs)
    assert caught.value.details["index"] == row


@pytest.mark.parametrize("coordinate", [0, 4])
def test_coordinate_plus_the_modulus_is_no_coordinate(coordinate: int) -> None:
    limbs = pack_points([GENERATOR])
    beyond = sum(int(limbs[0, coordinate + k]) << 64 * k for k in range(4)) + P
    limbs[0, coordinate : coordinate + 4] = [beyond >> 64 * k & 2**64 - 1 for k in range(4)]
    with pytest.raises(InvalidPoint, match="not below"):
        unpack_points(limbs)


def test_scalars_are_reduced_on_the_way_in_and_canonical_on_the_way_out() -> None:
    vector = vector_from_ints([-1, 0, 1, R, R + 5, -(2**300)])
    assert (vector.dtype, vector.shape) == (np.dtype(np.uint64), (6, 4))
    assert ints_from_vector(vector) == [R - 1, 0, 1, 0, 5, -(2**300) % R]
    assert vector_from_ints([]).shape == (0, 4)
    vector[2] = [R >> 64 * k & 2**64 - 1 for k in range(4)]
    with pytest.raises(OutOfRange) as caught:
        ints_from_vector(vector)
    assert caught.value.details["index"] == 2


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongShape):
        ints_from_vector(np.zeros(shape, dtype=np.uint64))
    with pytest.raises(WrongShape):
        unpack_points(np.zeros(shape, dtype=np.uint64))
    with pytest.raises(WrongShape):
        ints_from_vector(np.zeros((2, 4), dtype=np.int64))
