"""Means: accept every update. No defence; the baselines to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import WEIGHT_ONE, Decision, stake_weights


@dataclass(frozen=True, slots=True)
class Mean:
    """Weighs updates by stake; with equal stakes, the plain mean."""

    id: str = "mean"
    settles: bool = True
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Accept all of n >= 1 updates."""
        _need_an_update(stakes)
        accepted = (True,) * len(stakes)
        return Decision(accepted, stake_weights(accepted, stakes))

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Nothing is expensive here."""
        _need_an_update(stakes)
        return b""


@dataclass(frozen=True, slots=True)
class PlainMean:
    """Weighs every update alike, whatever its stake: what the literature calls the mean, or FedAvg of equal trainers.

    For comparison only: an identity that splits its stake in k counts k times.
    """

    id: str = "plain-mean"
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Accept all of n >= 1 updates with weight ``floor(2**32 / n)``."""
        _need_an_update(stakes)
        n = len(stakes)
        return Decision((True,) * n, (WEIGHT_ONE // n,) * n)

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """No contract checks this rule."""
        _need_an_update(stakes)
        return b""


def _need_an_update(stakes: Sequence[int]) -> None:
    if not stakes:
        raise RuleNotApplicable("the mean needs an update")
