"""What a job carries from one settled round to the next: the score's memory, and commitments to running sums.

The chain keeps its digest alone; a settlement brings the bytes. A running sum is what a trainer has submitted in the
latest rounds without a gap, its entries in the smallest unit of those rounds. Its commitment follows from the updates',
so an aggregator cannot make one up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from aggregator.bn254 import Point, decode_point, encode_point
from aggregator.commitments import ADDRESS_BYTES, linear_combination
from aggregator.errors import WrongShape
from aggregator.products import MAX_EXTRA_SQUARE
from aggregator.proofs.statement import NO_DIGEST, GramStatement

_LENGTH_BYTES, _EXPONENT_BYTES, _BOUND_BYTES, _POINT_BYTES = 4, 2, 8, 64
_HEADER_BYTES = _EXPONENT_BYTES + _BOUND_BYTES
_ENTRY_BYTES = ADDRESS_BYTES + _POINT_BYTES


@dataclass(frozen=True, slots=True)
class Step:
    """How running sums go on: ``2**before * old + 2**added * update``; without ``before`` they start afresh.

    ``scale_exponent`` and ``bound`` are those of :class:`History` afterwards.
    """

    before: int | None
    added: int
    scale_exponent: int
    bound: int


@dataclass(frozen=True, slots=True)
class History:
    """Commitments to running sums.

    Attributes
    ----------
    scale_exponent
        An entry q of a running sum stands for ``q * 2**scale_exponent``.
    bound
        No entry is larger in magnitude.
    points
        Trainer's address and commitment, for each update of the latest settled round.

    """

    scale_exponent: int
    bound: int
    points: tuple[tuple[bytes, Point], ...]

    def encode(self) -> bytes:
        """Return exponent (int16), bound (uint64), and for each trainer its address and its point, big-endian."""
        return b"".join(
            (
                self.scale_exponent.to_bytes(_EXPONENT_BYTES, "big", signed=True),
                self.bound.to_bytes(_BOUND_BYTES, "big"),
                *(trainer + encode_point(point) for trainer, point in self.points),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> History:
        """Return the history behind :meth:`encode`'s bytes.

        Raises
        ------
        WrongShape
            If the length does not fit.
        InvalidPoint
            If a point is not on the curve.

        """
        if len(data) < _HEADER_BYTES or (len(data) - _HEADER_BYTES) % _ENTRY_BYTES:
            raise WrongShape(f"{len(data)} bytes are no running sums")
        entries = [data[start : start + _ENTRY_BYTES] for start in range(_HEADER_BYTES, len(data), _ENTRY_BYTES)]
        return cls(
            int.from_bytes(data[:_EXPONENT_BYTES], "big", signed=True),
            int.from_bytes(data[_EXPONENT_BYTES:_HEADER_BYTES], "big"),
            tuple((entry[:ADDRESS_BYTES], decode_point(entry[ADDRESS_BYTES:])) for entry in entries),
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """What is carried: the ``score``'s memory, and the ``history`` of a rule that reads running sums."""

    score: bytes = b""
    history: History | None = None

    def encode(self) -> bytes:
        """Return the score's memory, its length before it, and the history; nothing for nothing."""
        if not self.score and self.history is None:
            return b""
        history = b"" if self.history is None else self.history.encode()
        return len(self.score).to_bytes(_LENGTH_BYTES, "big") + self.score + history

    @property
    def digest(self) -> bytes:
        """What the chain keeps of it: Keccak-256 of the encoding, zeros for nothing."""
        encoded = self.encode()
        return bytes(keccak(encoded)) if encoded else NO_DIGEST

    @classmethod
    def decode(cls, data: bytes) -> Carried:
        """Return what :meth:`encode` encoded.

        Raises
        ------
        WrongShape
            If a length does not fit.
        InvalidPoint
            If a point is not on the curve.

        """
        if not data:
            return cls()
        end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
        if len(data) < max(end, _LENGTH_BYTES + 1):
            raise WrongShape(f"{len(data)} bytes are shorter than the memory that they say they hold")
        return cls(data[_LENGTH_BYTES:end], History.decode(data[end:]) if len(data) > end else None)


def next_step(history: History | None, *, scale_exponent: int, dimension: int, bits: int) -> Step:
    """Return how running sums go on in a round of these figures.

    The finer of the two scales is kept, so that nothing is rounded. Where the square of a running sum could come to
    exceed what the chain takes (2**122), running sums start afresh.
    """
    largest = (1 << (bits - 1)) - 1
    if history is not None:
        finer = min(history.scale_exponent, scale_exponent)
        before, added = history.scale_exponent - finer, scale_exponent - finer
        bound = (history.bound << before) + (largest << added)
        if dimension * bound * bound <= MAX_EXTRA_SQUARE:
            return Step(before, added, finer, bound)
    return Step(None, 0, scale_exponent, largest)


def next_history(history: History | None, statement: GramStatement) -> tuple[History | None, tuple[Point, ...]]:
    """Return the history after a round, and the commitments of its rows, in the order of the updates.

    Nothing where the statement has no such rows. Whoever was not in the latest settled round starts with its update.
    """
    if not statement.history:
        return None, ()
    rules, updates = statement.rules, statement.commitments[: statement.updates]
    step = next_step(history, scale_exponent=statement.scale_exponent, dimension=rules.dimension, bits=rules.bits)
    old = dict(history.points) if history is not None and step.before is not None else {}
    points = tuple(
        _advanced(old.get(trainer), update, step) for trainer, update in zip(statement.trainers, updates, strict=True)
    )
    entries = tuple(zip(statement.trainers, points, strict=True))
    return History(step.scale_exponent, step.bound, entries), points


def _advanced(old: Point, update: Point, step: Step) -> Point:
    factors: Sequence[int] = (1 << (step.before or 0), 1 << step.added)
    return linear_combination([old, update], factors)
