"""Openings of chunks: "these are the entries k0 .. k0+m-1 of the committed vector", checked in O(m) on chain.

The inner product of the vector with a public one, ``v(X) = sum_t rho^t X^(k0+t)``: the same argument as for the Gram
matrix, with two cross polynomials where that has one (docs/protocol.md, "Chunk openings"). It hides nothing and is
meant for vectors that are, or ought to be, public: a round's aggregate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from aggregator.bn254 import G2_GENERATOR, GENERATOR, IntVector, Point, R, Vector, encode_point, kernel
from aggregator.bn254.arguments import is_integers
from aggregator.commitments import Blinding, RoundId, commit, linear_combination, uint_word
from aggregator.errors import InvalidProof, OutOfRange, WrongShape
from aggregator.proofs.gram_proof import canonical_scalar, curve_point
from aggregator.proofs.prover import evaluate_blinding
from aggregator.proofs.transcript import OpeningTranscript
from aggregator.srs import Srs, VerifyingKey

OPENING_BYTES = 352
MAX_CHUNK = 128
_UNBLINDED: Blinding = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class OpeningStatement:
    """Entries ``start .. start + len(values) - 1`` of the vector committed in ``commitment`` are ``values`` (mod r)."""

    round_id: RoundId
    commitment: Point
    start: int
    values: tuple[int, ...]

    def check(self, srs_size: int) -> None:
        """Check ranges.

        The verifier sees ``X^start`` only at a point, where exponents count modulo r - 1: a start beyond the reference
        string could stand for an entry within it.

        Raises
        ------
        OutOfRange
            If the chunk is empty, longer than 128 entries or beyond the reference string, or a value is not canonical.

        """
        if not 0 <= self.start <= srs_size - len(self.values):
            raise OutOfRange(f"the chunk at {self.start} lies beyond the reference string's {srs_size} powers")
        if not 1 <= len(self.values) <= MAX_CHUNK:
            raise OutOfRange(f"a chunk has 1 to {MAX_CHUNK} entries, not {len(self.values)}")
        if not all(0 <= value < R for value in self.values):
            raise OutOfRange("a value is not a canonical field element")

    def encode(self, srs_digest: bytes) -> bytes:
        """Return the bytes that the transcript absorbs."""
        return b"".join(
            (
                srs_digest,
                self.round_id.words(),
                encode_point(self.commitment),
                uint_word(self.start),
                uint_word(len(self.values)),
                *(uint_word(value) for value in self.values),
            )
        )

    def combined_value(self, rho: int) -> int:
        """Return ``y = sum_t rho^t values_t``."""
        return _horner(self.values, rho)

    def public_at(self, rho: int, x: int) -> int:
        """Return ``v(x)``."""
        return _horner([1] * len(self.values), rho * x % R) * pow(x, self.start, R) % R


def open_chunk(
    srs: Srs,
    round_id: RoundId,
    vector: IntVector | Vector,
    blinding: Blinding,
    *,
    start: int,
    count: int,
) -> tuple[OpeningStatement, bytes]:
    """Open ``count`` entries of a committed vector from ``start`` on; return the statement and its proof.

    Deterministic. Cost: O(d log d).

    Parameters
    ----------
    vector
        The committed vector: int64 (d,), or field elements (d, 4). Beyond its end it is zero.
    blinding
        Its blinding.

    Raises
    ------
    WrongShape
        If the reference string is too short for the vector or the chunk.
    OutOfRange
        If the chunk is empty, too long, or begins before 0.

    """
    if start < 0 or not 1 <= count <= MAX_CHUNK:
        raise OutOfRange(f"a chunk has 1 to {MAX_CHUNK} entries and begins at 0 or later")
    if start + count > srs.size:
        raise WrongShape(f"entry {start + count - 1} lies beyond the reference string's {srs.size} powers")
    native = kernel()
    elements = native.from_integers(cast(IntVector, vector)) if is_integers(vector) else cast(Vector, vector)
    padded = np.zeros((max(len(elements), start + count), 4), dtype=np.uint64)
    padded[: len(elements)] = elements
    values = _ints(padded[start : start + count])
    statement = OpeningStatement(round_id, commit(srs, padded, blinding), start, values)
    transcript = OpeningTranscript(statement.encode(srs.key.digest))

    # Coefficient c + j of U(X) * X^(m-1) v'(1/X) is that of lag j: sum_t rho^t U_(start + t + j).
    powers = native.geometric(1, transcript.rho, count)
    product = native.multiply(padded, np.ascontiguousarray(powers[::-1]))
    centre = start + count - 1
    positive = np.ascontiguousarray(product[centre + 1 :])
    negative = np.ascontiguousarray(product[:centre][::-1])
    positive_commitment, negative_commitment = commit(srs, positive, _UNBLINDED), commit(srs, negative, _UNBLINDED)
    z = transcript.cross(positive_commitment, negative_commitment)

    inverse = pow(z, -1, R)
    evaluations = (native.evaluate(padded, z), _evaluate(positive, z), evaluate_blinding(blinding, z))
    gamma = transcript.evaluations(*evaluations)
    quotient = commit(
        srs,
        native.divide(native.add_scaled(padded, positive, gamma), z),
        ((blinding[1] + z * blinding[2]) % R, blinding[2], 0),
    )
    inverse_quotient = commit(srs, _divide(negative, inverse), _UNBLINDED)
    transcript.quotients(quotient, inverse_quotient)
    return statement, b"".join(
        (
            encode_point(positive_commitment),
            encode_point(negative_commitment),
            *(uint_word(value) for value in evaluations),
            encode_point(quotient),
            encode_point(inverse_quotient),
        )
    )


def verify_opening(key: VerifyingKey, statement: OpeningStatement, proof: bytes) -> None:
    """Check an opening as ChunkOpening.sol does.

    Raises
    ------
    InvalidProof
        If it does not show the statement.
    OutOfRange
        If the statement is malformed.

    """
    statement.check(key.size)
    if len(proof) != OPENING_BYTES:
        raise InvalidProof(f"an opening has {OPENING_BYTES} bytes, not {len(proof)}")
    positive, negative = curve_point(proof, 0), curve_point(proof, 2)
    vector_at_z, positive_at_z, blinding_at_z = (canonical_scalar(proof, word) for word in (4, 5, 6))
    quotient, inverse_quotient = curve_point(proof, 7), curve_point(proof, 9)

    transcript = OpeningTranscript(statement.encode(key.digest))
    z = transcript.cross(positive, negative)
    gamma = transcript.evaluations(vector_at_z, positive_at_z, blinding_at_z)
    delta = transcript.quotients(quotient, inverse_quotient)

    inverse = pow(z, -1, R)
    public = statement.public_at(transcript.rho, inverse)
    negative_at_inverse = z * (vector_at_z * public - statement.combined_value(transcript.rho) - z * positive_at_z) % R
    opened = linear_combination(
        [statement.commitment, positive, negative, GENERATOR, key.blinding[0], quotient, inverse_quotient],
        [
            1,
            gamma,
            delta,
            -(vector_at_z + gamma * positive_at_z + delta * negative_at_inverse),
            -blinding_at_z,
            z,
            delta * inverse,
        ],
    )
    quotients = linear_combination([quotient, inverse_quotient], [-1, -delta])
    if not kernel().pairing_check([(opened, G2_GENERATOR), (quotients, key.tau_g2)]):
        raise InvalidProof("the opening does not show the entries")


def _horner(coefficients: tuple[int, ...] | list[int], x: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * x + coefficient) % R
    return value


def _evaluate(polynomial: Vector, x: int) -> int:
    return kernel().evaluate(polynomial, x) if len(polynomial) else 0


def _divide(polynomial: Vector, x: int) -> Vector:
    return kernel().divide(polynomial, x) if len(polynomial) else polynomial


def _ints(elements: Vector) -> tuple[int, ...]:
    return tuple(int.from_bytes(row.tobytes(), "little") for row in np.ascontiguousarray(elements))
