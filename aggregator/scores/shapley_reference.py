"""Exact Shapley values of the quadratic utility against the owner's reference row, running over the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.residuals import truncated_quotient
from aggregator.running import accumulated, remember
from aggregator.scores.base import Scored, check_shape, weighted_sums
from aggregator.scores.reference_utility import reference_utility, utility_hints

STANDARD_DEVIATIONS = 3
PARTS = 4
"""phi is four times the Shapley value."""
_VALUE_BITS = 64
_LARGEST = 1 << 180
"""No Shapley value of updates that exist comes near; what does not exist is kept from overflowing a word."""


def shapley_reference_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``phi_i = q_i (4 <t, u'_i> - (G' q)_i)``: four times the exact Shapley values, in units of ``2^-64``.

    The utility is :class:`aggregator.scores.reference_utility.ReferenceUtility`. It is quadratic, so the average over
    orders is the average over the two halves of each pair, and the Shapley value (Shapley, 1953) of trainer i is
    ``q_i (<t, u'_i> - (G' q)_i / 4)``. The sum over trainers is four times the utility of all. It is additive in q:
    splitting one identity brings the same. Zero updates and replays have the value 0, noise orthogonal to the rest a
    negative one. Magnitudes stay below 2^129 for updates that exist.
    """
    utility = reference_utility(products, weights)
    if utility.pointless:
        return (0,) * products.n
    return tuple(
        max(-_LARGEST, min(_LARGEST, weight * (4 * toward - value)))
        for weight, toward, value in zip(utility.weights, utility.toward, utility.sums, strict=True)
    )


@dataclass(frozen=True, slots=True)
class ShapleyReference:
    """The running sum of Shapley values, each relative to the square of its round's aggregate.

    ``Phi_i <- 7/8 Phi_i + 2^64 phi_i / A``, with phi of :func:`shapley_reference_values` and ``A = w^T G w``, quotients
    rounded toward zero, magnitudes at most 2^120. Where the sum of all ``|phi| / 4`` is more than A, that is taken
    for A: in a round whose updates cancel, A says nothing, and no round may outweigh the others by it. One round's
    values are noisy, and rounds in which little is new would divide a whole budget by noise; the sum over rounds
    measures what a trainer has brought, and later rounds, which bring less, count less. The score is ``Phi_i``; but a
    positive one counts as 0 where the update does not point where the reference does (:func:`agree_with_reference`):
    who stops contributing stops being paid. Where A is 0, all scores are, and nothing is remembered.

    Memory: the running values, 0 at first (:mod:`aggregator.running`).
    """

    id: str = "shapley-reference"
    settles: bool = True
    needs_reference: bool = True

    def score(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes],
        memory: bytes,
        dimension: int,
        byzantine: int = 0,  # noqa: ARG002
    ) -> Scored:
        """Score n updates, and remember.

        Raises
        ------
        WrongShape
            If there is not one weight and one trainer for each update.
        RuleNotApplicable
            If there is no reference row.
        InvalidInput
            If the memory is not one that this score returned.

        """
        check_shape(products, weights, trainers)
        values = shapley_reference_values(products, weights)
        square = aggregate_square(products, weights)
        if square <= 0:
            return Scored((0,) * products.n, memory)
        unit = max(square, sum(map(abs, values)) // PARTS)
        additions = [truncated_quotient(value << _VALUE_BITS, unit) for value in values]
        running = accumulated(memory, trainers, additions)
        agree = agree_with_reference(products, dimension)
        scores = tuple(total if agrees else min(total, 0) for total, agrees in zip(running, agree, strict=True))
        return Scored(scores, remember(memory, trainers, running))

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


def agree_with_reference(products: Products, dimension: int) -> tuple[bool, ...]:
    """Return whether ``<r, u_i>`` is above ``3 |r| |u_i| / sqrt(d)``, three standard deviations of noise for u_i.

    The previous aggregate is not projected out: in one round, the sign of what is left without it is noise for honest
    trainers, too.

    Raises
    ------
    RuleNotApplicable
        If there is no reference row.

    """
    reference = products.reference
    if reference is None:
        raise RuleNotApplicable("this score needs a reference row")
    return tuple(
        product > 0 and dimension * product**2 > STANDARD_DEVIATIONS**2 * reference.square * products.matrix[i][i]
        for i, product in enumerate(reference.products)
    )


def aggregate_square(products: Products, weights: Sequence[int]) -> int:
    """Return ``w^T G w``, the square of the aggregate in units of ``2^-64``; nothing is projected out."""
    sums = weighted_sums(products.gram, weights)
    return sum(weight * value for weight, value in zip(weights, sums, strict=True))
