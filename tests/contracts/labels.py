"""Points, CIDs and addresses that stand for something in tests, made from a label."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from web3 import Web3

from aggregator.bn254 import P, compress, decompress


def cid(label: object) -> bytes:
    """Return a CID (version 1, raw, sha2-256) of nothing in particular."""
    return b"\x01\x55\x12\x20" + sha256(f"cid {label}".encode()).digest()


@cache
def point(label: object) -> tuple[int, int]:
    """Return a point of the curve, whose logarithm nobody knows, that stands for a commitment."""
    x = int.from_bytes(sha256(f"commitment {label}".encode()).digest()) % P
    while pow(x**3 + 3, (P - 1) // 2, P) != 1:
        x += 1
    return x, pow(x**3 + 3, (P + 1) // 4, P)


def commitment(label: object) -> bytes:
    """Return the compressed form of :func:`point`."""
    return compress(point(label))


def y_of(word: bytes) -> int:
    """Return the y coordinate of a compressed point other than infinity."""
    found = decompress(word)
    assert found is not None
    return found[1]


def stranger(label: object) -> str:
    """Return an address that has never been used: its balance shows exactly what it was paid."""
    return Web3.to_checksum_address(sha256(f"stranger {label}".encode()).digest()[:20])
