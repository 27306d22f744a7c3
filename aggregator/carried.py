"""What a job carries from round to round: the chain keeps a digest, and each settlement brings the bytes behind it."""

from __future__ import annotations

from dataclasses import dataclass

from eth_hash.auto import keccak

from aggregator.errors import InvalidInput

_LENGTH_BYTES = 4
NOTHING = bytes(32)
"""Digest of nothing carried."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What the rule, the score and the floor's score remember, and the running sums (:mod:`aggregator.history`).

    Each may be empty. Encoded as the three memories, each after its length, a big-endian uint32, and the running sums;
    where all four are empty, as nothing at all.
    """

    rule: bytes = b""
    score: bytes = b""
    floor: bytes = b""
    history: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes behind the digest."""
        memories = (self.rule, self.score, self.floor)
        if not any(memories) and not self.history:
            return b""
        return b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in memories) + self.history

    def digest(self) -> bytes:
        """Return the Keccak-256 of the encoding; 32 zero bytes for nothing."""
        encoded = self.encode()
        return bytes(keccak(encoded)) if encoded else NOTHING

    @classmethod
    def decode(cls, data: bytes) -> Carried:
        """Return what the bytes of :meth:`encode` carry.

        Raises
        ------
        InvalidInput
            If they are none.

        """
        if not data:
            return cls()
        parts, start = [], 0
        for _ in range(3):
            first = start + _LENGTH_BYTES
            end = first + int.from_bytes(data[start:first], "big")
            if end > len(data) or first > len(data):
                raise InvalidInput(f"{len(data)} bytes are not what a job carries from round to round")
            parts.append(data[first:end])
            start = end
        rule, score, floor = parts
        found = cls(rule, score, floor, data[start:])
        if found.encode() != data:
            raise InvalidInput("what a job carries from round to round is empty bytes where it is nothing")
        return found


EMPTY = Carried()
"""What a job carries to its first round."""
