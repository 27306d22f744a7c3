"""openRound and closeJob, and the phases at their boundary seconds."""

from __future__ import annotations

import pytest

from market.domain import JobClosed, Phase, RoundOpened
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.scenario import Scene


@pytest.fixture
def job(scene: Scene) -> Job:
    job = scene.create()
    job.join_all()
    return job


def test_anybody_opens_a_round(scene: Scene, job: Job) -> None:
    now = scene.chain.now
    assert scene.attempt(job.calls.open(), scene.outsider) == 1
    assert job.open(scene.outsider) == RoundOpened(job.id, 1, -7, now + 100, now + 160)
    scene.check()


def test_a_round_needs_enough_trainers(scene: Scene) -> None:
    job = scene.create()
    job.join_all(4)
    with refused("Market_TooFewTrainers", trainers=4, minTrainers=5):
        job.attempt(job.calls.open(), scene.owner)
    job.join(scene.trainers[4])
    job.open()


def test_the_phases_of_a_round_that_nobody_settles(scene: Scene, job: Job) -> None:
    assert job.phase is Phase.NONE
    job.open()
    opened = job.latest.opened
    for second, phase in (
        (scene.chain.now, Phase.OPEN),
        (opened.commit_end - 1, Phase.OPEN),
        (opened.commit_end, Phase.SETTLING),
        (opened.settle_end - 1, Phase.SETTLING),
        (opened.settle_end, Phase.VOID),
        (opened.settle_end + 10**6, Phase.VOID),
    ):
        scene.chain.travel_to(second)
        assert job.phase is phase
        scene.check()


@pytest.mark.parametrize("late", [0, 59])
def test_the_phases_of_a_settled_round(scene: Scene, job: Job, late: int) -> None:
    job.open_and_commit(scene.trainers[:5])
    scene.chain.travel_to(job.latest.opened.commit_end + late)
    settled_at = scene.chain.now
    job.settle()
    assert job.latest.settled is not None
    assert job.latest.settled.challenge_end == settled_at + 40
    for second, phase in (
        (scene.chain.now, Phase.CHALLENGEABLE),
        (settled_at + 39, Phase.CHALLENGEABLE),
        (settled_at + 40, Phase.FINAL),
        (job.terms.deadline + 10**6, Phase.FINAL),
    ):
        scene.chain.travel_to(second)
        assert job.phase is phase
        scene.check()


def test_without_a_challenge_window_a_settlement_is_final_at_once(scene: Scene) -> None:
    job = scene.create(challenge_seconds=0)
    job.open_and_commit(job.join_all())
    job.settle()
    assert job.phase is Phase.FINAL


def test_no_round_opens_while_another_is_live(scene: Scene, job: Job) -> None:
    job.open_and_commit(scene.trainers[:5])
    with scene.undone():
        scene.chain.travel_to(job.latest.opened.settle_end - 1)
        _refuse_to_open(job, Phase.SETTLING)
        scene.chain.travel_to(job.latest.opened.settle_end)
        job.attempt(job.calls.open(), scene.owner)
    _refuse_to_open(job, Phase.SETTLING)
    job.settle()
    _refuse_to_open(job, Phase.CHALLENGEABLE)
    assert job.latest.settled is not None
    scene.chain.travel_to(job.latest.settled.challenge_end - 1)
    _refuse_to_open(job, Phase.CHALLENGEABLE)
    scene.chain.travel_to(job.latest.settled.challenge_end)
    job.open()
    _refuse_to_open(job, Phase.OPEN)


def _refuse_to_open(job: Job, phase: Phase) -> None:
    with refused("Market_WrongPhase", jobId=job.id, round=job.number, phase=phase):
        job.attempt(job.calls.open(), job.scene.owner)


def test_a_settled_round_hands_on_its_scale_and_a_void_one_what_it_was_given(scene: Scene, job: Job) -> None:
    job.play_round(scene.trainers[:5])
    agreed = job.state.next_scale_exponent()
    assert agreed == -9
    for _ in range(2):
        opened = job.open()
        assert isinstance(opened, RoundOpened)
        assert opened.scale_exponent == agreed
        job.travel_to(Phase.VOID)
    scene.check()


