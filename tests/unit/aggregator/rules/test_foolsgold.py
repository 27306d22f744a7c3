"""FoolsGold and SybilWall on directions that can be checked by hand, and against a floating-point version."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.products import Layout, Products
from aggregator.rules import get_rule
from aggregator.rules.base import WEIGHT_ONE
from aggregator.rules.foolsgold import FoolsGold, foolsgold_voices, logit
from aggregator.rules.sybilwall import SybilWall
from aggregator.similarity import SIMILARITY_ONE, cosine, length

UNIT = 2.0**-32


def products_of(updates: Sequence[Sequence[int]], sums: Sequence[Sequence[int]]) -> Products:
    rows = [*updates, *sums]
    matrix = tuple(tuple(sum(a * b for a, b in zip(x, y, strict=True)) for y in rows) for x in rows)
    return Products(Layout(len(updates), history=True), matrix)


def first_round(*updates: Sequence[int]) -> Products:
    return products_of(updates, updates)


def reference_voices(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """FoolsGold in floating point: paper's Algorithm 1 with negative similarities 0."""
    unit = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    similar = np.maximum(unit @ unit.T, 0)
    np.fill_diagonal(similar, 0)
    closest = similar.max(axis=1)
    pardoned = similar.copy()
    for i in range(len(sums)):
        for j in range(len(sums)):
            if closest[j] > closest[i]:
                pardoned[i, j] *= closest[i] / closest[j]
    apart = np.clip(1 - pardoned.max(axis=1), 0, 1)
    apart /= apart.max()
    return np.array([1.0 if a == 1 else min(1, max(0, math.log(a / (1 - a)) + 0.5)) if a > 0 else 0.0 for a in apart])


