"""The published aggregate's tree and range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak

from aggregator.aggregate import (
    LEAF_ENTRIES,
    Aggregate,
    aggregate_root,
    check_aggregate,
    entry_bound,
    leaf_entries,
    leaf_path,
)
from aggregator.errors import OutOfRange, WrongShape


def vector(length: int) -> Aggregate:
    return np.random.default_rng(length).integers(-(2**47), 2**47, length)


def leaf_hash(entries: tuple[int, ...]) -> bytes:
    return bytes(keccak(b"\0" + b"".join(entry.to_bytes(8, "big", signed=True) for entry in entries)))


def root_of(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes:
    for sibling in path:
        leaf = keccak(b"\1" + (sibling + leaf if index & 1 else leaf + sibling))
        index >>= 1
    return leaf


@pytest.mark.parametrize("length", [1, 127, 128, 129, 256, 257, 640, 1025])
def test_every_leaf_leads_to_the_root(length: int) -> None:
    entries = vector(length)
    root = aggregate_root(entries)
    for leaf in range(-(-length // LEAF_ENTRIES)):
        path = leaf_path(entries, leaf)
        assert len(path) == (-(-length // LEAF_ENTRIES) - 1).bit_length()
        assert root_of(leaf_hash(leaf_entries(entries, leaf)), leaf, path) == root


def test_a_single_leaf_is_its_own_root() -> None:
    assert aggregate_root(np.array([5], dtype=np.int64)) == leaf_hash((5, *[0] * 127))


def test_missing_leaves_are_zero_words() -> None:
    entries = vector(300)
    leaves = [leaf_hash(leaf_entries(entries, leaf)) for leaf in range(3)]
    right = keccak(b"\1" + leaves[2] + bytes(32))
    assert aggregate_root(entries) == keccak(b"\1" + keccak(b"\1" + leaves[0] + leaves[1]) + right)


def test_every_entry_and_its_place_are_bound() -> None:
    entries = vector(200)
    root = aggregate_root(entries)
    for position in (0, 127, 128, 199):
        changed = entries.copy()
        changed[position] ^= 1
        assert aggregate_root(changed) != root
    assert aggregate_root(entries[::-1]) != root


def test_there_is_no_leaf_beyond_the_end_and_no_empty_tree() -> None:
    with pytest.raises(OutOfRange):
        leaf_path(vector(128), 1)
    with pytest.raises(OutOfRange):
        leaf_path(vector(128), -1)
    with pytest.raises(WrongShape):
        aggregate_root(np.zeros(0, dtype=np.int64))


def test_the_range_is_that_of_weighted_updates() -> None:
    weight_sum, bits = 2**32 - 3, 8
    bound = entry_bound(weight_sum, bits)
    assert bound == weight_sum * 127
    entries = np.array([bound, -bound, 0], dtype=np.int64)
    check_aggregate(entries, dimension=3, weight_sum=weight_sum, bits=bits)
    for position, value in ((0, bound + 1), (1, -bound - 1)):
        outside = entries.copy()
        outside[position] = value
        with pytest.raises(OutOfRange) as refused:
            check_aggregate(outside, dimension=3, weight_sum=weight_sum, bits=bits)
        assert refused.value.details["entry"] == position
    # the one int64 whose magnitude numpy cannot represent
    with pytest.raises(OutOfRange):
        check_aggregate(np.array([0, 0, -(2**63)], dtype=np.int64), dimension=3, weight_sum=weight_sum, bits=bits)


def test_shape_and_dtype_are_checked() -> None:
    wrongs: list[Any] = [np.zeros(2, dtype=np.int64), np.zeros((1, 3), dtype=np.int64), np.zeros(3, dtype=np.int32)]
    for wrong in wrongs:
        with pytest.raises(WrongShape):
            check_aggregate(wrong, dimension=3, weight_sum=1, bits=8)
