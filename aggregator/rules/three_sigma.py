"""The sigma rule: drops updates whose distance to the Krum mean is out of the ordinary among all distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from aggregator.products import Products
from aggregator.rules.base import Decision, stake_weights
from aggregator.rules.distances import tolerated
from aggregator.rules.multi_krum import krum_scores, ranking

_LENGTH_BITS = 32
"""Distances are integers in units of ``2**-32`` of an update's entry."""


@dataclass(frozen=True, slots=True)
class ThreeSigma:
    """The cross-client check of Han et al., "Kick Bad Guys Out" (2023), as FedML's ``ThreeSigmaKrumDefense`` has it.

    The centre is the plain mean of the ``m = ceil(n / 2) - 1`` updates with the smallest Krum scores, counted over as
    many neighbours; f is not used. With ``d_i`` an update's distance to the centre, ``mu`` the mean of all n distances
    and ``sigma`` their standard deviation with ``n - 1`` in the denominator, updates with ``d_i > mu + bound * sigma``
    are dropped; the side below is not cut. One pass: the distances are fitted once, dropped ones included, and what is
    left is not fitted anew (FedML calls this its third version; its first two kept distances of earlier rounds).

    The bound. The name promises three, FedML's code has one, and one is used: of n updates, f outliers at one distance
    lie less than ``sqrt((n - f) / f)`` deviations above the mean, so with three no group above a tenth is ever dropped,
    and with n <= 10 nobody at all. The price of one: about a sixth of honest updates is dropped as well.

    Departures. FedML looks at one layer of the network only, and carries the mean of what it kept over to the next
    round as its centre; here all entries count, and each round stands for itself. Kept updates weigh by stake.

    Exact: distances are integer square roots in units of ``2**-32``, and the comparison is one of squares. For
    comparison: no contract checks it.

    Attributes
    ----------
    bound
        Number of standard deviations.

    """

    id: str = "three-sigma"
    bound: int = 1
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Accept those of n >= 3 updates whose distance to the centre is at most mu + bound * sigma."""
        n = len(stakes)
        tolerated(byzantine, n)
        lengths = self._lengths(products, (n + 1) // 2 - 1)
        total = sum(lengths)
        # (n - 1) n^2 sigma^2, and the threshold (n d - sum d)^2 (n - 1) > bound^2 n (n sum d^2 - (sum d)^2).
        spread = self.bound**2 * n * (n * sum(length * length for length in lengths) - total * total)
        above = (n * length - total for length in lengths)
        accepted = tuple(excess <= 0 or excess * excess * (n - 1) <= spread for excess in above)
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return nothing: no contract asks."""
        return b""

    def _lengths(self, products: Products, count: int) -> list[int]:
        """Return ``floor(2**32 |u_i - c|)``, c the mean of the ``count`` updates with the smallest Krum scores."""
        gram = products.gram
        chosen = ranking(krum_scores(gram, neighbours=count))[:count]
        own = sum(gram[i][j] for i in chosen for j in chosen)
        squares = (count * count * row[i] - 2 * count * sum(row[j] for j in chosen) + own for i, row in enumerate(gram))
        return [isqrt((max(square, 0) << 2 * _LENGTH_BITS) // (count * count)) for square in squares]
