"""BN254: its constants, its points as integers and as bytes, and the limb arrays that kernels work on.

Equation ``y^2 = x^3 + 3`` over the base field (EIP-196); group order ``R``, cofactor one: every point of the curve is
in the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aggregator.errors import InvalidPoint, OutOfRange, WrongShape

P = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""Order of the base field: coordinates."""
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""Order of the group and of the scalar field."""

Point = tuple[int, int] | None
"""Affine (x, y) in G1, or None for the point at infinity."""
G2Point = tuple[tuple[int, int], tuple[int, int]]
"""Affine ((x_real, x_imag), (y_real, y_imag)) in G2; never infinity."""
IntVector = npt.NDArray[np.int8] | npt.NDArray[np.int16] | npt.NDArray[np.int32] | npt.NDArray[np.int64]
"""Small signed integers, shape (N,); a negative ``-x`` stands for the field element ``R - x``."""
Vector = npt.NDArray[np.uint64]
"""Scalars, shape (N, 4): canonical (below R), little-endian limbs."""
Points = npt.NDArray[np.uint64]
"""G1 points, shape (N, 8): x then y, little-endian limbs, Montgomery form with 2^256; infinity is all zeros.

The layout of a ``.ptau`` file, so that a kernel works on a mapped file without converting it.
"""

GENERATOR: tuple[int, int] = (1, 2)
G2_GENERATOR: G2Point = (
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)

LIMBS = 4
POINT_LIMBS = 8
COORDINATE_BYTES = 32
POINT_BYTES = 64

_MONTGOMERY = (1 << 256) % P
_FROM_MONTGOMERY = pow(_MONTGOMERY, -1, P)
_SQUARE_ROOT = (P + 1) // 4  # P = 3 mod 4
_INFINITY, _SMALLEST, _LARGEST = 0x40, 0x80, 0xC0
_FLAGS = 0xC0
_INFINITY_WORD = bytes([_INFINITY]) + bytes(COORDINATE_BYTES - 1)


def check_point(point: Point) -> None:
    """Check that a point is canonical and on the curve; infinity passes.

    Raises
    ------
    InvalidPoint
        If a coordinate is negative or not below ``P``, or the equation does not hold.

    """
    if point is None:
        return
    x, y = point
    if not (0 <= x < P and 0 <= y < P):
        raise InvalidPoint("a coordinate of the point is not below the order of the base field")
    if (y * y - x * x * x - 3) % P:
        raise InvalidPoint("the point is not on the curve")


def encode_point(point: Point) -> bytes:
    """Return the 64 bytes ``x || y``, big-endian; infinity is 64 zero bytes. Source: EIP-196.

    Raises
    ------
    InvalidPoint
        If the point is not canonical or not on the curve.

    """
    check_point(point)
    if point is None:
        return bytes(POINT_BYTES)
    return point[0].to_bytes(COORDINATE_BYTES, "big") + point[1].to_bytes(COORDINATE_BYTES, "big")


def decode_point(data: bytes) -> Point:
    """Return the point that ``encode_point`` would write as these 64 bytes.

    Raises
    ------
    InvalidPoint
        If the length is not 64, a coordinate is not below ``P``, or the point is not on the curve.

    """
    if len(data) != POINT_BYTES:
        raise InvalidPoint(f"a point has {POINT_BYTES} bytes, not {len(data)}")
    if not any(data):
        return None
    point = int.from_bytes(data[:COORDINATE_BYTES], "big"), int.from_bytes(data[COORDINATE_BYTES:], "big")
    check_point(point)
    return point


def compress(point: Point) -> bytes:
    """Return the 32 bytes of x with the sign of y in the two top bits, as gnark-crypto writes a G1 point.

    The top bits are 10 if ``y <= (P - 1) / 2`` and 11 otherwise; infinity is 0x40 and 31 zero bytes.

    Raises
    ------
    InvalidPoint
        If the point is not canonical or not on the curve.

    """
    check_point(point)
    if point is None:
        return _INFINITY_WORD
    x, y = point
    flag = _LARGEST if y > (P - 1) // 2 else _SMALLEST
    return (x | flag << 8 * (COORDINATE_BYTES - 1)).to_bytes(COORDINATE_BYTES, "big")


def decompress(data: bytes) -> Point:
    """Return the point that ``compress`` would write as these 32 bytes.

    Raises
    ------
    InvalidPoint
        If the length is not 32, the top bits are none of the three patterns, x is not below ``P``, or no point of the
        curve has this x.

    """
    if len(data) != COORDINATE_BYTES:
        raise InvalidPoint(f"a compressed point has {COORDINATE_BYTES} bytes, not {len(data)}")
    if data == _INFINITY_WORD:
        return None
    flag = data[0] & _FLAGS
    if flag not in {_SMALLEST, _LARGEST}:
        raise InvalidPoint("the top bits of the compressed point are none of the three that are allowed")
    x = int.from_bytes(data, "big") & ((1 << 254) - 1)
    if x >= P:
        raise InvalidPoint("the x coordinate of the compressed point is not below the order of the base field")
    square = (x * x * x + 3) % P
    y = pow(square, _SQUARE_ROOT, P)
    if y * y % P != square:
        raise InvalidPoint("no point of the curve has the x coordinate of the compressed point")
    if (y > (P - 1) // 2) != (flag == _LARGEST):
        y = P - y
    return x, y


def pack_points(points: Sequence[Point]) -> Points:
    """Return points as the (N, 8) limbs that kernels work on.

    Raises
    ------
    InvalidPoint
        If a point is not canonical or not on the curve.

    """
    words = bytearray()
    for point in points:
        check_point(point)
        for coordinate in point or (0, 0):
            words += (coordinate * _MONTGOMERY % P).to_bytes(COORDINATE_BYTES, "little")
    return np.frombuffer(words, dtype="<u8").reshape(-1, POINT_LIMBS).astype(np.uint64, copy=False)


def unpack_points(points: Points) -> list[Point]:
    """Return the points that ``pack_points`` would write as these limbs.

    Raises
    ------
    WrongShape
        If ``points`` is not a uint64 array of shape (N, 8).
    InvalidPoint
        If a coordinate is not below ``P`` or a point is not on the curve; names the first ``index``.

    """
    return list(iterate_points(points))


def iterate_points(points: Points) -> Iterator[Point]:
    """Yield the points of ``unpack_points``, each checked when its turn comes."""
    _check_points_shape(points)
    data = points.astype("<u8", copy=False).tobytes()
    for index, start in enumerate(range(0, len(data), POINT_BYTES)):
        x = int.from_bytes(data[start : start + COORDINATE_BYTES], "little")
        y = int.from_bytes(data[start + COORDINATE_BYTES : start + POINT_BYTES], "little")
        if x >= P or y >= P:
            raise _not_canonical(index)
        point = None if x == y == 0 else (x * _FROM_MONTGOMERY % P, y * _FROM_MONTGOMERY % P)
        try:
            check_point(point)
        except InvalidPoint as error:
            raise InvalidPoint(f"point {index} is not on the curve", index=index) from error
        yield point


def vector_from_ints(values: Iterable[int]) -> Vector:
    """Return integers, reduced modulo ``R`` (so that negative ones are fine), as a (N, 4) vector of scalars."""
    data = bytearray(b"".join((int(value) % R).to_bytes(COORDINATE_BYTES, "little") for value in values))
    return np.frombuffer(data, dtype="<u8").reshape(-1, LIMBS).astype(np.uint64, copy=False)


def ints_from_vector(vector: Vector) -> list[int]:
    """Return the scalars of a (N, 4) vector as integers in 0..R-1.

    Raises
    ------
    WrongShape
        If ``vector`` is not a uint64 array of shape (N, 4).
    OutOfRange
        If a scalar is not below ``R``.

    """
    check_vector(vector)
    data = vector.astype("<u8", copy=False).tobytes()
    step = COORDINATE_BYTES
    return [int.from_bytes(data[start : start + step], "little") for start in range(0, len(data), step)]


def check_points_array(points: Points) -> None:
    """Check the dtype, the shape and that every coordinate is below ``P``; not that the points are on the curve.

    Raises
    ------
    WrongShape
        If ``points`` is not a uint64 array of shape (N, 8).
    InvalidPoint
        If a coordinate is not below ``P``.

    """
    _check_points_shape(points)
    bad = ~(_below(points[:, :LIMBS], P) & _below(points[:, LIMBS:], P))
    if bad.any():
        raise _not_canonical(int(np.flatnonzero(bad)[0]))


def _check_points_shape(points: Points) -> None:
    if points.dtype != np.uint64 or points.ndim != 2 or points.shape[1] != POINT_LIMBS:  # noqa: PLR2004
        raise WrongShape(f"points must be uint64 of shape (N, {POINT_LIMBS}), not {points.dtype} {points.shape}")


def _not_canonical(index: int) -> InvalidPoint:
    return InvalidPoint(f"a coordinate of point {index} is not below the order of the base field", index=index)


def check_vector(vector: Vector) -> None:
    """Check the dtype and the shape, and that every scalar is below ``R``.

    Raises
    ------
    WrongShape
        If ``vector`` is not a uint64 array of shape (N, 4).
    OutOfRange
        If a scalar is not below ``R``.

    """
    if vector.dtype != np.uint64 or vector.ndim != 2 or vector.shape[1] != LIMBS:  # noqa: PLR2004
        raise WrongShape(f"scalars must be uint64 of shape (N, {LIMBS}), not {vector.dtype} {vector.shape}")
    bad = ~_below(vector, R)
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        raise OutOfRange(f"scalar {index} is not below the order of the scalar field", index=index)


def _below(limbs: npt.NDArray[np.uint64], modulus: int) -> npt.NDArray[np.bool_]:
    """Tell for each row of four limbs whether the integer is below ``modulus``."""
    below = np.zeros(len(limbs), dtype=np.bool_)
    for limb in range(LIMBS):  # from the least significant: a higher limb overrides, an equal one keeps
        bound = np.uint64(modulus >> 64 * limb & (1 << 64) - 1)
        column = limbs[:, limb]
        below = (column < bound) | ((column == bound) & below)
    return below
