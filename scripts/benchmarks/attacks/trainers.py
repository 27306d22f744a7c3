"""What trainers compute in a step: gradients with momentum, or the difference after several local steps."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.attacks.networks import Network

_CLASSES = 10


class Trainers:
    """Trainers that draw batches from their shares, all computed at once.

    Updates are directions of descent times the learning rate, so that the next model is the model plus the aggregate.
    """

    def __init__(
        self,
        cell: Cell,
        network: Network,
        images: torch.Tensor,
        labels: torch.Tensor,
        shares: tuple[NDArray[np.int64], ...],
        stream: int,
    ) -> None:
        self._cell, self._network = cell, network
        self._images, self._labels, self._shares = images, labels, shares
        self._rng = np.random.default_rng([cell.seed, stream])
        self._momenta = torch.zeros(len(shares), network.dimension)
        self._poisoned_momenta = torch.zeros(len(shares), network.dimension)
        self._last = (torch.zeros(0), torch.zeros(0))
        self._start = torch.zeros(0)

    def updates(self, model: torch.Tensor, *, whole_shares: bool = False) -> torch.Tensor:
        """Return this step's updates (trainers, d); ``whole_shares``: on all samples instead of a batch."""
        self._start = model
        if self._cell.local_steps > 1:
            batches = [self._batch(whole_shares=False) for _ in range(self._cell.local_steps)]
            self._last = (torch.stack([x for x, _ in batches]), torch.stack([y for _, y in batches]))
            return self._local(*self._last)
        self._last = self._batch(whole_shares=whole_shares)
        return self._one_step(self._momenta, *self._last)

    def poisoned(self, images: torch.Tensor | None = None, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the same trainers would have sent on the same batches with other labels (default ``9 - y``)."""
        x = self._last[0] if images is None else images
        y = _CLASSES - 1 - self._last[1] if labels is None else labels
        return self._local(x, y) if self._cell.local_steps > 1 else self._one_step(self._poisoned_momenta, x, y)

    @property
    def batches(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Features and labels of the last updates."""
        return self._last

    def _batch(self, *, whole_shares: bool) -> tuple[torch.Tensor, torch.Tensor]:
        if whole_shares:
            picked = np.stack(self._shares)
        else:
            picked = np.stack([share[self._rng.integers(0, len(share), self._cell.batch)] for share in self._shares])
        return self._images[picked.ravel()].view(*picked.shape, -1), self._labels[torch.from_numpy(picked)]

    def _one_step(self, momenta: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gradients = torch.empty_like(momenta)
        self._network.gradients(self._start, images, labels, gradients)
        gradients.add_(self._start, alpha=self._cell.weight_decay)
        # byzfl's client: m <- beta m + (1 - beta) g
        momenta.mul_(self._cell.momentum).add_(gradients, alpha=1 - self._cell.momentum)
        return momenta * -self._cell.learning_rate

    def _local(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        models = self._start.repeat(len(self._shares), 1)
        momenta, gradients = torch.zeros_like(models), torch.empty_like(models)
        for x, y in zip(images, labels, strict=True):
            self._network.gradients(models, x, y, gradients)
            gradients.add_(models, alpha=self._cell.weight_decay)
            momenta.mul_(self._cell.momentum).add_(gradients)
            models.add_(momenta, alpha=-self._cell.learning_rate)
        return models - self._start
