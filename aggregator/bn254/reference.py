"""The kernel in plain Python: the definition that the fast ones are compared with. Correct at any size, and slow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import zip_longest
from typing import cast

import numpy as np
import numpy.typing as npt
from py_ecc import optimized_bn128 as bn

from aggregator.bn254 import arguments
from aggregator.bn254.curve import (
    POINT_BYTES,
    G2Point,
    IntVector,
    Point,
    Points,
    R,
    Vector,
    check_point,
    decode_point,
    encode_point,
    ints_from_vector,
    iterate_points,
    pack_points,
    unpack_points,
    vector_from_ints,
)
from aggregator.errors import InvalidPoint, OutOfRange

_Projective = tuple[bn.FQ, bn.FQ, bn.FQ]
_TwistProjective = tuple[bn.FQ2, bn.FQ2, bn.FQ2]


class ReferenceKernel:
    """Python integers and py_ecc; every method is its definition written down.

    ``msm`` and ``scale`` refuse points off the curve too. One scalar multiplication takes about 5 ms.
    """

    name = "reference"
    description = "plain Python with py_ecc"

    def msm(self, points: Points, scalars: IntVector | Vector, *, threads: int = 0) -> Point:
        """See ``Kernel.msm``."""
        arguments.check_msm(points, scalars, threads)
        small = arguments.is_integers(scalars)
        factors = cast(list[int], scalars.tolist()) if small else ints_from_vector(cast(Vector, scalars))
        terms = [
            _times(point, factor) for point, factor in zip(unpack_points(points[: len(factors)]), factors, strict=True)
        ]
        return _affine(reduce(bn.add, terms, bn.Z1))

    def combine(self, rows: Sequence[IntVector], weights: Sequence[int], *, tail: Vector | None = None) -> Vector:
        """See ``Kernel.combine``."""
        arguments.check_combine(rows, weights, tail)
        columns = zip(*(row.tolist() for row in rows), strict=True)
        sums = [sum(w * entry for w, entry in zip(weights, column, strict=True)) for column in columns]
        return vector_from_ints(sums + ([] if tail is None else ints_from_vector(tail)))

    def correlate(self, a: Vector) -> tuple[int, Vector]:
        """See ``Kernel.correlate``."""
        arguments.check_coefficients(a)
        values = ints_from_vector(a)
        lags = [sum(x * y for x, y in zip(values[lag:], values, strict=False)) for lag in range(len(values))]
        return lags[0] % R, vector_from_ints(lags[1:] or [0])

    def multiply(self, a: Vector, b: Vector) -> Vector:
        """See ``Kernel.multiply``."""
        left, right = ints_from_vector(a), ints_from_vector(b)
        product = [0] * (len(left) + len(right) - 1 if left and right else 0)
        for i, x in enumerate(left):
            for j, y in enumerate(right):
                product[i + j] += x * y
        return vector_from_ints(product)

    def evaluate(self, a: Vector, z: int) -> int:
        """See ``Kernel.evaluate``."""
        z = arguments.check_element(z)
        return reduce(lambda value, coefficient: (value * z + coefficient) % R, reversed(ints_from_vector(a)), 0)

    def add_scaled(self, a: Vector, b: Vector, factor: int) -> Vector:
        """See ``Kernel.add_scaled``."""
        factor = arguments.check_element(factor)
        return vector_from_ints(
            x + factor * y for x, y in zip_longest(ints_from_vector(a), ints_from_vector(b), fillvalue=0)
        )

    def divide(self, a: Vector, z: int) -> Vector:
        """See ``Kernel.divide``: Horner's scheme, whose intermediate values are the quotient."""
        arguments.check_coefficients(a)
        z = arguments.check_element(z)
        quotient, value = [], 0
        for coefficient in reversed(ints_from_vector(a)[1:]):
            value = (value * z + coefficient) % R
            quotient.append(value)
        return vector_from_ints(reversed(quotient))

    def geometric(self, first: int, ratio: int, count: int) -> Vector:
        """See ``Kernel.geometric``."""
        value, ratio = arguments.check_element(first), arguments.check_element(ratio)
        if count < 0:
            raise OutOfRange(f"a series cannot have {count} terms")
        terms = []
        for _ in range(count):
            terms.append(value)
            value = value * ratio % R
        return vector_from_ints(terms)

    def from_integers(self, values: IntVector) -> Vector:
        """See ``Kernel.from_integers``."""
        arguments.check_integers(values)
        return vector_from_ints(values.tolist())

    def fixed_base(self, base: Point, scalars: Vector) -> Points:
        """See ``Kernel.fixed_base``."""
        check_point(base)
        return pack_points([_affine(_times(base, factor)) for factor in ints_from_vector(scalars)])

    def scale(self, points: Points, scalars: Vector) -> Points:
        """See ``Kernel.scale``."""
        arguments.check_scale(points, scalars)
        pairs = zip(unpack_points(points), ints_from_vector(scalars), strict=True)
        return pack_points([_affine(_times(point, factor)) for point, factor in pairs])

    def check_points(self, points: Points) -> None:
        """See ``Kernel.check_points``."""
        for index, point in enumerate(iterate_points(points)):
            if point is None:
                raise InvalidPoint(f"point {index} is the point at infinity", index=index)

    def encode_points(self, points: Points) -> npt.NDArray[np.uint8]:
        """See ``Kernel.encode_points``."""
        data = bytearray(b"".join(encode_point(point) for point in unpack_points(points)))
        return np.frombuffer(data, dtype=np.uint8).reshape(-1, POINT_BYTES)

    def decode_points(self, data: npt.NDArray[np.uint8]) -> Points:
        """See ``Kernel.decode_points``."""
        arguments.check_encoded(data)
        points = []
        for index, row in enumerate(data):
            try:
                points.append(decode_point(row.tobytes()))
            except InvalidPoint as error:
                raise InvalidPoint(f"point {index} is not valid: {error.message}", index=index) from error
        return pack_points(points)

    def pairing_check(self, pairs: Sequence[tuple[Point, G2Point]]) -> bool:
        """See ``Kernel.pairing_check``: the Miller loops are multiplied, then exponentiated once."""
        arguments.check_pairs(pairs)
        product = bn.FQ12.one()
        for point, g2_point in pairs:
            product *= bn.pairing(_twisted(g2_point), _projective(point), final_exponentiate=False)
        return bool(bn.final_exponentiate(product) == bn.FQ12.one())


def _projective(point: Point) -> _Projective:
    return bn.Z1 if point is None else (bn.FQ(point[0]), bn.FQ(point[1]), bn.FQ.one())


def _affine(point: _Projective) -> Point:
    if bn.is_inf(point):
        return None
    x, y = bn.normalize(point)
    return int(x), int(y)


def _times(point: Point, factor: int) -> _Projective:
    product: _Projective = bn.multiply(_projective(point), abs(factor))
    return bn.neg(product) if factor < 0 else product


def _twisted(point: G2Point) -> _TwistProjective:
    x, y = (bn.FQ2(coordinate) for coordinate in point)
    twisted = (x, y, bn.FQ2.one())
    if not bn.is_on_curve(twisted, bn.b2):
        raise InvalidPoint("a G2 point is not on the twist of the curve")
    if not bn.is_inf(bn.multiply(twisted, R)):
        raise InvalidPoint("a G2 point is not in the subgroup of order R")
    return twisted
