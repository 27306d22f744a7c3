"""joinJob and leaveJob: who may put a stake in, and when it comes out again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from market.domain import NATIVE_COIN, TrainerJoined, TrainerLeft
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Job]:
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    yield scene.create(token=token)
    scene.check()


def test_joining_takes_the_stake_and_says_so(scene: Scene, job: Job) -> None:
    trainer = scene.trainers[0]
    before = scene.balance(job.terms.token, scene.market.address)
    assert job.join(trainer, 123) == TrainerJoined(job.id, trainer, 123)
    assert scene.chain.call(scene.market.functions.stakeOf(job.id, trainer)) == 123
    assert scene.balance(job.terms.token, scene.market.address) - before == 123


@pytest.mark.parametrize("stake", [0, 9, 1_001, 1 << 255])
def test_a_stake_out_of_range_is_refused(scene: Scene, job: Job, stake: int) -> None:
    with refused("Market_StakeOutOfRange", stake=stake, stakeMin=10, stakeMax=1_000):
        job.attempt(job.calls.join(stake), scene.trainers[0])


@pytest.mark.parametrize("stake", [10, 1_000])
def test_a_stake_at_a_bound_is_taken(scene: Scene, job: Job, stake: int) -> None:
    job.join(scene.trainers[0], stake)


def test_nobody_joins_twice(scene: Scene, job: Job) -> None:
    trainer = scene.trainers[0]
    job.join(trainer)
    with refused("Market_AlreadyJoined", jobId=job.id, trainer=trainer):
        job.attempt(job.calls.join(100), trainer, job.value(100))


def test_the_job_takes_no_more_than_its_maximum(scene: Scene, job: Job) -> None:
    job.join_all(8)
    with refused("Market_JobFull", jobId=job.id, maxTrainers=8):
        job.attempt(job.calls.join(100), scene.trainers[8], job.value(100))
    job.leave(scene.trainers[0])
    job.join(scene.trainers[8])


def test_nobody_joins_a_closed_job(scene: Scene, job: Job) -> None:
    job.close(scene.owner)
    with refused("Market_JobClosed", jobId=job.id):
        job.attempt(job.calls.join(100), scene.trainers[0], job.value(100))


def test_exactly_the_stake_is_taken(scene: Scene, job: Job) -> None:
    trainer = scene.trainers[0]
    scene.fund(job.terms.token, trainer, 100)
    expected = job.value(100)
    for value in {0, 99, 101} - {expected}:
        with refused("Assets_WrongValue", value=value, expected=expected):
            job.attempt(job.calls.join(100), trainer, value)


def test_leaving_pays_the_whole_stake_to_the_recipient(scene: Scene, job: Job) -> None:
    trainer, recipient = scene.trainers[0], stranger("recipient")
    job.join(trainer, 345)
    assert job.leave(trainer, recipient) == TrainerLeft(job.id, trainer, 345, recipient)
    assert scene.balance(job.terms.token, recipient) == 345
    assert scene.chain.call(scene.market.functions.stakeOf(job.id, trainer)) == 0


def test_only_who_has_a_stake_can_leave_and_only_once(scene: Scene, job: Job) -> None:
    trainer = scene.trainers[0]
    with refused("Market_NotTrainer", jobId=job.id, caller=trainer):
        job.attempt(job.calls.leave(trainer), trainer)
    job.join(trainer)
    job.leave(trainer)
    with refused("Market_NotTrainer", jobId=job.id, caller=trainer):
        job.attempt(job.calls.leave(trainer), trainer)


def test_a_stake_is_not_sent_to_nobody(scene: Scene, job: Job) -> None:
    job.join(scene.trainers[0])
    with refused("Market_ZeroRecipient"):
        job.attempt(job.calls.leave(NATIVE_COIN), scene.trainers[0])


def test_a_stake_is_locked_from_the_commitment_to_the_end_of_a_void_round(scene: Scene, job: Job) -> None:
    committer, idle = job.join_all()[:2]
    job.open()
    job.attempt(job.calls.leave(committer), committer)  # not yet committed
    job.commit(committer)
    opened = job.latest.opened
    for second in (scene.chain.now, opened.commit_end - 1, opened.commit_end, opened.settle_end - 1):
        scene.chain.travel_to(second)
        with refused("Market_StakeLocked", jobId=job.id, round=1):
            job.attempt(job.calls.leave(committer), committer)
        job.attempt(job.calls.leave(idle), idle)  # who has not committed is free
    scene.chain.travel_to(opened.settle_end)
    job.leave(committer)


def test_a_stake_is_locked_to_the_end_of_the_challenge_window(scene: Scene, job: Job) -> None:
    trainers = job.join_all()
    job.open_and_commit(trainers)
    job.settle()
    assert job.latest.settled is not None
    end = job.latest.settled.challenge_end
    for second in (scene.chain.now, end - 1):
        scene.chain.travel_to(second)
        with refused("Market_StakeLocked", jobId=job.id, round=1):
            job.attempt(job.calls.leave(trainers[0]), trainers[0])
    scene.chain.travel_to(end)
    job.leave(trainers[0])


def test_a_commitment_of_an_earlier_round_locks_nothing(scene: Scene, job: Job) -> None:
    trainers = job.join_all(6)
    job.play_round(trainers)
    job.open()
    for trainer in trainers[1:]:
        job.commit(trainer)
    job.leave(trainers[0])


def test_who_leaves_can_join_again_with_another_stake(scene: Scene, job: Job) -> None:
    trainer = job.join_all()[0]
    job.open()
    job.leave(trainer)
    job.join(trainer, 777)
    job.commit(trainer)
    with refused("Market_StakeLocked", jobId=job.id, round=1):
        job.attempt(job.calls.leave(trainer), trainer)


def test_a_closed_job_gives_stakes_back(scene: Scene, job: Job) -> None:
    trainer = scene.trainers[0]
    job.join(trainer)
    scene.chain.travel_to(job.terms.deadline)
    job.close()
    job.leave(trainer)
    assert job.state.stakes == {}
