"""Cosine to the aggregate: the contribution measure of CGSV."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from aggregator.products import Products
from aggregator.residuals import truncated_quotient, without_previous
from aggregator.scores.base import WEIGHT_ONE, Formula, weighted_sums


def cosine_scores(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i cos(u'_i, A')``, the cosine in units of ``2^-32``; ``A = sum of w_j u_j`` is the aggregate.

    The cosine gradient Shapley value of Xu, Lyu, Ma, Miao, Foo and Low (NeurIPS 2021, section 3) approximates a
    trainer's Shapley value by the cosine of its update to the aggregate. Departures: the previous aggregate is
    projected out first (dashes; :mod:`aggregator.residuals`); the cosine is multiplied by the weight, as otherwise an
    identity split in k would be paid k times; and nothing is averaged over rounds (the score "reputation" does that).

    Exactly: ``w_i * trunc(2^32 (G' w)_i / isqrt(g'_ii w^T G' w))``, 0 where the update or the aggregate has no length.
    Magnitudes stay below 2^162.
    """
    gram = without_previous(products).gram
    sums = weighted_sums(gram, weights)
    square = sum(weight * value for weight, value in zip(weights, sums, strict=True))
    return tuple(
        weight * _cosine(value, gram[i][i], square) for i, (weight, value) in enumerate(zip(weights, sums, strict=True))
    )


def _cosine(product: int, square: int, other_square: int) -> int:
    if square <= 0 or other_square <= 0:
        return 0
    return truncated_quotient(WEIGHT_ONE * product, isqrt(square * other_square))


COSINE = Formula("cosine", cosine_scores)
