"""Attacks that go as far as distance-based rules can be expected to let them.

The peers' updates, or estimates of them, are kept: their distances to each other are the measure.
"""

# ruff: noqa: ARG002 - all behaviours share one signature

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import WrongShape
from market.errors import ConfigError
from market.trainer.behaviours.base import Honest, Vector

_HALVINGS, _FARTHEST = 20, 64.0
Distances = NDArray[np.float64]


@dataclass(frozen=True)
class MinMax(Honest):
    """Submit the mean less the largest multiple of the deviation that is no farther from a peer than two peers.

    Source: Shejwalkar and Houmansadr 2021 ("Manipulating the Byzantine"), section IV-C, equation 8, perturbation
    "inverse standard deviation"; the multiple is found by halving an interval. As for `Alie`, mean, deviation and
    distances are estimates from the attacker's own samples.
    """

    name: ClassVar[str] = "min-max"
    needs_peers: ClassVar[bool] = True

    def craft(self, own: Vector, peers: Iterable[Vector], rng: np.random.Generator, *, n: int, f: int) -> Vector:
        """Return the shifted mean."""
        return _as_far_as(own, peers, self.name, lambda row, among: bool(row.max() <= among.max()))


@dataclass(frozen=True)
class MinSum(Honest):
    """As `MinMax`, with the sum of squared distances to the peers at most the largest such sum of a peer.

    Source: Shejwalkar and Houmansadr 2021, section IV-C, equation 9.
    """

    name: ClassVar[str] = "min-sum"
    needs_peers: ClassVar[bool] = True

    def craft(self, own: Vector, peers: Iterable[Vector], rng: np.random.Generator, *, n: int, f: int) -> Vector:
        """Return the shifted mean."""
        return _as_far_as(own, peers, self.name, lambda row, among: bool(row.sum() <= among.sum(axis=1).max()))


def _as_far_as(
    own: Vector, peers: Iterable[Vector], name: str, allowed: Callable[[Distances, Distances], bool]
) -> Vector:
    rows = _rows(own, peers, name)
    mean, direction = rows.mean(axis=0), -rows.std(axis=0)
    among = np.stack([_squared(rows, row) for row in rows])
    low, high = 0.0, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if allowed(_squared(rows, mean + middle * direction), among) else (low, middle)
    shifted: NDArray[np.float64] = mean + low * direction
    return shifted.astype(np.float32)


def _rows(own: Vector, peers: Iterable[Vector], name: str) -> NDArray[np.float64]:
    rows = []
    for peer in peers:
        if peer.dtype != np.float32 or peer.shape != own.shape:
            raise WrongShape(f"A peer's update is {peer.dtype} of shape {peer.shape}, not float32 of {own.shape}.")
        rows.append(peer.astype(np.float64))
    if not rows:
        raise ConfigError(f"The behaviour {name} needs other trainers' updates, and got none.")
    return np.stack(rows)


def _squared(rows: NDArray[np.float64], row: NDArray[np.float64]) -> Distances:
    found: Distances = np.square(rows - row).sum(axis=1)
    return found
