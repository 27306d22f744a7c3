"""Sealed payloads: a blob that only a job's aggregators can read, and only as what one trainer committed in one round.

A file is a header and a body. The header holds a random file key, encrypted to each recipient by HPKE (RFC 9180, base
mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305). The body is the plaintext in segments of 1 MiB under
that key, by the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár 2015): a counter and a last-segment flag in
the nonce, so that no segment can be lost, moved, repeated or added. The *binding* (chain, market, job, round, trainer
and commitment) goes into the HPKE ``info`` and into every segment's associated data: lifted into another round, or sent
under another trainer's name or another commitment, a file does not open.

ChaCha20-Poly1305 is not key-committing: a sender can craft a file that two recipients open to different plaintexts, or
that only one of them opens. The first is harmless here, because every recipient compares what it reads with the
commitment in the binding, which fixes update and blinding; the second excludes the sender's own update with some
aggregators, which it can do as well by not sealing to them.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from aggregator.commitments import ADDRESS_BYTES, RoundId
from aggregator.errors import OutOfRange
from market.errors import NotForUs, PayloadError, SizeExceeded

MAGIC: Final = b"GRMSEAL1"
INFO: Final = b"gramercy/payload/1"
SEGMENT_BYTES: Final = 1 << 20
MAX_RECIPIENTS: Final = 9
"""The owner's aggregators, at most 8, and one that the trainer named."""
KEY_BYTES: Final = 32
BINDING_BYTES: Final = 192

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = KEY_BYTES + KEY_BYTES + _TAG_BYTES
_ENTRY_BYTES: Final = KEY_BYTES + _WRAPPED_BYTES
_COUNTER_BYTES: Final = 11


def binding(round_id: RoundId, trainer: bytes, commitment: bytes) -> bytes:
    """Return what a sealed update is bound to: chain id, market, job, round, trainer and commitment, six 32-byte words.

    Parameters
    ----------
    round_id
        Chain, market, job and round.
    trainer
        Address, 20 bytes.
    commitment
        Compressed point, 32 bytes.

    Raises
    ------
    OutOfRange
        If an address or the commitment has another length.

    """
    if len(trainer) != ADDRESS_BYTES or len(commitment) != KEY_BYTES:
        raise OutOfRange("a binding takes an address of 20 bytes and a commitment of 32")
    return round_id.words() + trainer.rjust(32, b"\0") + commitment


