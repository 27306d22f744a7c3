"""Points whose discrete logarithms are known, so that what a kernel computes can be told in integers."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from aggregator.bn254 import G2_GENERATOR, GENERATOR, G2Point, P, Point, Points, R, unpack_points, vector_from_ints
from aggregator.bn254.reference import ReferenceKernel
from aggregator.g2 import multiply_g2

COUNT = 24
REFERENCE = ReferenceKernel()
OFF_CURVE = (1, 3)
NOT_IN_SUBGROUP: G2Point = (
    (1, 0),
    (
        18278151005453108793778860132295291098363647455926340152056652516292830556603,
        5912654199736721486680175016176231956195085055698687135131307249486702594212,
    ),
)


@dataclass(frozen=True, slots=True)
class Known:
    """``points[k]`` is ``logs[k]`` times the generator."""

    logs: list[int]
    points: Points

    def sum_of(self, scalars: Iterable[int]) -> Point:
        """Return the sum that a multi-scalar multiplication must give."""
        return times(sum(log * scalar for log, scalar in zip(self.logs, scalars, strict=False)))


@cache
def known() -> Known:
    """Return a few random points, among them infinity, the generator and its negative."""
    rng = random.Random(254)
    logs = [1, R - 1, 0] + [rng.randrange(R) for _ in range(COUNT - 3)]
    points = REFERENCE.fixed_base(GENERATOR, vector_from_ints(logs))
    points.flags.writeable = False
    return Known(logs, points)


def times(scalar: int) -> Point:
    """Return a multiple of the generator."""
    return unpack_points(REFERENCE.fixed_base(GENERATOR, vector_from_ints([scalar])))[0]


def negative(point: Point) -> Point:
    """Return the inverse of a point."""
    return None if point is None else (point[0], P - point[1])


def g2_times(scalar: int) -> G2Point:
    """Return a multiple of the generator of G2."""
    return multiply_g2(G2_GENERATOR, scalar)
