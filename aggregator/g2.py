"""Multiplication in G2 of BN254, for the two points of G2 that an SRS has.

The twist ``y^2 = x^3 + 3 / (9 + i)`` over F_p[i]/(i^2 + 1) (EIP-197), affine. A few hundred operations for each scalar,
so plain integers serve; the time taken depends on the scalar.
"""

from __future__ import annotations

from aggregator.bn254 import G2Point, P
from aggregator.errors import InvalidPoint

_Element = tuple[int, int]
_B: _Element = (
    19485874751759354771024239261021720505790618469301721065564631296452457478373,
    266929791119991161246907387137283842545076965332900288569378510910307636690,
)
_ZERO: _Element = (0, 0)


def check_g2(point: G2Point) -> None:
    """Check that a point is canonical and on the twist; not that it lies in the subgroup, which a pairing check does.

    Raises
    ------
    InvalidPoint
        If a coordinate is not below p, or the equation does not hold (infinity has no coordinates, so it is refused).

    """
    x, y = point
    if not all(0 <= coordinate < P for coordinate in (*x, *y)):
        raise InvalidPoint("a coordinate of a G2 point is not below the order of the base field")
    cube = _times(_times(x, x), x)
    if _times(y, y) != ((cube[0] + _B[0]) % P, (cube[1] + _B[1]) % P):
        raise InvalidPoint("a G2 point is not on the curve")


def multiply_g2(point: G2Point, scalar: int) -> G2Point:
    """Return ``scalar * point``.

    Raises
    ------
    InvalidPoint
        If ``point`` is not on the twist, or the product is infinity, which has no coordinates.

    """
    check_g2(point)
    result: G2Point | None = None
    for bit in bin(scalar)[2:]:
        result = _add(result, result)
        if bit == "1":
            result = _add(result, point)
    if result is None:
        raise InvalidPoint("the multiple of the G2 point is infinity")
    return result


def _add(a: G2Point | None, b: G2Point | None) -> G2Point | None:
    if a is None or b is None:
        return a or b
    (x1, y1), (x2, y2) = a, b
    if x1 != x2:
        slope = _times(_minus(y2, y1), _inverse(_minus(x2, x1)))
    elif y1 == y2 and y1 != _ZERO:
        square = _times(x1, x1)
        slope = _times((3 * square[0], 3 * square[1]), _inverse((2 * y1[0], 2 * y1[1])))
    else:
        return None
    x3 = _minus(_minus(_times(slope, slope), x1), x2)
    return x3, _minus(_times(slope, _minus(x1, x3)), y1)


def _times(a: _Element, b: _Element) -> _Element:
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def _minus(a: _Element, b: _Element) -> _Element:
    return (a[0] - b[0]) % P, (a[1] - b[1]) % P


def _inverse(a: _Element) -> _Element:
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, P)
    return a[0] * norm % P, -a[1] * norm % P
