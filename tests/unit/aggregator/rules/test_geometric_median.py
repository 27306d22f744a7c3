"""The geometric median by smoothed Weiszfeld: by hand, against floats, and against attackers who know it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.geometric_median import STEPS, GeometricMedian
from aggregator.rules.weighing import length_of
from tests.unit.aggregator.rules.rows import Matrix, aggregate, normal_rows, products_of

STAKE = 10**18


def weiszfeld(updates: Matrix, nu: float | None) -> npt.NDArray[np.float64]:
    """Three steps from zero in floating point, on the updates themselves; ``nu`` None: the lower median distance."""
    points = updates.astype(np.float64)
    centre = np.zeros(points.shape[1])
    for _ in range(STEPS):
        lengths = np.linalg.norm(points - centre, axis=1)
        floor = np.sort(lengths)[(len(lengths) - 1) // 2] if nu is None else nu
        masses = 1 / np.maximum(floor, lengths)
        centre = masses @ points / masses.sum()
    return np.asarray(centre)


@pytest.mark.parametrize("nu", [None, 0.1, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_weights_are_those_of_floating_point_steps(seed: int, nu: float | None) -> None:
    updates = normal_rows(seed, 9)
    updates[:3] *= 5
    rule = GeometricMedian(smoothing=None if nu is None else int(nu * WEIGHT_ONE))
    decision = rule.decide(products_of(updates), 3, [STAKE] * 9)
    assert aggregate(decision, updates) == pytest.approx(weiszfeld(updates, nu), rel=1e-6)


def test_one_step_by_hand() -> None:
    # lengths 3, 4, 12; nu = 4, masses 1, 1, 1/3: weights 3/7, 3/7, 1/7 after the first step
    products = products_of([[3, 0, 0], [0, 4, 0], [0, 0, 12]])
    (lengths, median, masses), *_ = GeometricMedian()._steps(products, [STAKE] * 3)
    assert lengths == [3 * WEIGHT_ONE, 4 * WEIGHT_ONE, 12 * WEIGHT_ONE]
    assert median == 4 * WEIGHT_ONE
    assert masses == [STAKE * WEIGHT_ONE, STAKE * WEIGHT_ONE, STAKE * WEIGHT_ONE // 3]


def test_three_steps_come_near_a_majority_of_equal_updates() -> None:
    products = products_of([[1, 2]] * 3 + [[900, -900], [-5, 70]])
    weights = GeometricMedian().decide(products, 2, [STAKE] * 5).weights
    assert sum(weights[:3]) > 0.999 * WEIGHT_ONE


def test_outliers_of_any_size_pull_no_more_than_their_number_does() -> None:
    updates = normal_rows(3, 10)
    spread = np.linalg.norm(updates - updates[:7].mean(axis=0), axis=1)[:7].max()
    for size in (10, 10**3, 10**6):
        attacked = updates.copy()
        attacked[7:] = size * attacked[0]
        moved = aggregate(GeometricMedian().decide(products_of(attacked), 3, [STAKE] * 10), attacked)
        assert np.linalg.norm(moved - updates[:7].mean(axis=0)) < spread


def test_an_update_planted_where_the_steps_start_or_go_has_no_more_mass_than_the_nearer_half() -> None:
    updates = normal_rows(4, 9)
    for planted in (np.zeros(40, dtype=np.int64), updates[:8].mean(axis=0).astype(np.int64)):
        updates[8] = planted
        weights = GeometricMedian().decide(products_of(updates), 1, [STAKE] * 9).weights
        assert weights[8] <= sorted(weights)[4] + 1


def test_order_does_not_matter() -> None:
    updates, stakes = normal_rows(5, 8), list(range(1, 9))
    order = np.random.default_rng(6).permutation(8)
    weights = GeometricMedian().decide(products_of(updates), 2, stakes).weights
    permuted = GeometricMedian().decide(products_of(updates[order]), 2, [stakes[i] for i in order]).weights
    assert permuted == tuple(weights[i] for i in order)


def test_splitting_an_identity_changes_rounding_only() -> None:
    updates = normal_rows(7, 6)
    whole = GeometricMedian().decide(products_of(updates), 1, [6 * STAKE] * 6).weights
    split = GeometricMedian().decide(products_of([*updates, updates[0]]), 1, [2 * STAKE, *[6 * STAKE] * 5, 4 * STAKE])
    assert split.weights[0] + split.weights[6] == pytest.approx(whole[0], rel=1e-7)
    assert split.weights[1:6] == pytest.approx(whole[1:], rel=1e-7)


def test_zero_updates_alone_keep_their_stakes_shares() -> None:
    decision = GeometricMedian().decide(products_of([[0, 0]] * 4), 1, [1, 1, 1, 1])
    assert decision.weights == (WEIGHT_ONE // 4,) * 4
    assert decision.accepted == (True,) * 4


def test_hints_are_the_distances_and_medians_of_each_step() -> None:
    hints = GeometricMedian().hints(products_of([[3, 4], [1, 0]]), 0, [1, 1])
    found = [int.from_bytes(hints[i : i + 32], "big") for i in range(0, len(hints), 32)]
    assert len(found) == STEPS * 3
    assert found[:3] == [length_of(25), length_of(1), length_of(1)]


def test_it_needs_an_update_and_only_the_median_smoothing_settles() -> None:
    with pytest.raises(RuleNotApplicable):
        GeometricMedian().decide(products_of([]), 0, [])
    assert GeometricMedian().settles
    assert not GeometricMedian(smoothing=1).settles
