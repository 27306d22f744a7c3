"""The native kernel for updates, where it was built and is wanted; NumPy serves without it, with the same results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aggregator.bn254.selection import VARIABLE
from aggregator.errors import InvalidInput
from aggregator.fixedpoint import IntVector

IntegerVector = npt.NDArray[np.int64]


class UpdatesKernel(Protocol):
    """What ``aggregator._updates`` offers; see there."""

    LEVELS: list[str]

    def gram(self, rows: list[IntVector], threads: int, level: int) -> IntegerVector:
        """Return the Gram matrix."""
        ...

    def cross_products(self, left: list[IntVector], right: list[IntVector], threads: int, level: int) -> IntegerVector:
        """Return the inner products of each row on the left with each on the right."""
        ...

    def weighted_sum(self, rows: list[IntVector], weights: Sequence[int], threads: int, level: int) -> IntegerVector:
        """Return the weighted sum of the rows."""
        ...

    def coordinatewise(
        self,
        rows: list[IntVector] | list[npt.NDArray[np.float32]],
        first: int,
        last: int,
        nearest: int,
        threads: int,
        level: int,
    ) -> npt.NDArray[np.float32] | None:
        """Return the means of sorted entries; None if an entry is not finite."""
        ...


def updates_kernel() -> UpdatesKernel | None:
    """Return the native kernel; None if NumPy is to be used.

    The environment variable GRAMERCY_KERNEL decides, as for the curve: ``portable`` and ``reference`` mean NumPy.

    Raises
    ------
    InvalidInput
        If GRAMERCY_KERNEL is ``native``, but the kernel was not built here.

    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted in {"portable", "reference"}:
        return None
    built = _built()
    if built is None and wanted == "native":
        raise InvalidInput(
            "the native kernel for updates is not installed here",
            hint=f"unset {VARIABLE}, or install a C++17 compiler and reinstall gramercy",
        )
    return built


@cache
def _built() -> UpdatesKernel | None:
    try:
        from aggregator import _updates
    except ImportError:
        return None
    return _updates
