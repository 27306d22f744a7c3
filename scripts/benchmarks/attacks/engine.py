"""One simulation, from its parameters to its figures; the same on one machine for the same parameters."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from aggregator.fixedpoint import initial_scale_exponent, next_scale_exponent
from aggregator.products import Layout, Products
from aggregator.rules import RULES
from scripts.benchmarks.attacks import backdoor
from scripts.benchmarks.attacks.aggregations import Aggregation, Rows, aggregation, with_history
from scripts.benchmarks.attacks.attacks import ATTACKS, View
from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.attacks.networks import Network, network
from scripts.benchmarks.attacks.pay import Payroll, jain
from scripts.benchmarks.attacks.splits import load, share_out
from scripts.benchmarks.attacks.trainers import Trainers
from scripts.benchmarks.process import Figures

_SPLIT, _BATCHES, _ROOT, _ATTACK = range(1, 5)
"""Streams of randomness."""
_EVALUATIONS = 8
_PREVIOUS_BITS = 8
"""Fraction bits of the previous aggregate's entries."""


@dataclass(slots=True)
class Tally:
    """Sums over steps: weights (n,), how often an honest update had no weight, accuracy at times."""

    weights: NDArray[np.float64]
    rejected: int
    accuracies: list[float]


class Simulation:
    """The state of one run."""

    def __init__(self, cell: Cell) -> None:
        torch.set_num_threads(1)
        data = load(cell.data)
        self.cell, self.n = cell, cell.honest + cell.attackers
        shares = share_out(data.labels, cell.honest, cell.split, cell.root, np.random.default_rng([cell.seed, _SPLIT]))
        images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
        self.test = torch.from_numpy(data.test_images), torch.from_numpy(data.test_labels)
        self.network: Network = network(cell.model, images.shape[1])
        self.trainers = Trainers(cell, self.network, images, labels, shares.trainers, _BATCHES)
        self.owner = Trainers(cell, self.network, images, labels, (shares.root,), _ROOT)
        self.model = self.network.initial(cell.seed)
        self.rule: Aggregation = aggregation(cell.rule, cell.byzantine)
        self.generator = torch.Generator().manual_seed(cell.seed * 10 + _ATTACK)
        self.exponent: int | None = None
        self.previous: torch.Tensor | None = None
        self.sums = (
            torch.zeros(self.n, self.network.dimension, dtype=torch.float64) if self.rule.needs_history else None
        )
        reads = cell.rule in RULES and RULES[cell.rule].needs_reference
        self.payroll = Payroll(self.n, cell.byzantine, self.network.dimension, needs_reference=reads)
        self.tally = Tally(np.zeros(self.n), 0, [])

    def run(self) -> Figures:
        """Run all steps and return the figures."""
        started = time.process_time()
        every = max(1, self.cell.steps // _EVALUATIONS)
        for step in range(self.cell.steps):
            self._step(step)
            if (step + 1) % every == 0 or step + 1 == self.cell.steps:
                self.tally.accuracies.append(self.accuracy())
        return self._figures() | {"cpu_seconds": round(time.process_time() - started, 2)}

    def accuracy(self) -> float:
        """Return the share of test samples that the model classifies right."""
        images, labels = self.test
        return float((self.network.logits(self.model, images).argmax(dim=1) == labels).double().mean())

    def _step(self, step: int) -> None:
        honest = self.trainers.updates(self.model)
        reference = self.owner.updates(self.model, whole_shares=True)
        updates = [honest]
        if self.cell.attackers:
            updates.append(self._byzantine(honest, reference[0], step).expand(self.cell.attackers, -1))
        rows = self._quantised(torch.cat([*updates, reference]))
        applied = self.rule.apply(rows)
        assert self.exponent is not None  # noqa: S101 - set by the line before last
        self.model = self.model + applied.aggregate * 2.0**self.exponent
        decision = applied.decision
        if decision is not None:
            self.payroll.settle(rows.products, decision)
            self.tally.weights += np.array(decision.weights) / 2**32
            self.tally.rejected += sum(weight == 0 for weight in decision.weights[: self.cell.honest])
        accepted = decision.accepted if decision else (True,) * self.n
        squares = [rows.products.matrix[i][i] for i in range(self.n) if accepted[i]]
        self.previous = applied.aggregate
        self._rescale(squares)

    def _byzantine(self, honest: torch.Tensor, reference: torch.Tensor, step: int) -> torch.Tensor:
        view = View(
            honest=honest,
            flipped=self.trainers.poisoned,
            triggered=lambda: backdoor.poisoned(self.trainers),
            reference=reference,
            byzantine=self.cell.attackers,
            step=step,
            steps=self.cell.steps,
            weigh=self.rule.weigh,
            generator=self.generator,
        )
        return ATTACKS[self.cell.attack](view)

    def _quantised(self, rows: torch.Tensor) -> Rows:
        if self.exponent is None:
            sample = rows[0].numpy()
            self.exponent = initial_scale_exponent(sample, bits=self.cell.bits, headroom_bits=self.cell.headroom_bits)
        limit = float((1 << (self.cell.bits - 1)) - 1)
        entries = (rows * 2.0**-self.exponent).round_().clamp_(-limit, limit)
        rate = self.cell.learning_rate if self.cell.local_steps == 1 else 1.0
        return Rows(entries, self._products(entries), 2.0**self.exponent / rate)

    def _products(self, entries: torch.Tensor) -> Products:
        # sums of products of 16-bit entries are exact in float64
        rows = torch.empty(len(entries) + (self.previous is not None), self.network.dimension, dtype=torch.float64)
        rows[: len(entries)] = entries
        if self.previous is not None:
            rows[-1] = torch.round(self.previous.double() * (1 << _PREVIOUS_BITS))
        found = (rows @ rows.T).long().tolist()
        layout = Layout(self.n, reference=True, previous=self.previous is not None)
        products = Products(layout, tuple(map(tuple, found)))
        if self.sums is None:
            return products
        self.sums += rows[: self.n] * 2.0 ** (self.exponent or 0)
        gram = self.sums @ self.sums.T
        gram = (gram + gram.T) / 2
        scale = float(2**60 / (gram.abs().max() + 1e-300))
        return with_history(products, tuple(tuple(row) for row in (gram * scale).round().long().tolist()))

    def _rescale(self, squares: list[int]) -> None:
        if self.exponent is None or not squares:
            return
        following = next_scale_exponent(
            squares,
            exponent=self.exponent,
            dimension=self.network.dimension,
            bits=self.cell.bits,
            headroom_bits=self.cell.headroom_bits,
        )
        if self.previous is not None and following != self.exponent:
            self.previous = self.previous * 2.0 ** (self.exponent - following)
        self.exponent = following

    def _figures(self) -> Figures:
        cell, paid, tally = self.cell, self.payroll.paid, self.tally
        decides = bool(tally.weights.any()) or tally.rejected > 0
        total = float(paid.sum())
        found: Figures = {
            "accuracy": tally.accuracies[-1],
            "accuracies": tally.accuracies,
            "proven": self.rule.proven,
            "false_rejections": tally.rejected / (cell.steps * cell.honest) if decides else None,
            "attackers_weight": float(tally.weights[cell.honest :].sum() / cell.steps) if decides else None,
            "attackers_pay": float(paid[cell.honest :].sum() / total) if decides and total else None,
            "paid": total / cell.steps if decides else None,
            "honest_fairness": jain(paid[: cell.honest].tolist()) if decides else None,
        }
        if cell.attack == "backdoor":
            found["backdoor_success"] = backdoor.success(self.network, self.model, *self.test)
        return found


def simulate(cell: Cell) -> Figures:
    """Run one cell."""
    return Simulation(cell).run()
