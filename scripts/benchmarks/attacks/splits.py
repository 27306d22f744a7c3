"""Data of a simulation: who holds which samples, and the owner's root samples that nobody else holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import OutOfRange
from market.trainer.datasets import load_digits, load_fetched

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
_MEANS = {"mnist": (0.1307, 0.3081), "fashion-mnist": (0.286, 0.353), "digits": (0.3053, 0.3761)}
"""Mean and deviation of the training pixels, by which features are normalised."""


@dataclass(frozen=True, slots=True)
class Data:
    """Features (k, pixels) and labels (k,): training and test."""

    images: Images
    labels: Labels
    test_images: Images
    test_labels: Labels


@dataclass(frozen=True, slots=True)
class Shares:
    """Indices of training samples: one array for each trainer, and the owner's."""

    trainers: tuple[NDArray[np.int64], ...]
    root: NDArray[np.int64]


@lru_cache(maxsize=2)
def load(name: str) -> Data:
    """Return a data set with normalised features.

    Raises
    ------
    DatasetUnavailable
        If it is not on this machine.

    """
    raw = load_digits() if name == "digits" else load_fetched(name)
    mean, deviation = _MEANS[name]

    def features(samples: object) -> Images:
        pixels: Images = samples.features.numpy()  # type: ignore[attr-defined]
        return np.ascontiguousarray((pixels.reshape(len(pixels), -1) - np.float32(mean)) / np.float32(deviation))

    return Data(features(raw.train), raw.train.labels.numpy(), features(raw.validation), raw.validation.labels.numpy())


def share_out(labels: Labels, trainers: int, split: str, root: int, rng: np.random.Generator) -> Shares:
    """Divide samples among trainers, after ``root`` random samples have gone to the owner.

    Parameters
    ----------
    labels
        Label of each sample.
    trainers
        Number of honest trainers.
    split
        ``iid``; ``dirichlet:ALPHA``, for each label its shares among trainers are drawn from Dirichlet(alpha);
        ``gamma:SHARE``, a random share of the data is divided evenly and the rest sorted by label (``gamma:0``: about
        one label each). Both as byzfl 1.0 defines them (``data_distributor.py``), so that figures compare. Departure:
        a trainer that got no sample takes one from the largest, as nobody trains on nothing.
    root
        Number of samples of the owner.
    rng
        Decides the split.

    Raises
    ------
    OutOfRange
        If there is no such split.

    """
    order = rng.permutation(len(labels))
    held, rest = order[:root], order[root:]
    kind, _, text = split.partition(":")
    if kind == "iid":
        parts = np.array_split(rest, trainers)
    elif kind == "dirichlet":
        parts = _dirichlet(labels, rest, trainers, float(text), rng)
    elif kind == "gamma":
        parts = _gamma(labels, rest, trainers, float(text))
    else:
        raise OutOfRange(f"there is no split {split!r}", hint="iid, dirichlet:ALPHA or gamma:SHARE")
    return Shares(tuple(_none_empty(parts)), held)


def _dirichlet(
    labels: Labels, rest: NDArray[np.int64], trainers: int, alpha: float, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    taken: list[list[NDArray[np.int64]]] = [[] for _ in range(trainers)]
    for label in np.unique(labels):
        members = rest[labels[rest] == label]
        cuts = (np.cumsum(rng.dirichlet(np.full(trainers, alpha)))[:-1] * len(members)).astype(int)
        for trainer, part in enumerate(np.split(members, cuts)):
            taken[trainer].append(part)
    return [np.concatenate(parts) for parts in taken]


def _gamma(labels: Labels, rest: NDArray[np.int64], trainers: int, share: float) -> list[NDArray[np.int64]]:
    alike = int(len(rest) * share)
    by_label = rest[alike:][np.argsort(labels[rest[alike:]], kind="stable")]
    both = zip(np.array_split(rest[:alike], trainers), np.array_split(by_label, trainers), strict=True)
    return [np.concatenate(pair) for pair in both]


def _none_empty(parts: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    for index, part in enumerate(parts):
        if len(part) == 0:
            largest = max(range(len(parts)), key=lambda other: len(parts[other]))
            parts[index], parts[largest] = parts[largest][:1], parts[largest][1:]
    return parts
