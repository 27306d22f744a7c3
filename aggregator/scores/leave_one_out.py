"""Leave-one-out on the quadratic utility: what the round would lose without a trainer."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.residuals import without_previous
from aggregator.scores.base import WEIGHT_ONE, Formula, weighted_sums


def leave_one_out_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i (2 <r', u'_i> 2^32 - 2 (G' w)_i + w_i g'_ii)``: twice ``v(all) - v(all but i)``.

    The utility ``v`` is that of :mod:`aggregator.scores.shapley_reference`; weights stay as they are, in units of
    ``2^-64``. Where updates agree each is dispensable, so k identities with one update earn together less than one
    does. It needs a reference row: with the aggregate in its place the value is ``w_i^2 g'_ii``, the price of length.
    Magnitudes stay below 2^162.
    """
    rows = without_previous(products)
    if rows.reference is None:
        raise RuleNotApplicable("this score needs a reference row")
    gram = rows.gram
    sums = weighted_sums(gram, weights)
    return tuple(
        weight * (2 * WEIGHT_ONE * toward - 2 * value + weight * gram[i][i])
        for i, (weight, toward, value) in enumerate(zip(weights, rows.reference.products, sums, strict=True))
    )


LEAVE_ONE_OUT = Formula("leave-one-out", leave_one_out_values, needs_reference=True)
