"""What rules that weigh by lengths share: exact roots, the stake-weighted lower median, clipping, masses to weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt
from operator import mul

from aggregator.rules.base import WEIGHT_ONE, Decision, stake_weights

LENGTH_BITS = 32
"""Lengths are integers in units of ``2**-32`` of an update's entry."""


def length_of(square: int) -> int:
    """Return ``floor(2**32 * sqrt(square))`` of a squared norm; 0 where ``square`` is negative."""
    return isqrt(max(square, 0) << 2 * LENGTH_BITS)


def distances(gram: Sequence[Sequence[int]], weights: Sequence[int]) -> list[int]:
    """Return each update's distance to ``z = sum_j w_j u_j / 2**32``, in units of ``2**-32``, rounded down.

    ``|2**32 (u_i - z)|**2 = 2**64 G_ii - 2**33 (G w)_i + w^T G w`` is an exact integer. It is not negative for updates
    that exist; where a matrix belongs to none, a negative value counts as 0.

    Parameters
    ----------
    gram
        Gram matrix (n, n) of the updates.
    weights
        ``w``, n integers in units of ``2**-32``.

    """
    products = [sum(map(mul, row, weights)) for row in gram]
    square = sum(map(mul, weights, products))
    twice = LENGTH_BITS + 1
    return [isqrt(max((row[i] << 2 * LENGTH_BITS) - (products[i] << twice) + square, 0)) for i, row in enumerate(gram)]


def lower_median(values: Sequence[int], stakes: Sequence[int]) -> int:
    """Return the least of ``values`` that, with all values below it, holds at least half of the stake.

    The lower median where stakes are equal. Weighted, so that an identity that splits its stake does not move it.
    """
    total, held = sum(stakes), 0
    for value, stake in sorted(zip(values, stakes, strict=True)):
        held += stake
        if 2 * held >= total:
            return value
    return 0


def clip_factors(squares: Sequence[int], limit: int) -> list[int]:
    """Return ``c_i = min(1, sqrt(limit / square_i))`` in units of ``2**-32``, rounded down."""
    return [WEIGHT_ONE if square <= limit else isqrt((limit << 2 * LENGTH_BITS) // square) for square in squares]


def clipped_shares(accepted: Sequence[bool], stakes: Sequence[int], clips: Sequence[int]) -> tuple[int, ...]:
    """Return ``floor(b_i c_i / 2**32)``, with b the shares of accepted updates in their stakes."""
    shares = stake_weights(accepted, stakes)
    return tuple(share * clip >> LENGTH_BITS for share, clip in zip(shares, clips, strict=True))


def clipped_mean(squares: Sequence[int], stakes: Sequence[int], limit: int) -> Decision:
    """Accept every update, none longer than ``sqrt(limit)``."""
    accepted = (True,) * len(squares)
    return Decision(accepted, clipped_shares(accepted, stakes, clip_factors(squares, limit)))


def normalised(masses: Sequence[int]) -> tuple[int, ...]:
    """Return ``w_i = floor(2**32 m_i / sum m)``; all 0 where no mass is left. Masses are not negative."""
    total = sum(masses)
    if total == 0:
        return (0,) * len(masses)
    return tuple(WEIGHT_ONE * mass // total for mass in masses)


def words(values: Iterable[int]) -> bytes:
    """Return hints as a contract reads them: 32-byte big-endian words."""
    return b"".join(value.to_bytes(32, "big") for value in values)
