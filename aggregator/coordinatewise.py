"""Rules that look at every coordinate by itself: for comparison only. They are unproven, and no job can settle by them.

Their output is no weighted sum of the updates, so nothing about it follows from the Gram matrix and no proof covers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from aggregator.errors import NonFiniteUpdate, RuleNotApplicable, WrongShape
from aggregator.fixedpoint import BLOCK, Float32Vector, IntVector
from aggregator.gram import gram_matrix
from aggregator.updates_kernel import updates_kernel

Updates = Sequence[IntVector] | Sequence[Float32Vector]
"""n vectors of one dtype (int8, int16 or float32) and of shape (d,)."""

_KINDS = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.float32))
_BLOCK = 1 << 14


def coordinate_median(updates: Updates) -> Float32Vector:
    """Return the median of each coordinate (Yin, Chen, Kannan and Bartlett, ICML 2018), float32 of shape (d,).

    For even n that is the mean of the two middle entries, as in NumPy, byzfl and flwr; byzpy takes the lower one.
    Cost: O(d n log^2 n).

    Raises
    ------
    WrongShape
        If there is no update, or they are not vectors of one length and dtype.
    NonFiniteUpdate
        If an entry is NaN or infinite.

    """
    n = len(updates)
    return _mean_of_places(updates, (n - 1) // 2, n // 2 + 1, 0)


def trimmed_mean(updates: Updates, byzantine: int) -> Float32Vector:
    """Return each coordinate's mean without its ``f`` lowest and ``f`` highest entries, float32 of shape (d,).

    Yin, Chen, Kannan and Bartlett (ICML 2018), definition 2, with ``beta = f / n``. Errors as for
    :func:`coordinate_median`; cost O(d n log^2 n).

    Raises
    ------
    RuleNotApplicable
        If not ``n > 2 f >= 0``.

    """
    n = len(updates)
    if not 0 <= 2 * byzantine < max(n, 1):
        raise RuleNotApplicable(f"the trimmed mean of {n} updates cannot leave out {byzantine} at both ends")
    return _mean_of_places(updates, byzantine, n - byzantine, 0)


def bulyan(updates: Updates, byzantine: int) -> Float32Vector:
    """Return Bulyan of Krum (El Mhamdi, Guerraoui and Rouault, ICML 2018, section 4), float32 of shape (d,).

    Krum picks an update, which is taken out, until ``theta = n - 2f`` are picked. Each coordinate is then the mean of
    the ``theta - 2f`` picked entries nearest to their median; of two equally near the lower one is taken. Where Krum's
    ``n - f - 2`` neighbours run out among those that are left, it looks at one. Errors as for
    :func:`coordinate_median`; cost O(n^2 d).

    Raises
    ------
    RuleNotApplicable
        If not ``n >= 4 f + 3`` and ``f >= 0``.

    """
    n = len(updates)
    if byzantine < 0 or n < 4 * byzantine + 3:
        raise RuleNotApplicable(f"Bulyan against {byzantine} needs {4 * byzantine + 3} updates, not {n}")
    _check(updates)
    picked = [updates[i] for i in bulyan_selection(_squared_distances(updates), byzantine)]
    return _mean_of_places(cast(Updates, picked), 0, len(picked), len(picked) - 2 * byzantine)


def bulyan_selection(distances: Sequence[Sequence[float]], byzantine: int) -> list[int]:
    """Return the ``n - 2f`` updates that Krum picks one after the other, given squared distances (n, n)."""
    left = list(range(len(distances)))
    picked: list[int] = []
    while len(picked) < len(distances) - 2 * byzantine:
        neighbours = max(1, len(left) - byzantine - 2)
        scores = {i: sum(sorted(distances[i][j] for j in left if j != i)[:neighbours]) for i in left}
        picked.append(min(left, key=lambda i: (scores[i], i)))
        left.remove(picked[-1])
    return picked


def _check(updates: Updates) -> None:
    if not updates:
        raise WrongShape("there is no update")
    kinds, shapes = {update.dtype for update in updates}, {update.shape for update in updates}
    if len(kinds) != 1 or next(iter(kinds)) not in _KINDS:
        raise WrongShape(f"updates must be all int8, all int16 or all float32, not {sorted(map(str, kinds))}")
    if len(shapes) != 1 or updates[0].ndim != 1 or not updates[0].size:
        raise WrongShape(f"updates must be vectors of one length, not {sorted(shapes)}")


def _mean_of_places(updates: Updates, first: int, last: int, nearest: int) -> Float32Vector:
    """Return each coordinate's mean of its sorted entries at places first .. last - 1.

    If ``nearest`` is not 0: of so many of them as lie nearest to the median of all.
    """
    _check(updates)
    kernel = updates_kernel()
    if kernel is not None:
        rows = [np.ascontiguousarray(update) for update in updates]
        result = kernel.coordinatewise(cast(list[IntVector], rows), first, last, nearest, 0, -1)
        if result is None:
            _refuse_non_finite(updates)
        return cast(Float32Vector, result)
    _refuse_non_finite(updates)
    out = np.empty(updates[0].shape, dtype=np.float32)
    for start in range(0, out.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        places = np.sort(np.array([update[part] for update in updates], dtype=np.float64), axis=0)
        out[part] = _average(places, first, last, nearest)
    return out


def _average(places: npt.NDArray[np.float64], first: int, last: int, nearest: int) -> npt.NDArray[np.float64]:
    """Average sorted columns; the ``nearest`` are always adjacent places, found from the lowest ones on."""
    count = nearest or last - first
    total = places[first : first + count].sum(axis=0)
    n = len(places)
    twice = places[(n - 1) // 2] + places[n // 2]
    for low in range(first, last - count):
        nearer = places[low] + places[low + count] < twice
        total += np.where(nearer, places[low + count] - places[low], 0)
    return cast(npt.NDArray[np.float64], total / count)


def _squared_distances(updates: Updates) -> list[list[float]]:
    """Return squared distances: exact for integers, in float64 from the differences themselves for float32."""
    n = len(updates)
    if updates[0].dtype != np.float32:
        gram: list[list[int]] = gram_matrix(cast(Sequence[IntVector], updates), bits=16).tolist()
        return [[gram[i][i] + gram[j][j] - 2 * gram[i][j] for j in range(n)] for i in range(n)]
    _refuse_non_finite(updates)
    distances = np.zeros((n, n))
    for start in range(0, updates[0].size, _BLOCK):
        part = np.array([update[start : start + _BLOCK] for update in updates], dtype=np.float64)
        for i in range(n - 1):
            difference = part[i + 1 :] - part[i]
            distances[i, i + 1 :] += np.einsum("ij,ij->i", difference, difference)
    return cast(list[list[float]], (distances + distances.T).tolist())


def _refuse_non_finite(updates: Updates) -> None:
    for i, update in enumerate(updates):
        for start in range(0, update.size if update.dtype == np.float32 else 0, BLOCK):
            bad = np.flatnonzero(~np.isfinite(update[start : start + BLOCK]))
            if bad.size:
                entry = start + int(bad[0])
                raise NonFiniteUpdate(f"entry {entry} of update {i} is {update[entry]}", entry=entry, update=i)
