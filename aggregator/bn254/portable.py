"""The kernel for machines without a C++ compiler: prebuilt libraries for points and products, NumPy for the rest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import cast

import numpy as np
import numpy.typing as npt
from flint import fmpz, fmpz_mod, fmpz_mod_ctx, fmpz_mod_poly, fmpz_mod_poly_ctx

from aggregator.bn254 import arguments
from aggregator.bn254.curve import (
    LIMBS,
    G2Point,
    IntVector,
    Point,
    Points,
    R,
    Vector,
    check_point,
    ints_from_vector,
    pack_points,
    unpack_points,
    vector_from_ints,
)
from aggregator.bn254.mcl import Limbs, Mcl, field_limbs
from aggregator.bn254.reference import ReferenceKernel

_CHUNK = 1 << 17
"""Points of one call into mcl: its scratch memory grows with them."""
_WORTH_A_THREAD = 1 << 12
_BLOCK = 1 << 16
"""Coordinates combined at once."""
_DIGIT_BITS = 32
_MAX_ROWS = 1 << 14
"""So many products of a digit and a 16-bit entry still fit 63 bits when summed, with a carry."""

_Integers = npt.NDArray[np.int64]


class PortableKernel(ReferenceKernel):
    """mcl for points and pairings, FLINT for polynomial products.

    What is linear in the number of coefficients and needs no library is the reference's.

    Raises
    ------
    ImportError
        If a library is not installed or cannot be loaded.

    """

    name = "portable"
    description = "the prebuilt libraries mcl and FLINT"

    def __init__(self) -> None:
        self._mcl = Mcl()
        self._polynomials = fmpz_mod_poly_ctx(fmpz_mod_ctx(R))

    def msm(self, points: Points, scalars: IntVector | Vector, *, threads: int = 0) -> Point:
        """See ``Kernel.msm``; chunks of points go to the threads."""
        arguments.check_msm(points, scalars, threads)
        count = len(scalars)
        threads = max(1, min(threads or len(os.sched_getaffinity(0)), count // _WORTH_A_THREAD))
        chunk = max(1, min(_CHUNK, -(-count // threads)))
        parts = [slice(start, min(start + chunk, count)) for start in range(0, count, chunk)]
        with ThreadPoolExecutor(threads) as pool:
            sums = list(pool.map(lambda part: self._sum(points[part], scalars[part]), parts))
        total = reduce(self._mcl.add, sums, self._mcl.from_points(pack_points([None])))
        return unpack_points(self._mcl.to_points(total))[0]

    def combine(self, rows: Sequence[IntVector], weights: Sequence[int], *, tail: Vector | None = None) -> Vector:
        """See ``Kernel.combine``: the weights' 32-bit digits are combined in int64, then carried."""
        arguments.check_combine(rows, weights, tail)
        if len(rows) > _MAX_ROWS:
            return super().combine(rows, weights, tail=tail)
        mask = (1 << _DIGIT_BITS) - 1
        shifts = range(0, arguments.WEIGHT_BITS, _DIGIT_BITS)
        digits = np.array([[weight >> shift & mask for weight in weights] for shift in shifts], dtype=np.int64)
        dimension = len(rows[0])
        combined = np.empty((dimension + (0 if tail is None else len(tail)), LIMBS), dtype=np.uint64)
        for start in range(0, dimension, _BLOCK):
            block = np.stack([row[start : start + _BLOCK] for row in rows]).astype(np.int64)
            combined[start : min(start + _BLOCK, dimension)] = _from_digits(digits @ block)
        if tail is not None:
            combined[dimension:] = tail
        return combined

    def correlate(self, a: Vector) -> tuple[int, Vector]:
        """See ``Kernel.correlate``: the upper half of ``a(X) times X^(N-1) a(1/X)``."""
        arguments.check_coefficients(a)
        values = ints_from_vector(a)
        product = self._polynomial(values) * self._polynomial(values[::-1])
        lags = _coefficients(product, 2 * len(values) - 1)[len(values) - 1 :]
        return lags[0], vector_from_ints(lags[1:] or [0])

    def multiply(self, a: Vector, b: Vector) -> Vector:
        """See ``Kernel.multiply``."""
        left, right = ints_from_vector(a), ints_from_vector(b)
        if not left or not right:
            return vector_from_ints([])
        product = self._polynomial(left) * self._polynomial(right)
        return vector_from_ints(_coefficients(product, len(left) + len(right) - 1))

    def from_integers(self, values: IntVector) -> Vector:
        """See ``Kernel.from_integers``."""
        arguments.check_integers(values)
        wide = values.astype(np.int64)
        sign = wide >> 63
        return _reduce_negative(np.stack([wide, sign, sign, sign], axis=1).view(np.uint64), wide < 0)

    def fixed_base(self, base: Point, scalars: Vector) -> Points:
        """See ``Kernel.fixed_base``."""
        check_point(base)
        factors = field_limbs(ints_from_vector(scalars), R)
        return self._mcl.to_points(self._mcl.multiply_each(self._mcl.from_points(pack_points([base])), factors))

    def scale(self, points: Points, scalars: Vector) -> Points:
        """See ``Kernel.scale``."""
        arguments.check_scale(points, scalars)
        factors = field_limbs(ints_from_vector(scalars), R)
        return self._mcl.to_points(self._mcl.multiply_each(self._mcl.from_points(points), factors))

    def pairing_check(self, pairs: Sequence[tuple[Point, G2Point]]) -> bool:
        """See ``Kernel.pairing_check``."""
        return self._mcl.pairing_check(pairs)

    def _polynomial(self, values: list[int]) -> fmpz_mod_poly:
        coefficients: list[int | fmpz | fmpz_mod] = [*values]
        return self._polynomials(coefficients)

    def _sum(self, points: Points, scalars: IntVector | Vector) -> Limbs:
        """Return one chunk's sum; mcl is fast for short scalars, so negative ones are summed apart and subtracted."""
        if scalars.dtype == np.uint64:
            factors = field_limbs(ints_from_vector(cast(Vector, scalars)), R)
            return self._mcl.multiply_sum(self._mcl.from_points(points), factors)
        wide = scalars.astype(np.int64)
        sums = []
        for sign, chosen in ((1, wide > 0), (-1, wide < 0)):
            distinct, place = np.unique(wide[chosen], return_inverse=True)
            factors = field_limbs([sign * value for value in distinct.tolist()], R)[place]
            sums.append(self._mcl.multiply_sum(self._mcl.from_points(points[chosen]), factors))
        return self._mcl.subtract(*sums)


