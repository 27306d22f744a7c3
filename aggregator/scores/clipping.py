"""Weights that shorten long updates: what scores with a memory use in place of the rule's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from aggregator.scores.base import WEIGHT_ONE

_WEIGHT_BITS = 32
_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Clipped:
    """Weights of a round's updates, shortened.

    Attributes
    ----------
    factors
        ``c_i`` in units of ``2**-32``, at most 1.
    weights
        ``q_i = floor(w_i c_i / 2**32)``.

    """

    factors: tuple[int, ...]
    weights: tuple[int, ...]


def clip(squares: Sequence[int], weights: Sequence[int], *, times: int) -> Clipped:
    """Shorten what is longer than ``times`` the weighted median length: ``c_i = min(1, times * median / |u_i|)``.

    Exactly: ``2**32`` where the square is at most ``times**2 M``, else ``isqrt(2**64 times**2 M / square)``, rounded
    down, with M of :func:`lower_median_square`. The median is weighted so that identities which split one stake do not
    move it.
    """
    limit = times**2 * lower_median_square(squares, weights)
    factors = tuple(
        WEIGHT_ONE if square <= limit else isqrt((limit << 2 * _WEIGHT_BITS) // square) for square in squares
    )
    return Clipped(factors, tuple(w * factor >> _WEIGHT_BITS for w, factor in zip(weights, factors, strict=True)))


def lower_median_square(squares: Sequence[int], weights: Sequence[int]) -> int:
    """Return the least square that, with all below it, holds at least half of the weight; 0 of no weight."""
    total, held = sum(weights), 0
    for square, weight in sorted(zip(squares, weights, strict=True)):
        held += weight
        if total and 2 * held >= total:
            return square
    return 0


def median_hint(squares: Sequence[int], weights: Sequence[int]) -> bytes:
    """Return the weighted median as a contract wants to be told it: one word."""
    return lower_median_square(squares, weights).to_bytes(_WORD_BYTES, "big")
