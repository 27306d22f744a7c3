"""Statements for the verifier, from what the core computes; and the changes that a verifier has to notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from web3 import Web3

from aggregator.gram import GramMatrix, pack_gram
from aggregator.settlement import Outcome, RoundRules
from tests.vectors.cases import SettlementCase

Statement = dict[str, Any]


def statement(
    rules: RoundRules, gram: GramMatrix, stakes: Sequence[int], *, scale_exponent: int, outcome: Outcome
) -> Statement:
    """Return IProofVerifier.Statement with made-up parties; what follows from the matrix does not depend on those."""
    n = len(stakes)
    return {
        "gram": {
            "chainId": 31337,
            "market": _address(1),
            "jobId": 1,
            "round": 1,
            "rule": rules.rule.encode().ljust(32, b"\0"),
            "score": rules.score.encode().ljust(32, b"\0"),
            "byzantine": rules.byzantine,
            "dimension": rules.dimension,
            "bits": rules.bits,
            "headroomBits": rules.headroom_bits,
            "scaleExponent": scale_exponent,
            "budget": rules.budget,
            "trainers": [_address(100 + i) for i in range(n)],
            "stakes": list(stakes),
            "commitments": [(1, 2)] * n,
            "gram": pack_gram(gram),
        },
        "weights": list(outcome.weights),
        "scores": list(outcome.scores),
        "payouts": list(outcome.payouts),
        "aggregateCommitment": b"\xaa" * 32,
        "nextScaleExponent": outcome.next_scale_exponent,
    }


def of_case(case: SettlementCase) -> Statement:
    """Return the statement of a shared vector."""
    return statement(case.rules, case.gram, case.stakes, scale_exponent=case.scale_exponent, outcome=case.outcome)


def with_changed_entry(claim: Statement, gram: GramMatrix) -> Statement:
    """Return the statement with one unit more (at the bound: less) in the squared norm of the heaviest update."""
    changed = gram.copy()
    i = claim["weights"].index(max(claim["weights"]))
    bound = claim["gram"]["dimension"] << (2 * claim["gram"]["bits"] - 2)
    changed[i, i] += -1 if changed[i, i] == bound else 1
    return with_gram(claim, gram=pack_gram(changed))


def with_gram(claim: Statement, **changes: Any) -> Statement:
    """Return the statement with fields of its Gram statement changed."""
    return claim | {"gram": claim["gram"] | changes}


def with_one_more(claim: Statement, field: str, index: int) -> Statement:
    """Return the statement with one unit more (at a uint128's end: less) in one element of a list."""
    values = list(claim[field])
    values[index] += -1 if values[index] == 2**128 - 1 else 1
    return claim | {field: values}


def _address(number: int) -> str:
    return Web3.to_checksum_address(f"0x{number:040x}")
