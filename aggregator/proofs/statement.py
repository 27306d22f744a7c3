"""What a settlement claims: the statement of the Gram argument, and what follows from its matrix."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.bn254 import Point, check_point, encode_point
from aggregator.commitments import ADDRESS_BYTES, RoundId, address_word, uint_word
from aggregator.errors import InvalidPoint, OutOfRange, WrongShape
from aggregator.settlement import RoundRules

ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class GramStatement:
    """``gram`` is the Gram matrix of the vectors committed in ``commitments``, for this round and no other.

    Fields and order are those of IProofVerifier.GramStatement; ``rules`` holds rule, score, f, d, b, h and the budget.

    Attributes
    ----------
    trainers
        n addresses of 20 bytes, in the order of their commitments.
    stakes
        Their stakes.
    commitments
        Their commitments.
    gram
        See :func:`aggregator.gram.pack_gram`.

    """

    round_id: RoundId
    rules: RoundRules
    scale_exponent: int
    trainers: tuple[bytes, ...]
    stakes: tuple[int, ...]
    commitments: tuple[Point, ...]
    gram: bytes

    @property
    def updates(self) -> int:
        """``n``."""
        return len(self.commitments)

    def check(self) -> None:
        """Check what Solidity's types and the verifier's first lines check.

        Raises
        ------
        WrongShape
            If there is no update, or a list or the matrix has another length.
        OutOfRange
            If a number does not fit its type.
        InvalidPoint
            If a commitment is infinity or not on the curve.

        """
        if not self.updates:
            raise WrongShape("a statement is about at least one update")
        if not len(self.trainers) == len(self.stakes) == self.updates:
            raise WrongShape(f"{len(self.trainers)} trainers, {len(self.stakes)} stakes, {self.updates} commitments")
        if len(self.gram) != self.updates * (self.updates + 1) * 4:
            raise WrongShape(f"{len(self.gram)} bytes are not the upper triangle for {self.updates} updates")
        if any(len(trainer) != ADDRESS_BYTES for trainer in self.trainers):
            raise WrongShape("a trainer's address has 20 bytes")
        rules = self.rules
        for name, value, bits in (
            ("round", self.round_id.number, 32),
            ("byzantine", rules.byzantine, 16),
            ("dimension", rules.dimension, 64),
            ("bits", rules.bits, 8),
            ("headroom_bits", rules.headroom_bits, 8),
            ("budget", rules.budget, 128),
            *(("stake", stake, 128) for stake in self.stakes),
        ):
            if value < 0 or value >> bits:
                raise OutOfRange(f"{name} {value} is not a uint{bits}")
        if not -(1 << 15) <= self.scale_exponent < 1 << 15:
            raise OutOfRange(f"scale exponent {self.scale_exponent} is not an int16")
        for commitment in self.commitments:
            check_point(commitment)
            if commitment is None:
                raise InvalidPoint("a commitment is the point at infinity")

    def encode(self, srs_digest: bytes) -> bytes:
        """Return the bytes that the transcript absorbs (docs/protocol.md, "The Gram argument")."""
        rules = self.rules
        return b"".join(
            (
                srs_digest,
                self.round_id.words(),
                id_word(rules.rule),
                id_word(rules.score),
                uint_word(rules.byzantine),
                uint_word(rules.dimension),
                uint_word(rules.bits),
                uint_word(rules.headroom_bits),
                self.scale_exponent.to_bytes(32, "big", signed=True),
                uint_word(rules.budget),
                uint_word(self.updates),
                *(address_word(trainer) for trainer in self.trainers),
                *(uint_word(stake) for stake in self.stakes),
                *(encode_point(commitment) for commitment in self.commitments),
                self.gram,
            )
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole settlement: the Gram statement and what its rule makes of the matrix; see IProofVerifier.Statement.

    ``aggregate_commitment`` is compressed.
    """

    gram: GramStatement
    weights: tuple[int, ...]
    scores: tuple[int, ...]
    payouts: tuple[int, ...]
    aggregate_commitment: bytes
    next_scale_exponent: int


def id_word(name: str) -> bytes:
    """Return a rule's or score's id: its name in ASCII, right-padded to 32 bytes.

    Raises
    ------
    OutOfRange
        If the name does not fit.

    """
    try:
        word = name.encode("ascii")
    except UnicodeEncodeError:
        raise OutOfRange(f"{name!r} is not ASCII") from None
    if not 0 < len(word) <= ID_BYTES:
        raise OutOfRange(f"an id has 1 to {ID_BYTES} characters, not {len(word)}")
    return word.ljust(ID_BYTES, b"\0")
