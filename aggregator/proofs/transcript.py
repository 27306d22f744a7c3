"""Fiat-Shamir transcripts: every challenge depends on everything said before it.

Each protocol has a schedule of its own whose methods take a prover message and return the challenge that follows it, in
the one order there is: a message cannot be left out, nor a challenge be drawn before it.
"""

from __future__ import annotations

from typing import Final

from eth_hash.auto import keccak

from aggregator.bn254 import Point, R, encode_point
from aggregator.commitments import uint_word
from aggregator.errors import InvalidProof

LAMBDA_BITS: Final = 128


class Transcript:
    """A running Keccak-256 state; ``absorb`` binds labelled, length-prefixed data, ``challenge`` draws a word.

    Parameters
    ----------
    tag
        Protocol and version, ASCII.

    """

    def __init__(self, tag: str) -> None:
        self._state: bytes = keccak(tag.encode("ascii"))

    @property
    def state(self) -> bytes:
        """The state, 32 bytes."""
        return self._state

    def absorb(self, label: str, data: bytes) -> None:
        """Bind a message."""
        self._state = keccak(self._state + _label(label) + uint_word(len(data)) + data)

    def challenge(self, label: str) -> bytes:
        """Return the next challenge word, 32 bytes."""
        self._state = keccak(self._state + _label(label))
        return self._state

    def scalar(self, label: str) -> int:
        """Return the next challenge as a field element other than 0."""
        value = int.from_bytes(self.challenge(label), "big") % R
        if value == 0:
            raise InvalidProof(f"the challenge {label} is zero")
        return value

    def evaluation_point(self, label: str) -> int:
        """Return the next challenge as a field element that differs from its inverse: neither 0 nor 1 nor -1."""
        value = self.scalar(label)
        if value * value % R == 1:
            raise InvalidProof(f"the challenge {label} is its own inverse")
        return value


class GramTranscript:
    """The Gram argument's schedule: statement, mask -> lambdas, correlation -> z, evaluations -> gamma."""

    TAG: Final = "gramercy/gram/3"

    def __init__(self, statement: bytes) -> None:
        self._transcript = Transcript(self.TAG)
        self._transcript.absorb("statement", statement)
        self._stage = 0

    @property
    def statement_state(self) -> bytes:
        """The state after the statement: what a prover derives its randomness from, so that none serves twice."""
        self._advance(0, 0)
        return self._transcript.state

    def mask(self, commitment: Point, square: int, rows: int) -> tuple[int, ...]:
        """Bind ``C_m`` and ``mu``; return ``lambda_i``, 128 bits for each row."""
        self._advance(0, 1)
        self._transcript.absorb("mask", encode_point(commitment) + uint_word(square))
        seed = self._transcript.challenge("lambda")
        return tuple(int.from_bytes(keccak(seed + uint_word(i)), "big") >> (256 - LAMBDA_BITS) for i in range(rows))

    def correlation(self, commitment: Point) -> int:
        """Bind ``S``; return ``z``."""
        self._advance(1, 2)
        self._transcript.absorb("correlation", encode_point(commitment))
        return self._transcript.evaluation_point("z")

    def evaluations(self, at_z: int, at_inverse: int, correlation_at_z: int) -> int:
        """Bind ``a(z), a(1/z), s(z)``; return ``gamma``."""
        self._advance(2, 3)
        self._transcript.absorb("evaluations", uint_word(at_z) + uint_word(at_inverse) + uint_word(correlation_at_z))
        return self._transcript.scalar("gamma")

    def _advance(self, required: int, following: int) -> None:
        if self._stage != required:
            raise RuntimeError("the Gram argument's messages are out of order")
        self._stage = following


class OpeningTranscript:
    """The chunk opening's schedule: statement -> rho, cross terms -> z, evaluations -> gamma, quotients -> delta."""

    TAG: Final = "gramercy/opening/1"

    def __init__(self, statement: bytes) -> None:
        self._transcript = Transcript(self.TAG)
        self._transcript.absorb("statement", statement)
        self.rho = self._transcript.scalar("rho")
        self._stage = 0

    def cross(self, positive: Point, negative: Point) -> int:
        """Bind ``S+`` and ``S-``; return ``z``."""
        self._advance(0)
        self._transcript.absorb("cross", encode_point(positive) + encode_point(negative))
        return self._transcript.evaluation_point("z")

    def evaluations(self, vector_at_z: int, positive_at_z: int, blinding_at_z: int) -> int:
        """Bind ``U(z), s+(z), H(z)``; return ``gamma``."""
        self._advance(1)
        self._transcript.absorb(
            "evaluations", uint_word(vector_at_z) + uint_word(positive_at_z) + uint_word(blinding_at_z)
        )
        return self._transcript.scalar("gamma")

    def quotients(self, at_z: Point, at_inverse: Point) -> int:
        """Bind ``W1`` and ``W2``; return ``delta``."""
        self._advance(2)
        self._transcript.absorb("quotients", encode_point(at_z) + encode_point(at_inverse))
        return self._transcript.scalar("delta")

    def _advance(self, required: int) -> None:
        if self._stage != required:
            raise RuntimeError("the opening's messages are out of order")
        self._stage += 1


def _label(text: str) -> bytes:
    return text.encode("ascii").ljust(32, b"\0")
