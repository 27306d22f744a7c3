"""What a round pays: the market's default scores, floor and cap, over the rounds of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aggregator.payouts import floor_weights, split_budget
from aggregator.products import Products
from aggregator.rules import Decision
from aggregator.scores import get_score
from scripts.benchmarks.attacks.aggregations import STAKE, addresses

BUDGET = 10**18
FLOOR_BPS, CAP_BPS = 5_000, 30_000
SCORE, FLOOR_SCORE = "shapley-reference", "alignment"


class Payroll:
    """Running scores, and what everybody has been paid: the defaults of a job with a reference row."""

    def __init__(self, n: int, byzantine: int, dimension: int, *, needs_reference: bool) -> None:
        self.paid = np.zeros(n)
        self._byzantine, self._dimension, self._needs_reference = byzantine, dimension, needs_reference
        self._memory, self._floor_memory = b"", b""

    def settle(self, products: Products, decision: Decision) -> None:
        """Pay one round's budget."""
        n = products.n
        stakes, who = [STAKE] * n, addresses(n)
        floor = floor_weights(decision, stakes, needs_reference=self._needs_reference, byzantine=self._byzantine)
        asked: dict[str, Any] = {"trainers": who, "dimension": self._dimension, "byzantine": self._byzantine}
        scored = get_score(SCORE).score(products, decision.weights, memory=self._memory, **asked)
        aligned = get_score(FLOOR_SCORE).score(products, floor, memory=self._floor_memory, **asked)
        self._memory, self._floor_memory = scored.memory, aligned.memory
        payouts = split_budget(
            scored.scores, aligned.scores, stakes, budget=BUDGET, floor_bps=FLOOR_BPS, cap_bps=CAP_BPS
        )
        self.paid += np.array(payouts, dtype=np.float64) / BUDGET


def jain(values: Sequence[float]) -> float:
    """Return Jain's fairness index, ``(sum x)^2 / (n sum x^2)``: 1 where all get the same, 1/n where one gets all.

    Jain, Chiu and Hawe, "A quantitative measure of fairness", DEC TR-301, 1984. 0 where nobody gets anything.
    """
    squares = sum(value * value for value in values)
    return float(sum(values) ** 2 / (len(values) * squares)) if squares else 0.0
