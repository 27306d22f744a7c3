"""Minimum-diameter averaging: accepts the n - f updates whose greatest mutual distance is least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import Decision, stake_weights
from aggregator.rules.distances import ExactArray, squared_distances, tolerated

MAX_BYZANTINE = 10
"""The search takes up to ``2**f`` steps for a handful of diameters, so f is bounded."""


@dataclass(frozen=True, slots=True)
class MinimumDiameterAveraging:
    """MDA of El Mhamdi, Guerraoui, Guirguis, Hoang and Rouault (PODC 2020), after Rousseeuw (1985).

    Of all sets of ``n - f`` updates, the one of least diameter (greatest distance between two members) is accepted; of
    several, the one that comes first when sets are compared position by position, an update in before an update out.
    That is the set that byzfl finds by trying all ``n choose n - f`` of them; f is capped as in Multi-Krum.

    Here a set of diameter at most t is what remains when at most f updates are struck out such that of each pair
    farther apart than t one is gone: a vertex cover of f. Branching on the worst pairs decides that in at most ``2**f``
    steps, whatever n is, and bisection over the distances finds t. So n = 50 is no obstacle, but f above 10 is
    refused.

    Accepted updates weigh by stake, where the paper averages. For comparison: no contract checks it.
    """

    id: str = "mda"
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Accept n - f of n >= 3 updates, f <= 10.

        Raises
        ------
        RuleNotApplicable
            If n is below 3, or f above 10 after the cap.

        """
        n = len(stakes)
        f = tolerated(byzantine, n)
        if f > MAX_BYZANTINE:
            raise RuleNotApplicable(f"the search for a minimum diameter is for f <= {MAX_BYZANTINE}, not {f}")
        struck = _first_cover(_conflicts_of_least_diameter(squared_distances(products.gram), f), n, f)
        accepted = tuple(not struck >> i & 1 for i in range(n))
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return nothing: no contract asks."""
        return b""


def _conflicts_of_least_diameter(distances: ExactArray, f: int) -> list[int]:
    """Return, for the least diameter that n - f updates have, a bit mask of the updates too far from each."""
    diameters = sorted({int(value) for value in distances.ravel()})
    low, high = 0, len(diameters) - 1
    while low < high:
        middle = (low + high) // 2
        if _has_cover(_conflicts(distances, diameters[middle]), f):
            high = middle
        else:
            low = middle + 1
    return _conflicts(distances, diameters[low])


def _conflicts(distances: ExactArray, diameter: int) -> list[int]:
    return [sum(1 << int(j) for j in (row > diameter).nonzero()[0]) for row in distances]


def _first_cover(conflicts: list[int], n: int, f: int) -> int:
    """Return the mask of f updates to strike out: the last ones, as far as the conflicts allow."""
    struck = 0
    for i in range(n):
        # Keeping i strikes out whatever conflicts with it.
        kept = struck | conflicts[i]
        if not struck >> i & 1 and _has_cover(_without(conflicts, kept), f - kept.bit_count()):
            struck = kept
        else:
            struck |= 1 << i
    return struck | _mask_of_last(n, f - struck.bit_count(), struck)


def _mask_of_last(n: int, count: int, struck: int) -> int:
    free = [i for i in range(n) if not struck >> i & 1]
    return sum(1 << i for i in free[len(free) - count :])


def _without(conflicts: list[int], struck: int) -> list[int]:
    return [0 if struck >> i & 1 else mask & ~struck for i, mask in enumerate(conflicts)]


def _has_cover(conflicts: list[int], f: int) -> bool:
    """Whether striking out f updates leaves no conflict."""
    if f < 0:
        return False
    worst = max(range(len(conflicts)), key=lambda i: conflicts[i].bit_count())
    degree = conflicts[worst].bit_count()
    if degree == 0:
        return True
    if f * degree < sum(mask.bit_count() for mask in conflicts) // 2:
        return False  # f updates of at most this many conflicts each cannot end them all
    if _has_cover(_without(conflicts, 1 << worst), f - 1):
        return True
    return degree <= f and _has_cover(_without(conflicts, conflicts[worst]), f - degree)
