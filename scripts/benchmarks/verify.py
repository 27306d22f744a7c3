"""Verification in Python, of the argument alone and of a whole settlement; neither depends on d."""

from __future__ import annotations

from aggregator.bn254 import Point
from aggregator.commitments import commit
from aggregator.gram import gram_matrix
from aggregator.proofs import prove, verify, verify_gram
from scripts.benchmarks.inputs import SEED, Parameters, blinding, open_srs, outcome_of, similar_update, statement, whole
from scripts.benchmarks.measuring import timed
from scripts.benchmarks.process import Figures, peak_bytes, serve


def measure(asked: Figures) -> Figures:
    """Prove one round, then verify it again and again."""
    parameters = Parameters(**asked)
    srs = open_srs(parameters.d)
    updates = [similar_update(index, parameters) for index in range(parameters.n)]
    blindings = [blinding(index) for index in range(parameters.n)]
    commitments: tuple[Point, ...] = tuple(map(commit, [srs] * parameters.n, updates, blindings))
    gram = gram_matrix(updates, bits=parameters.bits)
    claim = statement(parameters, commitments, gram)
    proof = prove(srs, claim, updates, blindings, seed=SEED)
    settled = whole(claim, outcome_of(parameters, gram, claim.trainers, claim.scale_exponent))
    key = srs.key
    argument, _ = timed(lambda: verify_gram(key, claim, proof), repeat=parameters.repeat)
    settlement, _ = timed(lambda: verify(key, settled, proof), repeat=parameters.repeat)
    return {
        "median_seconds": argument.median_seconds,
        "median_cpu_seconds": argument.median_cpu_seconds,
        "seconds": argument.seconds,
        "settlement_seconds": settlement.median_seconds,
        "proof_bytes": len(proof),
        "peak_bytes": peak_bytes(),
    }


if __name__ == "__main__":
    serve(measure)
