"""Multi-Krum: accepts the n - f updates that lie closest to their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.products import Products
from aggregator.rules.base import Decision, stake_weights
from aggregator.rules.distances import ExactArray, exact_sums, nearest_first, others, squared_distances, tolerated


@dataclass(frozen=True, slots=True)
class MultiKrum:
    """Multi-Krum of Blanchard, El Mhamdi, Guerraoui and Stainer (NeurIPS 2017), section 4 and Multi-Krum in section 6.

    The Krum score of update i is the sum of its squared distances to its ``n - f - 2`` nearest other updates. The
    ``m = n - f`` updates with the smallest scores are accepted. Equal distances and equal scores are ordered by
    position.

    Departures. The paper averages the m chosen updates; here they are weighed by stake (the same with equal stakes).
    The paper leaves m open; ``n - f`` uses all updates that may be honest, and is what a payout should reach. Where
    fewer than ``2f + 3`` updates could be opened, f is capped at ``(n - 3) // 2``, the most that so many updates
    tolerate. (byzfl's Krum sums over ``n - f`` neighbours, itself included; the paper's count is used here.)

    Hints: one byte for each update, the position of the farthest neighbour that counts; then one byte, the position of
    the last update accepted; zeros up to a whole word. With those thresholds a contract counts instead of sorting.

    Cost: O(n^2 log n) on the Gram matrix; no d-vector is touched.
    """

    id: str = "multi-krum"
    settles: bool = True
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Accept n - f of n >= 3 updates; squared distances are exact integers."""
        n = len(stakes)
        f = tolerated(byzantine, n)
        chosen = set(ranking(krum_scores(products.gram, neighbours=n - f - 2))[: n - f])
        accepted = tuple(i in chosen for i in range(n))
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:
        """Return the positions of the last neighbour counted of each update, and of the last update accepted."""
        n = len(stakes)
        f = tolerated(byzantine, n)
        distances = squared_distances(products.gram)
        neighbours = n - f - 2
        last = nearest_first(distances)[:, neighbours - 1].tolist()
        return whole_words([*last, ranking(krum_scores_of(distances, neighbours=neighbours))[n - f - 1]])


def krum_scores(gram: Sequence[Sequence[int]] | npt.NDArray[np.int64], *, neighbours: int) -> list[int]:
    """Return each update's sum of squared distances to its nearest ``neighbours`` others, as exact integers."""
    return krum_scores_of(squared_distances(gram), neighbours=neighbours)


def krum_scores_of(distances: ExactArray, *, neighbours: int) -> list[int]:
    """Return Krum scores from squared distances, (n, n)."""
    return exact_sums(np.sort(others(distances), axis=1)[:, :neighbours])


def ranking(scores: Sequence[int]) -> list[int]:
    """Return positions by ascending score; equal scores go by position."""
    return sorted(range(len(scores)), key=scores.__getitem__)


def whole_words(positions: Sequence[int]) -> bytes:
    """Return one byte for each position, with zeros up to a multiple of 32."""
    return bytes(positions) + bytes(-len(positions) % 32)
