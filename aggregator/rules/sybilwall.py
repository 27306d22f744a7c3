"""SybilWall's aggregation: FoolsGold's voices beside the current model, which keeps a voice of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.products import Products
from aggregator.rules.base import WEIGHT_ONE, Decision
from aggregator.rules.foolsgold import foolsgold_voices, running_sums
from aggregator.similarity import SIMILARITY_ONE


@dataclass(frozen=True, slots=True)
class SybilWall:
    """The aggregation of SybilWall (Werthenbach and Pouwelse, arXiv 2306.15044, 2023), seen from one node.

    There, a node scores its neighbours' models by FoolsGold's similarity of their histories, some of which reached it
    by gossip; its own model has the score 1, and the average is normalised. Here the node is the market: it has every
    history, and its own model is the job's current one, an update of zero. So where most trainers look alike, the
    weights' sum is small and the model hardly moves, while FoolsGold would follow the few that are left.

    Departures. Voices are multiplied by stakes, and the current model has the mean stake. Comparison only: no contract
    checks it.

    Cost: O(n^2).
    """

    id: str = "sybilwall"
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = True

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Weigh n >= 1 updates; ``byzantine`` does not matter."""
        voices = foolsgold_voices(running_sums(products))
        n = len(stakes)
        masses = [n * voice * stake for voice, stake in zip(voices, stakes, strict=True)]
        total = sum(masses) + SIMILARITY_ONE * sum(stakes)
        return Decision(tuple(mass > 0 for mass in masses), tuple(WEIGHT_ONE * mass // total for mass in masses))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return nothing."""
        return b""
