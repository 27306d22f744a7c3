"""One simulation's parameters: the key under which its result is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from scripts.benchmarks.process import Figures

CODE_VERSION = 5
"""Raised when results of the same parameters change."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Distributed SGD of ``steps`` rounds among ``honest`` and ``byzantine`` trainers.

    Attributes
    ----------
    data, model
        ``mnist`` or ``digits``; ``mlp`` or ``cnn``.
    split
        See :func:`scripts.benchmarks.attacks.splits.share_out`.
    attack, rule
        Names of :data:`ATTACKS` and of :func:`aggregation`.
    local_steps
        1: updates are gradients with momentum, as in byzfl; more: differences after so many local steps of SGD.
    batch, learning_rate, momentum, weight_decay
        Of every trainer; the defaults are byzfl's benchmark's.
    root
        Samples of the owner, from which the reference row is made.
    bits, headroom_bits
        Of the quantiser. Gradients of images have long tails: with less headroom, a part of them saturates.

    """

    data: str = "mnist"
    model: str = "mlp"
    split: str = "dirichlet:0.5"
    honest: int = 10
    byzantine: int = 4
    attack: str = "none"
    rule: str = "mean"
    seed: int = 0
    steps: int = 800
    local_steps: int = 1
    batch: int = 25
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    root: int = 300
    bits: int = 16
    headroom_bits: int = 6

    @property
    def attackers(self) -> int:
        """Number of attackers that are there: none without an attack."""
        return 0 if self.attack == "none" else self.byzantine

    def attack_free(self) -> Cell:
        """Return the run to compare with: the plain mean, nobody attacks."""
        return replace(self, attack="none", rule="mean")

    def key(self) -> Figures:
        """Return the parameters and the version of the code."""
        return asdict(self) | {"code": CODE_VERSION}
