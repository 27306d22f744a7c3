"""Running sums: what each trainer has submitted over the rounds of a job, as vectors and as commitments.

The sum of trainer i is an integer vector ``H_i`` with a scale exponent ``E_i`` of its own: an entry ``q`` stands for
``q 2**E_i``, and ``E_i`` is the smallest exponent of the rounds added up. When a round of exponent ``e`` adds ``u_i``::

    E_i' = min(E_i, e),   H_i' = 2**(E_i - E_i') H_i + 2**(e - E_i') u_i,   M_i' = 2**(E_i - E_i') M_i + 2**(e - E_i')

``M_i`` bounds the entries: none exceeds ``M_i (2**(b-1) - 1)`` in magnitude. The sum *starts again* with this round's
update (``E_i' = e``, ``H_i' = u_i``, ``M_i' = 1``) where ``M_i'`` would exceed ``2**30``, as it does for a newcomer. As
``d 2**(2b) < 2**63``, inner products of sums then stay below ``2**121``, and entries below ``2**45``. Commitments and
blindings follow by the same two factors. Exponents of trainers may differ: cosines do not depend on them.

An absent trainer's sum stays as it is, so that nobody gets rid of it by staying away. A job carries at most 128 sums in
the order of :mod:`aggregator.roster`; those of the longest absent are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.bn254 import Point, R, decode_point, encode_point
from aggregator.commitments import Blinding, linear_combination
from aggregator.errors import InvalidInput, WrongShape
from aggregator.fixedpoint import BLOCK, IntVector
from aggregator.roster import ADDRESS_BYTES, MAX_ENTRIES, successors

MULTIPLIER_LIMIT = 1 << 30
MAX_TRAINERS_WITH_SUMS = 48
"""With more, the matrix of updates and sums may not fit a transaction: 16,777,216 gas, and 128 KiB for most nodes."""
_EXPONENT_BYTES, _MULTIPLIER_BYTES, _POINT_BYTES = 2, 4, 64
ENTRY_BYTES = ADDRESS_BYTES + _EXPONENT_BYTES + _MULTIPLIER_BYTES + _POINT_BYTES

SumVector = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RunningSum:
    """A trainer's running sum as a job carries it: ``exponent`` E, ``multiplier`` M, and the commitment to H."""

    trainer: bytes
    exponent: int
    multiplier: int
    commitment: Point


@dataclass(frozen=True, slots=True)
class Step:
    """How a round changes a sum: ``H' = old H + new u``, powers of two; ``old`` is 0 where the sum starts again.

    ``exponent`` and ``multiplier`` are those of ``H'``.
    """

    old: int
    new: int
    exponent: int
    multiplier: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """Running sums after a round: of its n trainers in their order, how each came about, and the bytes carried on."""

    sums: tuple[RunningSum, ...]
    steps: tuple[Step, ...]
    carried: bytes

    @property
    def commitments(self) -> tuple[Point, ...]:
        """Commitments to the n sums: the history rows' points."""
        return tuple(entry.commitment for entry in self.sums)


def step(before: RunningSum | None, scale_exponent: int) -> Step:
    """Return how a round of this scale exponent changes a sum; ``before`` is None for a newcomer."""
    start = Step(0, 1, scale_exponent, 1)
    if before is None:
        return start
    exponent = min(before.exponent, scale_exponent)
    old, new = 1 << (before.exponent - exponent), 1 << (scale_exponent - exponent)
    multiplier = old * before.multiplier + new
    return start if multiplier > MULTIPLIER_LIMIT else Step(old, new, exponent, multiplier)


def advance(
    carried: bytes, trainers: Sequence[bytes], commitments: Sequence[Point], *, scale_exponent: int
) -> Advanced:
    """Add a round's commitments to the running sums that the job carries.

    Parameters
    ----------
    carried
        The sums before the round; empty at first. See :func:`encode_sums`.
    trainers, commitments
        The n included trainers' addresses of 20 bytes, and their commitments.
    scale_exponent
        That of the round.

    Raises
    ------
    WrongShape
        If there is not one commitment for each trainer.
    InvalidInput
        If ``carried`` is malformed.

    """
    if len(trainers) != len(commitments):
        raise WrongShape(f"{len(trainers)} trainers and {len(commitments)} commitments")
    before = decode_sums(carried)
    known, absent = successors([entry.trainer for entry in before], trainers)
    sums, steps = [], []
    for trainer, place, commitment in zip(trainers, known, commitments, strict=True):
        own = None if place is None else before[place]
        change = step(own, scale_exponent)
        old = None if own is None else own.commitment
        point = linear_combination([old, commitment], [change.old, change.new])
        sums.append(RunningSum(trainer, change.exponent, change.multiplier, point))
        steps.append(change)
    return Advanced(tuple(sums), tuple(steps), encode_sums([*sums, *(before[place] for place in absent)]))


