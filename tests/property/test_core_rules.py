"""Multi-Krum against a literal reading of its paper, and what holds for every distance rule."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.products import Products
from aggregator.rules import RULES, WEIGHT_ONE
from aggregator.rules.multi_krum import MultiKrum
from aggregator.rules.nnm import _Mixing

many = settings(max_examples=100, deadline=None, derandomize=True)
Updates = list[list[int]]
BY_STAKE = ("bristle", "krum", "mda", "mean", "multi-krum", "three-sigma")
"""Rules whose weights are the accepted updates' shares of their stake."""
SYMMETRIC = (*BY_STAKE, "nnm+mean", "nnm+multi-krum")


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Updates, int, list[int]]:
    """Draw 3 to 9 updates, some of them copies or opposites of others, an f and stakes."""
    dimension = draw(st.integers(1, 4))
    vector = st.lists(st.integers(-127, 127), min_size=dimension, max_size=dimension)
    updates = draw(st.lists(vector, min_size=3, max_size=9))
    for i in range(len(updates)):
        source = draw(st.integers(-len(updates), len(updates) - 1))
        if draw(st.booleans()):
            updates[i] = [(1 if source >= 0 else -1) * entry for entry in updates[source]]
    stakes = draw(st.lists(st.integers(1, 2**128 - 1), min_size=len(updates), max_size=len(updates)))
    return updates, draw(st.integers(0, 10)), stakes


def paper_multi_krum(vectors: Updates, f: int) -> set[int]:
    """Read Blanchard et al. literally, on the vectors themselves.

    Section 4: for i != j, i -> j when V_j belongs to the n - f - 2 closest vectors to V_i; the score s(i) is the sum of
    |V_i - V_j|^2 over i -> j. Multi-Krum chooses the m vectors of lowest scores; here m = n - f, and of equal scores
    the earlier vector.
    """
    n = len(vectors)

    def squared_distance(i: int, j: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(vectors[i], vectors[j], strict=True))

    score = {}
    for i in range(n):
        others = [j for j in range(n) if j != i]
        closest: list[int] = []
        while len(closest) < n - f - 2:
            nearest = min((j for j in others if j not in closest), key=lambda j: squared_distance(i, j))
            closest.append(nearest)
        score[i] = sum(squared_distance(i, j) for j in closest)
    chosen: set[int] = set()
    while len(chosen) < n - f:
        chosen.add(min((i for i in range(n) if i not in chosen), key=lambda i: (score[i], i)))
    return chosen


def products_of(updates: Updates) -> Products:
    return Products.of_updates([[sum(map(int.__mul__, u, v)) for v in updates] for u in updates])


@many
@given(rounds())
def test_multi_krum_is_the_paper_s(drawn: tuple[Updates, int, list[int]]) -> None:
    updates, asked, stakes = drawn
    n = len(updates)
    f = min(asked, (n - 3) // 2)
    accepted = MultiKrum().decide(products_of(updates), asked, stakes).accepted
    assert {i for i in range(n) if accepted[i]} == paper_multi_krum(updates, f)
    assert sum(accepted) == n - f


@many
@given(rounds(), st.sampled_from(BY_STAKE))
def test_weights_are_shares_of_the_accepted_stake(drawn: tuple[Updates, int, list[int]], rule: str) -> None:
    updates, f, stakes = drawn
    decision = RULES[rule].decide(products_of(updates), f, stakes)
    total = sum(stake for stake, ok in zip(stakes, decision.accepted, strict=True) if ok)
    for ok, weight, stake in zip(decision.accepted, decision.weights, stakes, strict=True):
        if ok:
            assert weight * total <= WEIGHT_ONE * stake < (weight + 1) * total
        else:
            assert weight == 0
    assert WEIGHT_ONE - len(updates) < sum(decision.weights) <= WEIGHT_ONE


@many
@given(rounds(), st.sampled_from([rule for rule in RULES if rule.startswith("nnm+")]))
def test_mixing_spreads_what_the_inner_rule_weighs(drawn: tuple[Updates, int, list[int]], rule: str) -> None:
    updates, f, stakes = drawn
    n = len(updates)
    decision = RULES[rule].decide(products_of(updates), f, stakes)
    inner = RULES[rule.removeprefix("nnm+")]
    mixed = _Mixing.of(products_of(updates), f).mixed(products_of(updates))
    unmixed = inner.decide(mixed, f, stakes)
    assert sum(unmixed.weights) - n < sum(decision.weights) <= sum(unmixed.weights)
    assert all(outer or not ok for outer, ok in zip(decision.accepted, unmixed.accepted, strict=True))
    assert all(ok or weight == 0 for ok, weight in zip(decision.accepted, decision.weights, strict=True))


@many
@given(st.integers(4, 12), st.integers(0, 5), st.sampled_from(SYMMETRIC), st.integers(0, 2**32 - 1))
def test_the_order_of_trainers_does_not_matter_without_ties(n: int, f: int, rule: str, seed: int) -> None:
    # With three updates a Krum score counts one neighbour, and the nearest two have the same.
    rng = np.random.default_rng(seed)
    updates = rng.integers(-(10**6), 10**6, size=(n, 6))
    stakes = rng.integers(1, 10**6, size=n)
    if rule == "nnm+multi-krum":
        stakes[:] = 1  # two updates with the same neighbours have equal mixed rows, whose stakes are their own
    order = rng.permutation(n)
    decision = RULES[rule].decide(Products.of_updates((updates @ updates.T).tolist()), f, stakes.tolist())
    shuffled = updates[order]
    moved = RULES[rule].decide(Products.of_updates((shuffled @ shuffled.T).tolist()), f, stakes[order].tolist())
    assert moved.accepted == tuple(decision.accepted[i] for i in order)
    assert moved.weights == tuple(decision.weights[i] for i in order)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(5, 16),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["sign flip", "boosted sign flip", "noise"]),
    st.sampled_from(["multi-krum", "nnm+multi-krum", "mda"]),
)
def test_attackers_far_from_the_honest_are_rejected(n: int, seed: int, attack: str, rule: str) -> None:
    rng = np.random.default_rng(seed)
    f = (n - 3) // 2
    direction = rng.integers(-40, 41, size=100)
    honest = [np.clip(direction + rng.integers(-5, 6, size=100), -127, 127) for _ in range(n)]
    attackers = sorted(rng.choice(n, size=f, replace=False).tolist())
    updates = np.array(honest)
    for i in attackers:
        changed = {
            "sign flip": -honest[i],
            "boosted sign flip": -3 * honest[i],
            "noise": rng.integers(-127, 128, size=100),
        }
        updates[i] = np.clip(changed[attack], -127, 127)
    accepted = RULES[rule].decide(Products.of_updates(updates @ updates.T), f, [1] * n).accepted
    assert [i for i in range(n) if not accepted[i]] == attackers
