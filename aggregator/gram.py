"""The Gram matrix of quantised updates, further inner products, and the weighted sum: exact, streamed over coordinates.

The native kernel does the work where it was built; NumPy does it elsewhere, with the same results. Inputs may be memory
maps of files, and are never written to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from aggregator.errors import OutOfRange, WrongShape
from aggregator.fixedpoint import BLOCK, MAX_BITS, MIN_BITS, IntVector
from aggregator.updates_kernel import updates_kernel

GramMatrix = npt.NDArray[np.int64]
WideVector = npt.NDArray[np.int32] | npt.NDArray[np.int64]

MAX_WEIGHT_SUM = 1 << 34
"""Of the magnitudes of a weighted sum's weights."""
_MAX_BLOCK = 1 << 16
_LIMB_BITS = 15
_BEST_LEVEL = -1
Progress = Callable[[int], None]


def check_dimension(dimension: int, bits: int) -> None:
    """Check ``4 d 2**(2b-2) < 2**63``: every Gram entry and every squared distance then fits an int64.

    Raises
    ------
    OutOfRange
        If it does not hold, or ``bits`` is not 4 to 16.

    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise OutOfRange(f"bits must be {MIN_BITS} to {MAX_BITS}, not {bits}")
    if dimension < 1 or dimension << (2 * bits) >= 1 << 63:
        raise OutOfRange(f"{dimension} entries of {bits} bits overflow a 64-bit Gram matrix", hint="use fewer bits")


def gram_matrix(
    updates: Sequence[IntVector], *, bits: int, progress: Progress | None = None, threads: int = 0
) -> GramMatrix:
    """Return ``G = U U^T``, int64 of shape (n, n), exactly.

    Extra memory is O(n) blocks of some thousand coordinates for each thread. Cost: O(n^2 d).

    Parameters
    ----------
    updates
        n vectors of int8 or int16 and of shape (d,), entries below ``2**(bits-1)`` in magnitude. Inner products are
        exact for every entry that the dtype has.
    bits
        ``b``; see :func:`check_dimension`.
    progress
        Called with the number of coordinates done since the last call.
    threads
        0 for all cores.

    Raises
    ------
    WrongShape
        If there is no update, or they are not integer vectors of one length.
    OutOfRange
        If ``d`` and ``bits`` could overflow.

    """
    dimension = _common_dimension(updates)
    check_dimension(dimension, bits)
    kernel = updates_kernel()
    if kernel is None:
        return _gram_by_blas(updates, dimension, progress)
    if progress is None:
        return kernel.gram(_contiguous(updates), threads, _BEST_LEVEL)
    gram = np.zeros((len(updates), len(updates)), dtype=np.int64)
    for start in range(0, dimension, BLOCK):
        stop = min(start + BLOCK, dimension)
        gram += kernel.gram(_contiguous([update[start:stop] for update in updates]), threads, _BEST_LEVEL)
        progress(stop - start)
    return gram


def extend_gram(gram: GramMatrix, updates: Sequence[IntVector], row: IntVector) -> GramMatrix:
    """Return the Gram matrix (n + 1, n + 1) of ``updates`` and then ``row``, given that of ``updates``. Cost: O(n d).

    Raises
    ------
    WrongShape
        If ``gram`` is not of shape (n, n), or the row is not an integer vector of the updates' length.

    """
    n = len(updates)
    if gram.shape != (n, n):
        raise WrongShape(f"the Gram matrix of {n} updates has shape {(n, n)}, not {gram.shape}")
    _common_dimension([row, *updates])
    wider = np.empty((n + 1, n + 1), dtype=np.int64)
    wider[:n, :n] = gram
    wider[n, :] = wider[:, n] = _cross_products([row], [*updates, row])[0]
    return wider


def inner_products(rows: Sequence[IntVector | WideVector], row: IntVector | WideVector) -> list[int]:
    """Return the inner product of ``row`` with each of ``rows``, as exact Python integers. Cost: O(n d).

    For rows of any integers up to 64 bits: aggregates, running sums. ``inner_products([row], row)`` is a square. A wide
    row is cut into pieces of 15 bits, block by block, whose products are those of updates.

    Raises
    ------
    WrongShape
        If a row is not a vector of int8, int16, int32 or int64, or they differ in length.

    """
    _common_shape([row, *rows])
    _check_integers([row, *rows])
    totals = [0] * len(rows)
    for start in range(0, len(row) if rows else 0, BLOCK):
        part = slice(start, start + BLOCK)
        left = _limbs(row[part])
        for i, other in enumerate(rows):
            right = left if other is row else _limbs(other[part])
            products: list[list[int]] = _cross_products(left, right).tolist()
            for a, line in enumerate(products):
                totals[i] += sum(product << _LIMB_BITS * (a + b) for b, product in enumerate(line))
    return totals


def extra_products(
    updates: Sequence[IntVector], extras: Sequence[IntVector | WideVector], *, progress: Progress | None = None
) -> list[list[int]]:
    """Return for each extra row its inner products with the updates, with the extra rows before it, and its square.

    As :func:`inner_products` for each of ``extras``, but every row is read and cut once. Cost: O(m e d) for e of m.

    Raises
    ------
    WrongShape
        As :func:`inner_products`.

    """
    rows = [*updates, *extras]
    dimension = _common_shape(rows) if rows else 0
    _check_integers(rows)
    totals = [[0] * (len(updates) + place + 1) for place in range(len(extras))]
    for start in range(0, dimension if extras else 0, BLOCK):
        pieces = [_limbs(row[start : start + BLOCK]) for row in rows]
        owners = [(row, limb) for row, cut in enumerate(pieces) for limb in range(len(cut))]
        first = sum(len(cut) for cut in pieces[: len(updates)])
        flat = [limb for cut in pieces for limb in cut]
        products: list[list[int]] = _cross_products(flat[first:], flat).tolist()
        for (row, a), line in zip(owners[first:], products, strict=True):
            total = totals[row - len(updates)]
            for (other, b), product in zip(owners, line, strict=True):
                if other <= row:
                    total[other] += product << _LIMB_BITS * (a + b)
        if progress:
            progress(min(BLOCK, dimension - start))
    return totals


def weighted_sum(updates: Sequence[IntVector], weights: Sequence[int], *, threads: int = 0) -> npt.NDArray[np.int64]:
    """Return ``sum_i w_i u_i``, int64 of shape (d,), exactly, in one pass over the updates that have a weight.

    Weights are at most ``2**34`` in sum of magnitudes, so no entry exceeds ``2**49``. Rules' weights are not negative
    and sum to ``2**32`` at most; negative ones serve differences of aggregates.

    Raises
    ------
    WrongShape
        If the numbers of updates and weights differ, or an update is not an integer vector of the others' length.
    OutOfRange
        If the weights' magnitudes sum to more than ``2**34``.

    """
    dimension = _common_dimension(updates)
    if len(weights) != len(updates):
        raise WrongShape(f"{len(updates)} updates but {len(weights)} weights")
    if sum(abs(weight) for weight in weights) > MAX_WEIGHT_SUM:
        raise OutOfRange("the weights' magnitudes must sum to at most 2**34")
    used = [(update, int(weight)) for update, weight in zip(updates, weights, strict=True) if weight]
    kernel = updates_kernel()
    if kernel is not None and used:
        rows = _contiguous([update for update, _ in used])
        return kernel.weighted_sum(rows, [weight for _, weight in used], threads, _BEST_LEVEL)
    total = np.zeros(dimension, dtype=np.int64)
    for start in range(0, dimension, _MAX_BLOCK):
        part = slice(start, start + _MAX_BLOCK)
        for update, weight in used:
            total[part] += update[part].astype(np.int64) * weight
    return total


def pack_gram(gram: GramMatrix) -> bytes:
    """Return the upper triangle, row by row, diagonal included, as big-endian int64: what is posted on chain."""
    upper = gram[np.triu_indices(len(gram))]
    return upper.astype(">i8").tobytes()


def unpack_gram(packed: bytes, updates: int) -> GramMatrix:
    """Return the symmetric matrix of shape (updates, updates) behind :func:`pack_gram`'s bytes.

    Raises
    ------
    WrongShape
        If the length does not fit.

    """
    if len(packed) != updates * (updates + 1) * 4:
        raise WrongShape(f"{len(packed)} bytes are not the upper triangle for {updates} updates")
    gram = np.zeros((updates, updates), dtype=np.int64)
    gram[np.triu_indices(updates)] = np.frombuffer(packed, dtype=">i8")
    return gram + np.triu(gram, 1).T


def check_gram(gram: GramMatrix, *, dimension: int, bits: int) -> None:
    """Check what GramMatrix.sol checks of a posted matrix: entry bounds and ``2|g_ij| <= g_ii + g_jj``.

    Raises
    ------
    WrongShape
        If the matrix is not square and symmetric.
    OutOfRange
        If no updates of this dimension and range have this Gram matrix.

    """
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or not np.array_equal(gram, gram.T):  # noqa: PLR2004
        raise WrongShape("a Gram matrix is square and symmetric")
    bound = dimension << (2 * bits - 2)
    rows: list[list[int]] = gram.tolist()
    for i, row in enumerate(rows):
        if not 0 <= row[i] <= bound:
            raise OutOfRange(f"squared norm {row[i]} of update {i} is impossible")
        for j, value in enumerate(row):
            if abs(value) > bound or 2 * abs(value) > row[i] + rows[j][j]:
                raise OutOfRange(f"inner product {value} of updates {i} and {j} is impossible")


def _common_dimension(updates: Sequence[IntVector]) -> int:
    if not updates:
        raise WrongShape("there is no update")
    for update in updates:
        if update.dtype not in (np.int8, np.int16):
            raise WrongShape(f"updates must be int8 or int16, not {update.dtype}", hint="quantise them first")
    return _common_shape(updates)


def _common_shape(rows: Sequence[IntVector | WideVector]) -> int:
    shapes = {row.shape for row in rows}
    if len(shapes) != 1 or len(rows[0].shape) != 1 or rows[0].shape[0] == 0:
        raise WrongShape(f"updates must be vectors of one length, not {sorted(shapes)}")
    return int(rows[0].shape[0])


def _check_integers(rows: Sequence[IntVector | WideVector]) -> None:
    for row in rows:
        if row.dtype not in {np.dtype(kind) for kind in (np.int8, np.int16, np.int32, np.int64)}:
            raise WrongShape(f"rows must be signed integers, not {row.dtype}")


def _contiguous(rows: Sequence[IntVector]) -> list[IntVector]:
    """Return the rows as they are where their entries follow each other in memory, else copies."""
    return [cast(IntVector, np.ascontiguousarray(row)) for row in rows]


def _gram_by_blas(updates: Sequence[IntVector], dimension: int, progress: Progress | None) -> GramMatrix:
    """Add up float64 products of blocks, so short that no partial sum reaches ``2**53``."""
    gram = np.zeros((len(updates), len(updates)), dtype=np.int64)
    rows = np.empty((len(updates), min(_MAX_BLOCK, dimension)), dtype=np.float64)
    for start in range(0, dimension, _MAX_BLOCK):
        stop = min(start + _MAX_BLOCK, dimension)
        part = rows[:, : stop - start]
        for i, update in enumerate(updates):
            part[i] = update[start:stop]
        gram += (part @ part.T).astype(np.int64)
        if progress:
            progress(stop - start)
    return gram


def _cross_products(left: Sequence[IntVector], right: Sequence[IntVector]) -> GramMatrix:
    """Return the products of each row on the left with each on the right, int64."""
    kernel = updates_kernel()
    if kernel is not None:
        return kernel.cross_products(_contiguous(left), _contiguous(right), 0, _BEST_LEVEL)
    total = np.zeros((len(left), len(right)), dtype=np.int64)
    for start in range(0, len(left[0]), _MAX_BLOCK):
        a, b = (np.array([row[start : start + _MAX_BLOCK] for row in rows], dtype=np.float64) for rows in (left, right))
        total += (a @ b.T).astype(np.int64)
    return total


def _limbs(row: IntVector | WideVector) -> list[IntVector]:
    """Return int16 vectors ``x_k`` with ``row = sum_k 2**(15 k) x_k``; an update is its own only one."""
    if row.dtype in (np.int8, np.int16):
        return [cast(IntVector, row)]
    bits = max(int(row.max()).bit_length(), (~int(row.min())).bit_length())
    last = max(1, -(-bits // _LIMB_BITS)) - 1
    low = [(row >> _LIMB_BITS * k & (1 << _LIMB_BITS) - 1).astype(np.int16) for k in range(last)]
    return [*low, (row >> _LIMB_BITS * last).astype(np.int16)]
