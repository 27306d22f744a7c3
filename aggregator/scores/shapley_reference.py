"""Exact Shapley values of the quadratic utility against the owner's reference row."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.residuals import without_previous
from aggregator.scores.base import WEIGHT_ONE, Formula, weighted_sums


def shapley_reference_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i (2 <r', u'_i> 2^32 - (G' w)_i)``: twice the exact Shapley values, in units of ``2^-64``.

    The utility of a coalition S is ``v(S) = <r', u'_S> - |u'_S|^2 / 2``, ``u_S = sum of w_i u_i over S``: how far the
    step ``u_S`` brings the model towards ``r``, ``(|r'|^2 - |r' - u'_S|^2) / 2``. Being quadratic, its Shapley value
    (Shapley, 1953) is ``w_i (<r', u'_i> - (G' w)_i / 2)``. Dashes mean that the previous aggregate is projected out
    (:mod:`aggregator.residuals`), so that what everybody knows already earns nothing.

    The sum over trainers is twice the utility of all; the score is additive in ``w``: splitting one identity earns the
    same; an update that is zero, or orthogonal to the reference and to the aggregate, earns nothing. Magnitudes stay
    below 2^162: ``|<r', u'_i>| <= 2^95`` and weights are at most 2^32.
    """
    rows = without_previous(products)
    if rows.reference is None:
        raise RuleNotApplicable("this score needs a reference row")
    sums = weighted_sums(rows.gram, weights)
    return tuple(
        weight * (2 * WEIGHT_ONE * toward - value)
        for weight, toward, value in zip(weights, rows.reference.products, sums, strict=True)
    )


SHAPLEY_REFERENCE = Formula("shapley-reference", shapley_reference_values, needs_reference=True)
