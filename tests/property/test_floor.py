"""The floor of a settlement: whatever row the owner commits as reference, nobody gets less than its share of it."""

from __future__ import annotations

import random

import pytest

from aggregator.carried import Carried
from aggregator.payouts import NO_CAP, split_budget
from aggregator.products import Layout, Products
from aggregator.settlement import Outcome, RoundRules, settle

BUDGET = 10**18
DIMENSION = 300
Vector = list[int]
TRAINERS = [bytes([number]) * 20 for number in range(1, 8)]
STAKES = [10**18 + 10**15 * number for number in range(len(TRAINERS))]


def rules(rule: str, floor_bps: int, cap_bps: int = NO_CAP) -> RoundRules:
    return RoundRules(
        rule, "shapley-reference", 1, DIMENSION, 16, 3, BUDGET, reference=True, floor_bps=floor_bps, cap_bps=cap_bps
    )


def products(updates: list[Vector], reference: Vector | None) -> Products:
    rows = updates if reference is None else [*updates, reference]
    matrix = tuple(tuple(sum(map(int.__mul__, u, v)) for v in rows) for u in rows)
    return Products(Layout(len(updates), reference is not None), matrix)


def round_of(terms: RoundRules, updates: list[Vector], reference: Vector | None) -> Outcome:
    memory = Carried()
    return settle(terms, products(updates, reference), STAKES, scale_exponent=0, trainers=TRAINERS, memory=memory)


def updates_of(rng: random.Random) -> list[Vector]:
    common = [rng.randint(-2000, 2000) for _ in range(DIMENSION)]
    return [[entry + rng.randint(-1500, 1500) for entry in common] for _ in TRAINERS]


def hostile_references(rng: random.Random, updates: list[Vector]) -> list[Vector]:
    mean = [sum(column) // len(updates) for column in zip(*updates, strict=True)]
    anything = [[rng.randint(-(2**14), 2**14) for _ in range(DIMENSION)] for _ in range(5)]
    return [[-entry for entry in mean], [0] * DIMENSION, updates[0], [-entry for entry in updates[1]], *anything]


@pytest.mark.parametrize("rule", ["mean", "multi-krum", "marginal-value", "fltrust"])
@pytest.mark.parametrize("seed", range(3))
def test_nobody_gets_less_than_its_share_of_the_floor(rule: str, seed: int) -> None:
    rng = random.Random(seed)
    updates = updates_of(rng)
    whole = round_of(rules(rule, 10_000), updates, None).payouts
    assert sum(whole) > BUDGET - len(whole)
    for reference in hostile_references(rng, updates):
        assert round_of(rules(rule, 10_000), updates, reference).payouts == whole
        outcome = round_of(rules(rule, 5000), updates, reference)
        assert sum(outcome.payouts) <= BUDGET
        assert all(payout >= share // 2 for payout, share in zip(outcome.payouts, whole, strict=True))


@pytest.mark.parametrize("rule", ["marginal-value", "multi-krum"])
def test_the_cap_holds_and_what_it_cuts_stays_in_escrow(rule: str) -> None:
    updates = updates_of(random.Random(5))
    free = round_of(rules(rule, 5000), updates, updates[2])
    capped = round_of(rules(rule, 5000, 10_000), updates, updates[2])
    limits = [BUDGET * stake // sum(STAKES) for stake in STAKES]
    assert capped.payouts == tuple(min(payout, limit) for payout, limit in zip(free.payouts, limits, strict=True))
    assert sum(capped.payouts) < sum(free.payouts)


def test_an_unusable_reference_leaves_the_whole_budget_to_the_floor() -> None:
    updates = updates_of(random.Random(6))
    outcome = round_of(rules("marginal-value", 5000), updates, None)
    assert outcome.payouts == split_budget((0,) * 7, outcome.scores, STAKES, budget=BUDGET, floor_bps=10_000)
    assert sum(outcome.payouts) > BUDGET - 8
    assert outcome.memory.score == b""
    assert outcome.memory.floor != b""
