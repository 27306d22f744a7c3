"""A job's rounds with real local training and exact settlements, but no chain: who is paid what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import torch

from aggregator.carried import EMPTY, Carried
from aggregator.fixedpoint import IntVector, Quantiser, initial_scale_exponent
from aggregator.gram import weighted_sum
from aggregator.products import Layout
from aggregator.rows import products_of_rows
from aggregator.settlement import Outcome, RoundRules, settle
from market.trainer.behaviours import Behaviour, Honest, Vector
from market.trainer.builtin import builtin_task
from market.trainer.local_round import compute_update
from market.trainer.parameters import ModelSchema, flatten
from market.trainer.partition import partition
from market.trainer.randomness import derive_seed
from market.trainer.supervised import SupervisedTask
from market.trainer.task import Samples

BUDGET = 10**15
BITS, HEADROOM_BITS = 16, 5
ROOT_SAMPLES = 200
WEIGHT_ONE = 1 << 32
_OWNER = 9_999


@dataclass(frozen=True, slots=True)
class View:
    """What a trainer sees when it submits: its honest update, and the step that the last round made (d,)."""

    own: Vector
    previous: Vector
    round_index: int
    rng: np.random.Generator

    def noise(self, strength: float = 1.0) -> Vector:
        """Return isotropic noise of ``strength`` times the length of the honest update."""
        found = self.rng.standard_normal(self.own.shape)
        return (found * (strength * np.linalg.norm(self.own) / np.linalg.norm(found))).astype(np.float32)

    def replay(self) -> Vector:
        """Return the last step at the length of the honest update; zeros in the first round."""
        length = float(np.linalg.norm(self.previous))
        return self.previous * np.float32(np.linalg.norm(self.own) / length) if length else self.previous


Craft = Callable[[View], Vector]


def honest(view: View) -> Vector:
    """Submit the honest update."""
    return view.own


@dataclass(frozen=True, slots=True)
class Trainer:
    """Samples by their share, what is done with them, and what is submitted; equal ``seed``s train alike."""

    share: int
    craft: Craft = honest
    behaviour: Behaviour = field(default_factory=Honest)
    stake: int = 10**18
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is simulated: digits, dense network, one local training a round as the built-in task has it."""

    trainers: tuple[Trainer, ...]
    shares: int
    alpha: float | None = None
    rounds: int = 5
    seed: int = 1
    rule: str = "mean"
    score: str = "shapley-reference"
    byzantine: int = 2
    floor_bps: int = 5_000
    cap_bps: int = 30_000
    reference: Craft = honest

    def play(self) -> list[Outcome]:
        """Run all rounds and return their settlements."""
        task, schema, root, parts = _data(self.shares, self.alpha, self.seed)
        owner = replace(task, data_passes=1)
        model = flatten(task.init_model(self.seed))
        step, previous = np.zeros_like(model), None
        memory, exponent, outcomes = EMPTY, 0, list[Outcome]()
        for index in range(self.rounds):
            now, floats = _Now(schema, model, step, index), list[Vector]()
            floats = [
                now.submitted(
                    task, parts[each.share], each.craft, each.behaviour, derive_seed(self.seed, self._seed(i))
                )
                for i, each in enumerate(self.trainers)
            ]
            reference = now.submitted(owner, root, self.reference, Honest(), derive_seed(self.seed, _OWNER))
            if not index:
                exponent = initial_scale_exponent(reference, bits=BITS, headroom_bits=HEADROOM_BITS)
            quantiser = Quantiser(BITS, exponent, (schema.dimension,), (0,))
            rows = [quantiser.quantise(vector).entries for vector in floats]
            outcome = self._settle(rows, quantiser.quantise(reference).entries, previous, exponent, memory)
            previous = weighted_sum(rows, outcome.weights)
            step = (np.ldexp(previous.astype(np.float64), exponent) / WEIGHT_ONE).astype(np.float32)
            model = model + step
            memory, exponent = outcome.memory, outcome.next_scale_exponent
            outcomes.append(outcome)
        return outcomes

    def _seed(self, place: int) -> int:
        seed = self.trainers[place].seed
        return derive_seed(self.seed, place if seed is None else seed)

    def _settle(
        self,
        rows: Sequence[IntVector],
        reference: IntVector,
        previous: np.ndarray | None,
        exponent: int,
        memory: Carried,
    ) -> Outcome:
        n = len(rows)
        rules = RoundRules(
            rule=self.rule,
            score=self.score,
            byzantine=self.byzantine,
            dimension=len(reference),
            bits=BITS,
            headroom_bits=HEADROOM_BITS,
            budget=BUDGET,
            reference=True,
            floor_bps=self.floor_bps,
            cap_bps=self.cap_bps,
        )
        there = previous is not None and bool(previous.any())
        extras = [reference, previous] if there and previous is not None else [reference]
        return settle(
            rules,
            products_of_rows(Layout(n, reference=True, previous=there), rows, extras, bits=BITS),
            [each.stake for each in self.trainers],
            scale_exponent=exponent,
            trainers=[place.to_bytes(20, "big") for place in range(1, n + 1)],
            memory=memory,
        )


@dataclass(frozen=True, slots=True)
class _Now:
    schema: ModelSchema
    model: Vector
    step: Vector
    index: int

    def submitted(
        self, task: SupervisedTask, samples: Samples, craft: Craft, behaviour: Behaviour, seed: int
    ) -> Vector:
        found = compute_update(task, self.schema, self.model, samples, behaviour, seed=seed, round_index=self.index)
        return craft(View(found.update, self.step, self.index, np.random.default_rng([seed, self.index])))


def paid(outcomes: Sequence[Outcome]) -> list[int]:
    """Return each trainer's payouts, summed over rounds."""
    return [sum(column) for column in zip(*(outcome.payouts for outcome in outcomes), strict=True)]


@cache
def _data(
    shares: int, alpha: float | None, seed: int
) -> tuple[SupervisedTask, ModelSchema, Samples, tuple[Samples, ...]]:
    task = builtin_task("digits")
    train = task.load_data().train
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(train)))
    pool = train.subset(order[ROOT_SAMPLES:])
    parts = partition(pool.labels.numpy(), shares, alpha, seed)
    schema = ModelSchema.of(task.init_model(0))
    return task, schema, train.subset(order[:ROOT_SAMPLES]), tuple(pool.subset(part) for part in parts)
