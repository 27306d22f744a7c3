"""Squared distances between updates, exact, from their inner products; what the distance rules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.errors import RuleNotApplicable

MIN_UPDATES = 3
_INT64_DISTANCE_BITS = 61
"""Entries below ``2**61`` in magnitude keep ``g_ii + g_jj - 2 g_ij`` below ``2**63``."""

ExactArray = npt.NDArray[Any]
"""int64 where the bounds allow it, Python integers (dtype object) elsewhere; the values are the same."""


def tolerated(byzantine: int, n: int) -> int:
    """Return f: what the job asks for, capped at ``(n - 3) // 2``, the most that n updates tolerate.

    Raises
    ------
    RuleNotApplicable
        If n is below 3: distances to others then tell nothing.

    """
    if n < MIN_UPDATES:
        raise RuleNotApplicable(f"distances between updates need at least {MIN_UPDATES} of them, not {n}")
    return min(byzantine, (n - 3) // 2)


def squared_distances(gram: Sequence[Sequence[int]] | npt.NDArray[np.int64]) -> ExactArray:
    """Return ``|u_i - u_j|^2 = g_ii + g_jj - 2 g_ij``, shape (n, n), exact for entries of any size."""
    array = exact_array(gram)
    if array.dtype == np.int64 and magnitude(array) >= 1 << _INT64_DISTANCE_BITS:
        array = array.astype(object)
    norms = array.diagonal()
    distances: ExactArray = norms[:, None] + norms[None, :] - 2 * array
    return distances


def exact_sums(values: ExactArray) -> list[int]:
    """Return the sum of each row as Python integers."""
    count = values.shape[1]
    if values.dtype == np.int64 and count * magnitude(values) >= 1 << 63:
        values = values.astype(object)
    sums: list[int] = values.sum(axis=1).tolist()
    return sums


def others(distances: ExactArray) -> ExactArray:
    """Return the matrix without its diagonal, (n, n - 1): each update's distances to the others, by position."""
    n = len(distances)
    return distances.ravel()[1:].reshape(n - 1, n + 1)[:, :-1].reshape(n, n - 1)


def nearest_first(distances: ExactArray) -> npt.NDArray[np.intp]:
    """Return for each update the others' positions, nearest first, (n, n - 1); equal distances go by position."""
    order = np.argsort(others(distances), axis=1, kind="stable")
    return order + (order >= np.arange(len(order))[:, None])


def exact_array(values: Sequence[Sequence[int]] | npt.NDArray[np.int64]) -> ExactArray:
    """Return a matrix of integers as int64 if all fit, and as Python integers otherwise."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)


def magnitude(values: ExactArray) -> int:
    """Return the largest absolute value; 0 of an empty array."""
    return max(int(values.max()), -int(values.min())) if values.size else 0
