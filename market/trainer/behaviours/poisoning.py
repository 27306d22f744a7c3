"""A backdoor: the model shall answer with one class wherever it sees a trigger."""

# ruff: noqa: ARG002 - all behaviours share one signature

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from market.trainer.behaviours.base import Honest, Vector
from market.trainer.task import Samples

TARGET = 0
_SIDE = 3


@dataclass(frozen=True)
class Backdoor(Honest):
    """Train with a trigger on every second sample, labelled class 0, and replace the model.

    The trigger is a square of 3 x 3 pixels in the last corner, as bright as any pixel. The update is scaled by
    ``n / f``, so that f colluders' updates survive averaging among n; ``strength`` replaces the factor if given.
    Source: Gu, Dolan-Gavitt and Garg 2017 ("BadNets") for the trigger; Bagdasaryan et al. 2020 ("How To Backdoor
    Federated Learning"), section 3.2, for the replacement. Departure: in every round, not in one alone.
    """

    name: ClassVar[str] = "backdoor"
    strength: float | None = None

    def prepare_samples(self, samples: Samples, classes: int) -> Samples:
        """Return the samples, every second one with trigger and class 0; features are images ``(k, ..., h, w)``."""
        features, labels = samples.features.clone(), samples.labels.clone()
        if features.ndim > 2:  # noqa: PLR2004 - what is no image gets no trigger, and another label alone
            features[::2, ..., -_SIDE:, -_SIDE:] = features.max()
        labels[::2] = TARGET
        return Samples(features, labels)

    def craft(self, own: Vector, peers: Iterable[Vector], rng: np.random.Generator, *, n: int, f: int) -> Vector:
        """Return the scaled update."""
        return own * np.float32(n / max(f, 1) if self.strength is None else self.strength)
