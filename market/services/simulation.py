"""A market's rounds without a market: the same training, quantiser, rule and arithmetic in one process.

Used for baselines (no attack; no defence). Under the same rule and seeds it gives the model of a real market bit for
bit, but for behaviours that steal: here, where nothing is sealed, they get what they want.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aggregator.carried import EMPTY
from aggregator.commitments import ADDRESS_BYTES
from aggregator.fixedpoint import IntVector
from aggregator.gram import WideVector, weighted_sum
from aggregator.history import SumVectors
from aggregator.products import Layout
from aggregator.rows import products_of_rows
from aggregator.rules import get_rule
from aggregator.settlement import Outcome, RoundRules, settle
from market.services.job import Vector
from market.services.manifest import Manifest
from market.trainer.behaviours import Behaviour, make_behaviour
from market.trainer.local_round import compute_update, estimated_peers, evaluate_vector
from market.trainer.parameters import ModelSchema
from market.trainer.task import Evaluation, Samples, Task


@dataclass(frozen=True)
class SimulatedTrainer:
    """A trainer's data, behaviour, seed and stake."""

    samples: Samples
    behaviour: Behaviour
    seed: int
    stake: int


@dataclass(frozen=True)
class SimulatedRound:
    """Model after the round, float32 (d,), its evaluation, and the settlement's figures."""

    model: Vector
    evaluation: Evaluation
    outcome: Outcome


def simulate(
    task: Task,
    manifest: Manifest,
    initial_model: Vector,
    trainers: Sequence[SimulatedTrainer],
    rules: RoundRules,
    *,
    rounds: int,
    scale_exponent: int,
    validation: Samples,
    root: Samples | None = None,
    root_seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> list[SimulatedRound]:
    """Run ``rounds`` rounds; trainers that steal see the updates of all that do not.

    ``root`` are the samples that the owner trains its reference row on, with ``root_seed``; None for a job without
    one.
    """
    schema = ModelSchema(manifest.entries)
    model, exponent = initial_model, scale_exponent
    carried, previous = EMPTY, None
    addresses = [place.to_bytes(ADDRESS_BYTES, "big") for place in range(len(trainers))]
    honest = make_behaviour("honest")
    sums = SumVectors() if get_rule(rules.rule).needs_history else None
    done: list[SimulatedRound] = []
    for number in range(1, rounds + 1):
        quantiser = manifest.quantiser_for(bits=rules.bits, scale_exponent=exponent)
        entries: dict[int, IntVector] = {}
        for place in sorted(range(len(trainers)), key=lambda place: trainers[place].behaviour.steals):
            trainer = trainers[place]
            peers: Iterable[Vector] = ()
            if trainer.behaviour.steals:
                seen = [entries[peer] for peer in entries if not trainers[peer].behaviour.steals]
                peers = map(quantiser.dequantise, seen)
            elif trainer.behaviour.needs_peers:
                peers = estimated_peers(task, schema, model, trainer.samples, seed=trainer.seed, round_index=number)
            local = compute_update(
                task,
                schema,
                model,
                trainer.samples,
                trainer.behaviour,
                seed=trainer.seed,
                round_index=number,
                peers=peers,
                n=len(trainers),
                f=rules.byzantine,
            )
            entries[place] = quantiser.quantise(local.update).entries
        updates = [entries[place] for place in range(len(trainers))]
        extras: list[WideVector | IntVector] = []
        if root is not None:
            local = compute_update(task, schema, model, root, honest, seed=root_seed, round_index=number)
            extras.append(quantiser.quantise(local.update).entries)
        if previous is not None:
            extras.append(previous)
        if sums is not None:
            extras.extend(sums.add(addresses, updates, scale_exponent=exponent))
        layout = Layout(len(updates), root is not None, previous is not None, sums is not None)
        outcome = settle(
            rules,
            products_of_rows(layout, updates, extras, bits=rules.bits),
            [trainer.stake for trainer in trainers],
            scale_exponent=exponent,
            trainers=addresses,
            memory=carried,
        )
        aggregate = weighted_sum(updates, outcome.weights)
        model = quantiser.apply(model, aggregate)
        carried, previous = outcome.memory, aggregate if aggregate.any() else None
        exponent = outcome.next_scale_exponent
        done.append(SimulatedRound(model, evaluate_vector(task, schema, model, validation), outcome))
        progress(number)
    return done
