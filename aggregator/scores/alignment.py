"""Agreement with independent others: the score without a reference row that divides the payment floor."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.products import IntMatrix, Products
from aggregator.residuals import truncated_quotient, without_previous
from aggregator.scores.base import Formula


def alignment_scores(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``a_i = w_i sum_j w_j K_ij`` with ``K_ij = g'_ij (1 - cos'^2_ij)``.

    Dashes mean that the previous aggregate is projected out (:mod:`aggregator.residuals`); ``cos'^2_ij`` is
    ``g'_ij^2 / (g'_ii g'_jj)``. The inner product pays for pointing where others point, weighed by how far they are
    from being the same vector: one's own copy, exact or scaled, counts as oneself and pays nothing; an update's own
    noise pays nothing, as it is orthogonal to everybody else's; a zero update or a replay of the previous aggregate
    pays nothing. Additive in ``w``: identities with one update earn together what one does, and others what they did.

    The kernel is this project's own; in place of a reference it uses, as CGSV does (Xu et al., NeurIPS 2021), that
    honest updates agree. Magnitudes stay below 2^125: ``|K_ij| <= 2^61``, and the weights' sum is at most 2^32.
    """
    kernel = independent_products(without_previous(products).gram)
    return tuple(
        weight * sum(value * other for value, other in zip(row, weights, strict=True))
        for weight, row in zip(weights, kernel, strict=True)
    )


def independent_products(gram: IntMatrix) -> IntMatrix:
    """Return ``K``: ``g_ij (g_ii g_jj - g_ij^2) / (g_ii g_jj)`` rounded toward zero.

    0 where the second factor is not positive: on the diagonal, for parallel updates, and where a square is 0.
    """
    return tuple(
        tuple(_kernel(value, row[i] * gram[j][j]) for j, value in enumerate(row)) for i, row in enumerate(gram)
    )


def _kernel(product: int, squares: int) -> int:
    rest = squares - product * product
    return truncated_quotient(product * rest, squares) if rest > 0 else 0


ALIGNMENT = Formula("alignment", alignment_scores)
