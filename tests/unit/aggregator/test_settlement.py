"""A round's outcome as a whole: the parts fit together, and inputs that cannot be are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aggregator.carried import Carried
from aggregator.errors import InvalidInput, OutOfRange, RuleNotApplicable, WrongShape
from aggregator.fixedpoint import IntVector
from aggregator.gram import weighted_sum
from aggregator.products import Layout, Products
from aggregator.rows import products_of_rows
from aggregator.settlement import Outcome, RoundRules, settle

RULES = RoundRules(rule="multi-krum", score="shapley", byzantine=1, dimension=4, bits=8, headroom_bits=3, budget=1000)
UPDATES: list[IntVector] = [
    np.array(entries, dtype=np.int8)
    for entries in ([10, 0, 1, 0], [9, 1, 0, 0], [11, 0, 0, 1], [-120, 90, 100, 80], [10, 1, 1, 0])
]
RNG = np.random.default_rng(1)
COMMON = RNG.integers(-40, 41, 400)
LONG: list[IntVector] = [(COMMON + RNG.integers(-20, 21, 400)).astype(np.int8) for _ in range(5)]
REFERENCE = COMMON.astype(np.int8)


def gram() -> Products:
    return products_of_rows(Layout(5), UPDATES, [], bits=8)


def outcome_of(rules: RoundRules, products: Products, stakes: Sequence[int] = (1,) * 5, **given: Any) -> Outcome:
    trainers = [bytes([i + 1]) * 20 for i in range(len(stakes))]
    whole: dict[str, Any] = {"scale_exponent": 0, "trainers": trainers, **given}
    return settle(rules, products, stakes, **whole)


def diagonal(*squares: int) -> Products:
    return Products.of_updates(np.diag(squares).tolist())


def test_outcome_follows_from_rule_score_payout_and_scale() -> None:
    outcome = outcome_of(RULES, gram(), [1, 1, 1, 5, 1], scale_exponent=-7)
    assert outcome.accepted == (True, True, True, False, True)
    assert outcome.weights == (2**30, 2**30, 2**30, 0, 2**30)
    aggregate = weighted_sum(UPDATES, outcome.weights)
    for i, update in enumerate(UPDATES):
        assert outcome.scores[i] == outcome.weights[i] * sum(
            int(a) * int(b) for a, b in zip(update, aggregate, strict=True)
        )
    assert outcome.payouts[3] == 0
    assert sum(outcome.payouts) in range(1000 - 4, 1001)
    # the norms of the accepted are at most 122, and d * 2^(2(b-1-h) + 1 - 4) is 128
    assert outcome.next_scale_exponent == -9


def test_scale_ignores_updates_that_were_not_accepted() -> None:
    norms = diagonal(50, 200, 50, 65000, 200)
    krum = outcome_of(RULES, norms)
    assert krum.accepted == (True, True, True, False, True)
    assert krum.next_scale_exponent == -2
    assert outcome_of(replace(RULES, rule="mean"), norms).next_scale_exponent == -1


def test_unknown_rules_and_scores_are_refused() -> None:
    for rules in (replace(RULES, rule="median"), replace(RULES, score="harsanyi")):
        with pytest.raises(InvalidInput, match="there is no"):
            outcome_of(rules, gram())


def test_products_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WrongShape):
        outcome_of(RULES, gram(), [1] * 4)
    with pytest.raises(WrongShape):
        outcome_of(RULES, gram(), trainers=[bytes(20)] * 4)
    with pytest.raises(OutOfRange):
        outcome_of(RULES, diagonal(-1, 2, 3, 4, 5))
    with pytest.raises(OutOfRange):
        outcome_of(replace(RULES, dimension=1), gram())
    with pytest.raises(RuleNotApplicable):
        outcome_of(RULES, diagonal(1, 2), [1, 1])


# -- extra rows -------------------------------------------------------------------------------------------------------


def test_a_reference_row_is_for_jobs_that_have_one() -> None:
    products = products_of_rows(Layout(5, reference=True), UPDATES, [UPDATES[0]], bits=8)
    with pytest.raises(WrongShape, match="no reference"):
        outcome_of(RULES, products)
    outcome_of(replace(RULES, reference=True), products)


@pytest.mark.parametrize("rule", ["multi-krum", "foolsgold"])
def test_running_sums_are_there_where_the_rule_reads_them(rule: str) -> None:
    without = gram()
    with_sums = products_of_rows(Layout(5, history=True), UPDATES, UPDATES, bits=8)
    fitting, other = (with_sums, without) if rule == "foolsgold" else (without, with_sums)
    outcome_of(replace(RULES, rule=rule), fitting)
    with pytest.raises(WrongShape, match="running sums"):
        outcome_of(replace(RULES, rule=rule), other)


def test_without_its_reference_a_round_is_paid_by_the_floors_score() -> None:
    """Whatever the job's floor and score; what its score remembers waits for a round that has one."""
    rules = replace(RULES, dimension=400, reference=True, score="shapley-reference", floor_bps=2_500)
    without = products_of_rows(Layout(5), LONG, [], bits=8)
    whole = products_of_rows(Layout(5, reference=True), LONG, [REFERENCE], bits=8)
    before = outcome_of(rules, whole).memory
    assert before.score
    assert before.floor
    left_out = outcome_of(rules, without, memory=before)
    assert left_out.memory.score == before.score
    assert left_out.memory.floor != before.floor
    paid_by_alignment = outcome_of(replace(rules, score="alignment", floor_bps=10_000), without, memory=before)
    assert left_out.scores == paid_by_alignment.scores
    assert left_out.payouts == paid_by_alignment.payouts
    assert sum(left_out.payouts) in range(1000 - 4, 1001)


# -- floor, cap, memory -----------------------------------------------------------------------------------------------


def test_the_floor_is_split_by_alignment_and_the_rest_by_the_score() -> None:
    rules = replace(RULES, dimension=400, budget=10**9)
    products = products_of_rows(Layout(5), LONG, [], bits=8)
    none, half, all_of_it = (outcome_of(replace(rules, floor_bps=bps), products) for bps in (0, 5_000, 10_000))
    assert none.scores == half.scores == all_of_it.scores
    assert not none.memory.floor
    for i in range(5):
        assert abs(2 * half.payouts[i] - none.payouts[i] - all_of_it.payouts[i]) <= 4
    assert all_of_it.payouts == outcome_of(replace(rules, score="alignment"), products).payouts


def test_nobody_gets_more_than_the_cap_by_its_stake() -> None:
    rules = replace(RULES, rule="mean", budget=10**9, cap_bps=10_000)
    stakes = [1, 2, 3, 4, 10]
    free = outcome_of(replace(rules, cap_bps=0), gram(), stakes)
    capped = outcome_of(rules, gram(), stakes)
    limits = [10**9 * stake // 20 for stake in stakes]
    assert capped.payouts == tuple(map(min, free.payouts, limits))
    assert capped.payouts != free.payouts


def test_memories_are_handed_to_whom_they_belong() -> None:
    rules = replace(RULES, dimension=400, score="reputation", floor_bps=5_000)
    products = products_of_rows(Layout(5), LONG, [], bits=8)
    first = outcome_of(rules, products, memory=Carried(history=b"sums"))
    assert first.memory.history == b"sums"
    assert not first.memory.rule
    assert first.memory.score
    assert first.memory.floor
    assert first.memory.score != first.memory.floor
    second = outcome_of(rules, products, memory=first.memory)
    assert second.memory != first.memory
    assert second == outcome_of(rules, products, memory=replace(first.memory, history=b"sums"))
