"""What a settlement claims: the statement of the Gram argument, and what follows from its matrix."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.bn254 import Point, check_point, encode_point
from aggregator.carried import NOTHING
from aggregator.commitments import ADDRESS_BYTES, RoundId, address_word, uint_word
from aggregator.errors import InvalidPoint, OutOfRange, WrongShape
from aggregator.products import Layout, Products, unpack_products
from aggregator.settlement import RoundRules

ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class GramStatement:
    """``gram`` has the inner products of the vectors committed in ``commitments``, for this round and no other.

    Fields and order are those of IProofVerifier.GramStatement; ``rules`` holds the job's part.

    Attributes
    ----------
    aggregator
        Address of who settles: a proof serves nobody else.
    trainers
        n addresses of 20 bytes, in the order of their commitments.
    stakes
        Their stakes.
    commitments
        Commitments of all rows: the updates, then the extra rows that are there; extra rows may be infinity.
    gram
        See :func:`aggregator.products.pack_products`.
    reference, previous, history
        Which extra rows there are; see :class:`aggregator.products.Layout`.

    """

    round_id: RoundId
    aggregator: bytes
    rules: RoundRules
    scale_exponent: int
    trainers: tuple[bytes, ...]
    stakes: tuple[int, ...]
    commitments: tuple[Point, ...]
    gram: bytes
    reference: bool = False
    previous: bool = False
    history: bool = False

    @property
    def updates(self) -> int:
        """``n``."""
        return len(self.trainers)

    @property
    def layout(self) -> Layout:
        """Which rows there are."""
        return Layout(self.updates, self.reference, self.previous, self.history)

    @property
    def products(self) -> Products:
        """The posted inner products.

        Raises
        ------
        WrongShape
            If there are more or fewer bytes.

        """
        return unpack_products(self.gram, self.layout)

    @property
    def history_commitments(self) -> tuple[Point, ...]:
        """Commitments of the running sums; none where they are no rows."""
        return self.commitments[-self.updates :] if self.history else ()

    def check(self) -> None:
        """Check what Solidity's types and the verifier's first lines check.

        Raises
        ------
        WrongShape
            If there is no update, or a list or the matrix has another length.
        OutOfRange
            If a number does not fit its type.
        InvalidPoint
            If an update's commitment is infinity, or any is not on the curve.

        """
        layout = self.layout
        if not layout.updates:
            raise WrongShape("a statement is about at least one update")
        if len(self.stakes) != layout.updates or len(self.commitments) != layout.total:
            raise WrongShape(
                f"{layout.updates} trainers, {len(self.stakes)} stakes, {len(self.commitments)} of {layout.total} rows"
            )
        if len(self.gram) != layout.packed_bytes:
            raise WrongShape(f"{len(self.gram)} bytes are not the inner products of {layout.total} rows")
        if any(len(account) != ADDRESS_BYTES for account in (self.aggregator, *self.trainers)):
            raise WrongShape("an account's address has 20 bytes")
        rules = self.rules
        for name, value, bits in (
            ("round", self.round_id.number, 32),
            ("byzantine", rules.byzantine, 16),
            ("dimension", rules.dimension, 64),
            ("bits", rules.bits, 8),
            ("headroom_bits", rules.headroom_bits, 8),
            ("budget", rules.budget, 128),
            ("floor_bps", rules.floor_bps, 16),
            ("cap_bps", rules.cap_bps, 16),
            *(("stake", stake, 128) for stake in self.stakes),
        ):
            if value < 0 or value >> bits:
                raise OutOfRange(f"{name} {value} is not a uint{bits}")
        if not -(1 << 15) <= self.scale_exponent < 1 << 15:
            raise OutOfRange(f"scale exponent {self.scale_exponent} is not an int16")
        for place, commitment in enumerate(self.commitments):
            check_point(commitment)
            if commitment is None and place < layout.updates:
                raise InvalidPoint("a commitment is the point at infinity")

    def encode(self, srs_digest: bytes) -> bytes:
        """Return the bytes that the transcript absorbs (docs/protocol.md, "The Gram argument")."""
        rules = self.rules
        return b"".join(
            (
                srs_digest,
                self.round_id.words(),
                address_word(self.aggregator),
                id_word(rules.rule),
                id_word(rules.score),
                uint_word(rules.byzantine),
                uint_word(rules.dimension),
                uint_word(rules.bits),
                uint_word(rules.headroom_bits),
                self.scale_exponent.to_bytes(32, "big", signed=True),
                uint_word(rules.budget),
                uint_word(rules.floor_bps),
                uint_word(rules.cap_bps),
                uint_word(self.reference),
                uint_word(self.previous),
                uint_word(self.history),
                uint_word(self.updates),
                uint_word(self.layout.total),
                *(address_word(trainer) for trainer in self.trainers),
                *(uint_word(stake) for stake in self.stakes),
                *(encode_point(commitment) for commitment in self.commitments),
                self.gram,
            )
        )


@dataclass(frozen=True, slots=True)
class Witness:
    """What spares a contract a computation; see IProofVerifier.Witness. ``carried`` is encoded memory."""

    carried: bytes = b""
    rule_hints: bytes = b""
    score_hints: bytes = b""
    floor_hints: bytes = b""


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole settlement: the Gram statement and what its rule makes of the matrix; see IProofVerifier.Statement.

    ``aggregate_commitment`` is compressed. That a reference is expected, ``gram.rules`` says.
    """

    gram: GramStatement
    weights: tuple[int, ...]
    scores: tuple[int, ...]
    payouts: tuple[int, ...]
    aggregate_commitment: bytes
    next_scale_exponent: int
    memory_digest: bytes = NOTHING
    next_memory_digest: bytes = NOTHING
    witness: Witness = Witness()


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