def advance_vector(
    change: Step, before: SumVector | None, update: IntVector, *, out: SumVector | None = None
) -> SumVector:
    """Return ``H' = old H + new u``, int64 of shape (d,); ``before`` is not looked at where the sum starts again.

    Parameters
    ----------
    out
        Where to write it, for instance a memory map; a new array otherwise.

    Raises
    ------
    WrongShape
        If the sum before is missing or of another shape.

    """
    after = np.empty(update.shape, dtype=np.int64) if out is None else out
    if change.old and (before is None or before.shape != update.shape):
        raise WrongShape("the running sum before this round is missing, or not of the update's shape")
    for start in range(0, len(update), BLOCK):
        part = slice(start, start + BLOCK)
        np.multiply(update[part], np.int64(change.new), out=after[part], dtype=np.int64)
        if change.old and before is not None:
            after[part] += before[part] * np.int64(change.old)
    return after


def advance_blinding(change: Step, before: Blinding | None, blinding: Blinding) -> Blinding:
    """Return the blinding of ``H'``: the same combination of the old one and of this round's.

    Raises
    ------
    WrongShape
        If the blinding before is missing.

    """
    if change.old and before is None:
        raise WrongShape("the running sum's blinding before this round is missing")
    first, second, third = (
        (change.old * old + change.new * new) % R for old, new in zip(before or (0, 0, 0), blinding, strict=True)
    )
    return first, second, third


class SumVectors:
    """The running sums of a job's trainers as vectors alone, without commitments: what a simulation keeps."""

    def __init__(self) -> None:
        self._entries: list[tuple[RunningSum, SumVector]] = []

    def add(self, trainers: Sequence[bytes], updates: Sequence[IntVector], *, scale_exponent: int) -> list[SumVector]:
        """Add a round's updates; return the n trainers' sums, in their order.

        Raises
        ------
        WrongShape
            If there is not one update for each trainer.

        """
        if len(trainers) != len(updates):
            raise WrongShape(f"{len(trainers)} trainers and {len(updates)} updates")
        known, absent = successors([entry.trainer for entry, _ in self._entries], trainers)
        added = []
        for trainer, place, update in zip(trainers, known, updates, strict=True):
            own, vector = (None, None) if place is None else self._entries[place]
            change = step(own, scale_exponent)
            entry = RunningSum(trainer, change.exponent, change.multiplier, None)
            added.append((entry, advance_vector(change, vector, update)))
        self._entries = [*added, *(self._entries[place] for place in absent)][:MAX_ENTRIES]
        return [vector for _, vector in added]


def encode_sums(sums: Sequence[RunningSum]) -> bytes:
    """Return the bytes that a job carries, 90 a sum, most recent first; sums beyond 128 are dropped.

    Each is the address, E as int16, M as uint32, and the commitment's x and y; all big-endian, infinity as zeros.
    """
    return b"".join(
        entry.trainer
        + entry.exponent.to_bytes(_EXPONENT_BYTES, "big", signed=True)
        + entry.multiplier.to_bytes(_MULTIPLIER_BYTES, "big")
        + encode_point(entry.commitment)
        for entry in sums[:MAX_ENTRIES]
    )


def decode_sums(carried: bytes) -> list[RunningSum]:
    """Return the sums behind :func:`encode_sums`' bytes.

    Raises
    ------
    InvalidInput
        If the length is no multiple of 90 or above 128 sums, a multiplier is not 1 to ``2**30``, or a commitment is not
        a point.

    """
    if len(carried) % ENTRY_BYTES or len(carried) > MAX_ENTRIES * ENTRY_BYTES:
        raise InvalidInput(f"{len(carried)} bytes are not running sums")
    return [_decode_sum(carried[start : start + ENTRY_BYTES]) for start in range(0, len(carried), ENTRY_BYTES)]


def _decode_sum(entry: bytes) -> RunningSum:
    multiplier_at = ADDRESS_BYTES + _EXPONENT_BYTES
    multiplier = int.from_bytes(entry[multiplier_at : multiplier_at + _MULTIPLIER_BYTES], "big")
    if not 1 <= multiplier <= MULTIPLIER_LIMIT:
        raise InvalidInput(f"{multiplier} is not the multiplier of a running sum")
    return RunningSum(
        trainer=entry[:ADDRESS_BYTES],
        exponent=int.from_bytes(entry[ADDRESS_BYTES:multiplier_at], "big", signed=True),
        multiplier=multiplier,
        commitment=decode_point(entry[-_POINT_BYTES:]),
    )
