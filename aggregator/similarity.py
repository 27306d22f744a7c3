"""Cosine similarity from inner products, as integers that Solidity repeats bit for bit."""

from __future__ import annotations

from math import isqrt

SIMILARITY_ONE = 1 << 32
"""Similarities are integers in units of ``2**-32``."""
ROOT_BITS = 32
"""A length is its integer square root in units of ``2**-32``."""
_SHIFT = 2 * ROOT_BITS + SIMILARITY_ONE.bit_length() - 1


def length(square: int) -> int:
    """Return ``floor(2**32 * sqrt(square))``: the length of a vector whose squared norm is ``square >= 0``."""
    return isqrt(square << (2 * ROOT_BITS))


def cosine(product: int, length_a: int, length_b: int) -> int:
    """Return the positive part of the cosine of two vectors, at most 1, in units of ``2**-32``.

    Lengths are rounded down, so a similarity is never below the floor of the true one, and above it by less than
    ``2**-31`` of itself plus one unit; collinear vectors are exactly 1. A vector of length 0 is similar to nothing.

    Parameters
    ----------
    product
        Inner product of the two, of magnitude below ``2**127``.
    length_a, length_b
        Their lengths, see :func:`length`.

    """
    if product <= 0 or length_a == 0 or length_b == 0:
        return 0
    return min(SIMILARITY_ONE, (product << _SHIFT) // (length_a * length_b))
