"""Python and Solidity agree on every rule that settles: a few matrices at once, a hundred thousand in a long run.

``GRAMERCY_MATRICES=100000 pytest tests/contracts/rules -m slow -k matrices`` is the long run; its default is short.
"""

from __future__ import annotations

import os
import random

import pytest

from aggregator.rules import RULES
from tests.contracts.harness import Chain
from tests.contracts.rules.machines import AnvilMachine, PyEvm
from tests.contracts.rules.matrices import Case, dearest, random_case, random_cases, small_size
from tests.contracts.rules.questions import (
    Question,
    assert_answered,
    assert_never_wrong,
    code_of,
    contract_name,
    hints_of,
    question,
    with_wrong_hints,
)

SETTLING = [rule.id for rule in RULES.values() if rule.settles]
MATRICES = int(os.environ.get("GRAMERCY_MATRICES", "1000"))
QUICK = 12
_PORTION = 1_000


def rows_of(rule: str) -> dict[str, bool]:
    return {"reference": RULES[rule].needs_reference, "history": RULES[rule].needs_history}


@pytest.mark.parametrize("rule", SETTLING)
def test_contract_knows_its_id_and_its_rows(rule: str, chain: Chain) -> None:
    name = contract_name(rule)
    assert name is not None
    contract = chain.deploy(name)
    assert chain.call(contract.functions.id()).rstrip(b"\0").decode() == rule
    assert chain.call(contract.functions.needsReference()) == RULES[rule].needs_reference
    assert chain.call(contract.functions.needsHistory()) == RULES[rule].needs_history


@pytest.mark.parametrize("rule", SETTLING)
def test_hints_are_whole_words(rule: str) -> None:
    for case in random_cases(1, 20, range(3, 40), **rows_of(rule)):
        assert len(hints_of(RULES[rule], case)) % 32 == 0


@pytest.mark.parametrize("rule", SETTLING)
def test_python_and_solidity_agree(rule: str, machine: PyEvm) -> None:
    rng = random.Random(2)
    cases = [drawn(rng, rule, rng.randint(1, 8)) for _ in range(QUICK)]
    assert_answered(machine, code_of(rule), [question(RULES[rule], case) for case in cases])


@pytest.mark.parametrize("rule", SETTLING)
def test_wrong_hints_change_no_outcome(rule: str, machine: PyEvm) -> None:
    rng = random.Random(3)
    cases = random_cases(4, 4, range(1, 9), **rows_of(rule))
    assert_never_wrong(machine, code_of(rule), wrong(rng, rule, list(cases)))


@pytest.mark.timeout(7200)  # the long run takes minutes for each rule
@pytest.mark.parametrize("rule", SETTLING)
def test_matrices_by_the_thousand(rule: str, anvil: AnvilMachine) -> None:
    rng = random.Random(f"matrices {rule}")
    for start in range(0, MATRICES, _PORTION):
        size = min(_PORTION, MATRICES - start)
        cases = [drawn(rng, rule, small_size(rng)) for _ in range(size)]
        assert_answered(anvil, code_of(rule), [question(RULES[rule], case) for case in cases])
        assert_never_wrong(anvil, code_of(rule), wrong(rng, rule, cases[::10]))


@pytest.mark.parametrize("rule", SETTLING)
def test_matrices_of_the_largest_rounds(rule: str, anvil: AnvilMachine) -> None:
    rng = random.Random(f"largest {rule}")
    cases = [drawn(rng, rule, n) for n in (32, 63, 64, 64, 64)]
    cases += dearest(64, **rows_of(rule))
    assert_answered(anvil, code_of(rule), [question(RULES[rule], case) for case in cases])
    assert_never_wrong(anvil, code_of(rule), wrong(rng, rule, cases))


def drawn(rng: random.Random, rule: str, n: int) -> Case:
    """Draw a round with the rows that the rule reads; in one of eight, the reference is missing."""
    rows = rows_of(rule)
    return random_case(rng, n, **(rows | {"reference": False} if rng.random() < 1 / 8 else rows))


def wrong(rng: random.Random, rule: str, cases: list[Case]) -> list[Question]:
    return [asked for case in cases for asked in with_wrong_hints(rng, RULES[rule], case)]
