"""Shapley values where they are known, what estimates keep of them, and what they cost."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import OutOfRange
from market.valuation.methods import (
    Coalition,
    CountedUtility,
    Valuation,
    exact_shapley,
    guided_truncated_shapley,
    leave_one_out,
    summed,
    truncated_monte_carlo,
)

WORTHS = (0.5, -0.2, 0.0, 0.1, 0.05)
N = len(WORTHS)


def additive(coalition: Coalition) -> float:
    return sum(WORTHS[i] for i in coalition)


def glove(coalition: Coalition) -> float:
    """Player 0 has a left glove, 1 and 2 a right one each; a pair is worth 1 (Shapley: 2/3, 1/6, 1/6)."""
    return float(0 in coalition and bool({1, 2} & coalition))


def game_of(seed: int, players: int) -> dict[Coalition, float]:
    rng = np.random.default_rng(seed)
    coalitions = [frozenset(i for i in range(players) if mask >> i & 1) for mask in range(1 << players)]
    return {coalition: float(rng.normal()) for coalition in coalitions}


def test_additive_games_are_worth_what_each_player_brings() -> None:
    for valuation in (
        exact_shapley(additive, N),
        leave_one_out(additive, N),
        truncated_monte_carlo(additive, N, seed=1, permutations=3, tolerance=0),
        guided_truncated_shapley(additive, N, seed=1, within_round=0),
    ):
        assert valuation.values == pytest.approx(WORTHS)


def test_the_glove_game() -> None:
    assert exact_shapley(glove, 3).values == pytest.approx((2 / 3, 1 / 6, 1 / 6))
    assert leave_one_out(glove, 3).values == (1, 0, 0)
    estimate = truncated_monte_carlo(glove, 3, seed=4, permutations=4000, tolerance=0).values
    assert estimate == pytest.approx((2 / 3, 1 / 6, 1 / 6), abs=0.03)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_axioms_of_the_exact_value(seed: int, players: int) -> None:
    game = game_of(seed, players)
    values = exact_shapley(game.__getitem__, players).values
    assert sum(values) == pytest.approx(game[frozenset(range(players))] - game[frozenset()])
    swapped = {frozenset(_swap(i) for i in coalition): value for coalition, value in game.items()}
    if players > 1:
        assert exact_shapley(swapped.__getitem__, players).values[:2] == pytest.approx(values[1::-1])
    with_null = exact_shapley(lambda coalition: game[coalition - {players}], players + 1).values
    assert with_null == pytest.approx((*values, 0))


def _swap(player: int) -> int:
    return {0: 1, 1: 0}.get(player, player)


@given(st.integers(0, 2**32))
def test_estimates_are_efficient_without_truncation(seed: int) -> None:
    game = game_of(seed, 5)
    gained = game[frozenset(range(5))] - game[frozenset()]
    for valuation in (
        truncated_monte_carlo(game.__getitem__, 5, seed=seed, permutations=2, tolerance=0),
        guided_truncated_shapley(game.__getitem__, 5, seed=seed, between_rounds=0, within_round=0, most=20),
    ):
        assert sum(valuation.values) == pytest.approx(gained)


def test_guided_sampling_puts_each_player_first_equally_often() -> None:
    """With the utility of a first mover, the estimate is exact: each player is first in 1 of n permutations."""
    valuation = guided_truncated_shapley(lambda coalition: float(bool(coalition)), 4, seed=3, within_round=0, least=40)
    assert valuation.values == pytest.approx((0.25,) * 4)


def test_guided_estimates_approach_the_exact_values() -> None:
    game = game_of(7, 6)
    exact = exact_shapley(game.__getitem__, 6).values
    estimate = guided_truncated_shapley(game.__getitem__, 6, seed=1, within_round=0, change=0.001, most=6000).values
    assert estimate == pytest.approx(exact, abs=0.05)


def test_what_each_method_costs() -> None:
    assert exact_shapley(additive, N).evaluations == 2**N
    assert leave_one_out(additive, N).evaluations == N + 1
    many = truncated_monte_carlo(additive, N, seed=0, permutations=50 * factorial(N), tolerance=0)
    assert many.evaluations == 2**N, "each coalition is evaluated once"
    once = truncated_monte_carlo(additive, N, seed=0, permutations=1, tolerance=0)
    assert once.evaluations == N + 1


def test_truncation_spares_evaluations_and_credits_the_rest_with_nothing() -> None:
    def saturated(coalition: Coalition) -> float:
        return min(1.0, 0.5 * len(coalition))

    full = truncated_monte_carlo(saturated, 8, seed=2, permutations=10, tolerance=0)
    cut = truncated_monte_carlo(saturated, 8, seed=2, permutations=10, tolerance=0.6)
    assert full.evaluations > cut.evaluations == 1 + 1 + len([v for v in cut.values if v])
    assert sum(cut.values) == pytest.approx(0.5)


def test_a_round_that_changes_nothing_is_worth_nothing() -> None:
    valuation = guided_truncated_shapley(lambda coalition: 0.0009 * len(coalition) / 4, 4, seed=0)
    assert valuation == Valuation((0.0,) * 4, 2)


def test_seeds_decide() -> None:
    game = game_of(3, 6)
    for method in (truncated_monte_carlo, guided_truncated_shapley):
        first = method(game.__getitem__, 6, seed=5)
        assert first == method(game.__getitem__, 6, seed=5)
        assert first.values != method(game.__getitem__, 6, seed=6).values


def test_a_counted_utility_evaluates_once_and_tells() -> None:
    calls: list[Coalition] = []
    ticks: list[int] = []

    def utility(coalition: Coalition) -> float:
        calls.append(coalition)
        return 1.0

    counted = CountedUtility(utility, progress=ticks.append)
    for _ in range(3):
        assert counted(frozenset({1})) == 1.0
    assert (calls, ticks, counted.evaluations) == ([frozenset({1})], [1], 1)


def test_values_of_rounds_add_up() -> None:
    assert summed([Valuation((1.0, 2.0), 4), Valuation((0.5, -2.0), 3)]) == Valuation((1.5, 0.0), 7)
    with pytest.raises(OutOfRange):
        summed([])


def test_what_cannot_be_valued_is_refused() -> None:
    for players in (0, 17):
        with pytest.raises(OutOfRange):
            exact_shapley(additive, players)
    with pytest.raises(OutOfRange):
        leave_one_out(additive, 0)
    for permutations, tolerance in ((0, 0.1), (1, -0.1)):
        with pytest.raises(OutOfRange):
            truncated_monte_carlo(additive, N, seed=0, permutations=permutations, tolerance=tolerance)
