"""What contracts of rules by norms refuse, by name: wrong roots, wrong medians, and hints too many."""

from __future__ import annotations

from typing import Any

import pytest

from aggregator.products import Layout, Products, pack_products
from aggregator.rules import RULES
from aggregator.rules.weighing import length_of, words
from tests.contracts.harness import Chain, refused
from tests.contracts.rules.matrices import Case, trainers

ONE = 1 << 32


def case_of(*updates: list[int], reference: list[int] | None = None) -> Case:
    rows = [*updates, *([reference] if reference else [])]
    matrix = tuple(tuple(sum(map(int.__mul__, u, v)) for v in rows) for u in rows)
    n = len(updates)
    return Case(Products(Layout(n, reference is not None), matrix), 1, (10**18,) * n, trainers(n))


THREE = case_of([3, 4], [1, 0], [0, 2], reference=[1, 1])


def ask(chain: Chain, name: str, case: Case, hints: bytes) -> Any:
    layout = case.products.layout
    flags = (layout.updates, layout.reference, layout.previous, layout.history, case.byzantine, case.dimension)
    addresses = [chain.w3.to_checksum_address(trainer) for trainer in case.trainers]
    gram = pack_products(case.products)
    return chain.call(chain.deploy(name).functions.decide((*flags, addresses, list(case.stakes), gram), b"", hints))


def hints_of(rule: str, case: Case = THREE) -> list[int]:
    data = RULES[rule].hints(case.products, case.byzantine, case.stakes, trainers=case.trainers)
    return [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]


@pytest.mark.parametrize("offset", [-1, 1, 1 << 127, 1 << 128, 1 << 255])
@pytest.mark.parametrize(
    ("name", "rule", "word", "square"),
    [
        ("FlTrust", "fltrust", 0, 2),
        ("FlTrust", "fltrust", 2, 1),
        ("GeometricMedian", "geometric-median", 0, 25),
    ],
)
def test_numbers_beside_the_root_are_refused(
    name: str, rule: str, word: int, square: int, offset: int, chain: Chain
) -> None:
    hints = hints_of(rule)
    assert hints[word] == length_of(square)
    hints[word] += offset
    with refused("Weighing_WrongRoot", word=word, root=hints[word], square=square << 64):
        ask(chain, name, THREE, words(hints))


@pytest.mark.parametrize(
    ("name", "rule", "case"),
    [
        ("CentredClipping", "centred-clipping", THREE),
        ("MarginalValue", "marginal-value", case_of([3, 4], [1, 0], [0, 2])),
        ("FlTrust", "fltrust", case_of([3, 4], [1, 0], [0, 2])),
    ],
)
@pytest.mark.parametrize("value", [0, 1, 3, 5, 25, 2**256 - 1])
def test_other_values_than_the_median_are_refused(name: str, rule: str, case: Case, value: int, chain: Chain) -> None:
    median, *others = hints_of(rule, case)
    assert median == 4
    ask(chain, name, case, words([median, *others]))
    with refused("Weighing_WrongMedian", median=value):
        ask(chain, name, case, words([value, *others]))


@pytest.mark.parametrize("square", [1, 9, 16])
def test_of_an_even_number_only_the_lower_median_passes(square: int, chain: Chain) -> None:
    four = case_of([4], [1], [3], [2])
    ask(chain, "CentredClipping", four, words([4]))
    with refused("Weighing_WrongMedian", median=square):
        ask(chain, "CentredClipping", four, words([square]))


@pytest.mark.parametrize("other", [-(1 << 255), -1, 0, 1, 1 << 31, 1 << 254])
def test_only_the_pile_of_its_rank_passes(other: int, chain: Chain) -> None:
    five = case_of([5, 0], [5, 0], [3, 4], [0, 5], [-5, 0], reference=[1, 0])
    square, last, pile, median = hints_of("marginal-value", five)
    assert pile == pytest.approx(0.16 * ONE, abs=9)
    ask(chain, "MarginalValue", five, words([square, last, pile, median]))
    for wrong in (other, pile + other):
        if wrong != pile:
            with refused("MarginalValue_WrongPile", value=wrong):
                ask(chain, "MarginalValue", five, words([square, last, wrong % (1 << 256), median]))


