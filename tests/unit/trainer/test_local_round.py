"""One trainer's round: repeatable to the bit, checked on the way in and out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from aggregator.errors import NonFiniteUpdate, WrongShape
from market.errors import ConfigError, TaskError
from market.trainer.behaviours import Vector, make_behaviour
from market.trainer.builtin import builtin_task
from market.trainer.local_round import LocalUpdate, compute_update, estimated_peers, evaluate_vector
from market.trainer.parameters import ModelSchema, flatten, load_flat
from market.trainer.supervised import SupervisedTask
from market.trainer.task import Samples, TrainingReport

_TASK = builtin_task("digits")
_SCHEMA = ModelSchema.of(_TASK.init_model(0))
_GLOBAL = flatten(_TASK.init_model(0))
_SAMPLES = _TASK.load_data().train.subset(range(150))


def _update(
    behaviour: str = "honest",
    *,
    task: SupervisedTask = _TASK,
    vector: Vector = _GLOBAL,
    seed: int = 0,
    round_index: int = 0,
    peers: tuple[Vector, ...] = (),
) -> LocalUpdate:
    return compute_update(
        task,
        ModelSchema.of(task.init_model(0)),
        vector,
        _SAMPLES,
        make_behaviour(behaviour),
        seed=seed,
        round_index=round_index,
        peers=peers,
        n=8,
        f=2,
    )


@pytest.mark.parametrize("spec", ["digits:mlp", "digits:cnn"])
def test_equal_arguments_give_updates_equal_to_the_bit_whatever_torchs_state(spec: str) -> None:
    task = builtin_task(spec)
    vector = flatten(task.init_model(0))
    torch.manual_seed(1)
    first = _update(task=task, vector=vector).update
    torch.manual_seed(2)
    assert _update(task=task, vector=vector).update.tobytes() == first.tobytes()


def test_layers_that_draw_random_numbers_are_repeatable_too() -> None:
    task = dataclasses.replace(
        _TASK,
        build_model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Dropout(0.5), nn.Linear(32, 10)),
    )
    vector = flatten(task.init_model(0))
    first = _update(task=task, vector=vector).update
    assert _update(task=task, vector=vector).update.tobytes() == first.tobytes()
    assert (_update(task=task, vector=vector, seed=1).update != first).any()


@pytest.mark.parametrize(("seed", "round_index"), [(1, 0), (0, 1)])
def test_seed_and_round_change_the_update(seed: int, round_index: int) -> None:
    assert (_update(seed=seed, round_index=round_index).update != _update().update).any()


def test_the_update_leads_from_the_global_model_to_the_trained_one() -> None:
    before = _GLOBAL.copy()
    result = _update()
    assert np.array_equal(_GLOBAL, before)
    model = _TASK.init_model(0)
    load_flat(model, _GLOBAL)
    report = _TASK.train_local(model, _SAMPLES, seed=0, round_index=0)
    assert result.report.loss == pytest.approx(report.loss, rel=1e-4)
    assert (result.report.samples_seen, result.report.steps) == (report.samples_seen, report.steps) == (750, 50)
    np.testing.assert_allclose(_GLOBAL + result.update, flatten(model), atol=1e-6)


def test_threads_are_set_inside_and_restored_after() -> None:
    seen = []

    class Watching(SupervisedTask):
        def train_local(self, model: nn.Module, samples: Samples, *, seed: int, round_index: int) -> TrainingReport:
            seen.append(torch.get_num_threads())
            return super().train_local(model, samples, seed=seed, round_index=round_index)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        _update(task=Watching("w", 10, _TASK.build_model, _TASK.load))
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_label_flip_trains_on_other_labels() -> None:
    honest, flipped = _update().update, _update("label-flip").update
    cosine = honest @ flipped / np.linalg.norm(honest) / np.linalg.norm(flipped)
    assert cosine < 0.5


def test_attacks_are_applied_to_the_trained_update() -> None:
    own = _update().update
    assert np.array_equal(_update("sign-flip").update, -4 * own)
    assert np.array_equal(_update("copy", peers=(own,)).update, own)
    assert np.array_equal(_update("gaussian").update, _update("gaussian").update)
    with pytest.raises(ConfigError):
        _update("alie")


def test_an_attacker_estimates_others_from_disjoint_parts_of_its_own_samples() -> None:
    estimates = list(estimated_peers(_TASK, _SCHEMA, _GLOBAL, _SAMPLES, seed=0, round_index=0))
    assert len(estimates) == 3
    for part, estimate in enumerate(estimates):
        honest = compute_update(
            _TASK,
            _SCHEMA,
            _GLOBAL,
            _SAMPLES.subset(range(part, 150, 3)),
            make_behaviour("honest"),
            seed=0,
            round_index=0,
        )
        assert estimate.tobytes() == honest.update.tobytes()
    crafted = _update("ipm:1", peers=tuple(estimates)).update
    np.testing.assert_allclose(crafted, -np.mean(estimates, axis=0), rtol=1e-4, atol=1e-8)
    few = _SAMPLES.subset(range(2))
    assert len(list(estimated_peers(_TASK, _SCHEMA, _GLOBAL, few, seed=0, round_index=0))) == 2


def test_diverged_training_is_refused() -> None:
    with pytest.raises(NonFiniteUpdate, match="NaN"):
        _update(task=dataclasses.replace(_TASK, learning_rate=1e30))


def test_an_attack_that_leaves_float32_is_refused() -> None:
    with pytest.raises(NonFiniteUpdate):
        _update("sign-flip:1e39")


def test_a_global_model_with_nan_is_refused() -> None:
    bad = _GLOBAL.copy()
    bad[3] = np.nan
    with pytest.raises(NonFiniteUpdate):
        _update(vector=bad)


def test_another_model_than_the_jobs_is_refused() -> None:
    other = ModelSchema((("weight", (4_810,)),))
    with pytest.raises(WrongShape):
        compute_update(_TASK, other, _GLOBAL, _SAMPLES, make_behaviour("honest"), seed=0, round_index=0)
    with pytest.raises(WrongShape):
        evaluate_vector(_TASK, other, _GLOBAL, _SAMPLES)
    with pytest.raises(WrongShape):
        _update(vector=_GLOBAL[:-1])


class _Broken(SupervisedTask):
    def train_local(self, model: nn.Module, samples: Samples, *, seed: int, round_index: int) -> TrainingReport:
        raise KeyError("column")


class _Silent(SupervisedTask):
    def train_local(  # type: ignore[override]
        self, model: nn.Module, samples: Samples, *, seed: int, round_index: int
    ) -> None:
        return None


@pytest.mark.parametrize(("kind", "reason"), [(_Broken, "KeyError"), (_Silent, "TrainingReport")])
def test_a_task_that_fails_or_returns_something_else_is_named(kind: type[SupervisedTask], reason: str) -> None:
    with pytest.raises(TaskError, match=f"theirs.*{reason}|{reason}.*theirs|of theirs must.*{reason}"):
        _update(task=kind("theirs", 10, _TASK.build_model, _TASK.load))


def test_evaluation_of_a_vector_is_that_of_the_model() -> None:
    model = _TASK.init_model(0)
    assert evaluate_vector(_TASK, _SCHEMA, _GLOBAL, _SAMPLES) == _TASK.evaluate(model, _SAMPLES)
