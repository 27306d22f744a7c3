"""The training defaults: what the plain mean reaches with and without attackers, on real data."""

from __future__ import annotations

import numpy as np
import pytest

from market.trainer.behaviours import Vector, make_behaviour
from market.trainer.builtin import builtin_task
from market.trainer.local_round import compute_update, evaluate_vector
from market.trainer.parameters import ModelSchema, flatten
from market.trainer.partition import partition

_TRAINERS, _ATTACKERS, _ROUNDS = 8, 2, 5


def _accuracy_of_the_mean(spec: str, attack: str, seed: int) -> float:
    """Return validation accuracy after 5 rounds of averaging over 8 trainers, 2 of whom behave as ``attack``."""
    task = builtin_task(spec)
    data = task.load_data()
    schema, vector = ModelSchema.of(task.init_model(seed)), flatten(task.init_model(seed))
    shares = [data.train.subset(part) for part in partition(data.train.labels, _TRAINERS, 1.0, seed)]
    honest = _TRAINERS - _ATTACKERS
    for round_index in range(_ROUNDS):
        updates: list[Vector] = []
        for trainer, share in enumerate(shares):
            behaviour = make_behaviour("honest" if trainer < honest else attack)
            result = compute_update(
                task,
                schema,
                vector,
                share,
                behaviour,
                seed=100 * seed + trainer,
                round_index=round_index,
                peers=updates[:honest],
                n=_TRAINERS,
                f=_ATTACKERS,
            )
            updates.append(result.update)
        vector = vector + np.mean(updates, axis=0)
    return evaluate_vector(task, schema, vector, data.validation).accuracy


@pytest.mark.parametrize(
    ("spec", "seed"),
    [
        ("digits:mlp", 0),
        *(pytest.param("digits:mlp", seed, marks=pytest.mark.slow) for seed in range(1, 5)),
        *(pytest.param("digits:cnn", seed, marks=pytest.mark.slow) for seed in range(5)),
    ],
)
def test_the_mean_reaches_93_percent_without_attack_and_falls_with_sign_flippers(spec: str, seed: int) -> None:
    attack_free = _accuracy_of_the_mean(spec, "honest", seed)
    attacked = _accuracy_of_the_mean(spec, "sign-flip", seed)
    assert attack_free >= 0.93
    assert attacked < attack_free - 0.3


@pytest.mark.parametrize("attack", [pytest.param("gaussian", marks=pytest.mark.slow), "ipm:10"])
def test_strong_attacks_on_the_update_break_the_mean(attack: str) -> None:
    assert _accuracy_of_the_mean("digits:mlp", attack, 0) < 0.7


@pytest.mark.parametrize("attack", ["free-rider", pytest.param("copy", marks=pytest.mark.slow)])
def test_earning_without_work_does_not_break_the_model(attack: str) -> None:
    assert _accuracy_of_the_mean("digits:mlp", attack, 0) > 0.85
