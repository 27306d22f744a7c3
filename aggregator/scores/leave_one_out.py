"""Leave-one-out on the quadratic utility: what the round would lose without a trainer."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.products import Products
from aggregator.residuals import without_previous
from aggregator.scores.base import Formula, weighted_sums
from aggregator.scores.shapley_reference import toward_reference


def leave_one_out_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i (4 t_i - 2 (G' w)_i + w_i g'_ii)``: four times ``v(all) - v(all but i)``, units of ``2^-64``.

    The utility ``v`` is that of :mod:`aggregator.scores.shapley_reference`; weights, and the length of the reference,
    stay what they are with all. Where updates agree each is dispensable, so k identities with one update earn together
    less than one does. It needs a reference row: with the aggregate in its place the value would be a multiple of
    ``w_i^2 g'_ii``, the price of length. Where the aggregate or the reference has no length left, all is 0. Magnitudes
    stay below 2^195.
    """
    rows = without_previous(products)
    gram = rows.gram
    sums = weighted_sums(gram, weights)
    toward = toward_reference(rows, weights, sums)
    if toward is None:
        return (0,) * products.n
    return tuple(
        weight * (4 * t - 2 * value + weight * gram[i][i])
        for i, (weight, t, value) in enumerate(zip(weights, toward, sums, strict=True))
    )


LEAVE_ONE_OUT = Formula("leave-one-out", leave_one_out_values, needs_reference=True)
