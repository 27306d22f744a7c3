"""nameAggregator: each trainer adds one who may settle, for as long as it stays; who was slashed stays away."""

from __future__ import annotations

import pytest
from web3.contract import Contract

from market.domain import NATIVE_COIN, AggregatorNamed, TrainerLeft, TrainerSlashed
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene

BOND = 500


@pytest.fixture
def switch(scene: Scene) -> Contract:
    return scene.chain.deploy("FaultSwitchVerifier")


@pytest.fixture
def job(scene: Scene, switch: Contract) -> Job:
    job = scene.create(verifier=switch.address, aggregator_bond=BOND, challenger_share_bps=2_500)
    job.join_all(6)
    return job


def _may_settle(scene: Scene, job: Job, account: str) -> bool:
    answer: bool = scene.chain.call(scene.market.functions.isAggregator(job.id, account))
    assert answer == (account in job.state.aggregators)
    return answer


def _settled_without_the_second(job: Job) -> None:
    """Have the first aggregator settle the round, and leave a trainer out."""
    job.deposit_bond()
    job.open_and_commit(job.scene.trainers[:6])
    job.settle(job.settlement(excluded=[1]))


def test_whom_a_trainer_names_settles_anew_with_a_bond_like_others(scene: Scene, job: Job) -> None:
    named = scene.trainers[9]
    assert not _may_settle(scene, job, named)
    assert job.name(scene.trainers[0], named) == AggregatorNamed(job.id, scene.trainers[0], named)
    assert _may_settle(scene, job, named)
    _settled_without_the_second(job)
    with refused("Market_InsufficientBalance", account=named):
        job.attempt(job.calls.settle(1, job.settlement()), named)
    job.deposit_bond(named)
    job.settle(sender=named)
    assert job.latest.payouts[scene.trainers[1]] > 0
    scene.check()


def test_whom_only_trainers_name_settles_first_too(scene: Scene, job: Job) -> None:
    named = scene.outsider
    job.name(scene.trainers[0], named)
    job.open_and_commit(scene.trainers[:6])
    with refused("Market_InsufficientBalance", account=named):
        job.attempt(job.calls.settle(1, job.settlement()), named)
    job.deposit_bond(named)
    job.settle(sender=named)
    scene.check()


def test_without_the_reference_only_the_owners_aggregators_settle_first(scene: Scene) -> None:
    """To them alone it is sealed: others, in league with whom it exposes, would say that it cannot be opened."""
    job, named = scene.create(reference=True, byzantine=1, rounds=3), scene.outsider
    job.join_all(6)
    for trainer in scene.trainers[:6]:
        job.name(trainer, named)
    job.commit_reference()
    job.open_and_commit(scene.trainers[:6])
    with refused("Market_NoReference", jobId=job.id, round=1):
        job.attempt(job.calls.settle(1, job.settlement(reference=False)), named)
    with scene.undone():
        job.settle(sender=named)
    job.settle(job.settlement(excluded=[2], reference=False))
    job.settle(job.settlement(reference=False), sender=named)  # anew: another has said that it cannot be opened
    assert job.latest.settled is not None
    assert job.latest.settled.aggregator == named
    scene.check()


def test_only_trainers_name_somebody(scene: Scene, job: Job) -> None:
    for caller in (scene.outsider, scene.owner, scene.aggregators[0], scene.trainers[7]):
        with refused("Market_NotTrainer", jobId=job.id, caller=caller):
            job.attempt(job.calls.name(scene.outsider), caller)


def test_a_trainer_names_one_at_a_time(scene: Scene, job: Job) -> None:
    trainer, (one, other) = scene.trainers[0], scene.trainers[8:10]
    job.name(trainer, one)
    job.name(trainer, other)
    assert [_may_settle(scene, job, account) for account in (one, other)] == [False, True]
    job.name(trainer, NATIVE_COIN)
    assert [_may_settle(scene, job, account) for account in (one, other)] == [False, False]
    scene.check()


def test_whom_two_name_stays_until_both_have_left(scene: Scene, job: Job) -> None:
    named, (one, other) = scene.trainers[9], scene.trainers[:2]
    for trainer in (one, other):
        job.name(trainer, named)
    events = scene.send(job.calls.leave(one), one)
    assert events == [AggregatorNamed(job.id, one, NATIVE_COIN), TrainerLeft(job.id, one, 100, one)]
    assert _may_settle(scene, job, named)
    job.leave(other)
    assert not _may_settle(scene, job, named)
    scene.check()


def test_whom_the_owner_named_stays_whatever_trainers_do(scene: Scene, job: Job) -> None:
    trainer, named = scene.trainers[0], scene.aggregators[0]
    job.name(trainer, named)
    for _ in range(2):
        job.name(trainer, named)
    job.name(trainer, NATIVE_COIN)
    assert _may_settle(scene, job, named)
    job.name(trainer, named)
    job.leave(trainer)
    assert _may_settle(scene, job, named)
    job.deposit_bond(named)
    job.open_and_commit(scene.trainers[1:6])
    job.settle(sender=named)
    scene.check()


def test_a_naming_ends_with_a_slash_of_its_trainer(scene: Scene, job: Job, switch: Contract) -> None:
    trainer, named = scene.trainers[0], scene.trainers[9]
    job.name(trainer, named)
    job.open_and_commit(scene.trainers[:6])
    scene.chain.send(switch.functions.setOutOfRange(job.id, 1, job.latest.commits[0].commitment, True))
    events = scene.send(job.calls.challenge_update(1, 0), scene.outsider)
    assert [type(event) for event in events] == [AggregatorNamed, TrainerSlashed]
    assert not _may_settle(scene, job, named)
    scene.check()


def test_who_was_dismissed_cannot_be_named_back(scene: Scene, job: Job, switch: Contract) -> None:
    named = scene.trainers[9]
    job.name(scene.trainers[0], named)
    job.deposit_bond(named)
    _settled_without_the_second(job)
    job.settle(sender=named)
    scene.chain.send(switch.functions.setFalse(job.id, 1, True))
    job.challenge()
    for trainer in scene.trainers[:2]:
        job.name(trainer, named)
    assert not _may_settle(scene, job, named)
    twin = scene.create(verifier=switch.address)
    twin.join(scene.trainers[0])
    twin.name(scene.trainers[0], named)
    assert _may_settle(scene, twin, named)  # in another job it can
    scene.check()


def test_a_new_stake_brings_no_old_naming_back(scene: Scene, job: Job) -> None:
    trainer, named = scene.trainers[0], stranger("named")
    job.name(trainer, named)
    job.leave(trainer)
    job.join(trainer)
    assert scene.chain.call(scene.market.functions.namedBy(job.id, trainer)) == NATIVE_COIN
    assert not _may_settle(scene, job, named)
    scene.check()
