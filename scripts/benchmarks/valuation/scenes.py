"""Two groups of trainers whose worth is known beforehand: graded data, and a mix of honest trainers and others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np
import torch

from market.trainer.behaviours import Behaviour, FreeRider, Honest, LabelFlip
from market.trainer.builtin import builtin_task
from market.trainer.partition import partition
from market.trainer.randomness import derive_seed
from market.trainer.supervised import SupervisedTask
from market.trainer.task import Samples, TaskData
from market.valuation import Federation

TRAINERS = 10
ROOT_SAMPLES = 250
MOST_NOISE, LARGEST = 0.8, 10.0
_HONEST = 7
_POOL = {"digits": 1_180, "mnist": 6_000}
_MOST_MEASURED = 2_000
_ROUNDS = {"digits": 8, "mnist": 6}
_SHARES, _NOISE, _TRAINING = 1, 2, 3
DATA = tuple(_POOL)


@dataclass(frozen=True, slots=True)
class Scene:
    """A federation, what the owner holds, and what is known of the trainers.

    Attributes
    ----------
    root
        The owner's samples for its reference row; no trainer has them.
    measured
        Samples on which models are measured; nobody trains on them.
    bad
        Whether each trainer is not honest; a copy counts as bad, and is the last trainer.

    """

    federation: Federation
    root: Samples
    measured: Samples
    bad: tuple[bool, ...]

    def reference_task(self) -> SupervisedTask:
        """Return the task with which the owner trains its reference: one pass over the root samples."""
        return replace(cast(SupervisedTask, self.federation.task), data_passes=1)


def graded(data: str, seed: int, *, rounds: int | None = None) -> Scene:
    """Return 10 honest trainers: label noise from 0 to 80 % in equal steps, sizes from 1 to 10 in equal ratios.

    Which noise goes with which size is drawn from ``seed``, as are the samples.
    """
    task, loaded = _load(data)
    rng = np.random.default_rng(derive_seed(seed, _SHARES))
    sizes = rng.permutation(np.geomspace(1, LARGEST, TRAINERS))
    order = rng.permutation(len(loaded.train))
    root, pool = order[:ROOT_SAMPLES], order[ROOT_SAMPLES : ROOT_SAMPLES + _POOL[data]]
    ends = np.floor(np.cumsum(sizes) / sizes.sum() * len(pool)).astype(np.int64)
    parts = np.split(pool, ends[:-1])
    noises = np.linspace(0, MOST_NOISE, TRAINERS)
    samples = tuple(
        noisy(loaded.train.subset(part), noise, task.classes, np.random.default_rng(derive_seed(seed, _NOISE, i)))
        for i, (part, noise) in enumerate(zip(parts, noises, strict=True))
    )
    return _scene(data, task, loaded, root, samples, (Honest(),) * TRAINERS, seed, rounds)


def mixed(data: str, seed: int, *, rounds: int | None = None) -> Scene:
    """Return 7 honest trainers, a label flipper, a free rider (zeros), and an identity that copies the first trainer.

    The nine others hold equal and identically distributed parts.
    """
    task, loaded = _load(data)
    order = np.random.default_rng(derive_seed(seed, _SHARES)).permutation(len(loaded.train))
    root, pool = order[:ROOT_SAMPLES], order[ROOT_SAMPLES : ROOT_SAMPLES + _POOL[data]]
    parts = partition(loaded.train.labels[torch.from_numpy(pool)].numpy(), TRAINERS - 1, None, seed)
    samples = tuple(loaded.train.subset(pool[part]) for part in parts)
    behaviours = (*(Honest(),) * _HONEST, LabelFlip(), FreeRider(), Honest())
    return _scene(data, task, loaded, root, (*samples, samples[0]), behaviours, seed, rounds, copies=True)


def noisy(samples: Samples, share: float, classes: int, rng: np.random.Generator) -> Samples:
    """Return the samples with ``share`` of the labels replaced, each by another label drawn uniformly."""
    labels = samples.labels.clone()
    chosen = rng.permutation(len(samples))[: round(share * len(samples))]
    labels[chosen] = (labels[chosen] + torch.from_numpy(rng.integers(1, classes, len(chosen)))) % classes
    return Samples(samples.features, labels)


@cache
def _load(data: str) -> tuple[SupervisedTask, TaskData]:
    task = builtin_task(data)
    return task, task.load_data()


def _scene(
    data: str,
    task: SupervisedTask,
    loaded: TaskData,
    root: np.ndarray,
    samples: tuple[Samples, ...],
    behaviours: tuple[Behaviour, ...],
    seed: int,
    rounds: int | None,
    *,
    copies: bool = False,
) -> Scene:
    identities = (*range(TRAINERS - 1), 0) if copies else tuple(range(TRAINERS))
    federation = Federation(
        task, samples, behaviours, rounds or _ROUNDS[data], derive_seed(seed, _TRAINING), identities=identities
    )
    return Scene(
        federation,
        loaded.train.subset(root),
        loaded.validation.subset(np.arange(min(_MOST_MEASURED, len(loaded.validation)))),
        tuple(type(each) is not Honest or identities.index(identities[i]) < i for i, each in enumerate(behaviours)),
    )
