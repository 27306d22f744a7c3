"""A crowd cannot have more peers than it has lines, and gives way before others do."""

from __future__ import annotations

import pytest

from market.api.peers import gives_way, peer_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:0:1"),
        ("fe80::1%eth0", "fe80::2"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
    ],
)
def test_addresses_of_one_line_are_one_peer(one: str, other: str) -> None:
    assert peer_of(one) == peer_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("203.0.113.5", "203.0.113.6"),
        ("::ffff:203.0.113.5", "::ffff:203.0.113.6"),
        ("", "/run/socket"),
    ],
)
def test_addresses_of_others_are_others(one: str, other: str) -> None:
    assert peer_of(one) != peer_of(other)


def test_the_oldest_of_whoever_has_most_gives_way() -> None:
    assert gives_way([("a", 1), ("b", 2), ("b", 3), ("c", 4)]) == 2


def test_behind_a_proxy_nobody_ends_what_others_have() -> None:
    assert gives_way([("a", 1), ("a", 2), ("a", 3)]) == 3
