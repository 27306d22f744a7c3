"""Shapley values against the reference row, and their running sum, by hand."""

from __future__ import annotations

import pytest

from aggregator.errors import RuleNotApplicable, WrongShape
from aggregator.products import Layout, Products
from aggregator.rules import WEIGHT_ONE
from aggregator.running import LARGEST, recall, remember
from aggregator.scores.leave_one_out import leave_one_out_values
from aggregator.scores.reference_utility import reference_utility
from aggregator.scores.shapley_reference import ShapleyReference, agree_with_reference, shapley_reference_values

Row = tuple[int, ...]
HALF = WEIGHT_ONE // 2
MANY = 10**6
TRAINERS = [bytes([number]) * 20 for number in (1, 2)]
SCORE = ShapleyReference()


def of_rows(*rows: Row, previous: bool = False) -> Products:
    """Return the products of updates, the reference, and the previous aggregate if there is one, in this order."""
    matrix = tuple(tuple(sum(map(int.__mul__, u, v)) for v in rows) for u in rows)
    return Products(Layout(len(rows) - 1 - previous, reference=True, previous=previous), matrix)


def test_the_reference_is_brought_to_the_length_of_the_aggregate() -> None:
    # the aggregate is (6, 8) of length 10, the reference of length 5 along it: t = (6, 8)
    utility = reference_utility(of_rows((6, 8), (6, 8), (3, 4)), (HALF, HALF))
    assert utility.toward == (100 * WEIGHT_ONE,) * 2
    assert utility.sums == (100 * WEIGHT_ONE,) * 2


def test_values_by_hand() -> None:
    # weights 1/2: a = (2, 2), r along (1, 0), t = (sqrt 8, 0); 4 <t, u> - <a, u> is 4 * 4 sqrt 8 - 8, and -8
    found = shapley_reference_values(of_rows((4, 0), (0, 4), (7, 0)), (HALF, HALF))
    exact = (HALF * WEIGHT_ONE * (16 * 8**0.5 - 8), -HALF * WEIGHT_ONE * 8)
    assert found[0] == pytest.approx(exact[0], rel=1e-9)
    assert found[1] == exact[1]


def test_leave_one_out_by_hand() -> None:
    # as above: 4 <t, u> - 2 <a, u> + |u|^2 / 2
    found = leave_one_out_values(of_rows((4, 0), (0, 4), (7, 0)), (HALF, HALF))
    exact = (HALF * WEIGHT_ONE * (16 * 8**0.5 - 16 + 8), HALF * WEIGHT_ONE * (-16 + 8))
    assert found[0] == pytest.approx(exact[0], rel=1e-9)
    assert found[1] == exact[1]


def test_the_previous_aggregate_is_projected_out() -> None:
    # along (1, 0) nothing counts: updates (0, 4) and (0, 4), reference (0, 7)
    with_previous = of_rows((9, 4), (-5, 4), (3, 7), (1, 0), previous=True)
    without = of_rows((0, 4), (0, 4), (0, 7))
    assert shapley_reference_values(with_previous, (HALF, HALF)) == shapley_reference_values(without, (HALF, HALF))


def test_long_updates_are_shortened_to_three_times_the_median() -> None:
    third = WEIGHT_ONE // 3
    utility = reference_utility(of_rows((1, 0), (1, 0), (300, 0), (1, 0)), (third,) * 3)
    assert utility.weights == (third, third, third // 100)


@pytest.mark.parametrize("reference", [(0, 0), (3, 0)])
def test_a_reference_without_length_is_worth_nothing(reference: Row) -> None:
    products = of_rows((1, 2), (-3, 1), reference, (1, 0), previous=True)
    assert shapley_reference_values(products, (HALF, HALF)) == (0, 0)
    assert leave_one_out_values(products, (HALF, HALF)) == (0, 0)


def test_scores_run_over_the_rounds() -> None:
    products, weights = of_rows((4, 0), (0, 4), (7, 0)), (HALF, HALF)
    square = 8 * WEIGHT_ONE**2  # |a|^2
    values = shapley_reference_values(products, weights)
    before = remember(b"", TRAINERS, [0, 1 << 80])
    scored = SCORE.score(products, weights, trainers=TRAINERS, memory=before, dimension=MANY)
    first, second = (values[0] << 64) // square, 224 * (1 << 80) // 256 - ((-values[1] << 64) // square)
    assert recall(scored.memory, TRAINERS) == [first, second]
    assert scored.scores == (first, 0)  # what is left of the second's merits is not paid, as it does not agree now


def test_who_did_harm_stays_below_zero_until_it_is_made_good() -> None:
    products, weights = of_rows((4, 0), (0, 4), (7, 0)), (HALF, HALF)
    before = remember(b"", TRAINERS, [-(1 << 80), 0])
    scored = SCORE.score(products, weights, trainers=TRAINERS, memory=before, dimension=MANY)
    assert scored.scores[0] < 0


def test_harm_is_shown_where_the_update_does_not_agree_either() -> None:
    products = of_rows((4, 0), (0, 4), (7, 0))
    before = remember(b"", TRAINERS, [0, -(1 << 80)])
    scored = SCORE.score(products, (HALF, HALF), trainers=TRAINERS, memory=before, dimension=MANY)
    assert scored.scores[1] == recall(scored.memory, TRAINERS)[1] < -(1 << 79)


def test_a_matrix_of_no_updates_with_an_aggregate_of_no_length_has_no_utility() -> None:
    matrix = ((1, -2, 1), (-2, 1, 1), (1, 1, 1))
    assert reference_utility(Products(Layout(2, reference=True), matrix), (HALF, HALF)).pointless


@pytest.mark.parametrize(("dimension", "agrees"), [(9, False), (10, True)])
def test_an_update_agrees_beyond_three_standard_deviations_of_noise(dimension: int, agrees: bool) -> None:
    # 28^2 d > 9 * 49 * 16, the previous aggregate left in
    products = of_rows((4, 0), (0, 4), (7, 0), (1, 0), previous=True)
    assert agree_with_reference(products, dimension) == (agrees, False)
    assert agree_with_reference(of_rows((-4, 0), (0, 0), (7, 0)), dimension) == (False, False)


def test_a_round_without_an_aggregate_teaches_nothing() -> None:
    before = remember(b"", TRAINERS, [5, 6])
    scored = SCORE.score(
        of_rows((1, 0), (-1, 0), (1, 0)), (HALF, HALF), trainers=TRAINERS, memory=before, dimension=MANY
    )
    assert (scored.scores, scored.memory) == ((0, 0), before)


def test_scores_saturate() -> None:
    matrix = ((1, -1, 2**45), (-1, 2, 0), (2**45, 0, 1))  # of no rows: inner product above the lengths
    scored = SCORE.score(Products(Layout(2, True), matrix), (HALF, HALF), trainers=TRAINERS, memory=b"", dimension=MANY)
    assert abs(scored.scores[0]) <= LARGEST


def test_what_is_missing_is_refused() -> None:
    products = of_rows((4, 0), (0, 4), (7, 0))
    with pytest.raises(WrongShape):
        SCORE.score(products, (HALF, HALF), trainers=TRAINERS[:1], memory=b"", dimension=MANY)
    with pytest.raises(RuleNotApplicable):
        SCORE.score(Products.of_updates(products.gram), (HALF, HALF), trainers=TRAINERS, memory=b"", dimension=MANY)
