"""Centred clipping: shortens updates that are longer than the median, then takes their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import Decision
from aggregator.rules.weighing import clipped_mean, lower_median, words


@dataclass(frozen=True, slots=True)
class CentredClipping:
    """Centred clipping of Karimireddy, He and Jaggi (ICML 2021), algorithm 2 with one step.

    ``w_i = stake_i / sum stake * min(1, tau / |u_i|)``, in exact integers: with b the stakes' shares in units of
    ``2**-32``, and M the stake-weighted lower median of the squared norms, ::

        c_i = 2**32 where G_ii <= M, else floor(sqrt(2**64 M / G_ii))
        w_i = floor(b_i c_i / 2**32)

    Departures, and choices that the paper leaves open.

    - *Centre*: 0, the current model. The paper centres on the previous aggregate of worker momenta; the output would
      then contain that row, while weights here belong to updates of this round alone. Momentum, where a job wants it,
      is in the trainers' updates. From 0, more steps with the same radius only approach the smoothed geometric median,
      which is a rule of its own; so there is one.
    - *Radius*: the paper and byzfl take a constant (10, 100). A constant is a guess that training invalidates as norms
      shrink; the median norm follows them, and fewer than half of the stake cannot push it beyond an honest norm.
      ``squared_radius`` sets a constant for comparison with other implementations; such a rule does not settle.
    - *Prior*: stakes. An identity that splits changes nothing but rounding.

    Clipping shortens, so the weights' sum is below 1 as a rule, and an attacker of stake share e moves the aggregate by
    at most e * tau. Everything is accepted. Cost: O(n log n).

    Attributes
    ----------
    squared_radius
        ``tau**2`` in squared units of an entry; None for the median.

    """

    id: str = "centred-clipping"
    squared_radius: int | None = None
    needs_reference: bool = False
    needs_history: bool = False

    @property
    def settles(self) -> bool:
        """Only the median radius has a contract."""
        return self.squared_radius is None

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Accept all of n >= 1 updates."""
        squares = self._squares(products, stakes)
        return clipped_mean(squares, stakes, self._limit(squares, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_: object) -> bytes:  # noqa: ARG002
        """Return M."""
        return words((self._limit(self._squares(products, stakes), stakes),))

    def _limit(self, squares: Sequence[int], stakes: Sequence[int]) -> int:
        return lower_median(squares, stakes) if self.squared_radius is None else self.squared_radius

    def _squares(self, products: Products, stakes: Sequence[int]) -> list[int]:
        if not stakes:
            raise RuleNotApplicable("centred clipping needs an update")
        return [products.matrix[i][i] for i in range(products.n)]
