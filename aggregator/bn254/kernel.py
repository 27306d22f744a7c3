"""What a kernel computes: sums over many points, and polynomials over the scalar field of BN254.

A polynomial is the vector of its coefficients, lowest first. Three implementations keep this contract: the native one
(C++), a portable one on prebuilt libraries, and the reference in plain Python that the other two are tested against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aggregator.bn254.curve import G2Point, IntVector, Point, Points, Vector


class Kernel(Protocol):
    """Arithmetic on arrays of curve points and scalars.

    For every method: arrays may be read-only, mapped from a file or not contiguous (they are copied where needed), and
    are never written to; results are new arrays. ``threads = 0`` means all cores that the process may use; the result
    does not depend on it. Scalars given as Python integers must be canonical, in 0..R-1.

    Raises
    ------
    WrongShape
        If an array has another dtype or shape than the method says, or lengths do not fit together.
    OutOfRange
        If a scalar is not below ``R`` or a weight or count lies outside its range.
    InvalidPoint
        If a coordinate is not below ``P``. That points are *on the curve* is checked where a method says so; arrays
        of points from outside go through ``check_points`` or ``decode_points`` once, before anything else.

    """

    @property
    def name(self) -> str:
        """``native``, ``portable`` or ``reference``."""
        ...

    @property
    def description(self) -> str:
        """What it is made of, in one line for a person."""
        ...

    def msm(self, points: Points, scalars: IntVector | Vector, *, threads: int = 0) -> Point:
        """Return ``sum_k scalars_k * points_k``: a multi-scalar multiplication.

        Parameters
        ----------
        points
            (M, 8), M >= N; points beyond the N-th are ignored. Infinity is allowed.
        scalars
            N signed integers of 8, 16, 32 or 64 bits, or a (N, 4) vector. None at all give infinity.

        """
        ...

    def combine(self, rows: Sequence[IntVector], weights: Sequence[int], *, tail: Vector | None = None) -> Vector:
        """Return ``sum_i weights_i * rows_i`` modulo ``R`` with ``tail`` appended: shape (d + len(tail), 4).

        Parameters
        ----------
        rows
            At least one; each int8 or int16 of the same shape (d,).
        weights
            As many, each in 0..2^128-1.

        """
        ...

    def correlate(self, a: Vector) -> tuple[int, Vector]:
        """Return ``(g, s)`` with ``a(X) a(1/X) = g + X s(X) + X^-1 s(X^-1)``: the autocorrelation of ``a``.

        ``s`` has ``max(len(a) - 1, 1)`` coefficients. An empty ``a`` is refused with ``WrongShape``.
        """
        ...

    def multiply(self, a: Vector, b: Vector) -> Vector:
        """Return the product of two polynomials: ``len(a) + len(b) - 1`` coefficients; none if one of them has none."""
        ...

    def evaluate(self, a: Vector, z: int) -> int:
        """Return ``a(z)``; zero for no coefficients."""
        ...

    def add_scaled(self, a: Vector, b: Vector, factor: int) -> Vector:
        """Return ``a + factor * b``, as long as the longer of the two."""
        ...

    def divide(self, a: Vector, z: int) -> Vector:
        """Return ``(a - a(z)) / (X - z)``: ``len(a) - 1`` coefficients; for an empty ``a``, ``WrongShape``."""
        ...

    def geometric(self, first: int, ratio: int, count: int) -> Vector:
        """Return ``first * ratio^k`` for ``0 <= k < count``; a negative count is refused with ``OutOfRange``."""
        ...

    def from_integers(self, values: IntVector) -> Vector:
        """Return signed integers of 8, 16, 32 or 64 bits as scalars: shape (N, 4)."""
        ...

    def fixed_base(self, base: Point, scalars: Vector) -> Points:
        """Return ``scalars_k * base``; ``base`` must be on the curve."""
        ...

    def scale(self, points: Points, scalars: Vector) -> Points:
        """Return ``scalars_k * points_k``, for as many scalars as points."""
        ...

    def check_points(self, points: Points) -> None:
        """Refuse points that are not canonical, not on the curve, or infinity.

        Raises
        ------
        InvalidPoint
            With the first such point's ``index`` in the message and the details.

        """
        ...

    def encode_points(self, points: Points) -> npt.NDArray[np.uint8]:
        """Return (N, 64) bytes, each row as ``encode_point`` writes the point."""
        ...

    def decode_points(self, data: npt.NDArray[np.uint8]) -> Points:
        """Return the points that (N, 64) bytes encode, infinity included.

        Raises
        ------
        InvalidPoint
            If a coordinate is not below ``P`` or a point is not on the curve; names the first ``index``.

        """
        ...

    def pairing_check(self, pairs: Sequence[tuple[Point, G2Point]]) -> bool:
        """Tell whether the product of the pairings ``e(A_i, B_i)`` is one.

        Source: EIP-197; unlike there, an empty product is refused.

        Raises
        ------
        WrongShape
            If there are no pairs.
        InvalidPoint
            If a G1 point is not canonical or not on the curve, or a G2 point is not canonical, not on the twist or not
            in the subgroup of order ``R``.

        """
        ...
