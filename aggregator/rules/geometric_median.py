"""Geometric median: the point whose distances to all updates have the least sum, by smoothed Weiszfeld steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import Decision
from aggregator.rules.weighing import LENGTH_BITS, distances, lower_median, normalised, words

STEPS = 3


@dataclass(frozen=True, slots=True)
class GeometricMedian:
    """RFA's aggregate: Pillutla, Kakade and Harchaoui (IEEE Transactions on Signal Processing 2022), algorithm 2.

    Three steps of smoothed Weiszfeld, as RFA and byzfl take, in exact integers and as weights alone. With
    ``z = sum_j w_j u_j / 2**32``, one step is ::

        d_i = floor(sqrt(2**64 |u_i - z|**2))                       (distances)
        nu  = max(1, stake-weighted lower median of d)
        m_i = floor(stake_i * 2**32 nu / max(nu, d_i))
        w_i = floor(2**32 m_i / sum m)                              (normalised)

    Departures, and choices that the paper leaves open.

    - *Start*: ``w = 0``, the current model, as in byzfl. Updates are differences to it, so an outlier has a bounded
      pull from the first step on; RFA's code starts from the mean, which one outlier moves anywhere, and three steps do
      not lead back from there.
    - *Smoothing*: the paper's ``nu`` is a small constant that keeps the quotient finite. A small one lets an attacker
      who guesses ``z`` (or sends zero) take nearly all of the mass in so few steps, and an absolute one means something
      else at each scale. Here it is the median distance: nobody has more mass than the nearer half, and beyond it mass
      falls as 1 / d. That is the minimum of a Huber function whose width follows the data. ``smoothing`` sets an
      absolute ``nu`` for comparison with other implementations; such a rule does not settle.
    - *Prior*: stakes, where the paper has sample counts. An identity that splits into k with the same update and the
      same stake in all changes nothing but rounding.

    The breakdown point is half of the stake. Cost: O(n^2) a step; no d-vector is touched.

    Attributes
    ----------
    smoothing
        ``nu`` in units of ``2**-32`` of an entry; None for the median distance.

    """

    id: str = "geometric-median"
    smoothing: int | None = None
    needs_reference: bool = False
    needs_history: bool = False

    @property
    def settles(self) -> bool:
        """Only the median smoothing has a contract."""
        return self.smoothing is None

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Weigh n >= 1 updates; accepted is what keeps any mass, which is all but those unreachably far off."""
        *_, (_, _, masses) = self._steps(products, stakes)
        return Decision(tuple(mass > 0 for mass in masses), normalised(masses))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return, for each step, the n distances and their median."""
        return b"".join(words((*lengths, median)) for lengths, median, _ in self._steps(products, stakes))

    def _steps(self, products: Products, stakes: Sequence[int]) -> Iterator[tuple[list[int], int, list[int]]]:
        """Yield distances, their median and the masses of each step."""
        if not stakes:
            raise RuleNotApplicable("the geometric median needs an update")
        gram = products.gram
        weights: tuple[int, ...] = (0,) * len(stakes)
        for _ in range(STEPS):
            lengths = distances(gram, weights)
            median = lower_median(lengths, stakes)
            nu = max(1, median if self.smoothing is None else self.smoothing)
            masses = [
                (stake * nu << LENGTH_BITS) // max(nu, length) for stake, length in zip(stakes, lengths, strict=True)
            ]
            weights = normalised(masses)
            yield lengths, median, masses
