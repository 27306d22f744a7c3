"""Checks of what is passed to a kernel, shared by the implementations in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from aggregator.bn254.curve import (
    POINT_BYTES,
    G2Point,
    IntVector,
    P,
    Point,
    Points,
    R,
    Vector,
    check_point,
    check_points_array,
    check_vector,
)
from aggregator.errors import InvalidPoint, OutOfRange, WrongShape

WEIGHT_BITS = 128
_INTEGER_TYPES = frozenset(np.dtype(t) for t in (np.int8, np.int16, np.int32, np.int64))
_ROW_TYPES = frozenset(np.dtype(t) for t in (np.int8, np.int16))


def is_integers(values: IntVector | Vector) -> bool:
    """Tell whether these are small signed integers, as opposed to a (N, 4) vector; neither is refused."""
    if values.dtype in _INTEGER_TYPES and values.ndim == 1:
        return True
    check_vector(cast(Vector, values))
    return False


def check_integers(values: IntVector) -> None:
    """Refuse anything but a vector of signed integers of 8, 16, 32 or 64 bits."""
    if values.dtype not in _INTEGER_TYPES or values.ndim != 1:
        raise WrongShape(
            f"integers must be int8, int16, int32 or int64 of shape (N,), not {values.dtype} {values.shape}"
        )


def check_msm(points: Points, scalars: IntVector | Vector, threads: int) -> None:
    """Refuse fewer points than scalars, and what is not canonical."""
    is_integers(scalars)
    if threads < 0:
        raise OutOfRange(f"the number of threads must not be negative, but is {threads}")
    check_points_array(points)
    if len(points) < len(scalars):
        raise WrongShape(f"{len(scalars)} scalars need as many points, but there are {len(points)}")


def check_combine(rows: Sequence[IntVector], weights: Sequence[int], tail: Vector | None) -> None:
    """Refuse rows of different shapes, weights outside 0..2^128-1, and another number of them than of rows."""
    if not rows or len(rows) != len(weights):
        raise WrongShape(f"a combination needs rows and as many weights, not {len(rows)} and {len(weights)}")
    for row in rows:
        if row.dtype not in _ROW_TYPES or row.ndim != 1 or row.shape != rows[0].shape:
            raise WrongShape(f"rows must be int8 or int16 of one shape (d,), not {row.dtype} {row.shape}")
    if any(not 0 <= weight < 1 << WEIGHT_BITS for weight in weights):
        raise OutOfRange(f"a weight does not lie in 0..2^{WEIGHT_BITS}-1")
    if tail is not None:
        check_vector(tail)


def check_coefficients(a: Vector) -> None:
    """Refuse a polynomial without coefficients."""
    check_vector(a)
    if not len(a):
        raise WrongShape("the polynomial has no coefficients")


def check_element(value: int) -> int:
    """Return a scalar given as an integer; one outside 0..R-1 is refused."""
    if not 0 <= value < R:
        raise OutOfRange("a scalar is not in 0..R-1")
    return int(value)


def check_scale(points: Points, scalars: Vector) -> None:
    """Refuse another number of scalars than of points."""
    check_points_array(points)
    check_vector(scalars)
    if len(points) != len(scalars):
        raise WrongShape(f"there are {len(points)} points but {len(scalars)} scalars")


def check_encoded(data: npt.NDArray[np.uint8]) -> None:
    """Refuse anything but (N, 64) bytes."""
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != POINT_BYTES:  # noqa: PLR2004
        raise WrongShape(f"encoded points must be uint8 of shape (N, {POINT_BYTES}), not {data.dtype} {data.shape}")


def check_pairs(pairs: Sequence[tuple[Point, G2Point]]) -> None:
    """Refuse no pairs, G1 points that are not on the curve and G2 coordinates that are not canonical."""
    if not pairs:
        raise WrongShape("a pairing check needs at least one pair")
    for point, (x, y) in pairs:
        check_point(point)
        if not all(0 <= coordinate < P for coordinate in (*x, *y)):
            raise InvalidPoint("a coordinate of a G2 point is not below the order of the base field")
