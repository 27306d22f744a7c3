"""Sealed payloads: only the recipients read them, only as what they were sealed for, and only whole."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.bindings._rust import openssl as rust_openssl
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from aggregator.commitments import RoundId
from aggregator.errors import OutOfRange
from market.errors import NotForUs, PayloadError, SizeExceeded
from market.storage.sealed import (
    INFO,
    MAX_RECIPIENTS,
    SEGMENT_BYTES,
    binding,
    recipients_of,
    seal,
    seal_bytes,
    sealed_bytes,
    unseal,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sealed.json").read_text())
ROUND = RoundId(31337, b"m" * 20, 7, 3)
BOUND = binding(ROUND, b"t" * 20, b"c" * 32)
KEYS = [X25519PrivateKey.from_private_bytes(bytes([place]) * 32) for place in range(1, 4)]
LIMIT = 1 << 30
HEADER = 9 + 112


def public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def sealed(plaintext: bytes, *keys: X25519PrivateKey, bound_to: bytes = BOUND) -> bytes:
    return seal_bytes(plaintext, [public(key) for key in keys or KEYS[:1]], bound_to)


def opened(data: bytes, *keys: X25519PrivateKey, bound_to: bytes = BOUND, max_bytes: int = LIMIT) -> bytes:
    sink = io.BytesIO()
    size = unseal(io.BytesIO(data), sink, keys or KEYS[:1], bound_to, max_bytes=max_bytes)
    assert size == len(sink.getvalue())
    return sink.getvalue()


@pytest.mark.parametrize("size", [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES])
def test_what_is_sealed_opens_to_the_byte(size: int) -> None:
    plaintext = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    data = sealed(plaintext, *KEYS)
    assert len(data) == sealed_bytes(size, 3)
    for key in KEYS:
        assert opened(data, key) == plaintext
    assert recipients_of(io.BytesIO(data)) == tuple(public(key) for key in KEYS)


def test_equal_plaintexts_give_unrelated_files() -> None:
    one, other = sealed(b"update" * 100), sealed(b"update" * 100)
    assert one[9 + 32 :] != other[9 + 32 :]
    assert b"update" not in one


def test_the_key_of_an_earlier_rotation_still_opens() -> None:
    assert opened(sealed(b"x", KEYS[1]), KEYS[0], KEYS[1], KEYS[2]) == b"x"


def test_who_is_no_recipient_reads_nothing() -> None:
    with pytest.raises(NotForUs) as refused:
        opened(sealed(b"x", KEYS[0], KEYS[1]), KEYS[2])
    assert refused.value.details["recipients"] == [public(KEYS[0]).hex(), public(KEYS[1]).hex()]
    with pytest.raises(NotForUs):
        unseal(io.BytesIO(sealed(b"x")), io.BytesIO(), [], BOUND, max_bytes=LIMIT)


@pytest.mark.parametrize(
    "bound_to",
    [
        binding(RoundId(1, b"m" * 20, 7, 3), b"t" * 20, b"c" * 32),
        binding(RoundId(31337, b"n" * 20, 7, 3), b"t" * 20, b"c" * 32),
        binding(RoundId(31337, b"m" * 20, 8, 3), b"t" * 20, b"c" * 32),
        binding(RoundId(31337, b"m" * 20, 7, 4), b"t" * 20, b"c" * 32),
        binding(ROUND, b"u" * 20, b"c" * 32),
        binding(ROUND, b"t" * 20, b"d" * 32),
    ],
    ids=["chain", "market", "job", "round", "trainer", "commitment"],
)
def test_a_payload_serves_one_commitment_of_one_trainer_in_one_round(bound_to: bytes) -> None:
    with pytest.raises(PayloadError, match="another commitment or round"):
        opened(sealed(b"x"), bound_to=bound_to)


def test_the_body_is_bound_by_itself() -> None:
    """Even with the file key, a body under another binding or header does not open: each tag depends on both."""
    one, other = sealed(b"x" * 100), sealed(b"x" * 100)
    with pytest.raises(PayloadError, match="changed"):
        opened(one[:HEADER] + other[HEADER:])


def test_every_flipped_bit_is_found() -> None:
    data = sealed(b"update", KEYS[0], KEYS[1])
    for place in range(len(data)):
        for bit in (0, 7):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(PayloadError):
                opened(bytes(changed))


def test_every_truncation_and_extension_is_found() -> None:
    data = sealed(b"update")
    for size in range(len(data)):
        with pytest.raises(PayloadError):
            opened(data[:size])
    for tail in (b"\0", b"x" * 16, b"x" * 17, data[HEADER:]):
        with pytest.raises(PayloadError):
            opened(data + tail)


def test_segments_cannot_be_lost_moved_repeated_or_added() -> None:
    box = SEGMENT_BYTES + 16
    data = sealed(b"a" * SEGMENT_BYTES + b"b" * SEGMENT_BYTES + b"c" * SEGMENT_BYTES)
    head, first, second, third = data[:HEADER], *(data[HEADER + k * box : HEADER + (k + 1) * box] for k in range(3))
    assert opened(head + first + second + third)[-1:] == b"c"
    orders = [[first], [first, second], [second, first, third], [first, first, second, third], [first, third], [third]]
    for order in [*orders, [first, second, third, third], [], [first, second, third, b"\0" * 16]]:
        with pytest.raises(PayloadError):
            opened(head + b"".join(order))


def test_an_empty_last_segment_after_a_full_one_is_refused() -> None:
    """Two encodings of one plaintext would be two CIDs for it; the sender could only have made it on purpose."""
    header = sealed(b"")[:HEADER]
    entry = header[9 + 32 :]
    key = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305).decrypt(entry, KEYS[0], info=INFO + BOUND)
    cipher, associated = ChaCha20Poly1305(bytes(key)), hashlib.sha256(BOUND + header).digest()
    full = cipher.encrypt(bytes(12), bytes(SEGMENT_BYTES), associated)
    empty = cipher.encrypt(b"\0" * 10 + b"\1\1", b"", associated)
    with pytest.raises(PayloadError, match="ends within a segment"):
        opened(header + full + empty)


def test_a_longer_plaintext_than_allowed_is_refused_while_it_is_read() -> None:
    sink = io.BytesIO()
    data = sealed(bytes(3 * SEGMENT_BYTES))
    with pytest.raises(SizeExceeded):
        unseal(io.BytesIO(data), sink, KEYS[:1], BOUND, max_bytes=2 * SEGMENT_BYTES)
    assert len(sink.getvalue()) <= 2 * SEGMENT_BYTES
    assert opened(sealed(b"12345"), max_bytes=5) == b"12345"
    with pytest.raises(SizeExceeded):
        opened(sealed(b"12345"), max_bytes=4)


def test_a_source_that_gives_little_at_a_time_is_read_whole() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 700_001))

    plaintext = bytes(range(256)) * 8192
    sink, out = io.BytesIO(), io.BytesIO()
    written = seal(Trickle(plaintext), sink, [public(KEYS[0])], BOUND)
    assert written == len(sink.getvalue()) == sealed_bytes(len(plaintext), 1)
    unseal(Trickle(sink.getvalue()), out, KEYS[:1], BOUND, max_bytes=LIMIT)
    assert out.getvalue() == plaintext


LOW_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
]


@pytest.mark.parametrize("key", LOW_ORDER)
def test_keys_of_low_order_are_no_recipients(key: str) -> None:
    with pytest.raises(PayloadError, match="not an X25519 public key"):
        seal_bytes(b"x", [bytes.fromhex(key)], BOUND)


@pytest.mark.parametrize(
    ("recipients", "words"),
    [
        ([], "1 to 9"),
        ([bytes([place]) * 32 for place in range(1, 11)], "1 to 9"),
        ([public(KEYS[0])] * 2, "distinct"),
        ([public(KEYS[0])[:31]], "32 bytes"),
        ([public(KEYS[0]) + b"\0"], "32 bytes"),
    ],
)
def test_other_recipients_are_refused(recipients: list[bytes], words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        seal_bytes(b"x", recipients, BOUND)


def test_as_many_recipients_as_there_can_be_are_served() -> None:
    keys = [X25519PrivateKey.from_private_bytes(bytes([place]) * 32) for place in range(10, 10 + MAX_RECIPIENTS)]
    assert opened(sealed(b"x", *keys), keys[-1]) == b"x"


@pytest.mark.parametrize("count", [0, 10, 255])
def test_other_counts_in_the_header_are_refused(count: int) -> None:
    data = sealed(b"x")
    with pytest.raises(PayloadError, match="no sealed payload"):
        opened(data[:8] + bytes([count]) + data[9:] + bytes(300 * 112))


def test_a_recipient_named_twice_is_refused() -> None:
    data = sealed(b"x")
    with pytest.raises(PayloadError, match="twice"):
        opened(data[:8] + b"\2" + data[9:HEADER] * 2 + data[HEADER:])


@pytest.mark.parametrize("bad", [b"", b"c" * 31, b"c" * 33])
def test_a_binding_has_its_length(bad: bytes) -> None:
    with pytest.raises(OutOfRange):
        binding(ROUND, b"t" * 20, bad)
    with pytest.raises(OutOfRange):
        seal_bytes(b"x", [public(KEYS[0])], bad)
    with pytest.raises(OutOfRange):
        opened(sealed(b"x"), bound_to=bad)


# -- what must open for ever ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vectors_open(case: dict[str, Any]) -> None:
    bound_to = bytes.fromhex(case["binding"])
    chain_id, market, job_id, number, trainer, commitment = case["fields"]
    round_id = RoundId(chain_id, bytes.fromhex(market), job_id, number)
    assert binding(round_id, bytes.fromhex(trainer), bytes.fromhex(commitment)) == bound_to
    data = bytes.fromhex(case["sealed"])
    for private in case["private_keys"]:
        key = X25519PrivateKey.from_private_bytes(bytes.fromhex(private))
        assert opened(data, key, bound_to=bound_to) == bytes.fromhex(case["plaintext"])
        assert by_the_book(data, bytes.fromhex(private), bound_to) == bytes.fromhex(case["plaintext"])


def test_an_independent_reader_opens_several_segments() -> None:
    plaintext = bytes(range(256)) * 5000
    assert by_the_book(sealed(plaintext, *KEYS), KEYS[2].private_bytes_raw(), BOUND) == plaintext


def test_the_suite_is_that_of_rfc_9180() -> None:
    """RFC 9180, appendix A.2.1, sequence number 0. Its associated data need a function that is not public."""
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    vector = {name: bytes.fromhex(value) for name, value in VECTORS["rfc9180"].items()}
    private = X25519PrivateKey.from_private_bytes(vector["skRm"])
    assert public(private) == vector["pkRm"]
    plaintext = rust_openssl.hpke._decrypt_with_aad(
        suite, vector["enc"] + vector["ct"], private, info=vector["info"], aad=vector["aad"]
    )
    assert bytes(plaintext) == vector["pt"]
    assert hpke_open(vector["enc"] + vector["ct"], vector["skRm"], vector["info"], vector["aad"]) == vector["pt"]


def by_the_book(data: bytes, private: bytes, bound_to: bytes) -> bytes:
    """Open a sealed file as the protocol's text says, with nothing of the implementation."""
    assert data[:8] == b"GRMSEAL1"
    body = 9 + 112 * data[8]
    ours = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    entries = [data[9 + 112 * k :][:112] for k in range(data[8])]
    wrapped = next(entry[32:] for entry in entries if entry[:32] == ours)
    cipher = ChaCha20Poly1305(hpke_open(wrapped, private, b"gramercy/payload/1" + bound_to, b""))
    associated, plaintext = hashlib.sha256(bound_to + data[:body]).digest(), b""
    starts = range(body, len(data), (1 << 20) + 16)
    for number, start in enumerate(starts):
        nonce = number.to_bytes(11, "big") + bytes([start == starts[-1]])
        plaintext += cipher.decrypt(nonce, data[start : start + (1 << 20) + 16], associated)
    return plaintext


