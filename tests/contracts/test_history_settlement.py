"""Settlements over running sums on chain: three rounds of changing scale pass, and no other past does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from web3.contract import Contract

from aggregator.bn254 import Point
from aggregator.carried import NOTHING, Carried
from aggregator.commitments import linear_combination
from aggregator.history import decode_sums, encode_sums
from aggregator.products import pack_products
from aggregator.proofs import Statement
from aggregator.proofs.statement import id_word
from aggregator.srs import Srs, development_srs
from tests.contracts.harness import Chain, refused
from tests.sybil_rounds import DIMENSION, HONEST, SYBILS, Settled, SybilRound, settlements, sybil_rounds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def srs() -> Srs:
    return development_srs(DIMENSION + 8)


@pytest.fixture(scope="module")
def played(srs: Srs) -> list[SybilRound]:
    return sybil_rounds(srs)


@pytest.fixture(scope="module")
def settled(srs: Srs, played: list[SybilRound], session_chain: Chain) -> list[Settled]:
    return settlements(srs, played, chain_id=session_chain.chain_id)


@pytest.fixture(scope="module")
def verifier(srs: Srs, session_chain: Chain) -> Contract:
    return session_chain.deploy("GramVerifier", srs.key.words())


def point(value: Point) -> tuple[int, int]:
    return value or (0, 0)


def posted(chain: Chain, statement: Statement) -> dict[str, Any]:
    gram, rules, witness = statement.gram, statement.gram.rules, statement.witness
    address = chain.w3.to_checksum_address
    return {
        "gram": {
            "chainId": gram.round_id.chain_id,
            "market": address(gram.round_id.market),
            "jobId": gram.round_id.job_id,
            "round": gram.round_id.number,
            "aggregator": address(gram.aggregator),
            "rule": id_word(rules.rule),
            "score": id_word(rules.score),
            "byzantine": rules.byzantine,
            "dimension": rules.dimension,
            "bits": rules.bits,
            "headroomBits": rules.headroom_bits,
            "scaleExponent": gram.scale_exponent,
            "budget": rules.budget,
            "floorBps": rules.floor_bps,
            "capBps": rules.cap_bps,
            "hasReference": gram.reference,
            "previous": gram.previous,
            "history": gram.history,
            "trainers": [address(trainer) for trainer in gram.trainers],
            "stakes": list(gram.stakes),
            "commitments": [point(commitment) for commitment in gram.commitments],
            "gram": gram.gram,
        },
        "weights": list(statement.weights),
        "scores": list(statement.scores),
        "payouts": list(statement.payouts),
        "aggregateCommitment": statement.aggregate_commitment,
        "nextScaleExponent": statement.next_scale_exponent,
        "referenceExpected": False,
        "memoryDigest": statement.memory_digest,
        "nextMemoryDigest": statement.next_memory_digest,
        "witness": {
            "carried": witness.carried,
            "ruleHints": witness.rule_hints,
            "scoreHints": witness.score_hints,
            "floorHints": witness.floor_hints,
        },
    }


def verify(chain: Chain, verifier: Contract, statement: Statement, proof: bytes) -> None:
    chain.call(verifier.functions.verify(posted(chain, statement), proof))


def with_past(statement: Statement, carried: Carried) -> Statement:
    return replace(
        statement, memory_digest=carried.digest(), witness=replace(statement.witness, carried=carried.encode())
    )


def test_three_rounds_of_changing_scale_are_verified(
    session_chain: Chain, verifier: Contract, settled: list[Settled]
) -> None:
    for found in settled:
        verify(session_chain, verifier, found.statement, found.proof)
    last = settled[2].statement
    assert last.weights[HONEST:] == (0,) * SYBILS
    assert min(last.weights[:HONEST]) > 0


def test_a_wrong_carried_sum_reverts(session_chain: Chain, verifier: Contract, settled: list[Settled]) -> None:
    statement, proof = settled[2].statement, settled[2].proof
    carried = Carried.decode(statement.witness.carried)
    for trainer in (0, HONEST):
        sums = decode_sums(carried.history)
        moved = linear_combination([sums[trainer].commitment, (1, 2)], [1, 1])
        sums[trainer] = replace(sums[trainer], commitment=moved)
        other = with_past(statement, replace(carried, history=encode_sums(sums)))
        with refused("History_WrongPoint", index=trainer):
            verify(session_chain, verifier, other, proof)


def test_a_past_that_is_not_behind_the_digest_reverts(
    session_chain: Chain, verifier: Contract, settled: list[Settled]
) -> None:
    statement, proof = settled[2].statement, settled[2].proof
    for carried in (b"", settled[1].statement.witness.carried):
        with refused("Carried_WrongDigest", expected=statement.memory_digest):
            other = replace(statement, witness=replace(statement.witness, carried=carried))
            verify(session_chain, verifier, other, proof)


def test_sybils_cannot_come_without_their_past(
    session_chain: Chain, verifier: Contract, played: list[SybilRound], settled: list[Settled]
) -> None:
    statement, proof = settled[2].statement, settled[2].proof
    carried = Carried.decode(statement.witness.carried)
    honest = replace(carried, history=encode_sums(decode_sums(carried.history)[:HONEST]))
    with refused("History_WrongPoint", index=HONEST):
        verify(session_chain, verifier, with_past(statement, honest), proof)
    n = len(played[2].updates)
    updates = statement.gram.commitments[:n]
    left_out = replace(
        statement.gram,
        commitments=updates,
        gram=pack_products(played[2].products_of_updates)[: 4 * n * (n + 1)],
        history=False,
    )
    with refused("Settling_WrongHistory", posted=False, expected=True):
        verify(session_chain, verifier, replace(statement, gram=left_out), proof)


def test_another_next_digest_reverts(session_chain: Chain, verifier: Contract, settled: list[Settled]) -> None:
    statement, proof = settled[1].statement, settled[1].proof
    for digest in (NOTHING, statement.memory_digest):
        with refused("Registry_WrongMemory", posted=digest, expected=statement.next_memory_digest):
            verify(session_chain, verifier, replace(statement, next_memory_digest=digest), proof)


def test_a_proof_of_other_sums_is_refused(session_chain: Chain, verifier: Contract, settled: list[Settled]) -> None:
    with refused("Gram_WrongProof"):
        verify(session_chain, verifier, settled[2].statement, settled[1].proof)
