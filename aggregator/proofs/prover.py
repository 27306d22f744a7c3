"""The prover of the Gram argument: two large multi-scalar multiplications and one autocorrelation.

Notation and steps are those of docs/protocol.md, "The Gram argument". Vectors are coefficient vectors of polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aggregator.bn254 import IntVector, R, Vector, kernel, vector_from_ints
from aggregator.commitments import Blinding, combine_blindings, commit
from aggregator.errors import InvalidProof, WrongShape
from aggregator.proofs.gram_proof import GramProof
from aggregator.proofs.statement import GramStatement
from aggregator.proofs.transcript import GramTranscript
from aggregator.randomness import field_elements
from aggregator.srs import Srs

MASK_COEFFICIENTS = 8
"""More than the evaluations that a proof reveals: a(z), a(1/z), s(z), and mu."""

NARROW_BYTES = 2
"""Largest entry that the kernel combines in bulk."""

Progress = Callable[[str], None]
"""Called with the name of each step as it begins."""


def prove(
    srs: Srs,
    statement: GramStatement,
    rows: Sequence[IntVector],
    blindings: Sequence[Blinding],
    *,
    seed: bytes,
    progress: Progress | None = None,
) -> bytes:
    """Prove that ``statement.gram`` has the inner products of the committed rows; return the 384 bytes.

    Equal arguments give equal bytes. All randomness comes from the seed and the statement together, so that one seed
    never masks two statements alike. Cost: O(m d + d log d) for m rows; memory O(d) beyond the rows.

    Parameters
    ----------
    statement
        Its commitments must be those of ``rows`` and ``blindings``; see
        :func:`aggregator.commitments.check_commitments`. Otherwise the proof is not valid.
    rows
        The updates, then the extra rows of the statement: vectors of shape (d,), of 8 to 64 bits an entry.
    blindings
        One for each row: for the previous aggregate and running sums, the sums of their parts' blindings.
    seed
        32 secret random bytes. Whoever knows them can learn more of the rows than their inner products.

    Raises
    ------
    WrongShape
        If numbers or lengths do not fit, or the reference string is shorter than ``d + 8``.
    InvalidProof
        If the inner products are not those of the rows.

    """
    statement.check()
    dimension = statement.rules.dimension
    total = statement.layout.total
    if not len(rows) == len(blindings) == total:
        raise WrongShape(f"{total} commitments, {len(rows)} rows, {len(blindings)} blindings")
    if any(row.shape != (dimension,) for row in rows):
        raise WrongShape(f"rows have shape ({dimension},)")
    check_room(srs.size, dimension)
    step = progress or _silent

    step("mask")
    transcript = GramTranscript(statement.encode(srs.key.digest))
    drawn = field_elements(seed, b"gramercy/gram/prover/1" + transcript.statement_state, MASK_COEFFICIENTS + 6)
    mask, mask_blinding, correlation_blinding = drawn[:8], _blinding(drawn[8:11]), _blinding(drawn[11:])
    mask_commitment = commit(srs, vector_from_ints(mask), mask_blinding, first=dimension)
    mask_square = sum(coefficient * coefficient for coefficient in mask) % R
    lambdas = transcript.mask(mask_commitment, mask_square, total)

    step("correlation")
    combined = _combine(rows, lambdas, vector_from_ints(mask))
    square, correlation = kernel().correlate(combined)
    if square != combined_square(statement, lambdas, mask_square):
        raise InvalidProof("the stated inner products are not those of the rows")
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
    matrix = statement.products.matrix
    products = (sum(factor * entry for factor, entry in zip(lambdas, row, strict=True)) for row in matrix)
    return (mask_square + sum(factor * product for factor, product in zip(lambdas, products, strict=True))) % R


def evaluate_blinding(blinding: Blinding, at: int) -> int:
    """Return the blinding polynomial's value."""
    return (blinding[0] + at * (blinding[1] + at * blinding[2])) % R


def _combine(rows: Sequence[IntVector], factors: Sequence[int], tail: Vector) -> Vector:
    """Return ``sum_i factors_i rows_i`` with the tail behind; the kernel takes wide rows, which are few, one by one."""
    narrow = [(row, factor) for row, factor in zip(rows, factors, strict=True) if row.dtype.itemsize <= NARROW_BYTES]
    combined = kernel().combine([row for row, _ in narrow], [factor for _, factor in narrow], tail=tail)
    for row, factor in zip(rows, factors, strict=True):
        if row.dtype.itemsize > NARROW_BYTES:
            combined = kernel().add_scaled(combined, kernel().from_integers(row), factor)
    return combined


def _quotient(polynomial: Vector, z: int, inverse: int) -> Vector:
    """Divide by ``(X - z)(X - 1/z)``; the remainder, a line, is dropped."""
    return kernel().divide(kernel().divide(polynomial, z), inverse)


def _blinding(coefficients: Sequence[int]) -> Blinding:
    first, second, third = coefficients
    return first, second, third


def _silent(_: str) -> None:
    return None
