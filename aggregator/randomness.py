"""Expansion of a secret seed: the core draws no randomness of its own, so that equal inputs give equal bytes."""

from __future__ import annotations

from hashlib import shake_256

from aggregator.bn254 import R
from aggregator.errors import WrongShape

SEED_BYTES = 32
_WIDE_BYTES = 64
"""512 bits reduced modulo a 254-bit prime are uniform to within 2**-258."""


def random_bytes(seed: bytes, context: bytes, length: int) -> bytes:
    """Return ``length`` bytes of SHAKE256 over the seed and a context that names the use.

    Raises
    ------
    WrongShape
        If the seed is not 32 bytes long.

    """
    if len(seed) != SEED_BYTES:
        raise WrongShape(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    return shake_256(seed + len(context).to_bytes(8, "big") + context).digest(length)


def field_elements(seed: bytes, context: bytes, count: int) -> tuple[int, ...]:
    """Return ``count`` uniform elements of the scalar field."""
    wide = random_bytes(seed, context, count * _WIDE_BYTES)
    return tuple(_reduced(wide[at : at + _WIDE_BYTES]) for at in range(0, len(wide), _WIDE_BYTES))


def integers(seed: bytes, context: bytes, count: int, *, bits: int) -> tuple[int, ...]:
    """Return ``count`` uniform integers of ``bits`` bits, a multiple of 8."""
    size = bits // 8
    stream = random_bytes(seed, context, count * size)
    return tuple(int.from_bytes(stream[at : at + size], "big") for at in range(0, len(stream), size))


def _reduced(wide: bytes) -> int:
    return int.from_bytes(wide, "big") % R
