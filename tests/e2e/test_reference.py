"""Jobs with a reference row: the owner's part, what trainers earn by it, and what a hostile owner gains."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.commitments import commit
from market.domain import REFERENCE_BIT
from market.errors import ContractRefused, StorageUnavailable
from market.rounds import RoundState
from market.services.audit import audit
from market.services.journal import Journal
from market.services.reference_row import ReferenceOwner, owner_folder, split_root
from market.services.simulation import SimulatedTrainer, simulate
from market.services.trainer import Trainer, draw_blinding, open_round
from market.storage.base import put_bytes
from market.trainer.behaviours import make_behaviour
from market.trainer.partition import partition
from market.trainer.task import load_task
from tests.e2e.stage import COIN, STAKE, Stage, made_up_update

NAMES = ("ann", "bob", "cyd", "dan", "eve")
TERMS = {
    "rule": "marginal-value",
    "score": "shapley-reference",
    "reference": True,
    "floor_bps": 5_000,
    "cap_bps": 30_000,
    "byzantine": 1,
    "min_trainers": 5,
}


def owner_of(stage: Stage, name: str = "owner") -> ReferenceOwner:
    task = load_task("digits")
    actor = stage.actor(name)
    root, _ = split_root(task.load_data().validation, 100, 3)
    folder = owner_folder(actor.state, actor.address, 1)
    return ReferenceOwner(stage.job(name), actor.account, Journal(folder), task, root, seed=3, report=stage.told)


def commits(stage: Stage, *trainers: Trainer) -> RoundState:
    """Let the made-up updates in, all but the last of one direction, and go to the settling phase."""
    for trainer in trainers:
        trainer.job.refresh()
        update = made_up_update(trainer.address, trainer.job.state.terms.dimension)
        trainer.submit(open_round(trainer.job), update)
    state = open_round(stage.observed())
    stage.travel(state.opened.commit_end)
    return state


@pytest.mark.slow
def test_rounds_with_references_give_the_simulated_model_and_payouts(stage: Stage) -> None:
    behaviours = ["honest"] * 4 + ["sign-flip"]
    created = stage.create(**TERMS, scale_exponent=None)
    data = load_task("digits").load_data()
    parts = partition(data.train.labels.numpy(), 5, 1.0, 0)
    trainers = stage.joined(*NAMES)
    for place, trainer in enumerate(trainers):
        trainer.task, trainer.samples = load_task("digits"), data.train.subset(parts[place])
        trainer.behaviour, trainer.seed = make_behaviour(behaviours[place]), place
    owner, aggregator = owner_of(stage), stage.aggregator(open_at=5)
    owner.prepare()
    for _ in range(3):
        owner.job.refresh()
        assert owner.step()
        assert not owner.step()
        aggregator.job.refresh()
        assert aggregator.step()
        for trainer in trainers:
            trainer.job.refresh()
            assert trainer.step()
        stage.travel(aggregator.job.state.rounds[-1].opened.commit_end)
        aggregator.job.refresh()
        assert aggregator.step()
        settled = aggregator.job.state.rounds[-1].settled
        assert settled is not None
        assert settled.settlement.reference
        stage.travel(settled.challenge_end)

    job = stage.observed()
    expected = simulate(
        load_task("digits"),
        job.manifest,
        job.model(0),
        [
            SimulatedTrainer(data.train.subset(parts[place]), make_behaviour(behaviours[place]), place, STAKE)
            for place in range(5)
        ],
        created.terms.round_rules,
        rounds=3,
        scale_exponent=created.terms.scale_exponent,
        validation=data.validation,
        root=owner.samples,
        root_seed=3,
    )
    assert job.model(3).tobytes() == expected[2].model.tobytes()
    for state, wanted in zip(job.state.rounds, expected, strict=True):
        assert tuple(state.payouts.values()) == wanted.outcome.payouts
        assert state.payouts[trainers[4].address] == 0
        assert sum(state.payouts.values()) > COIN - 10
    assert not audit(job).failures
    owner.job.refresh()
    assert owner.finished
    assert not owner.step()


def test_a_reference_is_made_again_when_the_model_is_another(stage: Stage) -> None:
    stage.create(**TERMS)
    owner = owner_of(stage)
    assert owner.step()
    first = owner.job.state.reference
    assert not owner.step()
    owner.journal.write_record(f"reference-{first.commitment.hex()}.json" if first else "", {"model": "another"})
    assert owner.step()  # as after a settlement that was overturned since
    assert owner.job.state.reference != first


def test_no_round_opens_without_a_reference_and_nobody_else_commits_one(stage: Stage) -> None:
    stage.create(**TERMS)
    stage.joined(*NAMES)
    aggregator = stage.aggregator(open_at=5)
    assert not aggregator.step()
    with pytest.raises(ContractRefused, match="Market_NotOwner"):
        owner_of(stage, "ann").prepare()
    answer = stage.cli("ann", "owner", "run", 1)
    assert answer.code != 0
    assert "only the owner" in answer.stdout + answer.stderr


def test_a_job_without_a_reference_takes_none(stage: Stage) -> None:
    stage.create()
    with pytest.raises(ContractRefused, match="Market_NoReferenceAsked"):
        owner_of(stage).prepare()


def test_a_reference_that_nobody_can_open_costs_the_trainers_nothing(stage: Stage) -> None:
    stage.create(**TERMS)
    owner, aggregator, trainers = owner_of(stage), stage.aggregator(open_at=5), stage.joined(*NAMES)
    dimension = owner.job.state.terms.dimension
    point = commit(owner.job.srs, np.ones(dimension, dtype=np.int16), draw_blinding())
    blob = put_bytes(stage.storage, b"not sealed to anybody")
    owner.job.market.commit_reference(1, point, blob.cid.to_bytes(), blob.size_bytes)
    aggregator.job.refresh()
    assert aggregator.step()
    commits(stage, *trainers)
    aggregator.job.refresh()
    assert aggregator.step()
    state = stage.observed().state.rounds[0]
    assert state.settled is not None
    assert not state.settled.settlement.included >> REFERENCE_BIT
    assert sum(state.payouts.values()) > COIN - 10
    assert min(state.payouts.values()) > 0
    reasons = [told for told in stage.told.named("excluded") if told["trainer"] == owner.address]
    assert reasons
    found = audit(stage.observed())
    assert not found.failures
    assert found.pending, "a settlement without the reference may be replaced, so that its aggregate waits"
    owner.job.refresh()
    assert not owner.step(), "and with it the next model"
    stage.travel(state.settled.challenge_end - owner.job.state.terms.challenge_seconds // 2)
    aggregator.job.refresh()
    assert not aggregator.step()
    owner.job.refresh()
    assert owner.step()
    found = audit(stage.observed())
    assert (found.failures, found.pending) == ((), ())


@pytest.mark.slow
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_hostile_reference_leaves_the_floor(stage: Stage, sign: int) -> None:
    stage.create(**TERMS)
    owner, aggregator, trainers = owner_of(stage), stage.aggregator(open_at=5), stage.joined(*NAMES)
    dimension = owner.job.state.terms.dimension
    noise = np.random.default_rng(9).normal(size=dimension).astype(np.float32) * 1e-3
    common = made_up_update(trainers[0].address, dimension)
    owner.train = lambda settled: -common if sign < 0 else noise  # type: ignore[method-assign]
    assert owner.step()
    aggregator.job.refresh()
    assert aggregator.step()
    commits(stage, *trainers)
    aggregator.job.refresh()
    assert aggregator.step()
    state = stage.observed().state.rounds[0]
    assert state.settled is not None
    assert state.settled.settlement.reference
    assert min(state.payouts.values()) > COIN // 2 // len(NAMES) * 0.8
    assert sum(state.payouts.values()) >= COIN // 2 - len(NAMES)


@pytest.mark.slow
def test_whom_only_trainers_named_leaves_a_reference_that_it_cannot_open_to_others(stage: Stage) -> None:
    stage.create(**TERMS)
    trainers = stage.joined(*NAMES)
    for trainer in trainers:
        trainer.name(stage.actor("ours").address)
    ours = stage.aggregator(name="ours")
    owner = owner_of(stage)
    owner.prepare()
    owner.job.refresh()
    assert owner.step()
    stage.open()
    commits(stage, *trainers)
    ours.job.refresh()
    with pytest.raises(StorageUnavailable):
        ours.step()  # at first it waits for those who can open everything
    assert ours.job.state.latest is not None
    opened = ours.job.state.latest.opened
    stage.travel((opened.commit_end + opened.settle_end) // 2)
    ours.job.refresh()
    for _ in range(3):
        assert not ours.step()
    (told,) = stage.told.named("unsettleable")
    assert told["reason"].startswith("Market_NoReference")
    assert stage.cli("ours", "aggregator", "settle", 1, "--yes").code == 5
    assert stage.aggregator().step()
    settled = stage.observed().state.rounds[0].settled
    assert settled is not None
    assert settled.settlement.reference
