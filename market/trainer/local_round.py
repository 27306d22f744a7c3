"""One trainer's part of a round: from the global model to the update it submits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from aggregator.errors import GramercyError, WrongShape
from market.errors import TaskError
from market.trainer.behaviours import Behaviour, Vector
from market.trainer.parameters import ModelSchema, flatten, load_flat, require_finite
from market.trainer.randomness import derive_seed, seeded_torch
from market.trainer.task import Evaluation, Samples, Task, TrainingReport

_TRAINING, _ATTACK, _ESTIMATE = 2, 3, 4
_ESTIMATES = 3
"""How many peers an attacker estimates from its own samples: the fewest that have a mean and a deviation."""


@dataclass(frozen=True)
class LocalUpdate:
    """The update (d,) float32 to submit, and the report of the training behind it."""

    update: Vector
    report: TrainingReport


def compute_update(
    task: Task,
    schema: ModelSchema,
    global_vector: Vector,
    samples: Samples,
    behaviour: Behaviour,
    *,
    seed: int,
    round_index: int,
    threads: int = 1,
    peers: Iterable[Vector] = (),
    n: int = 1,
    f: int = 0,
) -> LocalUpdate:
    """Train from the global model and return the difference, as the behaviour submits it.

    With ``threads=1`` equal arguments give updates equal to the bit on one machine, whatever state torch's
    generator is in.

    Parameters
    ----------
    task, schema
        What is trained, and the entries its model must have.
    global_vector
        The global model, float32 of shape (d,); not changed.
    samples
        The trainer's own samples.
    behaviour
        Prepares the samples and forms the update.
    seed, round_index
        Decide everything random; give each trainer its own seed.
    threads
        Threads of torch while this runs (a setting of the whole process).
    peers, n, f
        For behaviours with ``needs_peers``: honest trainers' updates or estimates of them, the number of trainers
        and of attackers.

    Raises
    ------
    WrongShape
        If the task's model has other entries than ``schema``, or the vector another shape.
    NonFiniteUpdate
        If the global model, or the update, has a NaN or infinite entry.
    TaskError
        If the task's own program fails.
    ConfigError
        If the behaviour needs peers and gets none.

    """
    prepared = behaviour.prepare_samples(samples, task.classes)
    own, report = _trained(task, schema, global_vector, prepared, seed, round_index, _TRAINING, threads)
    rng = np.random.default_rng(derive_seed(seed, round_index, _ATTACK))
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and refused below
        update = behaviour.craft(own, peers, rng, n=n, f=f)
    require_finite(update, "The update")
    return LocalUpdate(update, report)


def estimated_peers(
    task: Task,
    schema: ModelSchema,
    global_vector: Vector,
    samples: Samples,
    *,
    seed: int,
    round_index: int,
    threads: int = 1,
) -> Iterator[Vector]:
    """Yield honest updates (d,) trained on parts of one's own samples: all that is known of the others', as they are.

    Up to three disjoint parts, every third sample each. Baruch et al. 2019 estimate in this way from the data of the
    workers that the attacker holds. Errors as in `compute_update`.
    """
    parts = min(_ESTIMATES, len(samples))
    for part in range(parts):
        own = samples.subset(np.arange(part, len(samples), parts))
        yield _trained(task, schema, global_vector, own, seed, round_index, _ESTIMATE + part, threads)[0]


def evaluate_vector(
    task: Task, schema: ModelSchema, vector: Vector, samples: Samples, *, threads: int = 1
) -> Evaluation:
    """Return loss and accuracy of the model ``vector`` (d,) on ``samples``; errors as in `compute_update`."""
    with seeded_torch(0, threads=threads), _telling(task):
        return task.evaluate(_model(task, schema, vector), samples)


def _trained(
    task: Task,
    schema: ModelSchema,
    global_vector: Vector,
    samples: Samples,
    seed: int,
    round_index: int,
    stream: int,
    threads: int,
) -> tuple[Vector, TrainingReport]:
    with seeded_torch(derive_seed(seed, round_index, stream), threads=threads), _telling(task):
        model = _model(task, schema, global_vector)
        report = task.train_local(model, samples, seed=seed, round_index=round_index)
    if not isinstance(report, TrainingReport):
        raise TaskError(f"train_local of {task.name} must return a TrainingReport.")
    return _difference(model, schema, global_vector), report


def _model(task: Task, schema: ModelSchema, vector: Vector) -> torch.nn.Module:
    # the seed does not matter for the entries; excluded counters keep the value that every trainer has
    model = task.init_model(0)
    _require_schema(model, schema)
    load_flat(model, vector)
    return model


def _difference(model: torch.nn.Module, schema: ModelSchema, global_vector: Vector) -> Vector:
    _require_schema(model, schema)
    update = flatten(model)
    update -= global_vector
    return update


def _require_schema(model: torch.nn.Module, schema: ModelSchema) -> None:
    if ModelSchema.of(model) != schema:
        raise WrongShape("The task's model has other entries than the job's model.")


@contextmanager
def _telling(task: Task) -> Iterator[None]:
    """Turn whatever the task's own program raises into a `TaskError` that names the task."""
    try:
        yield
    except GramercyError:
        raise
    except Exception as error:
        raise TaskError(f"The task {task.name} failed: {type(error).__name__}: {error}") from error
