"""Shapley values without a reference row, by hand."""

from __future__ import annotations

from aggregator.products import Products
from aggregator.scores import get_score
from aggregator.scores.shapley import shapley_values


def test_score_is_weight_times_inner_product_with_the_aggregate() -> None:
    updates, weights = [(1, 2), (3, -1), (0, 0)], (2, 5, 7)
    aggregate = (2 * 1 + 5 * 3, 2 * 2 - 5)
    gram = [[a[0] * b[0] + a[1] * b[1] for b in updates] for a in updates]
    expected = (2 * (aggregate[0] + 2 * aggregate[1]), 5 * (3 * aggregate[0] - aggregate[1]), 0)
    assert shapley_values(Products.of_updates(gram), weights) == expected


def test_scores_of_extreme_matrices_are_exact() -> None:
    gram = [[2**61 - 1] * 64] * 64
    weight = 2**26
    assert shapley_values(Products.of_updates(gram), [weight] * 64) == (weight * 64 * weight * (2**61 - 1),) * 64


def test_an_update_against_the_aggregate_scores_below_zero() -> None:
    gram = ((1, 1, -1), (1, 1, -1), (-1, -1, 1))
    assert shapley_values(Products.of_updates(gram), (1, 1, 1)) == (1, 1, -1)


def test_nothing_is_remembered_and_no_hint_wanted() -> None:
    score, products = get_score("shapley"), Products.of_updates(((4,),))
    assert score.score(products, (3,), trainers=[bytes(20)], memory=b"", dimension=3).memory == b""
    assert score.hints(products, (3,), trainers=[bytes(20)], memory=b"", dimension=3) == b""
