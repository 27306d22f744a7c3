"""Exact Shapley values of the quadratic utility against the owner's reference row."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.residuals import truncated_quotient, without_previous
from aggregator.scores.base import Formula, weighted_sums

_FRACTION_BITS = 64


def shapley_reference_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i (4 t_i - (G' w)_i)``: four times the exact Shapley values, in units of ``2^-64``.

    The utility of a coalition S is ``v(S) = <t, u'_S> - |u'_S|^2 / 4`` with ``u_S = sum of w_i u_i over S``, and t the
    reference row brought to the length of the aggregate: ``<t, u'_i> = t_i`` (:func:`toward_reference`). So the length
    of the reference, which says little about how long a step should be, decides nothing. Being quadratic, the utility
    has the Shapley value (Shapley, 1953) ``w_i (t_i - (G' w)_i / 4)``. Dashes mean that the previous aggregate is
    projected out (:mod:`aggregator.residuals`), so that a replay of what everybody knows earns nothing.

    The curvature is half of that of the utility whose best step is t itself: measured against retraining without a
    trainer, it ranks best (``docs/scores.md``). The sum over trainers is four times the utility of all; the score is
    additive in ``w``: splitting one identity earns the same; an update that is zero, or orthogonal to the reference,
    earns nothing. Where the aggregate or the reference has no length left, all is 0. Magnitudes stay below 2^195.
    """
    rows = without_previous(products)
    sums = weighted_sums(rows.gram, weights)
    toward = toward_reference(rows, weights, sums)
    if toward is None:
        return (0,) * products.n
    return tuple(w * (4 * t - value) for w, t, value in zip(weights, toward, sums, strict=True))


def toward_reference(rows: Products, weights: Sequence[int], sums: Sequence[int]) -> list[int] | None:
    """Return ``t_i = <r, u_i> |a| / |r|`` in units of ``2^-32``: inner products with r at the aggregate's length.

    Exactly: ``<r, u_i> * floor(sqrt(floor(2^128 w^T G w / |r|^2))) / 2^64`` rounded toward zero. None where the
    aggregate ``a = sum of w_i u_i`` or the reference has no length.

    Parameters
    ----------
    rows
        Inner products of the updates and of the reference.
    sums
        ``G w``.

    Raises
    ------
    RuleNotApplicable
        If there is no reference row.

    """
    if rows.reference is None:
        raise RuleNotApplicable("this score needs a reference row")
    square = sum(weight * value for weight, value in zip(weights, sums, strict=True))
    if square <= 0 or rows.reference.square <= 0:
        return None
    ratio = isqrt((square << 2 * _FRACTION_BITS) // rows.reference.square)
    return [truncated_quotient(product * ratio, 1 << _FRACTION_BITS) for product in rows.reference.products]


SHAPLEY_REFERENCE = Formula("shapley-reference", shapley_reference_values, needs_reference=True)
