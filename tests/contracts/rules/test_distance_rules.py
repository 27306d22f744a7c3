"""Multi-Krum and mixing on chain: what they refuse by name, and that each hint is one that matters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aggregator.products import Layout, Products, pack_products
from aggregator.rules import RULES
from aggregator.rules.nnm import _Mixing
from tests.contracts.harness import Chain, Reverted, decode_refusal
from tests.contracts.rules.machines import PyEvm
from tests.contracts.rules.matrices import Case, trainers
from tests.contracts.rules.questions import assert_answered, code_of, contract_name, decide_call, question

IDS = ["multi-krum", "nnm+multi-krum"]
POSITIONS = [3, 14, 15, 92, 65, 35, 89, 79, 32]
ONE = 10**18

NO_UPDATES = (
    (10, -5, 7, 0, 5, -10, 10),
    (-5, 0, 0, 2, 0, -5, 0),
    (7, 0, 4, -4, 0, 7, -7),
    (0, 2, -4, 4, 2, 0, 0),
    (5, 0, 0, 2, 0, 0, -5),
    (-10, -5, 7, 0, 0, 10, 10),
    (10, 0, -7, 0, -5, 10, 10),
)
"""Passes the checks of a posted matrix, but is not positive semidefinite."""


def on_a_line(positions: Sequence[int], byzantine: int = 2) -> Case:
    n = len(positions)
    matrix = tuple(tuple(a * b for b in positions) for a in positions)
    return Case(Products(Layout(n), matrix), byzantine, (ONE,) * n, trainers(n))


def hints_of(rule: str, case: Case) -> bytes:
    return RULES[rule].hints(case.products, case.byzantine, case.stakes)


def refusal(machine: PyEvm, rule: str, case: Case, hints: bytes) -> tuple[str, dict[str, int]]:
    (outcome,) = machine.run(code_of(rule), [decide_call(case, hints)])
    assert not outcome.ok
    found = decode_refusal(Reverted(outcome.data, ""))
    return found.name, found.fields


@pytest.mark.parametrize("rule", IDS)
def test_fewer_than_three_updates_are_refused(rule: str, machine: PyEvm) -> None:
    for n in range(3):
        expected = ("Nearest_TooFewUpdates", {"updates": n})
        assert refusal(machine, rule, on_a_line(POSITIONS[:n]), bytes(32)) == expected
    assert_answered(machine, code_of(rule), [question(RULES[rule], on_a_line(POSITIONS[:3]))])


@pytest.mark.parametrize("rule", IDS)
def test_hints_of_another_length_are_refused(rule: str, machine: PyEvm) -> None:
    case = on_a_line(POSITIONS)
    hints = hints_of(rule, case)
    for wrong in (b"", hints[:-1], hints + b"\0", hints + bytes(32)):
        expected = ("Nearest_WrongHintLength", {"length": len(wrong), "expected": len(hints)})
        assert refusal(machine, rule, case, wrong) == expected


@pytest.mark.parametrize("rule", IDS)
def test_each_hint_is_checked_and_named(rule: str, machine: PyEvm) -> None:
    case = on_a_line(POSITIONS[:6])
    right = question(RULES[rule], case)
    hints = hints_of(rule, case)
    places = range(7 if rule == "multi-krum" else 13)
    wrong = [(place, value) for place in places for value in set(range(6)) - {hints[place]}]
    calls = [decide_call(case, hints[:place] + bytes([value]) + hints[place + 1 :]) for place, value in wrong]
    refused = 0
    for (place, _), outcome in zip(wrong, machine.run(code_of(rule), calls), strict=True):
        if outcome.ok:  # equal mixed rows: the update's own key lies right behind its neighbour's
            assert outcome.data == right.expected
            continue
        refused += 1
        found = decode_refusal(Reverted(outcome.data, ""))
        assert (found.name, found.fields) == ("Nearest_WrongHint", {"place": place})
    assert refused >= 0.9 * len(wrong)
    assert rule != "multi-krum" or refused == len(wrong)


@pytest.mark.parametrize("rule", IDS)
def test_equal_updates_are_told_apart_by_position(rule: str, machine: PyEvm) -> None:
    for positions in ([5] * 7, [0] * 5, [1, 1, 1, 2, 2, 2], [4, 4, -4, -4, 4]):
        cases = [on_a_line(positions, byzantine) for byzantine in (0, 2)]
        assert_answered(machine, code_of(rule), [question(RULES[rule], case) for case in cases])


@pytest.mark.parametrize("rule", IDS)
def test_a_matrix_of_another_length_is_refused(rule: str, chain: Chain, machine: PyEvm) -> None:
    case = on_a_line(POSITIONS)
    contract = chain.deploy(contract_name(rule) or "")
    packed = pack_products(case.products)
    addresses = [chain.w3.to_checksum_address(trainer) for trainer in case.trainers]
    for gram in (packed[:-8], packed + bytes(8), b""):
        fields = (case.n, False, False, False, 2, case.dimension, addresses, list(case.stakes), gram)
        with pytest.raises(Reverted) as failure:
            chain.call(contract.functions.decide(fields, b"", hints_of(rule, case)))
        assert decode_refusal(failure.value).name == "Gram_WrongLength"


def test_mixed_distances_below_zero_are_ordered_all_the_same(machine: PyEvm) -> None:
    products = Products(Layout(7), NO_UPDATES)
    mixed = _Mixing.of(products, 2).mixed(products).gram
    distances = [mixed[i][i] + mixed[j][j] - 2 * mixed[i][j] for i in range(7) for j in range(i)]
    assert min(distances) < 0
    case = Case(products, 2, (ONE,) * 7, trainers(7))
    assert_answered(machine, code_of("nnm+multi-krum"), [question(RULES["nnm+multi-krum"], case)])
