"""The default rule of jobs with a reference row: accepts whose updates have been of marginal value over the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from operator import mul

from aggregator.errors import RuleNotApplicable, WrongShape
from aggregator.products import ExtraRow, Products
from aggregator.residuals import truncated_quotient
from aggregator.rules.base import Decision
from aggregator.rules.weighing import LENGTH_BITS, clip_factors, clipped_shares, length_of, lower_median, words
from aggregator.running import recall, remember, saturated

KEPT, OF = 49, 50
"""The share of a running value that a round leaves as it was: 0.98."""
REFERENCE_BITS = 33
"""The reference counts twice, which is the others by half, in units of ``2**-32``."""
VALUE_BITS = 64
"""Running values are in units of ``2**-64``."""


@dataclass(frozen=True, slots=True)
class MarginalValue:
    """Accepts updates whose trainers' running marginal value is positive; clips them to the median norm.

    An update's marginal value is what it adds to the quadratic utility ``<r, u> - |u|**2 / 4`` of the aggregate u,
    its own square left out, with r the owner's reference row brought to the updates' median norm: ``<r, u_i>`` less
    half its inner products with what all others bring. Comparing updates with each other alone cannot tell attackers
    from unusual honest trainers; the sign of this can. Updates that cancel r (sign or label flips, IPM) lose by the
    first term, colluders that pile up in one direction (ALIE) by the second; honest trainers with classes of their
    own agree with r and cancel each other. One round's sign is noisy, so the running mean over rounds decides. In
    exact integers, with b the stakes' shares of all n, M the stake-weighted lower median of the squared norms,
    ``L(x) = floor(2**32 sqrt(x))``, and quotients rounded toward zero, ::

        c_i = 2**32 where G_ii <= M, else floor(sqrt(2**64 M / G_ii));    q_i = floor(b_i c_i / 2**32)
        m_i = 2**33 <r, u_i> L(M) / L(<r, r>) - sum of q_j G_ij over j other than i
        x_i = 2**32 m_i / L(G_ii), or 0 for a zero update
        y_i = 2**64 x_i / floor(sqrt(sum of x_j**2))                      (no round moves a value by more than 1)
        e_i = (49 e_i + y_i) / 50

    Accepted are updates with ``e_i > 0``, unless zero; their weights are their stakes' shares among each other, times
    c_i. Where nobody is accepted, all weights are 0 and the model stays as it is.

    Only r's direction counts: how far the owner trained it says nothing. *Without a reference row* (the owner's was
    unusable), or with one of zeros, the running values stay as they are, and decide. Where none is positive, as in a
    job's first rounds, all updates are accepted: centred clipping.

    Memory: the running values e, 0 at first (:mod:`aggregator.running`). Nobody gets rid of a value by staying away; a
    new address costs a stake. Cost: O(n^2), no iterations.
    """

    id: str = "marginal-value"
    settles: bool = True
    needs_reference: bool = True
    needs_history: bool = False

    def decide(
        self,
        products: Products,
        byzantine: int,  # noqa: ARG002
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",
    ) -> Decision:
        """Decide on n >= 1 updates, and remember.

        Raises
        ------
        RuleNotApplicable
            If there is no update.
        WrongShape
            If there is not one stake and one trainer for each update.
        InvalidInput
            If the memory is not one that this rule returned.

        """
        squares = _squares(products, stakes, trainers)
        limit = lower_median(squares, stakes)
        clips = clip_factors(squares, limit)
        values = recall(memory, trainers)
        reference = products.reference
        if reference is None or reference.square == 0:
            accepted = _positive(values, squares)
            return _weighed(accepted if any(accepted) else [True] * products.n, stakes, clips, memory)
        shares = clipped_shares([True] * products.n, stakes, clips)
        now = _normalised(_marginals(products, reference, shares, length_of(limit)))
        values = [saturated(truncated_quotient(KEPT * old + new, OF)) for old, new in zip(values, now, strict=True)]
        return _weighed(_positive(values, squares), stakes, clips, remember(memory, trainers, values))

    def hints(
        self,
        products: Products,
        byzantine: int,  # noqa: ARG002
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",  # noqa: ARG002
    ) -> bytes:
        """Return M."""
        return words((lower_median(_squares(products, stakes, trainers), stakes),))


def _marginals(products: Products, reference: ExtraRow, shares: Sequence[int], radius: int) -> list[int]:
    """Return ``x_i``; ``shares`` are q, ``radius`` is L(M)."""
    length, found = length_of(reference.square), []
    for i, (row, product) in enumerate(zip(products.gram, reference.products, strict=True)):
        others = sum(map(mul, row, shares)) - shares[i] * row[i]
        marginal = truncated_quotient(product * radius << REFERENCE_BITS, length) - others
        found.append(truncated_quotient(marginal << LENGTH_BITS, length_of(row[i])) if row[i] else 0)
    return found


def _normalised(values: Sequence[int]) -> list[int]:
    """Return ``y_i``."""
    norm = isqrt(sum(value * value for value in values))
    return [truncated_quotient(value << VALUE_BITS, norm) if norm else 0 for value in values]


def _weighed(accepted: Sequence[bool], stakes: Sequence[int], clips: Sequence[int], memory: bytes) -> Decision:
    return Decision(tuple(accepted), clipped_shares(accepted, stakes, clips), memory)


def _positive(values: Sequence[int], squares: Sequence[int]) -> list[bool]:
    return [value > 0 and square > 0 for value, square in zip(values, squares, strict=True)]


def _squares(products: Products, stakes: Sequence[int], trainers: Sequence[bytes]) -> list[int]:
    """Return the squared norms of the updates, after checking that there are some."""
    if not stakes:
        raise RuleNotApplicable("the rule needs an update")
    if not len(stakes) == len(trainers) == products.n:
        raise WrongShape(f"{len(stakes)} stakes and {len(trainers)} trainers for {products.n} updates")
    return [products.matrix[i][i] for i in range(products.n)]
