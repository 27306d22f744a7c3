"""Nothing of a settlement can be changed: every field, element and word is tampered with, and both verifiers refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.contracts.judge import Judge, judge
from tests.contracts.proven import Proven, proven, proven_with_all
from tests.contracts.tampering import GRAM_PROOF, HINTS, Case, cases
from tests.contracts.wire import Call, Parameter, encode_call, python_accepts, selector, statement_parameter, values_of

CHAIN_ID = 31337
CALLS: tuple[Call, ...] = ("verify", "verifyGram")
Settle = Callable[..., Proven]
HONEST = (
    pytest.param(proven, (3, 5), id="n = 3"),
    pytest.param(proven, (8, 40), id="n = 8", marks=pytest.mark.slow),
    pytest.param(proven_with_all, (3, 5), id="n = 3, extra rows and memory", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module")
def contract() -> Iterator[Judge]:
    with judge(proven(3, 5, CHAIN_ID).key) as found:
        yield found


def tampered(call: Call, settle: Settle, size: tuple[int, int]) -> list[Case]:
    honest, other = settle(*size, CHAIN_ID), settle(*size, CHAIN_ID, number=4)
    return cases(call, honest.statement, honest.proof, others=[(other.statement, other.proof)])


@pytest.mark.parametrize("call", CALLS)
def test_every_field_of_the_abi_and_every_word_of_the_proof_has_cases(call: Call) -> None:
    names = " ".join(case.name for case in tampered(call, proven_with_all, (3, 5)))
    fields: list[Parameter] = statement_parameter(call)["components"]
    inner: list[Parameter] = [part for field in fields if field["type"] == "tuple" for part in field["components"]]
    for part in [*fields, *inner]:
        assert part["type"] == "tuple" or part["name"] in names or f"witness.{part['name']}" in HINTS
    for word in GRAM_PROOF.words:
        assert f"proof {word}" in names


@pytest.mark.parametrize(("settle", "size"), HONEST)
@pytest.mark.parametrize("call", CALLS)
def test_the_python_verifier_refuses_all(call: Call, settle: Settle, size: tuple[int, int]) -> None:
    honest = settle(*size, CHAIN_ID)
    assert python_accepts(honest.key, call, encode_call(call, values_of(call, honest.statement), honest.proof))
    found = tampered(call, settle, size)
    accepted = [case.name for case in found if python_accepts(honest.key, call, case.arguments)]
    print(f"{len(found)} cases")
    assert not accepted


@pytest.mark.node
@pytest.mark.parametrize(("settle", "size"), HONEST)
@pytest.mark.parametrize("call", CALLS)
def test_the_contract_refuses_all(call: Call, settle: Settle, size: tuple[int, int], contract: Judge) -> None:
    honest = settle(*size, CHAIN_ID)
    assert all(contract.accepts(selector(call), [encode_call(call, values_of(call, honest.statement), honest.proof)]))
    found = tampered(call, settle, size)
    verdicts = contract.accepts(selector(call), [case.arguments for case in found])
    accepted = [case.name for case, verdict in zip(found, verdicts, strict=True) if verdict]
    print(f"{len(found)} cases")
    assert not accepted
