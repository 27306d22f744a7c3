"""Who is one client: an IPv4 address, or the network of 64 bits that an IPv6 line has to itself."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

Held = TypeVar("Held")


@lru_cache(maxsize=4_096)
def peer_of(host: str) -> str:
    """Return what a client is counted by: anybody's line with IPv6 has 2^64 addresses (RFC 6177)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def gives_way(held: Sequence[tuple[str, Held]]) -> Held:
    """Return what ends where there is too much, of what peers hold, the oldest first.

    It is the oldest of the peer that has most. Where all are one peer, which a proxy in front makes of everybody,
    it is the newest: nobody can then end what others have.
    """
    (most, number), *_ = Counter(peer for peer, _ in held).most_common(1)
    if number == len(held):
        return held[-1][1]
    return next(one for peer, one in held if peer == most)