def hpke_open(data: bytes, private: bytes, info: bytes, aad: bytes) -> bytes:
    """RFC 9180, sections 4.1, 5.1 and 5.2: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, base mode."""
    enc, box = data[:32], data[32:]
    own = X25519PrivateKey.from_private_bytes(private)
    dh = own.exchange(X25519PublicKey.from_public_bytes(enc))
    kem, hpke = b"KEM" + b"\0\x20", b"HPKE" + b"\0\x20" + b"\0\x01" + b"\0\x03"
    prk = extract(kem, b"", b"eae_prk", dh)
    shared = expand(kem, prk, b"shared_secret", enc + own.public_key().public_bytes_raw(), 32)
    context = b"\0" + extract(hpke, b"", b"psk_id_hash", b"") + extract(hpke, b"", b"info_hash", info)
    secret = extract(hpke, shared, b"secret", b"")
    key, nonce = (expand(hpke, secret, label, context, size) for label, size in ((b"key", 32), (b"base_nonce", 12)))
    return ChaCha20Poly1305(key).decrypt(nonce, box, aad)


def extract(suite: bytes, salt: bytes, label: bytes, data: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + data, "sha256")


def expand(suite: bytes, key: bytes, label: bytes, data: bytes, size: int) -> bytes:
    return hmac.digest(key, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + data + b"\1", "sha256")[:size]