def sealed_bytes(plain_bytes: int, recipients: int) -> int:
    """Return the length of the file that seals ``plain_bytes`` to so many recipients."""
    segments = max(1, -(-plain_bytes // SEGMENT_BYTES))
    return len(MAGIC) + 1 + recipients * _ENTRY_BYTES + plain_bytes + segments * _TAG_BYTES


def is_usable(key: bytes) -> bool:
    """Return whether one can encrypt to an X25519 public key: 32 bytes that are no point of low order."""
    if len(key) != KEY_BYTES:
        return False
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:  # the shared secret would be zero
        return False
    return True


def seal(source: BinaryIO, sink: BinaryIO, recipients: Sequence[bytes], bound_to: bytes) -> int:
    """Seal a stream to recipients; return the number of bytes written. Holds two segments in memory.

    Parameters
    ----------
    source, sink
        Plaintext, read to its end; sealed file.
    recipients
        1 to 9 distinct X25519 public keys of 32 bytes.
    bound_to
        See :func:`binding`.

    Raises
    ------
    PayloadError
        If there is no recipient, there are more than 9, one comes twice, or a key is of low order or not of 32 bytes.

    """
    _check_binding(bound_to)
    _check_recipients(recipients)
    file_key = secrets.token_bytes(KEY_BYTES)
    entries = (key + _wrap(file_key, key, bound_to) for key in recipients)
    header = MAGIC + bytes([len(recipients)]) + b"".join(entries)
    sink.write(header)
    written = len(header)
    cipher, associated = ChaCha20Poly1305(file_key), _associated(bound_to, header)
    for number, (segment, last) in enumerate(_segments(source, SEGMENT_BYTES)):
        box = cipher.encrypt(_nonce(number, last=last), segment, associated)
        sink.write(box)
        written += len(box)
    return written


def seal_bytes(plaintext: bytes, recipients: Sequence[bytes], bound_to: bytes) -> bytes:
    """Seal a plaintext that is in memory; see :func:`seal`."""
    sink = io.BytesIO()
    seal(io.BytesIO(plaintext), sink, recipients, bound_to)
    return sink.getvalue()


def unseal(
    source: BinaryIO, sink: BinaryIO, keys: Sequence[X25519PrivateKey], bound_to: bytes, *, max_bytes: int
) -> int:
    """Open a sealed file with whichever key it was sealed to; return the plaintext's length. Holds two segments.

    Nothing may be done with what ``sink`` received before this returns: after an error it may hold a beginning.

    Parameters
    ----------
    source, sink
        Sealed file, read to its end; plaintext.
    keys
        The recipient's private keys, current and former.
    bound_to
        What the file has to be bound to; see :func:`binding`.
    max_bytes
        Longest plaintext to accept.

    Raises
    ------
    NotForUs
        If it is sealed to none of ``keys``.
    SizeExceeded
        If the plaintext is longer than ``max_bytes``.
    PayloadError
        If it is no sealed file, was changed, cut short or extended, or is bound to something else.

    """
    _check_binding(bound_to)
    header, entries = _read_header(source)
    file_key = _unwrap(entries, keys, bound_to)
    cipher, associated = ChaCha20Poly1305(file_key), _associated(bound_to, header)
    written = 0
    for number, (box, last) in enumerate(_segments(source, SEGMENT_BYTES + _TAG_BYTES)):
        if len(box) < _TAG_BYTES or (number > 0 and len(box) == _TAG_BYTES):
            raise PayloadError("the sealed payload ends within a segment")
        if written + len(box) - _TAG_BYTES > max_bytes:
            raise SizeExceeded(f"the sealed payload holds more than {max_bytes} bytes", max_bytes=max_bytes)
        try:
            segment = cipher.decrypt(_nonce(number, last=last), box, associated)
        except InvalidTag:
            raise PayloadError("the sealed payload was changed, cut short or extended") from None
        sink.write(segment)
        written += len(segment)
    return written


def recipients_of(source: BinaryIO) -> tuple[bytes, ...]:
    """Return the public keys that a sealed file names; PayloadError if it is none."""
    return tuple(key for key, _ in _read_header(source)[1])


def _read_header(source: BinaryIO) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    start = _read_exactly(source, len(MAGIC) + 1)
    count = start[-1]
    if start[:-1] != MAGIC or not 1 <= count <= MAX_RECIPIENTS:
        raise PayloadError("this is no sealed payload", hint="updates travel encrypted to the job's aggregators")
    body = _read_exactly(source, count * _ENTRY_BYTES)
    parts = [body[at : at + _ENTRY_BYTES] for at in range(0, len(body), _ENTRY_BYTES)]
    entries = [(part[:KEY_BYTES], part[KEY_BYTES:]) for part in parts]
    if len({key for key, _ in entries}) != count:
        raise PayloadError("the sealed payload names a recipient twice")
    return start + body, entries


def _wrap(file_key: bytes, recipient: bytes, bound_to: bytes) -> bytes:
    try:
        return _SUITE.encrypt(file_key, X25519PublicKey.from_public_bytes(recipient), info=INFO + bound_to)
    except ValueError:  # the shared secret would be zero, whoever holds the private key
        raise PayloadError(f"{recipient.hex()} is not an X25519 public key that one can encrypt to") from None


def _unwrap(entries: list[tuple[bytes, bytes]], keys: Sequence[X25519PrivateKey], bound_to: bytes) -> bytes:
    ours = {key.public_key().public_bytes_raw(): key for key in keys}
    for public, wrapped in entries:
        if public not in ours:
            continue
        try:
            file_key = _SUITE.decrypt(wrapped, ours[public], info=INFO + bound_to)
        except (InvalidTag, ValueError):
            raise PayloadError("the sealed payload was changed, or sealed for another commitment or round") from None
        return bytes(file_key)
    raise NotForUs(
        "the payload is sealed to keys that are not on this machine",
        hint="trainers seal to the keys published on chain; was the key folder lost, or a key published elsewhere?",
        recipients=[public.hex() for public, _ in entries],
    )


def _check_recipients(recipients: Sequence[bytes]) -> None:
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise PayloadError(
            f"a payload is sealed to 1 to {MAX_RECIPIENTS} recipients, not {len(recipients)}",
            hint="an aggregator publishes its key with `gramercy aggregator key publish`",
        )
    if any(len(key) != KEY_BYTES for key in recipients) or len(set(recipients)) != len(recipients):
        raise PayloadError("recipients are distinct X25519 public keys of 32 bytes")


def _check_binding(bound_to: bytes) -> None:
    if len(bound_to) != BINDING_BYTES:
        raise OutOfRange(f"a binding has {BINDING_BYTES} bytes, not {len(bound_to)}")


def _associated(bound_to: bytes, header: bytes) -> bytes:
    return hashlib.sha256(bound_to + header).digest()


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(_COUNTER_BYTES, "big") + bytes([last])


def _segments(source: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """Cut a stream into pieces of ``size``; the last one is told, and is empty only if the stream is."""
    piece = _read_up_to(source, size)
    while True:
        following = _read_up_to(source, size) if len(piece) == size else b""
        yield piece, not following
        if not following:
            return
        piece = following


def _read_exactly(source: BinaryIO, size: int) -> bytes:
    data = _read_up_to(source, size)
    if len(data) != size:
        raise PayloadError("this is no sealed payload: it ends within its header")
    return data


def _read_up_to(source: BinaryIO, size: int) -> bytes:
    """Read until ``size`` bytes or the end: a raw stream may give less at a time."""
    parts, missing = [], size
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
