"""Scores against their definitions over coalitions, and what they promise whatever the updates are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import factorial

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.products import Layout, Products
from aggregator.residuals import without_previous
from aggregator.rules import WEIGHT_ONE
from aggregator.scores import SCORES
from aggregator.scores.alignment import alignment_scores
from aggregator.scores.base import weighted_sums
from aggregator.scores.cosine import cosine_scores
from aggregator.scores.leave_one_out import leave_one_out_values
from aggregator.scores.shapley import shapley_values
from aggregator.scores.shapley_reference import shapley_reference_values, toward_reference

many = settings(max_examples=150, deadline=None, derandomize=True)
few = settings(max_examples=40, deadline=None, derandomize=True)
Vector = list[int]
Formula = Callable[[Products, Sequence[int]], tuple[int, ...]]
FORMULAS: dict[str, Formula] = {
    "alignment": alignment_scores,
    "cosine": cosine_scores,
    "leave-one-out": leave_one_out_values,
    "shapley": shapley_values,
    "shapley-reference": shapley_reference_values,
}
DEFLATING = [name for name in FORMULAS if name != "shapley"]
ADDITIVE = [name for name in FORMULAS if name != "leave-one-out"]


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


def utility_with(
    products: Products, weights: Sequence[int], toward: Sequence[int], curvature: Fraction
) -> Callable[[tuple[int, ...]], Fraction]:
    """Return v(S) = sum over S of w_i t_i, less curvature / 2 times the square of the sum over S of w_i u_i."""
    gram = products.gram

    def utility(coalition: tuple[int, ...]) -> Fraction:
        square = sum(weights[i] * weights[j] * gram[i][j] for i in coalition for j in coalition)
        return sum(weights[i] * toward[i] for i in coalition) - curvature / 2 * square

    return utility


# -- Shapley's axioms -------------------------------------------------------------------------------------------------


@few
@given(rounds())
def test_shapley_is_twice_the_value_with_the_aggregate_as_reference(drawn: Round) -> None:
    toward = weighted_sums(drawn.products.gram, drawn.weights)
    utility = utility_with(drawn.products, drawn.weights, toward, Fraction(1))
    expected = [2 * value for value in by_coalitions(len(drawn.updates), utility)]
    assert list(shapley_values(drawn.products, drawn.weights)) == expected


@few
@given(rounds())
def test_shapley_with_a_reference_is_four_times_the_value(drawn: Round) -> None:
    rows = without_previous(drawn.products)
    toward = toward_reference(rows, drawn.weights, weighted_sums(rows.gram, drawn.weights))
    found = shapley_reference_values(drawn.products, drawn.weights)
    if toward is None:
        assert not any(found)
        return
    utility = utility_with(rows, drawn.weights, toward, Fraction(1, 2))
    n = len(drawn.updates)
    assert list(found) == [4 * value for value in by_coalitions(n, utility)]
    assert sum(found) == 4 * utility(tuple(range(n)))  # efficiency


@few
@given(rounds())
def test_leave_one_out_is_four_times_the_loss(drawn: Round) -> None:
    rows = without_previous(drawn.products)
    toward = toward_reference(rows, drawn.weights, weighted_sums(rows.gram, drawn.weights))
    found = leave_one_out_values(drawn.products, drawn.weights)
    if toward is None:
        assert not any(found)
        return
    utility = utility_with(rows, drawn.weights, toward, Fraction(1, 2))
    everybody = tuple(range(len(drawn.updates)))
    losses = [utility(everybody) - utility(tuple(j for j in everybody if j != i)) for i in everybody]
    assert list(found) == [4 * loss for loss in losses]


@many
@given(rounds(max_count=12))
def test_shapley_sums_to_the_square_of_the_aggregate(drawn: Round) -> None:
    columns = zip(*drawn.updates, strict=True)
    aggregate = [dot(list(column), drawn.weights) for column in columns]
    assert sum(shapley_values(drawn.products, drawn.weights)) == dot(aggregate, aggregate)


# -- identities -------------------------------------------------------------------------------------------------------


@many
@given(rounds(), st.lists(st.integers(0, 2**28), min_size=2, max_size=10), st.sampled_from(ADDITIVE))
def test_identities_with_one_update_score_together_what_one_does(drawn: Round, parts: list[int], name: str) -> None:
    formula = FORMULAS[name]
    rest = [weight // 2 for weight in drawn.weights[1:]]
    whole = Round(drawn.updates, [sum(parts), *rest], drawn.reference, drawn.previous)
    updates = [drawn.updates[0]] * len(parts) + drawn.updates[1:]
    split = Round(updates, [*parts, *rest], drawn.reference, drawn.previous)
    before, after = formula(whole.products, whole.weights), formula(split.products, split.weights)
    assert sum(after[: len(parts)]) == before[0]
    assert after[len(parts) :] == before[1:]


@many
@given(rounds(), st.lists(st.integers(0, 2**28), min_size=2, max_size=10))
def test_identities_with_one_update_gain_nothing_by_leave_one_out(drawn: Round, parts: list[int]) -> None:
    rest = [weight // 2 for weight in drawn.weights[1:]]
    whole = Round(drawn.updates, [sum(parts), *rest], drawn.reference, drawn.previous)
    updates = [drawn.updates[0]] * len(parts) + drawn.updates[1:]
    split = Round(updates, [*parts, *rest], drawn.reference, drawn.previous)
    before = leave_one_out_values(whole.products, whole.weights)
    after = leave_one_out_values(split.products, split.weights)
    assert sum(after[: len(parts)]) <= before[0]
    assert after[len(parts) :] == before[1:]


@many
@given(rounds(), st.randoms(use_true_random=False), st.sampled_from(sorted(FORMULAS)))
def test_order_does_not_matter(drawn: Round, shuffler: object, name: str) -> None:
    order = list(range(len(drawn.updates)))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
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
    assert alignment_scores(noisy.products, noisy.weights)[lazy] == 0
    assert shapley_reference_values(noisy.products, noisy.weights)[lazy] <= 0


# -- the reference ----------------------------------------------------------------------------------------------------


@many
@given(rounds(previous=False), st.integers(2, 9), st.sampled_from(["shapley-reference", "leave-one-out"]))
def test_the_length_of_the_reference_matters_by_rounding_only(drawn: Round, factor: int, name: str) -> None:
    longer = Round(drawn.updates, drawn.weights, [factor * entry for entry in drawn.reference], None)
    before, after = FORMULAS[name](drawn.products, drawn.weights), FORMULAS[name](longer.products, drawn.weights)
    assert all(abs(a - b) <= 8 * weight for a, b, weight in zip(before, after, drawn.weights, strict=True))


@many
@given(rounds(), st.data(), st.sampled_from([name for name in FORMULAS if not SCORES[name].needs_reference]))
def test_scores_without_reference_do_not_see_it(drawn: Round, data: st.DataObject, name: str) -> None:
    entry = st.integers(-(2**15), 2**15)
    hostile = data.draw(st.lists(entry, min_size=len(drawn.reference), max_size=len(drawn.reference)))
    other = Round(drawn.updates, drawn.weights, hostile, drawn.previous)
    assert FORMULAS[name](drawn.products, drawn.weights) == FORMULAS[name](other.products, drawn.weights)
