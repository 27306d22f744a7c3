"""The quadratic utility of a round's updates against the owner's reference row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from aggregator.errors import RuleNotApplicable
from aggregator.products import IntMatrix, Products
from aggregator.residuals import without_previous
from aggregator.scores.base import weighted_sums
from aggregator.scores.clipping import clip, median_hint

TIMES_MEDIAN = 3
"""Updates longer than this many times the median length are shortened to it."""
_RATIO_BITS = 32


@dataclass(frozen=True, slots=True)
class ReferenceUtility:
    """``v(S) = <t, a_S> - |a_S|**2 / 4`` with ``a_S = sum of q_i u'_i over S``.

    Dashes mean that the previous aggregate is projected out (:mod:`aggregator.residuals`), so that a replay of what
    everybody knows brings nothing. The weights q are the rule's, with updates longer than three times the median
    shortened (:mod:`aggregator.scores.clipping`), so that a scaled update brings little more. t is the reference row
    at the length of the aggregate ``a`` of all: its length, which says little about how long a step should be, decides
    nothing. The curvature is half of that of the utility whose best step is t itself: measured against retraining
    without a trainer, and against noise, it serves best (``docs/scores.md``).

    Attributes
    ----------
    weights
        ``q``, in units of ``2**-32``.
    toward
        ``<t, u'_i> = <r', u'_i> |a| / |r'|`` in units of ``2**-32``. Exactly: ``<r', u'_i> isqrt(2**64 q^T G' q /
        |r'|**2) >> 32``; all 0 where a or r' has no length.
    sums
        ``(G' q)_i``, in units of ``2**-32``.
    gram
        ``G'``.
    pointless
        Whether a or r' has no length; there is no utility then, and all is worth nothing.

    """

    weights: tuple[int, ...]
    toward: tuple[int, ...]
    sums: tuple[int, ...]
    gram: IntMatrix
    pointless: bool


def reference_utility(products: Products, weights: Sequence[int]) -> ReferenceUtility:
    """Return the utility of a round's updates.

    Raises
    ------
    RuleNotApplicable
        If there is no reference row.

    """
    rows = without_previous(products)
    if rows.reference is None:
        raise RuleNotApplicable("this score needs a reference row")
    clipped = clip(squares_of(products), weights, times=TIMES_MEDIAN).weights
    sums = weighted_sums(rows.gram, clipped)
    square = sum(weight * value for weight, value in zip(clipped, sums, strict=True))
    pointless = square <= 0 or rows.reference.square <= 0
    ratio = 0 if pointless else isqrt((square << 2 * _RATIO_BITS) // rows.reference.square)
    toward = tuple(product * ratio >> _RATIO_BITS for product in rows.reference.products)
    return ReferenceUtility(clipped, toward, tuple(sums), rows.gram, pointless)


def squares_of(products: Products) -> list[int]:
    """Return the updates' squared norms."""
    return [products.matrix[i][i] for i in range(products.n)]


def utility_hints(products: Products, weights: Sequence[int]) -> bytes:
    """Return what a contract wants beside the products: the weighted median."""
    return median_hint(squares_of(products), weights)
