"""Leave-one-out on the quadratic utility: what the round would lose without a trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.products import Products
from aggregator.residuals import without_previous
from aggregator.scores.base import Scored, check_shape
from aggregator.scores.reference_utility import reference_utility, utility_hints
from aggregator.scores.shapley_reference import agree_with_reference


def leave_one_out_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``q_i (4 <t, u'_i> - 2 (G' q)_i + q_i g'_ii)``: four times ``v(all) - v(all but i)``, units of ``2^-64``.

    The utility v is :class:`aggregator.scores.reference_utility.ReferenceUtility`; its weights, and the length of t,
    stay what they are with all. Where updates agree each is dispensable, so that k identities with one update earn
    together less than one does. It needs a reference row: with the aggregate in its place the value would be a
    multiple of ``q_i^2 g'_ii``, the price of length. Magnitudes stay below 2^195.
    """
    utility = reference_utility(products, weights)
    if utility.pointless:
        return (0,) * products.n
    return tuple(
        weight * (4 * toward - 2 * value + weight * utility.gram[i][i])
        for i, (weight, toward, value) in enumerate(zip(utility.weights, utility.toward, utility.sums, strict=True))
    )


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """The values of :func:`leave_one_out_values`, positive ones only where the update agrees with the reference.

    Where every honest update is dispensable, all honest values are negative, and whoever sends next to nothing would
    have the only positive one, and with it the whole pay. So a positive value counts as 0 unless
    :func:`aggregator.scores.shapley_reference.agree_with_reference` holds, with the previous aggregate projected out of
    update and reference. No memory.
    """

    id: str = "leave-one-out"
    settles: bool = True
    needs_reference: bool = True

    def score(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),  # noqa: ARG002
        memory: bytes = b"",  # noqa: ARG002
        dimension: int,
        byzantine: int = 0,  # noqa: ARG002
    ) -> Scored:
        """Score n updates.

        Raises
        ------
        WrongShape
            If there is not one weight for each update.
        RuleNotApplicable
            If there is no reference row.

        """
        check_shape(products, weights)
        values = leave_one_out_values(products, weights)
        agree = agree_with_reference(without_previous(products), dimension)
        return Scored(tuple(value if ok else min(value, 0) for value, ok in zip(values, agree, strict=True)))

    def hints(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),  # noqa: ARG002
        memory: bytes = b"",  # noqa: ARG002
        dimension: int = 1,  # noqa: ARG002
        byzantine: int = 0,  # noqa: ARG002
    ) -> bytes:
        """Return the weighted median of the squared norms, one word."""
        return utility_hints(products, weights)