@pytest.mark.parametrize("other", [0, 1, 3, 4, 5, 1 << 255])
def test_only_the_last_of_the_foremost_passes(other: int, chain: Chain) -> None:
    """Nobody agrees with the reference; the values of the three foremost, n - f, are -0.7, -0.7 and -1."""
    case = case_of([1, 1], [1, -1], [1, 0], [1, 0], reference=[-1, 0])
    right = hints_of("marginal-value", case)
    assert right[1] == 2
    ask(chain, "MarginalValue", case, words(right))
    with refused("Panic" if other > 3 else "MarginalValue_WrongPosition"):
        ask(chain, "MarginalValue", case, words([right[0], other, *right[2:]]))


@pytest.mark.parametrize("word", [0, 3])
@pytest.mark.parametrize("other", [0, 1, 4, 24, 26, 400, 1 << 255])
def test_marginal_value_checks_both_its_medians(word: int, other: int, chain: Chain) -> None:
    """Of all, 1 is the lower median; of the three that are weighed, 400."""
    case = case_of([20, 0], [20, 0], [40, 0], [-1, 0], [-1, 0], [-1, 0], reference=[1, 0])
    right = hints_of("marginal-value", case)
    assert (right[0], right[3]) == (400, 1)
    ask(chain, "MarginalValue", case, words(right))
    if other != right[word]:
        hints = [*right[:word], other, *right[word + 1 :]]
        with refused("Weighing_WrongMedian", median=other):
            ask(chain, "MarginalValue", case, words(hints))


@pytest.mark.parametrize("step", range(3))
def test_each_step_of_the_geometric_median_checks_its_roots_and_its_median(step: int, chain: Chain) -> None:
    right = hints_of("geometric-median")
    ask(chain, "GeometricMedian", THREE, words(right))
    for word in range(4):
        hints = list(right)
        hints[4 * step + word] += 1
        with refused("Weighing_WrongMedian" if word == 3 else "Weighing_WrongRoot"):
            ask(chain, "GeometricMedian", THREE, words(hints))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Mean", "mean"),
        ("CentredClipping", "centred-clipping"),
        ("FlTrust", "fltrust"),
        ("GeometricMedian", "geometric-median"),
        ("MarginalValue", "marginal-value"),
    ],
)
def test_more_hints_than_are_needed_are_refused(name: str, rule: str, chain: Chain) -> None:
    right = words(hints_of(rule))
    for more in (bytes(1), bytes(32)):
        with refused("Weighing_WrongLength", length=len(right + more), expected=len(right)):
            ask(chain, name, THREE, right + more)


@pytest.mark.parametrize("name", ["Mean", "CentredClipping", "FlTrust", "GeometricMedian", "MarginalValue"])
def test_a_round_without_updates_is_refused(name: str, chain: Chain) -> None:
    with refused(f"{name}_NoUpdate"):
        ask(chain, name, case_of(), b"")


def test_the_greatest_stakes_and_products_fit(chain: Chain) -> None:
    square, wide, stake = 2**61 - 1, 2**126, 2**128 - 1
    between = 2**93
    updates = [[square if i == j else -square // 64 for j in range(64)] for i in range(64)]
    matrix = [*([*row, between] for row in updates), [between] * 64 + [wide]]
    largest = Case(Products(Layout(64, True), tuple(map(tuple, matrix))), 0, (stake,) * 64, trainers(64))
    for rule, name in (("fltrust", "FlTrust"), ("geometric-median", "GeometricMedian")):
        accepted, weights, memory = ask(chain, name, largest, words(hints_of(rule, largest)))
        decision = RULES[rule].decide(largest.products, 0, largest.stakes)
        assert (accepted, memory) == (2**64 - 1, b"")
        assert tuple(weights) == decision.weights == (ONE // 64,) * 64
    weights = ask(chain, "CentredClipping", largest, words(hints_of("centred-clipping", largest)))[1]
    assert list(weights) == [ONE // 64] * 64
