"""Makes py-evm in this process quicker: it hashes the same bytes and decodes the same nodes again and again."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import rlp  # type: ignore[import-untyped]
import trie.hexary
from eth_hash.auto import keccak

_HASHES = 1 << 16
_NODES = 1 << 15


@cache
def quicken() -> None:
    """Remember hashes and nodes from now on; both are functions of their bytes alone."""
    keccak(b"")  # chooses the implementation
    hashes = lru_cache(_HASHES)(keccak.hasher)
    nodes = lru_cache(_NODES)(rlp.decode)

    def hasher(data: bytes | bytearray) -> bytes:
        return hashes(bytes(data))

    def decode_node(node: bytes | list[Any]) -> bytes | list[Any]:
        return _copied(nodes(bytes(node))) if node and not isinstance(node, list) else node

    keccak.hasher = hasher  # type: ignore[assignment]
    trie.hexary.decode_node = decode_node  # type: ignore[attr-defined, assignment]


def _copied(node: Any) -> Any:
    """Return a node for the trie to change."""
    return list(map(_copied, node)) if isinstance(node, list) else node
