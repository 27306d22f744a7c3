"""Bristle's distance prioritiser: mostly near updates, a few from far away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aggregator.products import Products
from aggregator.rules.base import Decision, stake_weights
from aggregator.rules.distances import tolerated
from aggregator.rules.multi_krum import krum_scores, ranking

_SHARES = (9, 12, 4)
"""(1 - a)^2, 2 a (1 - a) and a^2 in 1/25, for a = 0.4: what is taken of the near, middle and far third."""
_WHOLE = 25


@dataclass(frozen=True, slots=True)
class Bristle:
    """The distance-based prioritiser of Verbraeken, de Vos and Pouwelse, "Bristle" (2021), and that alone.

    A peer orders the others' models by their distance to its own, splits them into thirds, and passes on a share of
    each: of N models ``(1 - a)^2 N`` near, ``2 a (1 - a) N`` in the middle and ``a^2 N`` far ones, ``a = 0.4`` as in
    the authors' code, so that unusual but honest peers are heard. Shares are rounded to the nearest integer, and no
    more is taken than a third has.

    Bristle then weighs what was passed on by measured accuracy for each class (its performance-based integrator). That
    needs data and models, not inner products, so it is not here, and without it nothing stops the far attackers that
    the prioritiser lets in: a rule to compare with, not to rely on.

    Departures. Nobody has a model of its own here: the reference row takes its place if it is there, otherwise Krum's
    choice does. N is ``n - f``. The authors draw at random within a third; here the nearest are taken, of equal ones
    the first, so that anybody gets the same. What was passed on weighs by stake.
    """

    id: str = "bristle"
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Accept up to about n - f of n >= 3 updates; fewer where the middle third is too small for its share."""
        n = len(stakes)
        f = tolerated(byzantine, n)
        nearest = ranking(_distances_to_anchor(products, f))
        bounds = (0, n // 3, 2 * n // 3, n)
        thirds = [nearest[first:last] for first, last in pairwise(bounds)]
        taken = [(2 * share * (n - f) + _WHOLE) // (2 * _WHOLE) for share in _SHARES]
        chosen = {i for third, count in zip(thirds, taken, strict=True) for i in third[:count]}
        accepted = tuple(i in chosen for i in range(n))
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return nothing: no contract asks."""
        return b""


def _distances_to_anchor(products: Products, f: int) -> list[int]:
    """Return squared distances to the reference row, else to Krum's choice; the anchor's own square is left out."""
    gram = products.gram
    if products.reference:
        toward: Sequence[int] = products.reference.products
    else:
        toward = gram[ranking(krum_scores(gram, neighbours=products.n - f - 2))[0]]
    return [row[i] - 2 * toward[i] for i, row in enumerate(gram)]
