"""Scores against their definitions over coalitions, and what they promise whatever the updates are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import factorial
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.products import Layout, Products
from aggregator.rules import WEIGHT_ONE
from aggregator.scores.alignment import novelty
from aggregator.scores.base import weighted_sums
from aggregator.scores.cosine import cosine_scores
from aggregator.scores.leave_one_out import leave_one_out_values
from aggregator.scores.reference_utility import ReferenceUtility, reference_utility
from aggregator.scores.shapley import shapley_values
from aggregator.scores.shapley_reference import shapley_reference_values

many = settings(max_examples=50, deadline=None, derandomize=True)
few = settings(max_examples=25, deadline=None, derandomize=True)
Vector = list[int]
Formula = Callable[[Products, Sequence[int]], tuple[int, ...]]
DIMENSION = 1000


def novelties(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    return novelty(products, weights, DIMENSION, 1).values


FORMULAS: dict[str, Formula] = {
    "novelty": novelties,
    "cosine": cosine_scores,
    "leave-one-out": leave_one_out_values,
    "shapley": shapley_values,
    "shapley-reference": shapley_reference_values,
}
DEFLATING = ["novelty", "leave-one-out", "shapley-reference"]
WITH_REFERENCE = ["leave-one-out", "shapley-reference"]


@dataclass
class Round:
    """Updates and extra rows as vectors, and weights in units of 2**-32."""

    updates: list[Vector]
    weights: list[int]
    reference: Vector
    previous: Vector | None

    @property
    def products(self) -> Products:
        rows = [*self.updates, self.reference] + ([] if self.previous is None else [self.previous])
        matrix = tuple(tuple(dot(u, v) for v in rows) for u in rows)
        return Products(Layout(len(self.updates), True, self.previous is not None), matrix)

    def with_update(self, place: int, update: Vector) -> Round:
        updates = [*self.updates[:place], update, *self.updates[place + 1 :]]
        return Round(updates, self.weights, self.reference, self.previous)


def dot(u: Vector, v: Vector) -> int:
    return sum(a * b for a, b in zip(u, v, strict=True))


@st.composite
def rounds(draw: st.DrawFn, max_count: int = 6, previous: bool | None = None) -> Round:
    dimension = draw(st.integers(1, 4))
    entries = draw(st.sampled_from([3, 127, 2**15 - 1]))
    vector = st.lists(st.integers(-entries, entries), min_size=dimension, max_size=dimension)
    updates = draw(st.lists(vector, min_size=1, max_size=max_count))
    n = len(updates)
    weights = draw(st.lists(st.integers(0, WEIGHT_ONE // n), min_size=n, max_size=n))
    has_previous = draw(st.booleans()) if previous is None else previous
    return Round(updates, weights, draw(vector), draw(vector) if has_previous else None)


def by_coalitions(n: int, utility: Callable[[tuple[int, ...]], Fraction]) -> list[Fraction]:
    """Return the Shapley values of a game of n players, by all coalitions."""
    values = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        value = Fraction(0)
        for size in range(n):
            share = Fraction(factorial(size) * factorial(n - size - 1), factorial(n))
            for coalition in combinations(others, size):
                value += share * (utility((*coalition, i)) - utility(coalition))
        values.append(value)
    return values


def value_of(utility: ReferenceUtility, coalition: tuple[int, ...]) -> Fraction:
    """Return v(S) = <t, a_S> - |a_S|^2 / 4."""
    weights, gram = utility.weights, utility.gram
    square = sum(weights[i] * weights[j] * gram[i][j] for i in coalition for j in coalition)
    return sum(weights[i] * utility.toward[i] for i in coalition) - Fraction(square, 4)


# -- Shapley's axioms -------------------------------------------------------------------------------------------------


@few
@given(rounds())
def test_shapley_is_twice_the_value_with_the_aggregate_as_reference(drawn: Round) -> None:
    gram, weights = drawn.products.gram, drawn.weights
    toward = weighted_sums(gram, weights)

    def utility(coalition: tuple[int, ...]) -> Fraction:
        square = sum(weights[i] * weights[j] * gram[i][j] for i in coalition for j in coalition)
        return sum(weights[i] * toward[i] for i in coalition) - Fraction(square, 2)

    expected = [2 * value for value in by_coalitions(len(drawn.updates), utility)]
    assert list(shapley_values(drawn.products, weights)) == expected


@few
@given(rounds())
def test_shapley_with_a_reference_is_four_times_the_value(drawn: Round) -> None:
    found = shapley_reference_values(drawn.products, drawn.weights)
    utility = reference_utility(drawn.products, drawn.weights)
    if utility.pointless:
        assert not any(found)
        return
    n = len(drawn.updates)
    assert list(found) == [4 * value for value in by_coalitions(n, lambda some: value_of(utility, some))]
    assert sum(found) == 4 * value_of(utility, tuple(range(n)))  # efficiency


@few
@given(rounds())
def test_leave_one_out_is_four_times_the_loss(drawn: Round) -> None:
    found = leave_one_out_values(drawn.products, drawn.weights)
    utility = reference_utility(drawn.products, drawn.weights)
    if utility.pointless:
        assert not any(found)
        return
    everybody = tuple(range(len(drawn.updates)))
    without = [value_of(utility, tuple(j for j in everybody if j != i)) for i in everybody]
    assert list(found) == [4 * (value_of(utility, everybody) - value) for value in without]


@many
@given(rounds(max_count=12))
def test_shapley_sums_to_the_square_of_the_aggregate(drawn: Round) -> None:
    columns = zip(*drawn.updates, strict=True)
    aggregate = [dot(list(column), drawn.weights) for column in columns]
    assert sum(shapley_values(drawn.products, drawn.weights)) == dot(aggregate, aggregate)


@many
@given(rounds(max_count=12))
def test_the_utility_is_that_of_the_clipped_aggregate_at_its_length(drawn: Round) -> None:
    """In floats: t has the aggregate's length and the reference's direction, both without the previous aggregate."""
    utility = reference_utility(drawn.products, drawn.weights)
    if utility.pointless or min(utility.weights) < 2**16 or drawn.previous is not None:
        return
    columns = zip(*drawn.updates, strict=True)
    aggregate = [dot(list(column), list(utility.weights)) / WEIGHT_ONE for column in columns]
    scale = (sum(x * x for x in aggregate) / dot(drawn.reference, drawn.reference)) ** 0.5
    for update, toward in zip(drawn.updates, utility.toward, strict=True):
        assert abs(toward / WEIGHT_ONE - scale * dot(update, drawn.reference)) <= 1e-6 * (1 + abs(toward) / WEIGHT_ONE)


# -- identities -------------------------------------------------------------------------------------------------------


def split_in(drawn: Round, parts: list[int]) -> tuple[Round, Round]:
    """Return a round whose first trainer has all of its weight, and one where it has split it in parts."""
    rest = [weight // 2 for weight in drawn.weights[1:]]
    whole = Round(drawn.updates, [sum(parts), *rest], drawn.reference, drawn.previous)
    updates = [drawn.updates[0]] * len(parts) + drawn.updates[1:]
    return whole, Round(updates, [*parts, *rest], drawn.reference, drawn.previous)


parts_of = st.lists(st.integers(0, 2**28), min_size=2, max_size=10)


@many
@given(rounds(), parts_of)
def test_identities_with_one_update_have_together_the_shapley_value_of_one(drawn: Round, parts: list[int]) -> None:
    whole, split = split_in(drawn, parts)
    before, after = (shapley_values(drawn.products, drawn.weights) for drawn in (whole, split))
    assert sum(after[: len(parts)]) == before[0]
    assert after[len(parts) :] == before[1:]


@many
@given(rounds(), parts_of)
def test_with_a_reference_too_but_for_the_rounding_of_clipped_weights(drawn: Round, parts: list[int]) -> None:
    whole, split = split_in(drawn, parts)
    before, after = (shapley_reference_values(drawn.products, drawn.weights) for drawn in (whole, split))
    utility = reference_utility(whole.products, whole.weights)
    exact = utility.weights == tuple(whole.weights)
    if exact:
        assert sum(after[: len(parts)]) == before[0]
        assert after[len(parts) :] == before[1:]
    elif not utility.pointless:
        largest = max(map(abs, (*utility.toward, *utility.sums)), default=0) + max(dot(u, u) for u in drawn.updates)
        assert abs(sum(after[: len(parts)]) - before[0]) <= 8 * len(parts) * (sum(parts) + largest + 1)


@many
@given(rounds(), parts_of)
def test_identities_with_one_update_gain_nothing_by_leave_one_out(drawn: Round, parts: list[int]) -> None:
    whole, split = split_in(drawn, parts)
    if reference_utility(whole.products, whole.weights).weights != tuple(whole.weights):
        return
    before, after = (leave_one_out_values(drawn.products, drawn.weights) for drawn in (whole, split))
    assert sum(after[: len(parts)]) <= before[0]
    assert after[len(parts) :] == before[1:]


@many
@given(rounds(), st.randoms(use_true_random=False), st.sampled_from(sorted(FORMULAS)))
def test_order_does_not_matter(drawn: Round, shuffler: Random, name: str) -> None:
    order = list(range(len(drawn.updates)))
    shuffler.shuffle(order)
    other = Round([drawn.updates[i] for i in order], [drawn.weights[i] for i in order], drawn.reference, drawn.previous)
    before, after = FORMULAS[name](drawn.products, drawn.weights), FORMULAS[name](other.products, other.weights)
    assert after == tuple(before[i] for i in order)


# -- updates that bring nothing ---------------------------------------------------------------------------------------


@many
@given(rounds(max_count=8), st.data(), st.sampled_from(sorted(FORMULAS)))
def test_a_zero_update_and_one_without_weight_earn_nothing(drawn: Round, data: st.DataObject, name: str) -> None:
    lazy = data.draw(st.integers(0, len(drawn.updates) - 1))
    zero = drawn.with_update(lazy, [0] * len(drawn.reference))
    assert FORMULAS[name](zero.products, zero.weights)[lazy] == 0
    drawn.weights[lazy] = 0
    assert FORMULAS[name](drawn.products, drawn.weights)[lazy] == 0


@many
@given(rounds(max_count=8, previous=True), st.integers(-3, 3), st.data(), st.sampled_from(DEFLATING))
def test_a_replay_of_the_previous_aggregate_earns_nothing(
    drawn: Round, factor: int, data: st.DataObject, name: str
) -> None:
    assert drawn.previous is not None
    lazy = data.draw(st.integers(0, len(drawn.updates) - 1))
    replay = drawn.with_update(lazy, [factor * entry for entry in drawn.previous])
    assert FORMULAS[name](replay.products, replay.weights)[lazy] == 0


@many
@given(rounds(max_count=8), st.integers(-100, 100), st.integers(0, 1), st.data())
def test_noise_orthogonal_to_all_others_earns_nothing_even_on_top_of_a_replay(
    drawn: Round, length: int, replayed: int, data: st.DataObject
) -> None:
    lazy = data.draw(st.integers(0, len(drawn.updates) - 1))
    previous = None if drawn.previous is None else [*drawn.previous, 0]
    widened = Round([[*update, 0] for update in drawn.updates], drawn.weights, [*drawn.reference, 0], previous)
    replay = [replayed * entry for entry in previous] if previous else [0] * (len(drawn.reference) + 1)
    noisy = widened.with_update(lazy, [*replay[:-1], length])
    assert novelties(noisy.products, noisy.weights)[lazy] == 0
    assert shapley_reference_values(noisy.products, noisy.weights)[lazy] <= 0


@many
@given(rounds(max_count=8), st.data())
def test_a_copy_shares_with_its_source_and_adds_nothing(drawn: Round, data: st.DataObject) -> None:
    """Of n updates that are copies of one at any length, none is independent of another."""
    factors = data.draw(st.lists(st.integers(-3, 3), min_size=len(drawn.updates), max_size=len(drawn.updates)))
    copies = [[factor * entry for entry in drawn.updates[0]] for factor in factors]
    alike = Round(copies, drawn.weights, drawn.reference, None)
    assert novelties(alike.products, alike.weights) == (0,) * len(copies)


@many
@given(rounds(max_count=8), st.integers(4, 1000), st.data())
def test_a_longer_update_brings_no_more_than_at_three_times_the_median(
    drawn: Round, factor: int, data: st.DataObject
) -> None:
    """Its clipped weight shrinks as it grows; what is left of it is its direction."""
    lazy = data.draw(st.integers(0, len(drawn.updates) - 1))
    drawn.weights = [WEIGHT_ONE // (2 * len(drawn.updates))] * len(drawn.updates)
    scaled = drawn.with_update(lazy, [factor * entry for entry in drawn.updates[lazy]])
    gram, weights = scaled.products.gram, reference_utility(scaled.products, scaled.weights).weights
    median = sorted(gram[i][i] for i in range(len(gram)))[(len(gram) - 1) // 2]
    assert weights[lazy] ** 2 * gram[lazy][lazy] <= 9 * median * scaled.weights[lazy] ** 2


# -- the reference ----------------------------------------------------------------------------------------------------


@many
@given(rounds(previous=False), st.integers(2, 9), st.sampled_from(WITH_REFERENCE))
def test_the_length_of_the_reference_matters_by_rounding_only(drawn: Round, factor: int, name: str) -> None:
    longer = Round(drawn.updates, drawn.weights, [factor * entry for entry in drawn.reference], None)
    before, after = FORMULAS[name](drawn.products, drawn.weights), FORMULAS[name](longer.products, drawn.weights)
    for update, a, b, weight in zip(drawn.updates, before, after, drawn.weights, strict=True):
        rounding = 2 + (abs(dot(update, longer.reference)) >> 31)
        assert abs(a - b) <= 4 * weight * rounding


@many
@given(rounds(), st.sampled_from(WITH_REFERENCE))
def test_a_reference_without_length_is_worth_nothing(drawn: Round, name: str) -> None:
    drawn.reference = [0] * len(drawn.reference)
    assert not any(FORMULAS[name](drawn.products, drawn.weights))
    if drawn.previous is not None:
        drawn.reference = [-3 * entry for entry in drawn.previous]
        assert not any(FORMULAS[name](drawn.products, drawn.weights))


@many
@given(rounds(), st.data(), st.sampled_from(["novelty", "cosine", "shapley"]))
def test_scores_without_reference_do_not_see_it(drawn: Round, data: st.DataObject, name: str) -> None:
    entry = st.integers(-(2**15), 2**15)
    hostile = data.draw(st.lists(entry, min_size=len(drawn.reference), max_size=len(drawn.reference)))
    other = Round(drawn.updates, drawn.weights, hostile, drawn.previous)
    assert FORMULAS[name](drawn.products, drawn.weights) == FORMULAS[name](other.products, drawn.weights)
