"""The verifier of settlements, as GramVerifier.sol computes it: accepts by returning, refuses by raising."""

from __future__ import annotations

from dataclasses import replace

from aggregator.bn254 import G2_GENERATOR, GENERATOR, Point, R, compress, kernel
from aggregator.carried import Carried
from aggregator.commitments import linear_combination
from aggregator.errors import GramercyError, InvalidProof
from aggregator.history import advance
from aggregator.proofs.gram_proof import GramProof
from aggregator.proofs.prover import check_room, combined_square
from aggregator.proofs.statement import GramStatement, Statement
from aggregator.proofs.transcript import GramTranscript
from aggregator.rules import get_rule
from aggregator.scores import get_score
from aggregator.settlement import settle
from aggregator.srs import VerifyingKey


def verify(key: VerifyingKey, statement: Statement, proof: bytes) -> None:
    """Check a whole settlement: the Gram argument, and all that follows from the matrix.

    Raises
    ------
    InvalidProof
        If the argument fails, or a posted figure is not the one that the matrix gives.
    InvalidInput
        If the statement is malformed.

    """
    gram, witness = statement.gram, statement.witness
    verify_gram(key, gram, proof)
    if gram.reference and not gram.rules.reference:
        raise InvalidProof("the job has no reference", field="reference")
    if not (get_rule(gram.rules.rule).settles and get_score(gram.rules.score).settles):
        raise InvalidProof(f"no job settles by {gram.rules.rule} and {gram.rules.score}", field="rule")
    carried = Carried.decode(witness.carried)
    outcome = settle(
        gram.rules,
        gram.products,
        gram.stakes,
        scale_exponent=gram.scale_exponent,
        trainers=gram.trainers,
        memory=carried,
    )
    memory, sums = _with_sums(outcome.memory, gram)
    for name, posted, expected in (
        ("memory digest", statement.memory_digest, carried.digest()),
        ("weights", statement.weights, outcome.weights),
        ("scores", statement.scores, outcome.scores),
        ("payouts", statement.payouts, outcome.payouts),
        ("next scale exponent", statement.next_scale_exponent, outcome.next_scale_exponent),
        ("running sums", gram.history_commitments, sums),
        ("next memory digest", statement.next_memory_digest, memory.digest()),
        ("aggregate commitment", statement.aggregate_commitment, aggregate_commitment(gram, outcome.weights)),
    ):
        if posted != expected:
            raise InvalidProof(f"the posted {name} do not follow from the Gram matrix", field=name)


def aggregate_commitment(statement: GramStatement, weights: tuple[int, ...]) -> bytes:
    """Return ``sum_i w_i C_i``, compressed: the commitment to the aggregate."""
    return compress(linear_combination(statement.commitments[: statement.updates], weights))


def _with_sums(memory: Carried, gram: GramStatement) -> tuple[Carried, tuple[Point, ...]]:
    """Return what the next round is given, and what the running sums' commitments are where those are rows."""
    if not gram.history:
        return memory, ()
    updates = gram.commitments[: gram.updates]
    advanced = advance(memory.history, gram.trainers, updates, scale_exponent=gram.scale_exponent)
    return replace(memory, history=advanced.carried), advanced.commitments


def verify_gram(key: VerifyingKey, statement: GramStatement, proof: bytes) -> None:
    """Check that ``statement.gram`` has the inner products of the committed vectors, extra rows included.

    Steps and names are those of docs/protocol.md, "The Gram argument". Cost: m + 7 scalar multiplications for
    m rows and one product of three pairings; d does not appear.

    Raises
    ------
    InvalidProof
        If it is not shown.
    InvalidInput
        If the statement is malformed.

    """
    statement.check()
    check_room(key.size, statement.rules.dimension)
    p = GramProof.decode(proof)
    transcript = GramTranscript(statement.encode(key.digest))
    lambdas = transcript.mask(p.mask, p.mask_square, statement.layout.total)
    square = combined_square(statement, lambdas, p.mask_square)
    z = transcript.correlation(p.correlation)
    gamma = transcript.evaluations(p.at_z, p.at_inverse, p.correlation_at_z)

    inverse = pow(z, -1, R)
    correlation_at_inverse = z * (p.at_z * p.at_inverse - square - z * p.correlation_at_z) % R
    value = _line(z, p.at_z + gamma * p.correlation_at_z, inverse, p.at_inverse + gamma * correlation_at_inverse)
    blinding = _line(z, p.blinding_at_z, inverse, p.blinding_at_inverse)
    opened = linear_combination(
        [
            p.mask,
            *statement.commitments,
            p.correlation,
            GENERATOR,
            key.tau,
            key.blinding[0],
            key.blinding[1],
            p.quotient,
        ],
        [1, *lambdas, gamma, -value[0], -value[1], -blinding[0], -blinding[1], -1],
    )
    pairs = [
        (opened, G2_GENERATOR),
        (linear_combination([p.quotient], [-1]), key.tau2_g2),
        (linear_combination([p.quotient], [z + inverse]), key.tau_g2),
    ]
    if not kernel().pairing_check(pairs):
        raise InvalidProof("the proof does not show that the Gram matrix is that of the committed updates")


def is_valid(key: VerifyingKey, statement: GramStatement, proof: bytes) -> bool:
    """Return whether :func:`verify_gram` accepts."""
    try:
        verify_gram(key, statement, proof)
    except GramercyError:
        return False
    return True


def _line(x0: int, y0: int, x1: int, y1: int) -> tuple[int, int]:
    """Return constant and slope of the line through two points."""
    slope = (y1 - y0) * pow(x1 - x0, -1, R) % R
    return (y0 - slope * x0) % R, slope
