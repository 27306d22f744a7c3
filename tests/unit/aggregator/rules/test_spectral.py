"""CAF and the Flag Aggregator: against the same algorithms on the updates themselves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.caf import Caf
from aggregator.rules.flag import STEPS, Flag
from tests.unit.aggregator.rules.rows import Matrix, aggregate, normal_rows, products_of

STAKE = 10**18
Vector = npt.NDArray[np.float64]


def caf(updates: Matrix, f: int) -> Vector:
    """CAF with exact eigenvectors on d-vectors."""
    points, masses = updates.astype(np.float64), np.ones(len(updates))
    best, least = points.mean(axis=0), np.inf
    while masses.sum() > len(updates) - 2 * f or least == np.inf:
        centre = masses @ points / masses.sum()
        deviations = points - centre
        _, values, directions = np.linalg.svd(np.sqrt(masses / masses.sum())[:, None] * deviations)
        if values[0] ** 2 < least:
            best, least = centre, values[0] ** 2
        tau = (deviations @ directions[0]) ** 2
        masses = masses * np.maximum(1 - tau / tau[masses > 0].max(), 0)
    return np.asarray(best)


@pytest.mark.parametrize("f", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_caf_is_the_filter_on_the_updates(seed: int, f: int) -> None:
    updates = normal_rows(seed, 9)
    updates[:f] = 7 * updates[:f][::-1] + 1000
    decision = Caf().decide(products_of(updates), f, [STAKE] * 9)
    assert aggregate(decision, updates) == pytest.approx(caf(updates, f), rel=1e-5, abs=1e-3)


def test_caf_takes_the_weight_of_an_outlier() -> None:
    updates = normal_rows(1, 9)
    updates[4] *= 1000
    weights = Caf().decide(products_of(updates), 2, [STAKE] * 9).weights
    assert weights[4] == 0
    assert sum(weight > 0 for weight in weights) >= 5


def test_caf_ends_where_an_update_without_mass_lies_farthest_out() -> None:
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [10**6, 0, 0], [0, -(10**5), 0]]
    weights = Caf().decide(products_of(rows), 2, [STAKE] * 6).weights
    assert weights[4] == 0
    assert sum(weights[:4]) > 0


@pytest.mark.parametrize("updates", [[[0, 0]] * 5, [[3, 4]] * 5, [[1, 1]]])
def test_caf_of_equal_updates_is_their_mean(updates: list[list[int]]) -> None:
    n = len(updates)
    assert Caf().decide(products_of(updates), 9, [STAKE] * n).weights == (WEIGHT_ONE // n,) * n


def flag(updates: Matrix, pairwise: float) -> Vector:
    """The Flag Aggregator by singular vectors of d-vectors, equal stakes."""
    points = (updates / np.linalg.norm(updates, axis=1, keepdims=True)).T
    n = points.shape[1]
    columns, priors = [points[:, i] for i in range(n)], [1.0] * n
    if pairwise:
        for i in range(n):
            for j in range(n):
                if i != j:
                    columns.append(points[:, i] - points[:, j])
                    priors.append(pairwise / (n * (n - 1)))
    data, weights = np.column_stack(columns), np.array(priors)
    for _ in range(STEPS):
        subspace = np.linalg.svd(data * weights, full_matrices=False)[0][:, : (n + 2) // 2]
        missing = np.abs(1 - np.square(subspace.T @ data).sum(axis=0))
        weights = np.array(priors) * (missing + 1e-7) ** -0.25
    return np.asarray(subspace @ (subspace.T @ updates.mean(axis=0)))


def within_range(combination: Vector, updates: Matrix) -> Vector:
    """Return the combination of independent updates with its weights cut off at 0 and their sum at 1."""
    weights = np.maximum(np.linalg.lstsq(updates.T.astype(np.float64), combination)[0], 0)
    return np.asarray(weights / max(1, weights.sum()) @ updates)


@pytest.mark.parametrize("seed", range(5))
def test_flag_is_the_projection_of_the_mean_on_the_flag_median(seed: int) -> None:
    updates = normal_rows(seed, 7)
    decision = Flag().decide(products_of(updates), 2, [STAKE] * 7)
    expected = within_range(flag(updates, 0), updates)
    assert aggregate(decision, updates) == pytest.approx(expected, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("pairwise", [0.5, 7.0])
def test_flag_takes_differences_into_account_where_asked(pairwise: float) -> None:
    updates = normal_rows(2, 5)
    decision = Flag(pairwise=pairwise).decide(products_of(updates), 2, [STAKE] * 5)
    expected = within_range(flag(updates, pairwise), updates)
    assert aggregate(decision, updates) == pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_flag_ignores_zero_updates_and_lengths_of_what_it_leaves_out() -> None:
    updates = normal_rows(3, 8)
    updates[2] = 0
    decision = Flag().decide(products_of(updates), 2, [STAKE] * 8)
    assert decision.weights[2] == 0
    assert not decision.accepted[2]
    assert sum(decision.weights) <= WEIGHT_ONE


@pytest.mark.parametrize("updates", [[[0, 0]] * 3, [[1, 2]] * 4, [[5, 0], [0, 5]], [[7]]])
def test_flag_of_few_dimensions_is_the_mean(updates: list[list[int]]) -> None:
    rows = np.array(updates)
    decision = Flag().decide(products_of(updates), 1, [STAKE] * len(rows))
    assert aggregate(decision, rows) == pytest.approx(rows.mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("rule", [Caf(), Flag()])
def test_spectral_rules_do_not_settle_and_need_an_update(rule: Caf | Flag) -> None:
    assert not rule.settles
    assert rule.hints(products_of([[1]]), 0, [1]) == b""
    with pytest.raises(RuleNotApplicable):
        rule.decide(products_of([]), 0, [])


@pytest.mark.parametrize("rule", [Caf(), Flag()])
def test_spectral_rules_hold_the_weights_range_on_any_matrix(rule: Caf | Flag) -> None:
    rng = np.random.default_rng(5)
    for n in (2, 3, 9, 20):
        for _ in range(5):
            updates = rng.integers(-3, 4, size=(n, 3))
            updates[rng.integers(n)] = updates[0]
            weights = rule.decide(products_of(updates), n // 3, [STAKE] * n).weights
            assert min(weights) >= 0
            assert sum(weights) <= WEIGHT_ONE
