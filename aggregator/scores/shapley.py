"""Exact Shapley values of the quadratic utility, with the aggregate itself as the reference."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.products import Products
from aggregator.scores.base import Formula, weighted_sums


def shapley_values(products: Products, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``s_i = w_i (G w)_i``: twice the exact Shapley values of the quadratic utility.

    For ``v(S) = <r, u_S> - (L/2) |u_S|^2`` with ``u_S = sum of w_i u_i over S``, the Shapley value (Shapley, 1953) of
    trainer i is ``w_i (<r, u_i> - (L/2) (G w)_i)``: the utility is quadratic, so the average over orders is the
    average over the two halves of each pair. Without a reference row the robust aggregate itself is the reference,
    ``<r, u_i> = (G w)_i``, and with L = 1 the value is half of ``s_i``. The factor cancels in payouts.

    The sum over trainers is ``|sum w_i u_i|^2``, and the score is additive in ``w``: splitting one identity into
    several with the same total stake and update earns the same. Magnitudes stay below 2^128: ``|g_ij| <= 2^61``, and
    the weights' sum is at most 2^32.
    """
    sums = weighted_sums(products.gram, weights)
    return tuple(weight * value for weight, value in zip(weights, sums, strict=True))


SHAPLEY = Formula("shapley", shapley_values)
