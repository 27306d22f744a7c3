"""The published aggregate: its range, and the tree through which a contract can look at a few of its entries.

The tree's root is recorded at settlement beside the aggregate's commitment. If the two disagree, one leaf and one
opened chunk of the commitment show it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from eth_hash.auto import keccak

from aggregator.errors import OutOfRange, WrongShape

LEAF_ENTRIES = 128
_LEAF, _NODE = b"\x00", b"\x01"
_EMPTY = bytes(32)

Aggregate = npt.NDArray[np.int64]


def entry_bound(weight_sum: int, bits: int) -> int:
    """Return the largest magnitude of an entry of ``sum_i w_i u_i``."""
    return weight_sum * ((1 << (bits - 1)) - 1)


def check_aggregate(aggregate: Aggregate, *, dimension: int, weight_sum: int, bits: int) -> None:
    """Check shape and range of a published aggregate.

    Raises
    ------
    WrongShape
        If it is not int64 of shape (dimension,).
    OutOfRange
        If an entry is larger than any weighted sum of updates in range could be.

    """
    if aggregate.shape != (dimension,) or aggregate.dtype != np.int64:
        raise WrongShape(f"the aggregate is {aggregate.dtype} of shape {aggregate.shape}, not int64 of ({dimension},)")
    bound = entry_bound(weight_sum, bits)
    outside = np.flatnonzero((aggregate > bound) | (aggregate < -bound))
    if len(outside):
        first = int(outside[0])
        raise OutOfRange(
            f"entry {first} of the aggregate is {int(aggregate[first])}; the bound is {bound}", entry=first
        )


def leaf_entries(aggregate: Aggregate, leaf: int) -> tuple[int, ...]:
    """Return the 128 entries of a leaf, zeros beyond the end."""
    part = [int(entry) for entry in aggregate[leaf * LEAF_ENTRIES : (leaf + 1) * LEAF_ENTRIES]]
    return (*part, *[0] * (LEAF_ENTRIES - len(part)))


def aggregate_root(aggregate: Aggregate) -> bytes:
    """Return the root over the leaves of 128 entries (docs/protocol.md, "The aggregate's tree"). Cost: O(d)."""
    return _levels(aggregate)[-1][0]


def leaf_path(aggregate: Aggregate, leaf: int) -> tuple[bytes, ...]:
    """Return the siblings from a leaf up to the root.

    Raises
    ------
    OutOfRange
        If there is no such leaf.

    """
    levels = _levels(aggregate)
    if not 0 <= leaf * LEAF_ENTRIES < len(aggregate):
        raise OutOfRange(f"the aggregate has no leaf {leaf}")
    return tuple(level[(leaf >> height) ^ 1] for height, (level, _) in enumerate(pairwise(levels)))


def _levels(aggregate: Aggregate) -> list[list[bytes]]:
    if len(aggregate) == 0:
        raise WrongShape("the aggregate is empty")
    level = [_leaf(aggregate[start : start + LEAF_ENTRIES]) for start in range(0, len(aggregate), LEAF_ENTRIES)]
    level += [_EMPTY] * ((1 << (len(level) - 1).bit_length()) - len(level))
    levels = [level]
    while len(level) > 1:
        level = [bytes(keccak(_NODE + level[at] + level[at + 1])) for at in range(0, len(level), 2)]
        levels.append(level)
    return levels


def _leaf(entries: Aggregate) -> bytes:
    data = entries.astype(">i8").tobytes()
    return bytes(keccak(_LEAF + data.ljust(LEAF_ENTRIES * 8, b"\0")))
