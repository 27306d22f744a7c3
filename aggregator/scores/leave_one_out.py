"""Leave-one-out on the quadratic utility: what the round would lose without a trainer."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.products import Products
from aggregator.scores.base import Formula
from aggregator.scores.reference_utility import reference_utility, utility_hints

REPLAY_BITS = 5


def leave_one_out_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``q_i (4 <t, u'_i> - 2 (G' q)_i + q_i g'_ii)``: four times ``v(all) - v(all but i)``, units of ``2^-64``.

    The utility v is :class:`aggregator.scores.reference_utility.ReferenceUtility`; its weights, and the length of t,
    stay what they are with all. Where updates agree each is dispensable, so that k identities with one update earn
    together less than one does. It needs a reference row: with the aggregate in its place the value would be a
    multiple of ``q_i^2 g'_ii``, the price of length. No memory. Magnitudes stay below 2^195.

    Where everybody is dispensable, a positive value of next to nothing would be the only one: a positive value counts
    as 0 where ``32 g'_ii <= g_ii``, as what is left of a replay of the previous aggregate is rounding.
    """
    utility = reference_utility(products, weights)
    if utility.pointless:
        return (0,) * products.n
    values = []
    for i, (weight, toward, value) in enumerate(zip(utility.weights, utility.toward, utility.sums, strict=True)):
        own = utility.gram[i][i]
        total = weight * (4 * toward - 2 * value + weight * own)
        values.append(min(total, 0) if own << REPLAY_BITS <= products.matrix[i][i] else total)
    return tuple(values)


LEAVE_ONE_OUT = Formula("leave-one-out", leave_one_out_values, needs_reference=True, ask=utility_hints)
