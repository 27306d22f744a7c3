"""Fixed point: float32 updates to ``b``-bit integers and back, and the rule that adapts the scale between rounds.

An entry ``q`` of a quantised update stands for ``q * 2**e``. The exponent ``e`` is the same for every trainer of a
round and public before the first commitment; inner products of differently scaled updates would mean nothing. Scales
are powers of two, so scaling is exact in binary floating point and quantisation is the same bit for bit on every
machine. A job may give tensors their own offsets: tensor ``t`` then uses ``2**(e + offset_t)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.errors import NonFiniteUpdate, OutOfRange, WrongShape

Float32Vector = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.int8] | npt.NDArray[np.int16]

VERSION = 1
MIN_BITS, MAX_BITS = 4, 16
MAX_SCALE_EXPONENT = 64
MAX_SCALE_STEP = 2
WEIGHT_BITS = 32
"""Weights are integers in units of ``2**-32``."""
BLOCK = 1 << 18
"""Coordinates handled at once wherever something of size d is streamed."""


@dataclass(frozen=True, slots=True)
class Quantiser:
    """Symmetric quantiser: round half to even, saturate at ``+-(2**(bits-1) - 1)``.

    Parameters
    ----------
    bits
        ``b``, 4 to 16.
    scale_exponent
        ``e`` of the round, -64 to 64.
    lengths
        Number of entries of each tensor, in the model's order; their sum is ``d``.
    offsets
        Offset of each tensor's exponent; all zero for one scale.

    Raises
    ------
    OutOfRange
        If a parameter is outside its range.
    WrongShape
        If ``lengths`` and ``offsets`` differ in number.

    Examples
    --------
    >>> q = Quantiser(bits=8, scale_exponent=-4, lengths=(3,), offsets=(0,))
    >>> q.quantise(np.array([0.03125, 0.09375, 100.0], dtype=np.float32))
    Quantised(entries=array([  0,   2, 127], dtype=int8), saturated=1)

    """

    bits: int
    scale_exponent: int
    lengths: tuple[int, ...]
    offsets: tuple[int, ...]

    def __post_init__(self) -> None:
        if not MIN_BITS <= self.bits <= MAX_BITS:
            raise OutOfRange(f"bits must be {MIN_BITS} to {MAX_BITS}, not {self.bits}")
        if abs(self.scale_exponent) > MAX_SCALE_EXPONENT:
            raise OutOfRange(f"scale exponent {self.scale_exponent} is outside +-{MAX_SCALE_EXPONENT}")
        if len(self.lengths) != len(self.offsets):
            raise WrongShape("a quantiser needs one offset for each tensor")
        if any(abs(offset) > MAX_SCALE_EXPONENT for offset in self.offsets):
            raise OutOfRange(f"tensor offsets must lie within +-{MAX_SCALE_EXPONENT}")

    @property
    def dimension(self) -> int:
        """``d``."""
        return sum(self.lengths)

    @property
    def limit(self) -> int:
        """Largest magnitude of an entry, ``2**(b-1) - 1``."""
        return int((1 << (self.bits - 1)) - 1)

    @property
    def dtype(self) -> np.dtype[np.int8] | np.dtype[np.int16]:
        """Narrowest of int8 and int16 that holds ``b`` bits."""
        return entry_dtype(self.bits)

    def quantise(self, update: Float32Vector) -> Quantised:
        """Quantise one update of shape (d,).

        Raises
        ------
        WrongShape
            If ``update`` is not a float32 vector with d entries.
        NonFiniteUpdate
            If an entry is NaN or infinite.

        """
        if update.dtype != np.float32 or update.shape != (self.dimension,):
            raise WrongShape(
                f"an update must be float32 with shape ({self.dimension},), not {update.dtype} {update.shape}"
            )
        entries = np.empty(self.dimension, dtype=self.dtype)
        saturated = 0
        for part, exponent in self.blocks():
            block = update[part].astype(np.float64)
            if not np.isfinite(block).all():
                bad = part.start + int(np.flatnonzero(~np.isfinite(block))[0])
                raise NonFiniteUpdate(
                    f"entry {bad} of the update is {update[bad]}",
                    hint="training diverged; lower the learning rate or check the data",
                    entry=bad,
                )
            scaled = np.rint(np.ldexp(block, -exponent))
            saturated += int(np.count_nonzero(np.abs(scaled) > self.limit))
            entries[part] = np.clip(scaled, -self.limit, self.limit)
        return Quantised(entries, saturated)

    def dequantise(self, entries: IntVector) -> Float32Vector:
        """Return the float32 update of shape (d,) that quantised ``entries`` stand for.

        Raises
        ------
        WrongShape
            If the shape is not (d,).

        """
        if entries.shape != (self.dimension,):
            raise WrongShape(f"entries must have shape ({self.dimension},), not {entries.shape}")
        update = np.empty(self.dimension, dtype=np.float32)
        for part, exponent in self.blocks():
            update[part] = np.ldexp(entries[part].astype(np.float64), exponent)
        return update

    def apply(self, model: Float32Vector, aggregate: npt.NDArray[np.int64]) -> Float32Vector:
        """Return ``model + 2**e * aggregate / 2**32``: the model of the next round.

        ``aggregate`` is ``sum_i w_i u_i``, int64 of shape (d,); weights whose sum is below ``2**32`` shorten the step.
        Computed in float64 and rounded once to float32, so every party derives the same bytes.

        Raises
        ------
        WrongShape
            If a shape is not (d,).
        OutOfRange
            If the new model has an entry that is not finite.

        """
        if model.shape != (self.dimension,) or aggregate.shape != (self.dimension,):
            raise WrongShape(f"model and aggregate must have shape ({self.dimension},)")
        result = np.empty_like(model)
        for part, exponent in self.blocks():
            step = np.ldexp(aggregate[part].astype(np.float64), exponent - WEIGHT_BITS)
            with np.errstate(over="ignore"):
                result[part] = model[part].astype(np.float64) + step
            if not np.isfinite(result[part]).all():
                raise OutOfRange("the aggregate takes the model out of the range of float32")
        return result

    def blocks(self) -> Iterator[tuple[slice, int]]:
        """Yield coordinate blocks that share one scale, with their exponent."""
        start = 0
        for length, offset in zip(self.lengths, self.offsets, strict=True):
            for begin in range(start, start + length, BLOCK):
                yield slice(begin, min(begin + BLOCK, start + length)), self.scale_exponent + offset
            start += length


@dataclass(frozen=True, slots=True)
class Quantised:
    """A quantised update: integer ``entries`` of shape (d,), and how many were ``saturated``."""

    entries: IntVector
    saturated: int


def entry_dtype(bits: int) -> np.dtype[np.int8] | np.dtype[np.int16]:
    """Return the dtype of ``bits``-bit entries."""
    return np.dtype(np.int8) if bits <= 8 else np.dtype(np.int16)  # noqa: PLR2004


def check_entries(entries: IntVector, *, dimension: int, bits: int) -> None:
    """Check a quantised update from outside: shape, dtype, and ``|entry| < 2**(bits-1)``, block by block.

    Raises
    ------
    WrongShape
        On another shape or dtype.
    OutOfRange
        On an entry outside the range (the two's complement minimum).

    """
    if entries.shape != (dimension,) or entries.dtype != entry_dtype(bits):
        raise WrongShape(
            f"entries must be {entry_dtype(bits)} of shape ({dimension},), not {entries.dtype} {entries.shape}"
        )
    limit = (1 << (bits - 1)) - 1
    for start in range(0, dimension, BLOCK):
        block = entries[start : start + BLOCK]
        if int(block.min()) < -limit or int(block.max()) > limit:
            raise OutOfRange(f"an entry of the update needs more than {bits} bits")


def next_scale_exponent(
    squared_norms: Sequence[int], *, exponent: int, dimension: int, bits: int, headroom_bits: int
) -> int:
    """Return the next round's scale exponent: the scale rule, as Settling.sol computes it.

    Aims at an RMS entry of ``2**(b-1-h)``: the step is the smallest ``k`` in -2..2 for which the median squared norm
    is at most ``d * 2**(2(b-1-h) + 1 + 2k)``.

    Parameters
    ----------
    squared_norms
        ``G_ii`` of the accepted updates; the lower median is used when their number is even.
    exponent
        ``e`` of this round.
    headroom_bits
        ``h``, at most ``b - 3``.

    """
    median = sorted(squared_norms)[(len(squared_norms) - 1) // 2] if squared_norms else 0
    shift = 2 * (bits - 1 - headroom_bits) + 1 - 2 * MAX_SCALE_STEP
    step = -MAX_SCALE_STEP
    while step < MAX_SCALE_STEP and median > dimension << shift:
        step += 1
        shift += 2
    return max(-MAX_SCALE_EXPONENT, min(MAX_SCALE_EXPONENT, exponent + step))


def initial_scale_exponent(update: Float32Vector, *, bits: int, headroom_bits: int) -> int:
    """Return the smallest exponent at which ``update``'s RMS entry is at most ``2**(b-1-h)``: a job's first scale.

    Raises
    ------
    OutOfRange
        If the update is zero or not finite, so that nothing can be learned from it.

    """
    rms = float(np.sqrt(np.mean(np.square(update, dtype=np.float64))))
    if not np.isfinite(rms) or rms == 0:
        raise OutOfRange("a zero or non-finite update gives no scale", hint="pass a scale exponent yourself")
    exponent = int(np.ceil(np.log2(rms))) - (bits - 1 - headroom_bits)
    return max(-MAX_SCALE_EXPONENT, min(MAX_SCALE_EXPONENT, exponent))
