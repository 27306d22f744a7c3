"""The proof of the Gram argument: three points and six scalars, 384 bytes whatever n and d."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.bn254 import Point, R, decode_point, encode_point
from aggregator.commitments import uint_word
from aggregator.errors import InvalidPoint, InvalidProof

PROOF_BYTES = 384
_WORD = 32


@dataclass(frozen=True, slots=True)
class GramProof:
    """The prover's messages in the order in which they were sent.

    Attributes
    ----------
    mask, mask_square
        ``C_m = com(m; h_m)`` and ``mu``, the sum of the squares of m's coefficients.
    correlation
        ``S = com(s; h_s)``.
    at_z, at_inverse, correlation_at_z
        ``a(z)``, ``a(1/z)``, ``s(z)``.
    blinding_at_z, blinding_at_inverse
        ``h(z)``, ``h(1/z)`` of the combined blinding ``h = h_a + gamma h_s``.
    quotient
        ``W``, which shows all values at ``z`` and ``1/z`` at once.

    """

    mask: Point
    mask_square: int
    correlation: Point
    at_z: int
    at_inverse: int
    correlation_at_z: int
    blinding_at_z: int
    blinding_at_inverse: int
    quotient: Point

    def encode(self) -> bytes:
        """Return the canonical 384 bytes."""
        scalars = (self.at_z, self.at_inverse, self.correlation_at_z, self.blinding_at_z, self.blinding_at_inverse)
        return b"".join(
            (
                encode_point(self.mask),
                uint_word(self.mask_square),
                encode_point(self.correlation),
                *(uint_word(scalar) for scalar in scalars),
                encode_point(self.quotient),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> GramProof:
        """Return the proof behind 384 canonical bytes.

        Raises
        ------
        InvalidProof
            If the length is wrong, a scalar is not canonical, or a point is not a finite point of the curve.

        """
        if len(data) != PROOF_BYTES:
            raise InvalidProof(f"a proof has {PROOF_BYTES} bytes, not {len(data)}")
        return cls(
            mask=finite_point(data, 0),
            mask_square=canonical_scalar(data, 2),
            correlation=finite_point(data, 3),
            at_z=canonical_scalar(data, 5),
            at_inverse=canonical_scalar(data, 6),
            correlation_at_z=canonical_scalar(data, 7),
            blinding_at_z=canonical_scalar(data, 8),
            blinding_at_inverse=canonical_scalar(data, 9),
            quotient=finite_point(data, 10),
        )


def canonical_scalar(data: bytes, word: int) -> int:
    """Return the scalar at a word of a proof, refused unless it is below r."""
    value = int.from_bytes(data[word * _WORD : (word + 1) * _WORD], "big")
    if value >= R:
        raise InvalidProof(f"word {word} of the proof is not a canonical scalar")
    return value


def curve_point(data: bytes, word: int) -> Point:
    """Return the point at two words of a proof, refused unless canonical and on the curve."""
    try:
        return decode_point(data[word * _WORD : (word + 2) * _WORD])
    except InvalidPoint as error:
        raise InvalidProof(f"word {word} of the proof is not a point: {error.message}") from error


def finite_point(data: bytes, word: int) -> Point:
    """Return the point at two words of a proof, infinity refused too."""
    point = curve_point(data, word)
    if point is None:
        raise InvalidProof(f"word {word} of the proof is the point at infinity")
    return point