def test_void_rounds_count_for_nothing_and_settled_ones_up_to_the_promised_number(scene: Scene, job: Job) -> None:
    trainers = scene.trainers[:5]
    job.open()
    job.travel_to(Phase.VOID)
    job.play_round(trainers)
    job.open()
    job.travel_to(Phase.VOID)
    job.play_round(trainers)
    with refused("Market_AllRoundsUsed", jobId=job.id):
        job.attempt(job.calls.open(), scene.owner)


def test_no_round_opens_from_the_deadline_on(scene: Scene, job: Job) -> None:
    scene.chain.travel_to(job.terms.deadline - 1)
    job.attempt(job.calls.open(), scene.owner)
    scene.chain.travel_to(job.terms.deadline)
    with refused("Market_DeadlinePassed", deadline=job.terms.deadline):
        job.attempt(job.calls.open(), scene.owner)


def test_a_round_that_opened_before_the_deadline_runs_past_it(scene: Scene, job: Job) -> None:
    scene.chain.travel_to(job.terms.deadline - 1)
    job.play_round(scene.trainers[:5])
    assert job.phase is Phase.FINAL
    scene.check()


def test_a_closed_job_opens_no_round(scene: Scene) -> None:
    job = scene.create()
    job.close(scene.owner)
    with refused("Market_JobClosed", jobId=job.id):
        job.attempt(job.calls.open(), scene.owner)


def test_anybody_closes_a_job_whose_rounds_are_all_settled(scene: Scene, job: Job) -> None:
    for _ in range(2):
        with refused("Market_JobRunning", jobId=job.id):
            job.attempt(job.calls.close(), scene.outsider)
        job.play_round(scene.trainers[:5])
    left = job.state.escrow
    assert left == 2  # a unit of each round was rounded off
    assert job.close(scene.outsider) == JobClosed(job.id, left)
    scene.check()


def test_anybody_closes_a_job_from_its_deadline_on(scene: Scene, job: Job) -> None:
    scene.chain.travel_to(job.terms.deadline - 1)
    for caller in (scene.outsider, scene.trainers[0], scene.aggregators[0]):
        with refused("Market_JobRunning", jobId=job.id):
            job.attempt(job.calls.close(), caller)
    scene.chain.travel_to(job.terms.deadline)
    assert job.close(scene.outsider) == JobClosed(job.id, job.terms.escrow)
    scene.check()


@pytest.mark.parametrize("ended", ["deadline", "settled"])
def test_no_job_closes_while_a_round_is_live(scene: Scene, job: Job, ended: str) -> None:
    if ended == "settled":
        job.play_round(scene.trainers[:5])
    else:
        scene.chain.travel_to(job.terms.deadline - 1)
    job.open()
    for trainer in scene.trainers[:5]:
        job.commit(trainer, ("late", trainer))
    _refuse_to_close(job, Phase.OPEN)
    job.travel_to(Phase.SETTLING)
    _refuse_to_close(job, Phase.SETTLING)
    job.settle()
    _refuse_to_close(job, Phase.CHALLENGEABLE)
    assert job.latest.settled is not None
    scene.chain.travel_to(job.latest.settled.challenge_end - 1)
    _refuse_to_close(job, Phase.CHALLENGEABLE)
    scene.chain.travel_to(job.latest.settled.challenge_end)
    job.close()


def _refuse_to_close(job: Job, phase: Phase) -> None:
    with refused("Market_WrongPhase", jobId=job.id, round=job.number, phase=phase):
        job.attempt(job.calls.close(), job.scene.owner)


def test_a_job_closes_once(scene: Scene) -> None:
    job = scene.create()
    job.close(scene.owner)
    with refused("Market_JobClosed", jobId=job.id):
        job.attempt(job.calls.close(), scene.owner)


def test_views_of_a_round_that_never_opened_are_empty(scene: Scene, job: Job) -> None:
    view = scene.market.functions
    assert scene.chain.call(view.committed(job.id, 9)) == []
    assert tuple(scene.chain.call(view.payoutOf(job.id, 9, scene.trainers[0]))) == (0, False)
    assert scene.chain.call(view.commitmentOf(job.id, 9, scene.trainers[0])) == bytes(32)
    scene.check()
