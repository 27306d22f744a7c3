"""The shared vectors of proofs in the core: accepted, with the challenges that they list."""

from __future__ import annotations

import pytest

from aggregator.proofs import verify_gram, verify_opening
from aggregator.proofs.gram_proof import GramProof, canonical_scalar, curve_point
from aggregator.proofs.transcript import GramTranscript, OpeningTranscript
from aggregator.srs import development_srs
from tests.vectors.cases import OpeningCase, ProofCase, load, opening_cases, proof_cases

KEY = development_srs(load("proofs.json")["powers"]).key


@pytest.mark.parametrize("case", proof_cases(), ids=lambda case: case.name)
def test_gram_proof(case: ProofCase) -> None:
    verify_gram(KEY, case.statement, case.proof)
    assert case.statement.encode(KEY.digest) == case.message
    sent, transcript = GramProof.decode(case.proof), GramTranscript(case.message)
    assert transcript.mask(sent.mask, sent.mask_square, case.statement.layout.total) == case.lambdas
    assert transcript.correlation(sent.correlation) == case.z
    assert transcript.evaluations(sent.at_z, sent.at_inverse, sent.correlation_at_z) == case.gamma
    assert sent.encode() == case.proof


@pytest.mark.parametrize("case", opening_cases(), ids=lambda case: case.name)
def test_opening(case: OpeningCase) -> None:
    verify_opening(KEY, case.statement, case.proof)
    assert case.statement.encode(KEY.digest) == case.message
    points = [curve_point(case.proof, word) for word in (0, 2, 7, 9)]
    scalars = [canonical_scalar(case.proof, word) for word in (4, 5, 6)]
    transcript = OpeningTranscript(case.message)
    z = transcript.cross(points[0], points[1])
    gamma = transcript.evaluations(scalars[0], scalars[1], scalars[2])
    assert (transcript.rho, z, gamma, transcript.quotients(points[2], points[3])) == case.challenges
