"""The shared vectors in Solidity: accepted as they are, refused with one unit changed; bytes as abi.encode has them."""

from __future__ import annotations

from typing import Any

import pytest
from web3.contract import Contract

from aggregator.aggregate import LEAF_ENTRIES
from aggregator.products import pack_products
from tests.contracts import statements
from tests.contracts.harness import Chain, Reverted, decode_refusal, refused
from tests.vectors.cases import SettlementCase, load, settlement_cases

_QUICK_UPDATES = 6
"""Vectors with more updates take the EVM in Python a second or more for each changed unit."""


CASES = [
    pytest.param(case, id=case.name, marks=() if len(case.stakes) <= _QUICK_UPDATES else pytest.mark.slow)
    for case in settlement_cases()
]


@pytest.fixture(scope="module")
def probe(session_chain: Chain) -> Contract:
    return session_chain.deploy("CoreProbe")


@pytest.mark.parametrize("case", CASES)
def test_verifier_accepts_the_vector_and_nothing_one_unit_off(
    case: SettlementCase, chain: Chain, verifier: Contract
) -> None:
    claim = statements.of_case(case)
    last = len(case.stakes) - 1

    def verify(changed: statements.Statement) -> None:
        chain.call(verifier.functions.verify(changed, b""))

    verify(claim)
    for field, error in (
        ("weights", "Settling_WrongWeight"),
        ("scores", "Settling_WrongScore"),
        ("payouts", "Settling_WrongPayout"),
    ):
        changed = statements.with_one_more(claim, field, last)
        with refused(error, index=last, posted=changed[field][last], expected=claim[field][last]):
            verify(changed)
    exponent = claim["nextScaleExponent"]
    with refused("Settling_WrongScale", posted=exponent + 1, expected=exponent):
        verify(claim | {"nextScaleExponent": exponent + 1})
    with pytest.raises(Reverted) as refusal:
        verify(statements.with_changed_entry(claim, case.products))
    assert decode_refusal(refusal.value).name not in (
        "",
        "Panic",
    )  # whose check is the first to notice depends on the rule


@pytest.mark.node
@pytest.mark.parametrize("case", load("commitments.json")["points"], ids=lambda case: case["name"])
def test_points_compress_alike(case: dict[str, Any], chain: Chain, probe: Contract) -> None:
    x, y = int(case["point"][:64], 16), int(case["point"][64:], 16)
    assert chain.call(probe.functions.compress(x, y)).hex() == case["compressed"]


@pytest.mark.node
@pytest.mark.parametrize("case", load("commitments.json")["trees"], ids=lambda case: case["name"])
def test_the_last_leaf_leads_to_the_root(case: dict[str, Any], chain: Chain, probe: Contract) -> None:
    first = case["leaf"] * LEAF_ENTRIES
    entries = [k * 2654435761 % 2**48 - 2**47 if k < case["length"] else 0 for k in range(first, first + LEAF_ENTRIES)]
    path, root = [bytes.fromhex(node) for node in case["path"]], bytes.fromhex(case["root"])
    chain.call(probe.functions.checkLeaf(entries, case["leaf"], case["length"], path, root))
    with refused("Tree_WrongRoot"):
        chain.call(probe.functions.checkLeaf([entries[0] + 1, *entries[1:]], case["leaf"], case["length"], path, root))


@pytest.mark.node
def test_packed_gram_is_what_encode_packed_gives(chain: Chain, probe: Contract) -> None:
    case = next(case for case in settlement_cases() if min(case.products.gram[0]) < 0 and len(case.stakes) == 5)
    upper = [case.products.gram[i][j] for i in range(5) for j in range(i, 5)]
    assert chain.call(probe.functions.packGram(upper)) == pack_products(case.products)
