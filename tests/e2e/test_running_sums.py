"""A job settled by FoolsGold through the services: sums over the rounds, kept or made again, and what a gap costs."""

from __future__ import annotations

import numpy as np
import pytest

from market.errors import PayloadError, StorageError
from market.rounds import RoundState
from market.services.aggregator import Aggregator
from market.services.audit import audit
from market.services.history import SumKeeper
from market.services.job import Vector
from market.services.simulation import SimulatedTrainer, simulate
from market.services.trainer import Trainer, open_round
from market.storage.cid import Cid
from market.trainer.behaviours import make_behaviour
from market.trainer.partition import partition
from market.trainer.task import load_task
from tests.e2e.stage import STAKE, Stage

HONEST, SYBILS = ("ann", "bob", "cyd"), ("sam", "sid", "sue")
SIZES = (1.0, 0.5, 1.0)
"""Lengths of updates by round, which move the scale."""

pytestmark = pytest.mark.slow


@pytest.fixture
def trainers(stage: Stage) -> dict[str, Trainer]:
    """A job of three rounds, settled by FoolsGold and paid by reputation, with everybody in it."""
    stage.create(rule="foolsgold", score="reputation", byzantine=1, min_trainers=5)
    return dict(zip((*HONEST, *SYBILS), stage.joined(*HONEST, *SYBILS), strict=True))


def update(name: str, number: int, dimension: int) -> Vector:
    """Return an update: an honest trainer's own direction; the sybils' common one under noise that adds up to zero."""
    honest = name in HONEST
    seed = HONEST.index(name) if honest else 10
    direction = np.random.default_rng(seed).normal(size=dimension) * SIZES[number - 1]
    noise = np.random.default_rng((100 + number, *name.encode())).normal(size=dimension) * 0.1
    if not honest:
        drawn = np.random.default_rng((200, *name.encode())).normal(size=(3, dimension)) * 2
        drawn[1] *= SIZES[1]
        drawn[2] = -drawn[0] - drawn[1]
        noise = drawn[number - 1]
    return (0.0005 * (direction + noise)).astype(np.float32)


def play(stage: Stage, trainers: dict[str, Trainer], *names: str) -> RoundState:
    """Open a round, let the named trainers commit, and go to its settling phase."""
    number = stage.open().number
    for name in names:
        trainer = trainers[name]
        trainer.job.refresh()
        trainer.submit(open_round(trainer.job), update(name, number, trainer.job.state.terms.dimension))
    state = open_round(stage.observed())
    stage.travel(state.opened.commit_end)
    return state


def settle(stage: Stage, aggregator: Aggregator) -> RoundState:
    """Settle the latest round and let its challenge window pass."""
    aggregator.job.refresh()
    assert aggregator.step()
    state = aggregator.job.state.settled_rounds[-1]
    assert state.settled is not None
    stage.travel(state.settled.challenge_end)
    return state


def require_same_sums(state: RoundState, *aggregators: Aggregator) -> None:
    """Check that aggregators, whatever they kept of earlier rounds, have the same running sums."""
    rows = []
    for one in aggregators:
        one.job.refresh()
        rows.append(one.gatherer.extra_rows(state, one.gatherer.gather(state)).history)
    for kept, made in zip(*rows, strict=True):
        np.testing.assert_array_equal(kept[0], made[0])
        assert kept[1] == made[1]
    assert len(rows[0]) == len(state.commits)


def weights(state: RoundState, trainers: dict[str, Trainer]) -> dict[str, int]:
    """Return the included trainers' weights by name."""
    assert state.settled is not None
    names = {trainer.address: name for name, trainer in trainers.items()}
    included = [names[commit.trainer] for commit in state.included]
    return dict(zip(included, state.settled.settlement.weights, strict=True))


def test_sybils_are_found_by_their_sums_also_by_an_aggregator_that_starts_anew(
    stage: Stage, trainers: dict[str, Trainer]
) -> None:
    aggregator = stage.aggregator()
    play(stage, trainers, *HONEST, *SYBILS)
    assert all(weights(settle(stage, aggregator), trainers).values())
    play(stage, trainers, "sue", "ann", "sam", "cyd", "sid")  # in another order, and bob stays away
    assert all(weights(settle(stage, aggregator), trainers).values())
    state = play(stage, trainers, *HONEST, *SYBILS)
    anew = stage.aggregator()  # it has to add the sums up from the payloads of all rounds
    require_same_sums(state, aggregator, anew)
    gathered, carried = anew.gatherer.gather(state), anew.gatherer.inputs(state).carried
    astray = SumKeeper(anew.job, lambda past, _: anew.gatherer._open_update(past, past.commits[0]))
    with pytest.raises(PayloadError, match="do not add up"):
        astray.row(state, carried, gathered.opened[-1])
    last = settle(stage, anew)
    assert {name for name, weight in weights(last, trainers).items() if weight} == set(HONEST)
    assert {last.payouts[trainers[name].address] for name in SYBILS} == {0}
    exponents = {state.opened.scale_exponent for state in stage.observed().state.rounds}
    assert len(exponents) > 1
    assert not audit(stage.observed()).failures


def test_who_took_an_earlier_payload_away_is_left_out(stage: Stage, trainers: dict[str, Trainer]) -> None:
    first = play(stage, trainers, *HONEST, *SYBILS)
    settle(stage, stage.aggregator())
    play(stage, trainers, *HONEST, *SYBILS)
    (lost,) = [commit for commit in first.commits if commit.trainer == trainers["sid"].address]
    stage.storage.unpin(Cid.parse(lost.cid))
    stage.storage.collect_garbage()
    anew = stage.aggregator()
    with pytest.raises(StorageError):
        anew.step()
    state = stage.observed().state.latest
    assert state is not None
    assert anew.settle(state, patient=False)
    included = weights(anew.job.state.settled_rounds[-1], trainers)
    assert set(included) == {*HONEST, *SYBILS} - {"sid"}
    (reason,) = [told["reason"] for told in stage.told.named("excluded")]
    assert "an earlier update cannot be had" in reason


def test_the_simulation_of_such_a_job_gives_its_models_and_payouts(stage: Stage) -> None:
    created = stage.create(rule="foolsgold", score="reputation", scale_exponent=None, rounds=2)
    task = load_task("digits")
    data = task.load_data()
    parts = partition(data.train.labels.numpy(), 3, 1.0, 0)
    trainers = stage.joined(*HONEST)
    for place, trainer in enumerate(trainers):
        trainer.task, trainer.samples, trainer.seed = task, data.train.subset(parts[place]), place
        trainer.behaviour = make_behaviour("honest")
    aggregator = stage.aggregator()
    for _ in range(2):
        state = stage.open()
        for trainer in trainers:
            trainer.job.refresh()
            assert trainer.step()
        stage.travel(state.opened.commit_end)
        settle(stage, aggregator)
    job = stage.observed()
    simulated = simulate(
        task,
        job.manifest,
        job.model(0),
        [
            SimulatedTrainer(data.train.subset(parts[place]), make_behaviour("honest"), place, STAKE)
            for place in range(3)
        ],
        created.terms.round_rules,
        rounds=2,
        scale_exponent=created.terms.scale_exponent,
        validation=data.validation,
    )
    for state, wanted in zip(job.state.rounds, simulated, strict=True):
        assert tuple(state.payouts.values()) == wanted.outcome.payouts
        assert job.model(state.number).tobytes() == wanted.model.tobytes()
