"""pyDVL's Shapley values of rounds whose coalitions' utilities are given; runs in an environment of its own.

pyDVL samples permutations of data points; here the points are trainers, and a coalition's utility is looked up in a
table that Gramercy measured. Sampler, truncation and bookkeeping are pyDVL's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydvl.valuation import Dataset, MaxUpdates, PermutationSampler, ShapleyValuation  # type: ignore[import-not-found]
from pydvl.valuation.samplers.truncation import NoTruncation, RelativeTruncation  # type: ignore[import-not-found]
from pydvl.valuation.utility.base import UtilityBase  # type: ignore[import-not-found]

from scripts.benchmarks.process import Figures, serve


class _Table(UtilityBase[Any]):  # type: ignore[misc]
    """Utilities of all coalitions, less that of nobody; the coalition of players i, j is at place ``2^i + 2^j``."""

    def __init__(self, table: list[float]) -> None:
        self.table, self.asked = table, set[int]()

    def __call__(self, sample: Any) -> float:
        members = [] if sample is None else [int(i) for i in sample.subset]
        place = sum(1 << member for member in members)
        self.asked.add(place)
        return self.table[place] - self.table[0]


def measure(asked: Figures) -> Figures:
    """Return values and numbers of coalitions asked for: of plain permutation sampling, and truncated."""
    answer: Figures = {}
    for name in ("plain", "truncated"):
        values, evaluations = np.zeros(asked["players"]), 0
        for index, table in enumerate(asked["tables"]):
            found, cost = _value(table, asked["players"], asked["permutations"], asked["seed"] + index, name)
            values, evaluations = values + found, evaluations + cost
        answer[name] = {"values": values.tolist(), "evaluations": evaluations}
    return answer


def _value(table: list[float], players: int, permutations: int, seed: int, name: str) -> tuple[np.ndarray, int]:
    utility = _Table(table)
    points = Dataset(np.arange(players, dtype=float)[:, None], np.zeros(players))
    truncation = NoTruncation() if name == "plain" else RelativeTruncation(rtol=0.01)
    sampler = PermutationSampler(truncation=truncation, seed=seed)
    valuation = ShapleyValuation(utility, sampler, MaxUpdates(permutations), progress=False)
    valuation.fit(points)
    found = valuation.result
    return np.asarray(found.values)[np.argsort(found.indices)], len(utility.asked)


if __name__ == "__main__":
    serve(measure)
