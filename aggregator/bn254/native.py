"""The kernel in C++: shapes and dtypes are checked here, values there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from aggregator.bn254 import _native, arguments
from aggregator.bn254.curve import (
    COORDINATE_BYTES,
    LIMBS,
    POINT_LIMBS,
    G2Point,
    IntVector,
    Point,
    Points,
    Vector,
    check_point,
    decode_point,
    pack_points,
)
from aggregator.bn254.pairing import pairing_check
from aggregator.errors import OutOfRange, WrongShape

_WEIGHT_BYTES = arguments.WEIGHT_BITS // 8
_NO_SCALARS: Vector = np.zeros((0, LIMBS), dtype=np.uint64)


class NativeKernel:
    """The compiled kernel. It runs without the interpreter's lock, on all cores unless told otherwise.

    Parameters
    ----------
    vectors
        Whether AVX-512 is used where the processor has it; results are the same.

    Raises
    ------
    ImportError
        On import of this module, if the extension was not built.

    """

    name = "native"

    def __init__(self, *, vectors: bool = True) -> None:
        self._vectors = vectors

    @property
    def description(self) -> str:
        """What it is made of, in one line for a person."""
        used = _native.ACCELERATIONS if self._vectors else ""
        return f"C++ with {used}" if used else "C++"

    def msm(self, points: Points, scalars: IntVector | Vector, *, threads: int = 0) -> Point:
        """See ``Kernel.msm``."""
        small = scalars.ndim == 1
        factors = _integers(cast(IntVector, scalars)) if small else _vector(cast(Vector, scalars))
        if threads < 0:
            raise OutOfRange(f"the number of threads must not be negative, but is {threads}")
        bases = _points(points)
        if len(bases) < len(factors):
            raise WrongShape(f"{len(factors)} scalars need as many points, but there are {len(bases)}")
        threads = min(threads, 1 << 16)
        if small:
            return decode_point(_native.msm_integers(bases, cast(IntVector, factors), threads, self._vectors))
        return decode_point(_native.msm(bases, cast(Vector, factors), threads, self._vectors))

    def combine(self, rows: Sequence[IntVector], weights: Sequence[int], *, tail: Vector | None = None) -> Vector:
        """See ``Kernel.combine``."""
        arguments.check_combine(rows, weights, None)
        factors = b"".join(int(weight).to_bytes(_WEIGHT_BYTES, "little") for weight in weights)
        return _native.combine([_plain(row) for row in rows], factors, _NO_SCALARS if tail is None else _vector(tail))

    def correlate(self, a: Vector) -> tuple[int, Vector]:
        """See ``Kernel.correlate``: one transform forward, one back."""
        constant, lags = _native.correlate(_coefficients(a), self._vectors)
        return int.from_bytes(constant, "little"), lags

    def multiply(self, a: Vector, b: Vector) -> Vector:
        """See ``Kernel.multiply``."""
        return _native.multiply(_vector(a), _vector(b), self._vectors)

    def evaluate(self, a: Vector, z: int) -> int:
        """See ``Kernel.evaluate``."""
        return int.from_bytes(_native.evaluate(_vector(a), _element(z)), "little")

    def add_scaled(self, a: Vector, b: Vector, factor: int) -> Vector:
        """See ``Kernel.add_scaled``."""
        return _native.add_scaled(_vector(a), _vector(b), _element(factor))

    def divide(self, a: Vector, z: int) -> Vector:
        """See ``Kernel.divide``."""
        return _native.divide(_coefficients(a), _element(z))

    def geometric(self, first: int, ratio: int, count: int) -> Vector:
        """See ``Kernel.geometric``."""
        start, factor = _element(first), _element(ratio)
        if count < 0:
            raise OutOfRange(f"a series cannot have {count} terms")
        return _native.geometric(start, factor, count)

    def from_integers(self, values: IntVector) -> Vector:
        """See ``Kernel.from_integers``."""
        return _native.from_integers(_integers(values))

    def fixed_base(self, base: Point, scalars: Vector) -> Points:
        """See ``Kernel.fixed_base``."""
        check_point(base)
        return _native.fixed_base(pack_points([base]), _vector(scalars), self._vectors)

    def scale(self, points: Points, scalars: Vector) -> Points:
        """See ``Kernel.scale``."""
        bases, factors = _points(points), _vector(scalars)
        if len(bases) != len(factors):
            raise WrongShape(f"there are {len(bases)} points but {len(factors)} scalars")
        return _native.scale(bases, factors, self._vectors)

    def check_points(self, points: Points) -> None:
        """See ``Kernel.check_points``."""
        _native.check_points(_points(points))

    def encode_points(self, points: Points) -> npt.NDArray[np.uint8]:
        """See ``Kernel.encode_points``."""
        return _native.encode_points(_points(points))

    def decode_points(self, data: npt.NDArray[np.uint8]) -> Points:
        """See ``Kernel.decode_points``."""
        arguments.check_encoded(data)
        return _native.decode_points(_plain(data))

    def pairing_check(self, pairs: Sequence[tuple[Point, G2Point]]) -> bool:
        """See ``Kernel.pairing_check``."""
        return pairing_check(pairs)


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array itself if it is contiguous and aligned, else a copy that is."""
    requirements: list[Literal["C", "A"]] = ["C", "A"]
    return np.require(array, requirements=requirements)


def _vector(vector: Vector) -> Vector:
    if vector.dtype != np.uint64 or vector.ndim != 2 or vector.shape[1] != LIMBS:  # noqa: PLR2004
        raise WrongShape(f"scalars must be uint64 of shape (N, {LIMBS}), not {vector.dtype} {vector.shape}")
    return cast(Vector, _plain(vector))


def _points(points: Points) -> Points:
    if points.dtype != np.uint64 or points.ndim != 2 or points.shape[1] != POINT_LIMBS:  # noqa: PLR2004
        raise WrongShape(f"points must be uint64 of shape (N, {POINT_LIMBS}), not {points.dtype} {points.shape}")
    return cast(Points, _plain(points))


def _integers(values: IntVector) -> IntVector:
    arguments.check_integers(values)
    return cast(IntVector, _plain(values))


def _coefficients(a: Vector) -> Vector:
    coefficients = _vector(a)
    if not len(coefficients):
        raise WrongShape("the polynomial has no coefficients")
    return coefficients


def _element(value: int) -> bytes:
    return arguments.check_element(value).to_bytes(COORDINATE_BYTES, "little")
