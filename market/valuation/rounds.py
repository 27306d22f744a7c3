"""Utilities of one recorded round: how good the model is that some of its updates give, measured on samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aggregator.errors import WrongShape
from market.trainer.behaviours import Vector
from market.trainer.parameters import load_flat
from market.trainer.randomness import seeded_torch
from market.trainer.task import Evaluation, Samples, Task
from market.valuation.methods import Coalition, Utility, Valuation, summed

Measure = Literal["accuracy", "loss"]


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """The global model (d,) before a round, its updates (n, d), and the positive weights of their mean."""

    global_vector: Vector
    updates: tuple[Vector, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.updates) != len(self.weights):
            raise WrongShape(f"{len(self.updates)} updates, but {len(self.weights)} weights")
        if any(update.shape != self.global_vector.shape for update in self.updates):
            raise WrongShape("updates have the shape of the model")

    def model_of(self, coalition: Coalition) -> Vector:
        """Return the model (d,) that the coalition's updates give by their weighted mean; of nobody, the old model."""
        total = sum(self.weights[i] for i in coalition)
        if not total:
            return self.global_vector
        step = np.zeros(self.global_vector.shape, dtype=np.float64)
        for i in sorted(coalition):
            step += self.updates[i] * np.float64(self.weights[i] / total)
        return (self.global_vector + step).astype(np.float32)


class RoundUtility:
    """Accuracy, or loss with the sign turned, of the model that a coalition's updates give.

    Parameters
    ----------
    task
        Builds and evaluates the model.
    samples
        What it is measured on; nobody trained on them.

    """

    def __init__(self, task: Task, record: RoundRecord, samples: Samples, *, measure: Measure = "accuracy") -> None:
        self._task, self._record, self._samples, self._measure = task, record, samples, measure
        self._model = task.init_model(0)

    def __call__(self, coalition: Coalition) -> float:
        """Return the coalition's utility: higher is better."""
        load_flat(self._model, self._record.model_of(coalition))
        with seeded_torch(0, threads=1):
            return of(self._task.evaluate(self._model, self._samples), self._measure)


def of(evaluation: Evaluation, measure: Measure) -> float:
    """Return the measure of an evaluation, so that higher is better."""
    return evaluation.accuracy if measure == "accuracy" else -evaluation.loss


def over_rounds(utilities: Sequence[Utility], value: Callable[[Utility, int], Valuation]) -> Valuation:
    """Return the sum of the rounds' values; ``value`` gets each round's utility and its index."""
    return summed(value(utility, index) for index, utility in enumerate(utilities))
