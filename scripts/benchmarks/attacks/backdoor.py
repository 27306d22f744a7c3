"""The backdoor with trigger: a white square in a corner that shall turn any image into class 0."""

from __future__ import annotations

import math

import torch

from scripts.benchmarks.attacks.networks import Network
from scripts.benchmarks.attacks.trainers import Trainers

TARGET = 0
_SIDE = 3


def triggered(images: torch.Tensor) -> torch.Tensor:
    """Return images (..., pixels) with the trigger: a square of 3 x 3 pixels in the last corner, as bright as any."""
    side = math.isqrt(images.shape[-1])
    marked = images.clone().view(*images.shape[:-1], side, side)
    marked[..., -_SIDE:, -_SIDE:] = images.max()
    return marked.flatten(-2)


def poisoned(trainers: Trainers) -> torch.Tensor:
    """Return the updates (trainers, d) of the same batches, every second sample with trigger and target label.

    Gu, Dolan-Gavitt and Garg 2017 ("BadNets"); Bagdasaryan et al. 2020 bring it into federated learning.
    """
    images, labels = trainers.batches
    marked, target = triggered(images), labels.clone()
    mixed = images.clone()
    mixed[..., ::2, :] = marked[..., ::2, :]
    target[..., ::2] = TARGET
    return trainers.poisoned(mixed, target)


def success(network: Network, model: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of test images of other classes that the trigger turns into the target."""
    others = images[labels != TARGET]
    return float((network.logits(model, triggered(others)).argmax(dim=1) == TARGET).double().mean())
