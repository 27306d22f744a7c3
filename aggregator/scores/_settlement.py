"""The names that the settlement takes from here."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.gram import GramMatrix
from aggregator.products import Products
from aggregator.scores.shapley import shapley_values

SHAPLEY = "shapley"


def shapley(gram: GramMatrix, weights: Sequence[int]) -> tuple[int, ...]:
    """Return the scores of :func:`aggregator.scores.shapley.shapley_values` of an int64 matrix."""
    return shapley_values(Products.of_updates(gram.tolist()), weights)


def payouts_rounded_down(scores: Sequence[int], budget: int) -> tuple[int, ...]:
    """Split ``budget`` in proportion to the positive scores, rounding down; nothing where no score is positive."""
    total = sum(score for score in scores if score > 0)
    if total == 0:
        return (0,) * len(scores)
    return tuple(budget * max(score, 0) // total for score in scores)