def _coefficients(polynomial: fmpz_mod_poly, count: int) -> list[int]:
    """Return ``count`` coefficients; FLINT drops zeros at the top."""
    values = [int(value) for value in polynomial.coeffs()]
    return values + [0] * (count - len(values))


def _from_digits(columns: _Integers) -> Vector:
    """Return ``sum_j columns_j 2^(32 j)`` as scalars; ``columns`` is (4, N), each entry below 2^63 in size."""
    mask = (1 << _DIGIT_BITS) - 1
    carry = np.zeros(columns.shape[1], dtype=np.int64)
    limbs = np.empty((columns.shape[1], LIMBS), dtype=np.int64)
    digits = []
    for column in columns:
        carry += column
        digits.append(carry & mask)
        carry >>= _DIGIT_BITS
    limbs[:, 0] = digits[0] | digits[1] << _DIGIT_BITS
    limbs[:, 1] = digits[2] | digits[3] << _DIGIT_BITS
    limbs[:, 2] = carry
    limbs[:, 3] = carry >> 63
    return _reduce_negative(limbs.view(np.uint64), carry < 0)


def _reduce_negative(limbs: Limbs, negative: npt.NDArray[np.bool_]) -> Vector:
    """Add ``R`` to the rows that are negative in 256-bit two's complement; changes ``limbs`` in place."""
    carry = np.zeros(int(np.count_nonzero(negative)), dtype=np.uint64)
    rows = limbs[negative]
    for limb in range(LIMBS):
        addend = np.uint64(R >> 64 * limb & (1 << 64) - 1)
        total = rows[:, limb] + addend
        overflow = total < addend
        rows[:, limb] = total + carry
        carry = (overflow | (rows[:, limb] < carry)).astype(np.uint64)
    limbs[negative] = rows
    return limbs
