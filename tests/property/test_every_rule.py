"""What holds for every rule, whatever the updates: the range of weights, the order of trainers, whole hints."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.products import Layout, Products
from aggregator.rules import RULES, WEIGHT_ONE, Decision
from aggregator.running import remember

Rows = list[list[int]]
several = settings(max_examples=40, deadline=None, derandomize=True)
EVERY = sorted(RULES)
FLOATING = {"caf", "flag"}
NEUTRAL = ("mean", "geometric-median", "centred-clipping", "fltrust")
"""Rules in which an identity that splits its stake changes nothing but rounding."""


def names(n: int) -> list[bytes]:
    return [bytes([i + 1]) * 20 for i in range(n)]


def products_of(updates: Rows, reference: list[int], sums: Rows) -> Products:
    rows = np.array([*updates, reference, *sums], dtype=object)
    matrix = tuple(tuple(int(value) for value in row) for row in rows @ rows.T)
    return Products(Layout(len(updates), reference=True, history=True), matrix)


def decide(rule: str, updates: Rows, reference: list[int], stakes: list[int], *, f: int = 1) -> Decision:
    n = len(updates)
    memory = remember(b"", names(n), [(-1) ** i << 60 for i in range(n)])
    products = products_of(updates, reference, updates)
    return RULES[rule].decide(products, f, stakes, trainers=names(n), memory=memory)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Rows, list[int], list[int], int]:
    """Draw 3 to 9 updates, some of them zero, copies or opposites of others, a reference, stakes and an f."""
    dimension = draw(st.integers(1, 4))
    vector = st.lists(st.integers(-127, 127), min_size=dimension, max_size=dimension)
    updates = draw(st.lists(vector, min_size=3, max_size=9))
    for i in range(len(updates)):
        source = draw(st.integers(0, 3 * len(updates) - 1))
        if source < len(updates):
            updates[i] = [draw(st.sampled_from([1, -1, 0])) * entry for entry in updates[source]]
    stakes = draw(st.lists(st.integers(1, 2**128 - 1), min_size=len(updates), max_size=len(updates)))
    return updates, draw(vector), stakes, draw(st.integers(0, 10))


@pytest.mark.parametrize("rule", EVERY)
@several
@given(rounds())
def test_weights_are_not_negative_sum_to_at_most_1_and_are_0_where_not_accepted(
    rule: str, drawn: tuple[Rows, list[int], list[int], int]
) -> None:
    updates, reference, stakes, f = drawn
    decision = decide(rule, updates, reference, stakes, f=f)
    assert len(decision.accepted) == len(decision.weights) == len(updates)
    assert min(decision.weights) >= 0
    assert sum(decision.weights) <= WEIGHT_ONE
    assert not any(weight for ok, weight in zip(decision.accepted, decision.weights, strict=True) if not ok)


@pytest.mark.parametrize("rule", EVERY)
@several
@given(rounds())
def test_hints_are_whole_words_and_only_for_a_contract(
    rule: str, drawn: tuple[Rows, list[int], list[int], int]
) -> None:
    updates, reference, stakes, f = drawn
    products = products_of(updates, reference, updates)
    hints = RULES[rule].hints(products, f, stakes, trainers=names(len(updates)), memory=b"")
    assert len(hints) % 32 == 0
    assert RULES[rule].settles or not hints


def generic(seed: int, n: int) -> tuple[Rows, list[int]]:
    """Return updates and a reference around one direction: no two distances or norms are equal."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-100, 101, size=30) * 3 + rng.integers(-200, 201, size=(n + 1, 30))
    *updates, reference = rows.tolist()
    return updates, reference


@pytest.mark.parametrize("rule", EVERY)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_trainers_does_not_matter_without_ties(seed: int, rule: str) -> None:
    n, random = 9, Random(seed)
    updates, reference = generic(seed, n)
    stakes = [random.randint(10**17, 10**19) for _ in range(n)]
    order = random.sample(range(n), n)
    memory = remember(b"", names(n), [(-1) ** i << 60 for i in range(n)])
    found = []
    for turn in (list(range(n)), order):
        turned = [updates[i] for i in turn]
        trainers = [names(n)[i] for i in turn]
        products = products_of(turned, reference, turned)
        found.append(RULES[rule].decide(products, 3, [stakes[i] for i in turn], trainers=trainers, memory=memory))
    straight, moved = found
    assert moved.accepted == tuple(straight.accepted[i] for i in order)
    close = 2**-20 if rule in FLOATING else 0
    assert moved.weights == pytest.approx([straight.weights[i] for i in order], abs=close * WEIGHT_ONE)


@pytest.mark.parametrize("rule", NEUTRAL)
@pytest.mark.parametrize("parts", [2, 3, 10])
def test_an_identity_that_splits_its_stake_changes_only_rounding(parts: int, rule: str) -> None:
    updates, reference = generic(5, 7)
    stakes = [60 * 10**17 + 10**15 * i for i in range(7)]
    whole = decide(rule, updates, reference, stakes)
    pieces = [stakes[0] // parts] * (parts - 1)
    split = decide(
        rule, [*updates, *[updates[0]] * (parts - 1)], reference, [stakes[0] - sum(pieces), *stakes[1:], *pieces]
    )
    shares = [split.weights[0] + sum(split.weights[7:]), *split.weights[1:7]]
    assert shares == pytest.approx(whole.weights, abs=2**10)
