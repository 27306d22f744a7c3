"""Gradients of all trainers at once: one batched product instead of one backward pass for each trainer."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from aggregator.errors import InvalidInput
from market.trainer.builtin import mnist_cnn
from market.trainer.randomness import seeded_torch

_CLASSES = 10
_MNIST_PIXELS = 784
_HIDDEN = {_MNIST_PIXELS: 100, 64: 64}
_EVALUATION_BATCH = 1_000


class Network(Protocol):
    """A classifier whose parameters are one vector (d,)."""

    @property
    def dimension(self) -> int:
        """``d``."""
        ...

    def initial(self, seed: int) -> torch.Tensor:
        """Return parameters (d,) as torch initialises them."""
        ...

    def gradients(self, model: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, out: torch.Tensor) -> None:
        """Write the gradient of the mean cross-entropy of each group of samples into ``out`` (groups, d).

        ``images`` is (groups, batch, pixels), ``labels`` (groups, batch); ``model`` (d,), or (groups, d) where each
        group has its own.
        """
        ...

    def logits(self, model: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return (k, classes) of images (k, pixels)."""
        ...


class Mlp:
    """Pixels - hidden - 10 with ReLU; the backward pass written out."""

    def __init__(self, pixels: int) -> None:
        self._shapes = ((_HIDDEN[pixels], pixels), (_HIDDEN[pixels],), (_CLASSES, _HIDDEN[pixels]), (_CLASSES,))
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self.dimension = sum(self._sizes)

    def initial(self, seed: int) -> torch.Tensor:
        """Return uniform in +-1/sqrt(inputs), torch's default for linear layers."""
        rng = np.random.default_rng(seed)
        inputs = (self._shapes[0][1], self._shapes[0][1], self._shapes[2][1], self._shapes[2][1])
        parts = [rng.uniform(-1, 1, size) / math.sqrt(k) for size, k in zip(self._sizes, inputs, strict=True)]
        return torch.from_numpy(np.concatenate(parts).astype(np.float32))

    def gradients(self, model: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, out: torch.Tensor) -> None:
        """Write the gradients; see `Network`."""
        groups, batch, _ = images.shape
        first, first_bias, second, second_bias = self._parts(model)
        if model.ndim == 1:
            hidden = (images.flatten(0, 1) @ first.T).view(groups, batch, -1) + first_bias
            hidden.relu_()
            scores = (hidden.flatten(0, 1) @ second.T).view(groups, batch, -1) + second_bias
        else:
            hidden = torch.baddbmm(first_bias[:, None], images, first.mT).relu_()
            scores = torch.baddbmm(second_bias[:, None], hidden, second.mT)
        error = torch.softmax(scores, dim=2)
        error.scatter_add_(2, labels[..., None], torch.full((groups, batch, 1), -1.0))
        error /= batch
        to_first, to_first_bias, to_second, to_second_bias = self._parts(out)
        torch.bmm(error.mT, hidden, out=to_second)
        torch.sum(error, dim=1, out=to_second_bias)
        back = (error @ second) if model.ndim > 1 else (error.flatten(0, 1) @ second).view(groups, batch, -1)
        back *= hidden > 0
        torch.bmm(back.mT, images, out=to_first)
        torch.sum(back, dim=1, out=to_first_bias)

    def logits(self, model: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return (k, 10)."""
        first, first_bias, second, second_bias = self._parts(model)
        return torch.addmm(second_bias, torch.addmm(first_bias, images, first.T).relu_(), second.T)

    def _parts(self, flat: torch.Tensor) -> list[torch.Tensor]:
        lead = flat.shape[:-1]
        pieces = torch.split(flat, self._sizes, dim=-1)
        return [piece.view(*lead, *shape) for piece, shape in zip(pieces, self._shapes, strict=True)]


class Cnn:
    """The market's convolutional network for MNIST, through torch.func."""

    def __init__(self, pixels: int) -> None:
        self._module = mnist_cnn()
        self._side = math.isqrt(pixels)
        self._named = [(name, value.shape, value.numel()) for name, value in self._module.named_parameters()]
        self.dimension = sum(size for _, _, size in self._named)

    def initial(self, seed: int) -> torch.Tensor:
        """Return torch's default initialisation."""
        with seeded_torch(seed):
            fresh = mnist_cnn()
        return torch.cat([value.detach().flatten() for value in fresh.parameters()])

    def gradients(self, model: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, out: torch.Tensor) -> None:
        """Write the gradients; see `Network`."""
        each = torch.func.grad(self._loss)
        out.copy_(torch.func.vmap(each, in_dims=(None if model.ndim == 1 else 0, 0, 0))(model, images, labels))

    def logits(self, model: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return (k, 10)."""
        with torch.no_grad():
            return torch.cat([self._forward(model, part) for part in torch.split(images, _EVALUATION_BATCH)])

    def _loss(self, model: torch.Tensor, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self._forward(model, images), labels)

    def _forward(self, model: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        pieces = torch.split(model, [size for _, _, size in self._named])
        parameters = {name: piece.view(shape) for (name, shape, _), piece in zip(self._named, pieces, strict=True)}
        shaped = images.view(-1, 1, self._side, self._side)
        result: torch.Tensor = torch.func.functional_call(self._module, parameters, (shaped,))
        return result


def network(name: str, pixels: int) -> Network:
    """Return ``mlp`` or ``cnn`` (28 x 28 pixels).

    Raises
    ------
    InvalidInput
        If there is no such network for images of this size.

    """
    if name == "mlp" and pixels in _HIDDEN:
        return Mlp(pixels)
    if name == "cnn" and pixels == _MNIST_PIXELS:
        return Cnn(pixels)
    raise InvalidInput(f"there is no network {name!r} for {pixels} pixels")