def test_the_logit_is_within_a_few_units_and_never_falls() -> None:
    points = sorted({*range(0, SIMILARITY_ONE + 1, SIMILARITY_ONE // 4096), 1_621_375_000, 2_673_592_000})
    values = [logit(a) for a in points]
    assert values == sorted(values)
    for a, value in zip(points[1:-1], values[1:-1], strict=True):
        true = min(1, max(0, math.log(a / (SIMILARITY_ONE - a)) + 0.5))
        assert value * UNIT == pytest.approx(true, abs=2.0**-30)
    assert (logit(0), logit(SIMILARITY_ONE // 2), logit(SIMILARITY_ONE)) == (0, SIMILARITY_ONE // 2, SIMILARITY_ONE)


def test_cosines_of_collinear_vectors_are_exactly_one_and_of_opposite_ones_zero() -> None:
    for square, factor in ((1, 3), (2, 1), (2, 7), (3, 1), (10**36 + 7, 1), (7, 2**50)):
        assert cosine(factor * square, length(square), length(factor**2 * square)) == SIMILARITY_ONE
        assert cosine(-factor * square, length(square), length(factor**2 * square)) == 0
    assert cosine(1, length(2), length(1)) * UNIT == pytest.approx(math.sqrt(0.5), abs=2.0**-31)
    assert cosine(5, 0, length(5)) == 0


def test_copies_lose_their_voice_and_the_others_keep_it() -> None:
    decision = FoolsGold().decide(first_round([9, 0, 1], [9, 0, 1], [0, 5, -1], [-4, 1, 9]), 0, [1] * 4)
    assert decision.accepted == (False, False, True, True)
    assert decision.weights == (0, 0, WEIGHT_ONE // 2, WEIGHT_ONE // 2)


def test_scaled_copies_are_copies() -> None:
    decision = FoolsGold().decide(first_round([9, 0, 1], [900, 0, 100], [0, 5, 0]), 0, [1] * 3)
    assert decision.accepted == (False, False, True)


def test_the_sums_decide_not_this_rounds_updates() -> None:
    updates = [[7, 1, 0], [0, 1, 7], [-5, 4, 1]]
    sums = [[70, 2, 0], [70, 2, 0], [0, 8, -7]]
    assert FoolsGold().decide(products_of(updates, sums), 0, [1] * 3).accepted == (False, False, True)
    assert FoolsGold().decide(first_round(*updates), 0, [1] * 3).accepted == (True, True, True)


def test_weights_are_proportional_to_stake_among_equals() -> None:
    weights = FoolsGold().decide(first_round([1, 0, 0], [0, 1, 0], [0, 0, 1]), 0, [1, 2, 5]).weights
    assert weights == (WEIGHT_ONE // 8, WEIGHT_ONE // 4, WEIGHT_ONE * 5 // 8)


def test_where_everybody_is_a_copy_nobody_is_accepted() -> None:
    decision = FoolsGold().decide(first_round([1, 2], [1, 2], [2, 4]), 0, [1] * 3)
    assert decision.weights == (0, 0, 0)
    assert decision.accepted == (False,) * 3


def test_a_sum_of_zero_has_no_voice_and_changes_no_other() -> None:
    with_zero = FoolsGold().decide(first_round([0, 0], [3, 1], [-1, 3]), 0, [1] * 3)
    assert with_zero.accepted == (False, True, True)
    assert FoolsGold().decide(first_round([0, 0]), 0, [4]).weights == (0,)


def test_a_trainer_alone_has_all_weight() -> None:
    assert FoolsGold().decide(first_round([3, -4]), 0, [4]).weights == (WEIGHT_ONE,)


def test_pardoning_spares_an_honest_trainer_near_two_sybils() -> None:
    # Sybils on one direction; the third is 60 degrees away, with similarity 1/2 to each: scaled by v_i / v_j = 1/2.
    voices = foolsgold_voices(first_round([4, 0], [4, 0], [2, 3]).gram)
    near = 2 / math.sqrt(13)
    assert voices[:2] == [0, 0]
    assert voices[2] == SIMILARITY_ONE  # the largest of all, rescaled to 1
    two = foolsgold_voices(first_round([4, 0, 0], [4, 0, 0], [2, 3, 0], [0, 0, 1]).gram)
    apart = 1 - near * near
    assert two[2] * UNIT == pytest.approx(min(1, math.log(apart / (1 - apart)) + 0.5), abs=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_voices_are_those_of_the_floating_point_version(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(2, 12))
    sums = random.integers(-(2**20), 2**20, size=(n, 6)) + random.integers(0, 2**21, size=6)
    voices = foolsgold_voices(first_round(*sums.tolist()).gram)
    np.testing.assert_allclose(np.array(voices) * UNIT, reference_voices(sums.astype(np.float64)), atol=2.0**-26)


@pytest.mark.parametrize("rule", [FoolsGold(), SybilWall()])
def test_the_order_of_trainers_does_not_matter(rule: FoolsGold | SybilWall) -> None:
    random = np.random.default_rng(5)
    sums = (random.integers(-50, 50, size=(7, 5)) + 20).tolist()
    stakes = [3, 1, 4, 1, 5, 9, 2]
    order = [4, 2, 6, 0, 5, 1, 3]
    straight = rule.decide(first_round(*sums), 0, stakes)
    permuted = rule.decide(first_round(*[sums[k] for k in order]), 0, [stakes[k] for k in order])
    assert permuted.weights == tuple(straight.weights[k] for k in order)
    assert permuted.accepted == tuple(straight.accepted[k] for k in order)


@pytest.mark.parametrize("rule", [FoolsGold(), SybilWall()])
def test_without_running_sums_or_updates_the_rules_do_not_apply(rule: FoolsGold | SybilWall) -> None:
    with pytest.raises(RuleNotApplicable, match="running sums"):
        rule.decide(Products.of_updates([[1, 0], [0, 1]]), 0, [1, 1])
    with pytest.raises(RuleNotApplicable, match="update"):
        rule.decide(Products(Layout(0, history=True), ()), 0, [])


def test_sybilwall_keeps_the_current_models_voice() -> None:
    apart = SybilWall().decide(first_round([1, 0, 0], [0, 1, 0], [0, 0, 1]), 0, [2, 2, 2])
    assert apart.weights == (WEIGHT_ONE // 4,) * 3
    copies = SybilWall().decide(first_round([1, 0, 0], [1, 0, 0], [0, 0, 1]), 0, [2, 2, 2])
    assert copies.weights == (0, 0, WEIGHT_ONE // 2)
    assert SybilWall().decide(first_round([1, 2], [1, 2]), 0, [1, 1]).weights == (0, 0)


def test_both_are_in_the_registry_and_only_foolsgold_settles() -> None:
    assert get_rule("foolsgold").settles
    assert get_rule("foolsgold").needs_history
    assert not get_rule("sybilwall").settles
