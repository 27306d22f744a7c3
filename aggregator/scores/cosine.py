"""Cosine to the aggregate: the contribution measure of CGSV."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from aggregator.products import Products
from aggregator.scores.base import Formula, weighted_sums

_COSINE_BITS = 32


def cosine_scores(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i cos(u_i, a)``, the cosine in units of ``2^-32``; ``a = sum of w_j u_j`` is the aggregate.

    The cosine gradient Shapley value of Xu, Lyu, Ma, Miao, Foo and Low (NeurIPS 2021, section 3) approximates a
    trainer's Shapley value by the cosine of its update to the aggregate. Departures: the cosine is multiplied by the
    weight, as otherwise an identity split in k would be paid k times; and nothing is averaged over rounds (the score
    "reputation" does that). As published it pays replays of the previous aggregate, and noise for its own part of the
    aggregate.

    Exactly: ``w_i`` times the sign of ``(G w)_i`` times ``isqrt(2^64 (G w)_i^2 / (g_ii w^T G w))``, roots and quotients
    rounded down, 0 where the update or the aggregate has no length. Magnitudes stay below 2^160.
    """
    gram = products.gram
    sums = weighted_sums(gram, weights)
    square = sum(weight * value for weight, value in zip(weights, sums, strict=True))
    return tuple(
        weight * _cosine(value, gram[i][i], square) for i, (weight, value) in enumerate(zip(weights, sums, strict=True))
    )


def _cosine(product: int, square: int, other_square: int) -> int:
    if square <= 0 or other_square <= 0:
        return 0
    cosine = isqrt((product * product << 2 * _COSINE_BITS) // (square * other_square))
    return cosine if product >= 0 else -cosine


COSINE = Formula("cosine", cosine_scores)
