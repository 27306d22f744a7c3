"""Agreement with independent others, running over the rounds: the score that divides the payment floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from aggregator.errors import OutOfRange
from aggregator.products import IntMatrix, Products
from aggregator.residuals import truncated_quotient, without_previous
from aggregator.running import accumulated, remember
from aggregator.scores.base import Scored, check_shape, weighted_sums
from aggregator.scores.clipping import clip, median_hint
from aggregator.scores.reference_utility import squares_of
from aggregator.scores.shapley_reference import STANDARD_DEVIATIONS, aggregate_square

_WEIGHT_BITS = 32
_VALUE_BITS = 64
_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Novelty:
    """What each update brings that independent others bring, too.

    Attributes
    ----------
    values
        ``x_i``, never negative, in units of ``2**-64``.
    agree
        Whether the update points where others point, by more than chance, the previous aggregate not projected out.

    """

    values: tuple[int, ...]
    agree: tuple[bool, ...]


def novelty(products: Products, weights: Sequence[int], dimension: int, byzantine: int) -> Novelty:
    """Return ``x_i = w_i c_i max(0, s_i - T'_i)``, and whether ``sum of q_j K_ij > 0`` and ``<u_i, b_i> > T_i``.

    ``s_i`` is the winsorised sum of ``q_j K_ij`` over all j: ``K_ij = g'_ij (1 - cos'^2_ij)``, ``cos'^2_ij = g'_ij^2 /
    (g'_ii g'_jj)``, each not below l_i nor above h_i (:func:`bounds_of`). Dashes: the previous aggregate is projected
    out (:mod:`aggregator.residuals`); c and q shorten updates longer than the median
    (:mod:`aggregator.scores.clipping`). The inner product is for pointing where others point, weighed by how far they
    are from being the same vector: one's own copy, exact or scaled, counts as oneself. Where at most f of n trainers of
    equal stake are Byzantine, the bounds lie among what honest trainers share with i: f that agree with each other gain
    nothing by it, and f that point against somebody take nothing away. Splitting an identity changes no sum.

    ``T_i = 3 |u_i| |b_i| / sqrt(d)``, with ``b_i`` the sum of ``q_j u_j`` over all others, is three standard
    deviations of the inner product of b_i and isotropic noise of the length of u_i: noise brings nothing, not even
    what it agrees by chance. Exactly: ``3 isqrt(g_ii B_i / d)`` rounded down, ``B_i = q^T G q - 2 q_i (G q)_i +
    q_i^2 g_ii``, 0 where negative.

    The kernel is this project's own; in place of a reference it uses, as CGSV does (Xu et al., NeurIPS 2021), that
    honest updates agree. Magnitudes stay below 2^125: ``|K_ij| <= 2^61``, and the weights' sum is at most 2^32.
    """
    clipped = clip(squares_of(products), weights, times=1)
    gram = without_previous(products).gram
    kernel = independent_products(gram)
    shared = [
        sum(q * max(least, min(greatest, value)) for q, value in zip(clipped.weights, row, strict=True))
        for row, (least, greatest) in zip(kernel, bounds_of(kernel, weights, byzantine), strict=True)
    ]
    values = tuple(
        weight * (factor * max(value - chance, 0) >> _WEIGHT_BITS)
        for weight, factor, value, (_, chance) in zip(
            weights, clipped.factors, shared, _toward_others(gram, clipped.weights, dimension), strict=True
        )
    )
    plain = weighted_sums(independent_products(products.gram), clipped.weights)
    agree = tuple(
        value > 0 and toward > chance
        for value, (toward, chance) in zip(
            plain, _toward_others(products.gram, clipped.weights, dimension), strict=True
        )
    )
    return Novelty(values, agree)


def bounds_of(kernel: IntMatrix, weights: Sequence[int], byzantine: int) -> list[tuple[int, int]]:
    """Return ``(l_i, h_i)``: the least entry of each row that, with all below it, holds more than f/n of the weight.

    h_i is the greatest that does so with all above it. f is at most ``(n - 1) // 2`` here; both are 0 without weight.
    """
    n, total = len(weights), sum(weights)
    limit = min(byzantine, max(n - 1, 0) // 2) * total
    found = []
    for row in kernel:
        ranked = sorted(zip(row, weights, strict=True))
        found.append((_first_beyond(ranked, n, limit), _first_beyond(ranked[::-1], n, limit)))
    return found


def _first_beyond(ranked: Sequence[tuple[int, int]], n: int, limit: int) -> int:
    held = 0
    for value, weight in ranked:
        held += weight
        if n * held > limit:
            return value
    return 0


def _toward_others(gram: IntMatrix, weights: Sequence[int], dimension: int) -> list[tuple[int, int]]:
    """Return ``<u_i, b_i>`` and ``T_i``."""
    sums = weighted_sums(gram, weights)
    square = max(sum(q * value for q, value in zip(weights, sums, strict=True)), 0)
    found = []
    for i, (q, value) in enumerate(zip(weights, sums, strict=True)):
        others = max(square - 2 * q * value + q * q * gram[i][i], 0)
        found.append((value - q * gram[i][i], STANDARD_DEVIATIONS * isqrt(gram[i][i] * others // dimension)))
    return found


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


@dataclass(frozen=True, slots=True)
class Alignment:
    """The running sum of novelties, each relative to the square of its round's aggregate; no reference row is read.

    ``F_i <- 7/8 F_i + 2^64 x_i / A``, with x of :func:`novelty` and ``A = w^T G w``, quotients rounded down, at most
    2^120. After a few rounds the aggregates of a job share most of their direction, and what is left of honest updates
    no longer agrees within one round: noise would take all of it. Summed over the rounds, what honest trainers showed
    together counts, and zero updates, noise, replays, and replays with noise never earn. The score is ``F_i`` where
    the update has weight and agrees with others in this round by more than chance, else 0: past merit is not paid to
    who sends zeros or noise. Where A is 0, all scores are, and nothing is remembered.

    A is ``w^T G w``, or the sum of all x where that is more: in a round whose updates cancel, A says nothing, and no
    round may outweigh the others by it.

    It promises fairness only where honest updates agree; where trainers' data are very different, it keeps noise,
    replays and zero updates from being paid, and shares the rest roughly (``docs/scores.md``). It is for models of
    some hundred parameters and more: with d below about 60, all agreement might be chance, and nobody is paid.

    Memory: the running values, 0 at first (:mod:`aggregator.running`).
    """

    id: str = "alignment"
    settles: bool = True
    needs_reference: bool = False

    def score(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes],
        memory: bytes,
        dimension: int,
        byzantine: int = 0,
    ) -> Scored:
        """Score n updates, and remember.

        Raises
        ------
        WrongShape
            If there is not one weight and one trainer for each update.
        OutOfRange
            If ``dimension`` is not positive.
        InvalidInput
            If the memory is not one that this score returned.

        """
        check_shape(products, weights, trainers)
        if dimension < 1:
            raise OutOfRange(f"updates have at least one entry, not {dimension}")
        square = aggregate_square(products, weights)
        if square <= 0:
            return Scored((0,) * products.n, memory)
        found = novelty(products, weights, dimension, byzantine)
        unit = max(square, sum(found.values))
        running = accumulated(memory, trainers, [(value << _VALUE_BITS) // unit for value in found.values])
        scores = tuple(
            total if agrees and weight > 0 else 0
            for total, agrees, weight in zip(running, found.agree, weights, strict=True)
        )
        return Scored(scores, remember(memory, trainers, running))

    def hints(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),  # noqa: ARG002
        memory: bytes = b"",  # noqa: ARG002
        dimension: int = 1,  # noqa: ARG002
        byzantine: int = 0,
    ) -> bytes:
        """Return the weighted median of the squared norms, then ``l_i`` and ``h_i`` of each update."""
        kernel = independent_products(without_previous(products).gram)
        bounds = [bound for pair in bounds_of(kernel, weights, byzantine) for bound in pair]
        return median_hint(squares_of(products), weights) + b"".join(
            bound.to_bytes(_WORD_BYTES, "big", signed=True) for bound in bounds
        )
