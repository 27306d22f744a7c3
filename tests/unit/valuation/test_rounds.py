"""Utilities measured on real models: coalitions' models, retraining without a trainer, repeatability."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aggregator.errors import OutOfRange, WrongShape
from market.trainer.behaviours import FreeRider, Honest, LabelFlip
from market.trainer.builtin import builtin_task
from market.trainer.parameters import flatten
from market.trainer.task import Samples
from market.valuation import (
    Federation,
    RoundRecord,
    RoundUtility,
    exact_shapley,
    leave_one_out,
    leave_one_out_by_retraining,
    over_rounds,
)


@pytest.fixture(scope="module")
def federation() -> Federation:
    task = builtin_task("digits")
    train = task.load_data().train
    samples = tuple(train.subset(np.arange(60 * i, 60 * i + 60)) for i in range(4))
    return Federation(task, samples, (Honest(), Honest(), LabelFlip(), FreeRider()), rounds=2, seed=3)


@pytest.fixture(scope="module")
def held_out(federation: Federation) -> Samples:
    return federation.task.load_data().validation


def test_a_coalitions_model_is_the_weighted_mean_of_its_updates() -> None:
    updates = tuple(np.full(3, value, dtype=np.float32) for value in (1.0, 4.0, 100.0))
    record = RoundRecord(np.ones(3, dtype=np.float32), updates, (2.0, 1.0, 5.0))
    assert record.model_of(frozenset({0, 1})).tolist() == [3.0] * 3
    assert record.model_of(frozenset({2})).tolist() == [101.0] * 3
    assert record.model_of(frozenset()).tolist() == [1.0] * 3
    with pytest.raises(WrongShape):
        RoundRecord(record.global_vector, updates, (1.0,))
    with pytest.raises(WrongShape):
        RoundRecord(np.ones(2, dtype=np.float32), updates, (1.0,) * 3)


def test_rounds_follow_one_another(federation: Federation) -> None:
    first, second = federation.train(range(4))
    assert np.array_equal(first.global_vector, federation.initial_model())
    assert np.array_equal(second.global_vector, first.model_of(frozenset(range(4))))
    assert not first.updates[3].any()
    again = federation.train(range(4))
    assert all(np.array_equal(a, b) for a, b in zip(second.updates, again[1].updates, strict=True))


def test_a_trainers_randomness_does_not_depend_on_who_else_takes_part(federation: Federation) -> None:
    assert np.array_equal(federation.train([1])[0].updates[0], federation.train([0, 1])[0].updates[1])


def test_utility_is_what_the_task_measures(federation: Federation, held_out: Samples) -> None:
    record = federation.train(range(4))[0]
    utility = RoundUtility(federation.task, record, held_out)
    model = federation.task.init_model(0)
    torch.nn.utils.vector_to_parameters(torch.from_numpy(record.model_of(frozenset({0, 1}))), model.parameters())
    assert np.array_equal(flatten(model), record.model_of(frozenset({0, 1})))
    measured = federation.task.evaluate(model, held_out)
    assert utility(frozenset({0, 1})) == measured.accuracy
    assert RoundUtility(federation.task, record, held_out, measure="loss")(frozenset({0, 1})) == -measured.loss


def test_a_label_flipper_is_worth_less_than_honest_trainers(federation: Federation, held_out: Samples) -> None:
    utilities = [
        RoundUtility(federation.task, record, held_out, measure="loss") for record in federation.train(range(4))
    ]
    exact = over_rounds(utilities, lambda utility, _: exact_shapley(utility, 4))
    last = over_rounds(utilities, lambda utility, _: leave_one_out(utility, 4))
    for valuation in (exact, last):
        assert valuation.values[2] < min(valuation.values[:2])
    assert (exact.evaluations, last.evaluations) == (2 * 16, 2 * 5)


@pytest.mark.slow
def test_leave_one_out_by_retraining(federation: Federation, held_out: Samples) -> None:
    ticks: list[int] = []
    found = leave_one_out_by_retraining(federation, held_out, repeats=2, progress=ticks.append)
    assert sum(ticks) == 2 * 2 * 4 * 4
    assert found.loss.evaluations == found.accuracy.evaluations == 2 * 5
    assert found.loss.values[2] == min(found.loss.values) < 0 < max(found.loss.values)
    assert found.loss.values == pytest.approx(np.mean(found.each_loss, axis=0))
    assert found.each_loss[0] != found.each_loss[1]
    assert found == leave_one_out_by_retraining(federation, held_out, repeats=2)


def test_what_is_no_federation_is_refused(federation: Federation, held_out: Samples) -> None:
    with pytest.raises(OutOfRange):
        Federation(federation.task, federation.samples, (Honest(),), rounds=1, seed=0)
    with pytest.raises(OutOfRange):
        leave_one_out_by_retraining(federation, held_out, repeats=0)
