"""What a behaviour is, and the honest one."""

# ruff: noqa: ARG002 - all behaviours share one signature

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from market.trainer.task import Samples

Vector = NDArray[np.float32]


class Behaviour(Protocol):
    """How a trainer prepares its samples and what it submits in place of its honest update.

    Attributes
    ----------
    name
        As in the registry.
    needs_peers
        Whether `craft` needs other trainers' updates. In a market these are sealed, so that an attacker has only
        estimates from its own samples, see `market.trainer.local_round.estimated_peers`.
    steals
        Whether it takes another trainer's update instead of training. In a market it can only send that trainer's
        ciphertext again, under a commitment shifted by a known amount; `craft` is what it would submit if payloads
        were readable.

    """

    name: ClassVar[str]
    needs_peers: ClassVar[bool]
    steals: ClassVar[bool]

    def prepare_samples(self, samples: Samples, classes: int) -> Samples:
        """Return the samples to train on; ``classes`` is the task's number of labels."""

    def craft(self, own: Vector, peers: Iterable[Vector], rng: np.random.Generator, *, n: int, f: int) -> Vector:
        """Return the update (d,) to submit.

        Parameters
        ----------
        own
            The update (d,) that training gave; not changed.
        peers
            Honest trainers' updates (d,), or estimates, consumed one at a time; empty if `needs_peers` is false.
        rng
            Source of all randomness.
        n, f
            Number of trainers, and of attackers among them.

        """


class Honest:
    """Train on one's own data and submit the result."""

    name: ClassVar[str] = "honest"
    needs_peers: ClassVar[bool] = False
    steals: ClassVar[bool] = False

    def prepare_samples(self, samples: Samples, classes: int) -> Samples:
        """Return the samples as they are."""
        return samples

    def craft(
        self,
        own: Vector,
        peers: Iterable[Vector],
        rng: np.random.Generator,
        *,
        n: int,
        f: int,
    ) -> Vector:
        """Return the update as it is."""
        return own
