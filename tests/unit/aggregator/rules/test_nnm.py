"""Nearest-neighbour mixing: against mixed vectors that really are formed, with any rule inside."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from aggregator.products import Layout, Products
from aggregator.rules import WEIGHT_ONE, Decision, Rule
from aggregator.rules.centred_clipping import CentredClipping
from aggregator.rules.fltrust import FlTrust
from aggregator.rules.foolsgold import FoolsGold
from aggregator.rules.geometric_median import GeometricMedian
from aggregator.rules.krum import Krum
from aggregator.rules.mean import Mean
from aggregator.rules.multi_krum import MultiKrum
from aggregator.rules.nnm import NearestNeighbourMixing, _Mixing
from tests.unit.aggregator.rules.rows import aggregate, normal_rows, products_of

Rows = list[list[int]]


def mixed_sums(updates: Rows, f: int) -> tuple[Rows, list[list[int]]]:
    """Return for each update the sum of its n - f nearest, itself among them, and their positions."""
    n = len(updates)

    def distance(i: int, j: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(updates[i], updates[j], strict=True))

    chosen = []
    for i in range(n):
        rest = sorted((j for j in range(n) if j != i), key=lambda j: (distance(i, j), j))
        chosen.append([i, *rest[: n - f - 1]])
    sums = [[sum(column) for column in zip(*(updates[j] for j in mixed), strict=True)] for mixed in chosen]
    return sums, chosen


def inner_products(rows: Rows) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sum(a * b for a, b in zip(u, v, strict=True)) for v in rows) for u in rows)


def random_updates(rng: random.Random, n: int) -> Rows:
    return [[rng.randint(-9, 9) for _ in range(3)] for _ in range(n)]


@pytest.mark.parametrize("inner", [MultiKrum(), Krum(), Mean(), GeometricMedian(), CentredClipping()])
@pytest.mark.parametrize("seed", range(8))
def test_decides_as_the_inner_rule_does_on_mixed_vectors(inner: Rule, seed: int) -> None:
    rng = random.Random(seed)
    n, f = [(3, 0), (5, 1), (8, 2), (11, 4)][seed % 4]
    updates = random_updates(rng, n)
    stakes = [rng.randint(1, 10) for _ in range(n)]
    sums, chosen = mixed_sums(updates, f)
    on_mixed = inner.decide(Products.of_updates(inner_products(sums)), f, stakes)
    found = NearestNeighbourMixing(inner).decide(products_of(updates), f, stakes)
    for j in range(n):
        weight = Fraction(sum(w for w, mixed in zip(on_mixed.weights, chosen, strict=True) if j in mixed), n - f)
        assert found.weights[j] == int(weight)
        part_of = [ok for ok, mixed in zip(on_mixed.accepted, chosen, strict=True) if j in mixed]
        assert found.accepted[j] == any(part_of)


def test_the_aggregate_is_that_of_the_mixed_vectors() -> None:
    updates = normal_rows(4, 9)
    rule = NearestNeighbourMixing(Mean())
    decision = rule.decide(products_of(updates), 3, [1] * 9)
    sums, _ = mixed_sums(updates.tolist(), 3)
    assert aggregate(decision, updates) == pytest.approx(np.array(sums).mean(axis=0) / 6, rel=1e-6)
    assert WEIGHT_ONE - 2 * 9 < sum(decision.weights) <= WEIGHT_ONE


def test_extra_rows_are_scaled_with_the_mixed_ones() -> None:
    rng = random.Random(1)
    n, f = 7, 2
    updates = random_updates(rng, n)
    reference, previous = random_updates(rng, 2)
    history = random_updates(rng, n)
    products = Products(Layout(n, True, True, True), inner_products([*updates, reference, previous, *history]))
    sums, _ = mixed_sums(updates, f)
    k = n - f
    extra = [[k * entry for entry in row] for row in (reference, previous, *history)]
    assert _Mixing.of(products, f).mixed(products).matrix == inner_products([*sums, *extra])


def test_inner_rules_may_read_extra_rows() -> None:
    updates = normal_rows(5, 8)
    honest = updates[1:]
    attacked = np.vstack([-5 * honest[:1], honest])
    rule = NearestNeighbourMixing(FlTrust())
    assert rule.needs_reference
    assert not rule.needs_history
    assert NearestNeighbourMixing(FoolsGold()).needs_history
    decision = rule.decide(products_of(attacked, honest.sum(axis=0)), 2, [1] * 8)
    assert decision.weights[0] < max(decision.weights) / 4


@pytest.mark.parametrize("size", [2**40, 2**57, 2**61 - 1, 2**80])
def test_products_are_exact_at_any_size(size: int) -> None:
    rng = random.Random(size)
    n, f = 9, 3
    matrix = [[0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            matrix[i][j] = matrix[j][i] = size if i == j else rng.randint(-size // 2, size // 2)
    products = Products(Layout(n), tuple(map(tuple, matrix)))
    mixing = _Mixing.of(products, f)
    members = [[j for j in range(n) if row[j]] for row in mixing.selection]
    expected = tuple(tuple(sum(matrix[a][b] for a in u for b in v) for v in members) for u in members)
    assert mixing.mixed(products).matrix == expected


def test_memory_is_the_inner_rule_s() -> None:
    class Remembering(Mean):
        def decide(self, products, byzantine, stakes, *, trainers=(), memory=b"", **_ignored):  # type: ignore[no-untyped-def]
            weights = super().decide(products, byzantine, stakes)
            return Decision(weights.accepted, weights.weights, memory + b"".join(trainers))

    rule = NearestNeighbourMixing(Remembering())
    decision = rule.decide(products_of(normal_rows(1, 3)), 0, [1] * 3, trainers=[b"a", b"b", b"c"], memory=b"m")
    assert decision.memory == b"mabc"


def test_hints_are_positions_of_both_steps() -> None:
    updates = [[0], [1], [3], [7], [100]]
    rule = NearestNeighbourMixing(MultiKrum())
    hints = rule.hints(products_of(updates), 1, [1] * 5)
    # Four are mixed into each row, so the farthest is the third nearest other.
    assert list(hints[:5]) == [3, 3, 3, 0, 1]
    sums, _ = mixed_sums(updates, 1)
    inner = MultiKrum().hints(Products.of_updates(inner_products(sums)), 1, [1] * 5)
    assert hints[5:11] == inner[:6]
    assert len(hints) == 32
    assert NearestNeighbourMixing(Mean()).hints(products_of(updates), 1, [1] * 5) == b""
