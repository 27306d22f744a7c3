"""Pairing checks for kernels that have no pairing of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from aggregator.bn254.curve import G2Point, Point
from aggregator.bn254.kernel import Kernel
from aggregator.bn254.mcl import Mcl


def pairing_check(pairs: Sequence[tuple[Point, G2Point]]) -> bool:
    """See ``Kernel.pairing_check``: by mcl where its package runs, else by the reference, in a second."""
    return _fastest().pairing_check(pairs)


@cache
def _fastest() -> Mcl | Kernel:
    try:
        return Mcl()
    except ImportError:
        from aggregator.bn254.reference import ReferenceKernel

        return ReferenceKernel()
