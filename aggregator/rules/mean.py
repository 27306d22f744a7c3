"""The mean: accepts every update. No defence; the baseline to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import Decision, stake_weights


@dataclass(frozen=True, slots=True)
class Mean:
    """Weighs updates by stake; with equal stakes, the plain mean."""

    id: str = "mean"
    settles: bool = True
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int]) -> Decision:  # noqa: ARG002
        """Accept all of n >= 1 updates."""
        if not stakes:
            raise RuleNotApplicable("the mean needs an update")
        accepted = (True,) * len(stakes)
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int]) -> bytes:  # noqa: ARG002
        """Return nothing: the mean is cheap to compute."""
        return b""
