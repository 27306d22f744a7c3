"""The prover of the Gram argument: two large multi-scalar multiplications and one autocorrelation.

Notation and steps are those of docs/protocol.md, "The Gram argument". Vectors are coefficient vectors of polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aggregator.bn254 import R, Vector, kernel, vector_from_ints
from aggregator.commitments import Blinding, combine_blindings, commit
from aggregator.errors import InvalidProof, WrongShape
from aggregator.fixedpoint import IntVector
from aggregator.gram import unpack_gram
from aggregator.proofs.gram_proof import GramProof
from aggregator.proofs.statement import GramStatement
from aggregator.proofs.transcript import GramTranscript
from aggregator.randomness import field_elements
from aggregator.srs import Srs

MASK_COEFFICIENTS = 8
"""More than the evaluations that a proof reveals: a(z), a(1/z), s(z), and mu."""

Progress = Callable[[str], None]
"""Called with the name of each step as it begins."""


def prove(
    srs: Srs,
    statement: GramStatement,
    updates: Sequence[IntVector],
    blindings: Sequence[Blinding],
    *,
    seed: bytes,
    progress: Progress | None = None,
) -> bytes:
    """Prove that ``statement.gram`` is the Gram matrix of the committed updates; return the 384 bytes.

    Equal arguments give equal bytes. All randomness comes from the seed and the statement together, so that one seed
    never masks two statements alike. Cost: O(n d + d log d); memory O(d) beyond the updates.

    Parameters
    ----------
    statement
        Its commitments must be those of ``updates`` and ``blindings``; see
        :func:`aggregator.commitments.check_commitments`. Otherwise the proof is not valid.
    updates
        n vectors of shape (d,).
    seed
        32 secret random bytes. Whoever knows them can learn more of the updates than the Gram matrix.

    Raises
    ------
    WrongShape
        If numbers or lengths do not fit, or the reference string is shorter than ``d + 8``.
    InvalidProof
        If the matrix is not that of the updates.

    """
    statement.check()
    dimension = statement.rules.dimension
    if not len(updates) == len(blindings) == statement.updates:
        raise WrongShape(f"{statement.updates} commitments, {len(updates)} updates, {len(blindings)} blindings")
    if any(update.shape != (dimension,) for update in updates):
        raise WrongShape(f"updates have shape ({dimension},)")
    check_room(srs.size, dimension)
    step = progress or _silent

    step("mask")
    transcript = GramTranscript(statement.encode(srs.key.digest))
    drawn = field_elements(seed, b"gramercy/gram/prover/1" + transcript.statement_state, MASK_COEFFICIENTS + 6)
    mask, mask_blinding, correlation_blinding = drawn[:8], _blinding(drawn[8:11]), _blinding(drawn[11:])
    mask_commitment = commit(srs, vector_from_ints(mask), mask_blinding, first=dimension)
    mask_square = sum(coefficient * coefficient for coefficient in mask) % R
    lambdas = transcript.mask(mask_commitment, mask_square, statement.updates)

    step("correlation")
    combined = kernel().combine(updates, lambdas, tail=vector_from_ints(mask))
    square, correlation = kernel().correlate(combined)
    if square != combined_square(statement, lambdas, mask_square):
        raise InvalidProof("the stated Gram matrix is not that of the updates")
    combined_blinding = combine_blindings([1, *lambdas], [mask_blinding, *blindings])
    correlation_commitment = commit(srs, correlation, correlation_blinding)
    z = transcript.correlation(correlation_commitment)

    step("evaluations")
    inverse = pow(z, -1, R)
    at_z, at_inverse = kernel().evaluate(combined, z), kernel().evaluate(combined, inverse)
    correlation_at_z = kernel().evaluate(correlation, z)
    gamma = transcript.evaluations(at_z, at_inverse, correlation_at_z)

    step("quotient")
    blinding = combine_blindings([1, gamma], [combined_blinding, correlation_blinding])
    quotient = _quotient(kernel().add_scaled(combined, correlation, gamma), z, inverse)
    del combined, correlation
    return GramProof(
        mask=mask_commitment,
        mask_square=mask_square,
        correlation=correlation_commitment,
        at_z=at_z,
        at_inverse=at_inverse,
        correlation_at_z=correlation_at_z,
        blinding_at_z=evaluate_blinding(blinding, z),
        blinding_at_inverse=evaluate_blinding(blinding, inverse),
        # A quadratic divided by a quadratic: its leading coefficient.
        quotient=commit(srs, quotient, (blinding[2], 0, 0)),
    ).encode()


def check_room(srs_size: int, dimension: int) -> None:
    """Check that updates of ``dimension`` entries and the mask fit a reference string.

    Raises
    ------
    WrongShape
        If they do not.

    """
    if dimension + MASK_COEFFICIENTS > srs_size:
        raise WrongShape(
            f"updates of {dimension} entries need a reference string of {dimension + MASK_COEFFICIENTS} powers; "
            f"this one has {srs_size}",
            hint="use a longer reference string",
        )


def combined_square(statement: GramStatement, lambdas: Sequence[int], mask_square: int) -> int:
    """Return ``g = mu + sum_ij lambda_i lambda_j G_ij`` modulo r."""
    gram: list[list[int]] = unpack_gram(statement.gram, statement.updates).tolist()
    products = (sum(factor * entry for factor, entry in zip(lambdas, row, strict=True)) for row in gram)
    return (mask_square + sum(factor * product for factor, product in zip(lambdas, products, strict=True))) % R


def evaluate_blinding(blinding: Blinding, at: int) -> int:
    """Return the blinding polynomial's value."""
    return (blinding[0] + at * (blinding[1] + at * blinding[2])) % R


def _quotient(polynomial: Vector, z: int, inverse: int) -> Vector:
    """Divide by ``(X - z)(X - 1/z)``; the remainder, a line, is dropped."""
    return kernel().divide(kernel().divide(polynomial, z), inverse)


def _blinding(coefficients: Sequence[int]) -> Blinding:
    first, second, third = coefficients
    return first, second, third


def _silent(_: str) -> None:
    return None
