"""Pairing checks, by every kernel: bilinear, and refused for what is not in the groups."""

from __future__ import annotations

import pytest

from aggregator.bn254 import G2_GENERATOR, GENERATOR, G2Point, Kernel, P, Point, R
from aggregator.errors import InvalidPoint, WrongShape
from tests.unit.bn254.known import NOT_IN_SUBGROUP, OFF_CURVE, g2_times, times

(X_REAL, X_IMAG), (Y_REAL, Y_IMAG) = G2_GENERATOR


def test_product_is_bilinear(any_kernel: Kernel) -> None:
    a, b, c = 2**250 + 12345, 2**90 - 7, R - 3
    left: list[tuple[Point, G2Point]] = [(times(a), g2_times(b)), (times(c), G2_GENERATOR), (None, g2_times(3))]
    assert any_kernel.pairing_check([*left, (times(-a * b - c), G2_GENERATOR)])
    assert not any_kernel.pairing_check([left[0], (times(-a * b + 1), G2_GENERATOR)])


def test_single_pair_is_never_one_unless_infinite(any_kernel: Kernel) -> None:
    assert not any_kernel.pairing_check([(GENERATOR, G2_GENERATOR)])
    assert any_kernel.pairing_check([(None, G2_GENERATOR)])


def test_empty_product_is_refused(any_kernel: Kernel) -> None:
    with pytest.raises(WrongShape):
        any_kernel.pairing_check([])


@pytest.mark.parametrize("point", [OFF_CURVE, (1 + P, 2), (1, 2 - P), (0, 0)])
def test_what_is_no_point_of_g1_is_refused(any_kernel: Kernel, point: Point) -> None:
    with pytest.raises(InvalidPoint):
        any_kernel.pairing_check([(point, G2_GENERATOR)])


@pytest.mark.parametrize(
    "point",
    [
        ((X_IMAG, X_REAL), (Y_IMAG, Y_REAL)),  # the order of EIP-197's words
        ((X_REAL, X_IMAG), (Y_IMAG, Y_REAL)),
        ((X_REAL + P, X_IMAG), (Y_REAL, Y_IMAG)),
        ((X_REAL, X_IMAG), (Y_REAL, Y_IMAG - P)),
        ((0, 0), (0, 0)),
    ],
)
def test_what_is_no_point_of_the_twist_is_refused(any_kernel: Kernel, point: G2Point) -> None:
    with pytest.raises(InvalidPoint):
        any_kernel.pairing_check([(GENERATOR, point)])


@pytest.mark.parametrize("point", [GENERATOR, None])
def test_point_of_the_twist_outside_the_subgroup_is_refused(any_kernel: Kernel, point: Point) -> None:
    with pytest.raises(InvalidPoint, match="subgroup"):
        any_kernel.pairing_check([(point, NOT_IN_SUBGROUP)])
