"""The shared vectors of proofs in Solidity: the same challenges, and accepted."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak
from web3 import Web3
from web3.contract import Contract

from aggregator.proofs import OpeningStatement
from aggregator.srs import development_srs
from tests.contracts.harness import Chain, refused
from tests.contracts.wire import gram_values
from tests.vectors.cases import OpeningCase, ProofCase, load, opening_cases, proof_cases

KEY = development_srs(load("proofs.json")["powers"]).key


@pytest.fixture(scope="module")
def gram_verifier(session_chain: Chain) -> Contract:
    return session_chain.deploy("GramVerifier", KEY.words())


@pytest.fixture(scope="module")
def probe(session_chain: Chain) -> Contract:
    return session_chain.deploy("ProofProbe", KEY.words())


def opening_values(statement: OpeningStatement) -> Any:
    """Return ChunkOpening.OpeningStatement."""
    place = statement.round_id
    market = Web3.to_checksum_address(place.market)
    point = statement.commitment or (0, 0)
    return (place.chain_id, market, place.job_id, place.number, point, statement.start, list(statement.values))


@pytest.mark.parametrize("case", proof_cases(), ids=lambda case: case.name)
def test_gram_proof_is_accepted(case: ProofCase, chain: Chain, gram_verifier: Contract) -> None:
    chain.call(gram_verifier.functions.verifyGram(gram_values(case.statement), case.proof))


@pytest.mark.node
@pytest.mark.parametrize("case", proof_cases(), ids=lambda case: case.name)
def test_challenges_of_a_gram_proof(case: ProofCase, chain: Chain, probe: Contract) -> None:
    seed, z, gamma = chain.call(probe.functions.gramChallenges(case.message, case.proof))
    lambdas = [int.from_bytes(keccak(seed + i.to_bytes(32, "big"))[:16], "big") for i in range(len(case.lambdas))]
    assert (tuple(lambdas), z, gamma) == (case.lambdas, case.z, case.gamma)


@pytest.mark.node
@pytest.mark.parametrize("case", opening_cases(), ids=lambda case: case.name)
def test_opening(case: OpeningCase, chain: Chain, probe: Contract) -> None:
    assert tuple(chain.call(probe.functions.openingChallenges(case.message, case.proof))) == case.challenges
    chain.call(probe.functions.verifyOpening(opening_values(case.statement), case.proof))


@pytest.mark.node
def test_an_opening_lies_within_the_reference_string(chain: Chain, probe: Contract) -> None:
    """X^k0 is seen at one point only, where it is the same for k0 and k0 + r - 1."""
    case = next(case for case in opening_cases() if case.name == "the last entry")
    *head, start, values = opening_values(case.statement)
    order = 21888242871839275222246405745257275088548364400416034343698204186575808495617
    for false in (start + order - 1, KEY.size, 2**256 - 1):
        with refused("Opening_OutOfRange", start=false, powers=KEY.size):
            chain.call(probe.functions.verifyOpening((*head, false, values), case.proof))
