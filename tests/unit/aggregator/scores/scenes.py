"""Jobs of a few rounds with honest trainers and others, small enough to score in a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aggregator.products import Layout, Products
from aggregator.rules import WEIGHT_ONE
from aggregator.scores import Score

DIMENSION = 400
LENGTH = 1000.0
Vector = NDArray[np.float64]


@dataclass
class Job:
    """Rounds in which the common direction slowly turns and fades, and each honest trainer has a drift of its own."""

    honest: int = 8
    seed: int = 1
    previous: Vector | None = None
    round: int = 0
    rng: np.random.Generator = field(init=False)
    drifts: Vector = field(init=False)
    common: Vector = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.common = self.noise()
        self.drifts = np.stack([0.5 * self.noise() for _ in range(self.honest)])

    def noise(self, length: float = LENGTH) -> Vector:
        vector = self.rng.standard_normal(DIMENSION)
        return length * vector / np.linalg.norm(vector)

    def honest_updates(self) -> list[Vector]:
        fade = 0.7**self.round
        self.common = self.common + 0.6 * self.noise()
        return [fade * (self.common + drift + self.noise(0.7 * LENGTH)) for drift in self.drifts]

    def reference(self) -> Vector:
        return 0.2 * self.common + self.noise(0.05 * LENGTH)


Attack = Callable[[Job, list[Vector]], list[Vector]]


def play(
    score: Score, attack: Attack, *, rounds: int = 6, seed: int = 1, shares: Sequence[float] = ()
) -> list[list[int]]:
    """Return the scores of each round: of the 8 honest trainers, then of the attackers.

    ``attack`` maps a job and its honest updates of a round to the attackers'; ``shares`` are the attackers' weights
    relative to an honest trainer's, 1 if not given. The aggregate is the weighted mean.
    """
    job, memory, history = Job(seed=seed), b"", []
    for number in range(rounds):
        job.round = number
        honest = job.honest_updates()
        others = attack(job, honest)
        updates = [np.rint(update).astype(np.int64) for update in (*honest, *others)]
        relative = [1.0] * len(honest) + list(shares or [1.0] * len(others))
        weights = [int(WEIGHT_ONE * share / sum(relative)) for share in relative]
        rows = [*updates, np.rint(job.reference()).astype(np.int64)]
        if job.previous is not None:
            rows.append(np.rint(2**16 * job.previous).astype(np.int64))
        matrix = tuple(tuple(int(u @ v) for v in rows) for u in rows)
        products = Products(Layout(len(updates), True, job.previous is not None), matrix)
        trainers = [bytes([place]) * 20 for place in range(len(updates))]
        scored = score.score(products, weights, trainers=trainers, memory=memory, dimension=DIMENSION)
        memory = scored.memory
        history.append(list(scored.scores))
        job.previous = sum((w * u for w, u in zip(weights, updates, strict=True)), np.zeros(DIMENSION)) / WEIGHT_ONE
    return history


def pay_ratio(history: list[list[int]], honest: int = 8) -> float:
    """Return what the attackers get of all rounds' budgets, relative to the mean honest trainer."""
    shares = np.zeros(len(history[0]))
    for scores in history:
        positive = np.maximum(np.array(scores, dtype=np.float64), 0)
        shares += positive / max(positive.sum(), 1)
    return float(shares[honest:].sum() / max(shares[:honest].mean(), 1e-12))
