"""Krum: accepts the one update that lies closest to its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.products import Products
from aggregator.rules.base import Decision, stake_weights
from aggregator.rules.distances import tolerated
from aggregator.rules.multi_krum import krum_scores


@dataclass(frozen=True, slots=True)
class Krum:
    """Krum of Blanchard, El Mhamdi, Guerraoui and Stainer (NeurIPS 2017), section 4.

    Outputs the update with the smallest Krum score, the sum of its squared distances to its ``n - f - 2`` nearest other
    updates; of equal scores, the first. byzfl counts ``n - f`` neighbours, the update itself included, and flwr
    ``n - f - 2``; the paper's count is used, as in Multi-Krum, and f is capped in the same way.

    For comparison: no contract checks it, as paying a single trainer is no way to divide a budget.
    """

    id: str = "krum"
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Accept one of n >= 3 updates."""
        n = len(stakes)
        scores = krum_scores(products.gram, neighbours=n - tolerated(byzantine, n) - 2)
        chosen = min(range(n), key=scores.__getitem__)
        accepted = tuple(i == chosen for i in range(n))
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return nothing: no contract asks."""
        return b""
