"""The compiled functions behind ``aggregator.gram`` and ``aggregator.coordinatewise``.

Rows are contiguous vectors of one length. ``threads = 0`` takes all cores. ``level`` is an index into ``LEVELS``, the
instructions that this processor has; below 0 it means the last. Neither changes a result.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aggregator.fixedpoint import IntVector

LEVELS: list[str]

def gram(rows: list[IntVector], threads: int, level: int) -> npt.NDArray[np.int64]: ...
def cross_products(
    left: list[IntVector], right: list[IntVector], threads: int, level: int
) -> npt.NDArray[np.int64]: ...
def weighted_sum(rows: list[IntVector], weights: Sequence[int], threads: int, level: int) -> npt.NDArray[np.int64]: ...
def coordinatewise(
    rows: list[IntVector] | list[npt.NDArray[np.float32]],
    first: int,
    last: int,
    nearest: int,
    threads: int,
    level: int,
) -> npt.NDArray[np.float32] | None:
    """Return the mean of the entries at sorted places first .. last - 1, coordinate by coordinate.

    If ``nearest`` is not 0: of so many of them as lie nearest to the median of all, the lower ones where two are
    equally near. None if an entry is not finite.
    """
