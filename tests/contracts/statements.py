"""Statements for the verifier, from what the core computes; and the changes that a verifier has to notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from web3 import Web3

from aggregator.bn254 import GENERATOR
from aggregator.carried import EMPTY, Carried
from aggregator.history import advance
from aggregator.products import Products, pack_products
from aggregator.settlement import Outcome, RoundRules, settle
from tests.vectors.cases import SettlementCase

Statement = dict[str, Any]


def statement(
    rules: RoundRules,
    products: Products,
    stakes: Sequence[int],
    *,
    scale_exponent: int,
    outcome: Outcome,
    carried: Carried = EMPTY,
    trainers: Sequence[bytes] | None = None,
) -> Statement:
    """Return IProofVerifier.Statement with made-up points; what follows from the products does not depend on those."""
    layout = products.layout
    trainers = trainers or addresses(layout.updates)
    commitments = [GENERATOR] * (layout.updates + layout.reference + layout.previous)
    memory = outcome.memory
    if layout.history:
        updates = commitments[: layout.updates]
        sums = advance(carried.history, trainers, updates, scale_exponent=scale_exponent)
        commitments += [point or (0, 0) for point in sums.commitments]
        memory = replace(memory, history=sums.carried)
    return {
        "gram": {
            "chainId": 31337,
            "market": _checksummed((1).to_bytes(20, "big")),
            "jobId": 1,
            "round": 1,
            "aggregator": _checksummed((2).to_bytes(20, "big")),
            "rule": word(rules.rule),
            "score": word(rules.score),
            "byzantine": rules.byzantine,
            "dimension": rules.dimension,
            "bits": rules.bits,
            "headroomBits": rules.headroom_bits,
            "scaleExponent": scale_exponent,
            "budget": rules.budget,
            "floorBps": rules.floor_bps,
            "capBps": rules.cap_bps,
            "hasReference": layout.reference,
            "previous": layout.previous,
            "history": layout.history,
            "trainers": [_checksummed(trainer) for trainer in trainers],
            "stakes": list(stakes),
            "commitments": commitments,
            "gram": pack_products(products),
        },
        "weights": list(outcome.weights),
        "scores": list(outcome.scores),
        "payouts": list(outcome.payouts),
        "aggregateCommitment": b"\xaa" * 32,
        "nextScaleExponent": outcome.next_scale_exponent,
        "referenceExpected": rules.reference,
        "memoryDigest": carried.digest(),
        "nextMemoryDigest": memory.digest(),
        "witness": {
            "carried": carried.encode(),
            "ruleHints": outcome.rule_hints,
            "scoreHints": outcome.score_hints,
            "floorHints": outcome.floor_hints,
        },
    }


def settled(
    rules: RoundRules,
    products: Products,
    stakes: Sequence[int],
    *,
    scale_exponent: int = 0,
    carried: Carried = EMPTY,
    trainers: Sequence[bytes] | None = None,
) -> Statement:
    """Return the honest statement about inner products."""
    trainers = trainers or addresses(products.n)
    outcome = settle(rules, products, stakes, scale_exponent=scale_exponent, trainers=trainers, memory=carried)
    made: dict[str, Any] = {"scale_exponent": scale_exponent, "carried": carried, "trainers": trainers}
    return statement(rules, products, stakes, outcome=outcome, **made)


def of_case(case: SettlementCase) -> Statement:
    """Return the statement of a shared vector."""
    return statement(
        case.rules,
        case.products,
        case.stakes,
        scale_exponent=case.scale_exponent,
        outcome=case.outcome,
        carried=case.carried,
        trainers=case.trainers,
    )


def addresses(count: int) -> list[bytes]:
    """Return the trainers of statements that name none."""
    return [(100 + i).to_bytes(20, "big") for i in range(count)]


def with_changed_entry(claim: Statement, products: Products) -> Statement:
    """Return the statement with one unit more (at the bound: less) in the squared norm of the heaviest update."""
    matrix = [list(row) for row in products.matrix]
    i = claim["weights"].index(max(claim["weights"]))
    bound = claim["gram"]["dimension"] << (2 * claim["gram"]["bits"] - 2)
    matrix[i][i] += -1 if matrix[i][i] == bound else 1
    return with_gram(claim, gram=pack_products(Products(products.layout, tuple(map(tuple, matrix)))))


def with_gram(claim: Statement, **changes: Any) -> Statement:
    """Return the statement with fields of its Gram statement changed."""
    return claim | {"gram": claim["gram"] | changes}


def with_one_more(claim: Statement, field: str, index: int) -> Statement:
    """Return the statement with one unit more (at a uint128's end: less) in one element of a list."""
    values = list(claim[field])
    values[index] += -1 if values[index] == 2**128 - 1 else 1
    return claim | {field: values}


def word(text: str) -> bytes:
    """Return an id as bytes32."""
    return text.encode().ljust(32, b"\0")


def _checksummed(address: bytes) -> str:
    return Web3.to_checksum_address(address)
