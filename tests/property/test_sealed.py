"""Sealed payloads: whatever is sealed comes back, and no change of file, key or binding gives anything at all."""

from __future__ import annotations

import io

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from market.errors import PayloadError
from market.storage.sealed import BINDING_BYTES, seal_bytes, sealed_bytes, unseal

KEYS = [X25519PrivateKey.from_private_bytes(bytes([place]) * 32) for place in range(1, 9)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]
bindings = st.binary(min_size=BINDING_BYTES, max_size=BINDING_BYTES)
BOUND = bytes(range(192))
FILE = seal_bytes(b"an update", PUBLIC[:2], BOUND)


def opened(data: bytes, key: X25519PrivateKey, bound_to: bytes) -> bytes:
    sink = io.BytesIO()
    unseal(io.BytesIO(data), sink, [key], bound_to, max_bytes=1 << 20)
    return sink.getvalue()


@given(st.binary(max_size=2000), st.sets(st.integers(0, 7), min_size=1), bindings)
def test_round_trip(plaintext: bytes, places: set[int], bound_to: bytes) -> None:
    data = seal_bytes(plaintext, [PUBLIC[place] for place in places], bound_to)
    assert len(data) == sealed_bytes(len(plaintext), len(places))
    for place in range(8):
        if place in places:
            assert opened(data, KEYS[place], bound_to) == plaintext
        else:
            with pytest.raises(PayloadError):
                opened(data, KEYS[place], bound_to)


@given(st.data())
def test_a_changed_file_never_opens(data: st.DataObject) -> None:
    changed = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    if bytes(changed) == FILE:
        return
    with pytest.raises(PayloadError):
        opened(bytes(changed), KEYS[0], BOUND)


@given(bindings)
def test_another_binding_never_opens(bound_to: bytes) -> None:
    if bound_to != BOUND:
        with pytest.raises(PayloadError):
            opened(FILE, KEYS[0], bound_to)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    for candidate in (data, FILE[:9] + data, FILE[:8] + data, FILE[: 9 + 224] + data):
        if candidate != FILE:
            with pytest.raises(PayloadError):
                opened(candidate, KEYS[0], BOUND)
