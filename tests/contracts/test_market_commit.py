"""commitUpdate: one commitment a trainer and round, none of them equal, in the Open phase only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aggregator.bn254 import GENERATOR, P, compress
from market.domain import Phase, UpdateCommitted
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point
from tests.contracts.scenario import Scene


@pytest.fixture
def job(scene: Scene) -> Iterator[Job]:
    job = scene.create()
    job.join_all(6)
    job.open()
    yield job
    scene.check()


def test_commitments_are_recorded_in_their_order(scene: Scene, job: Job) -> None:
    order = [scene.trainers[i] for i in (3, 0, 4)]
    for index, trainer in enumerate(order):
        call = job.calls.commit(1, point(index), cid(index), 10 + index)
        event = UpdateCommitted(job.id, 1, trainer, index, commitment(index), cid(index), 10 + index)
        assert job.send(call, trainer) == event
    view = scene.market.functions
    assert scene.chain.call(view.committed(job.id, 1)) == order
    assert scene.chain.call(view.commitmentOf(job.id, 1, order[2])) == commitment(2)
    assert scene.chain.call(view.commitmentOf(job.id, 1, scene.trainers[1])) == bytes(32)


def test_only_trainers_commit(scene: Scene, job: Job) -> None:
    for caller in (scene.outsider, scene.owner, scene.aggregators[0]):
        with refused("Market_NotTrainer", jobId=job.id, caller=caller):
            job.attempt(job.calls.commit(1, point(1), cid(1)), caller)


def test_who_joins_an_open_round_can_commit_to_it(scene: Scene, job: Job) -> None:
    job.join(scene.trainers[6])
    job.commit(scene.trainers[6])


def test_commitments_end_with_the_open_phase(scene: Scene, job: Job) -> None:
    call, trainer = job.calls.commit(1, point(1), cid(1)), scene.trainers[0]
    scene.chain.travel_to(job.latest.opened.commit_end - 1)
    job.attempt(call, trainer)
    for second, phase in ((job.latest.opened.commit_end, Phase.SETTLING), (job.latest.opened.settle_end, Phase.VOID)):
        scene.chain.travel_to(second)
        with refused("Market_WrongPhase", jobId=job.id, round=1, phase=phase):
            job.attempt(call, trainer)


@pytest.mark.parametrize("number", [0, 2, (1 << 32) - 1])
def test_a_round_that_is_not_there_takes_no_commitment(scene: Scene, job: Job, number: int) -> None:
    with refused("Market_WrongPhase", jobId=job.id, round=number, phase=Phase.NONE):
        job.attempt(job.calls.commit(number, point(1), cid(1)), scene.trainers[0])


def test_a_trainer_commits_once_a_round(scene: Scene, job: Job) -> None:
    trainer = scene.trainers[0]
    job.commit(trainer)
    with refused("Market_AlreadyCommitted", jobId=job.id, round=1, trainer=trainer):
        job.attempt(job.calls.commit(1, point("another"), cid(1)), trainer)


def test_a_copied_commitment_is_refused(scene: Scene, job: Job) -> None:
    job.commit(scene.trainers[0], "mine")
    with refused("Market_DuplicateCommitment", jobId=job.id, round=1, commitment=commitment("mine")):
        job.attempt(job.calls.commit(1, point("mine"), cid("another payload")), scene.trainers[1])


def test_who_is_overtaken_by_a_copy_can_commit_with_another_salt(scene: Scene, job: Job) -> None:
    job.commit(scene.trainers[1], "seen in the mempool")
    job.commit(scene.trainers[0], "another salt")


def test_the_same_commitment_may_come_in_another_round(scene: Scene, job: Job) -> None:
    job.commit(scene.trainers[0], "same")
    job.travel_to(Phase.VOID)
    job.open()
    job.commit(scene.trainers[1], "same")


X, Y = point("somewhere")


@pytest.mark.parametrize(
    "wrong",
    [(0, 0), (X, 0), (0, Y), (X, Y + 1), (Y, X), (X + P, Y), (X, Y + P), (X, 2**256 - 1), (2**256 - 1, Y), (P, P)],
    ids=["infinity", "y zero", "x zero", "off", "swapped", "x not canonical", "y not canonical", "y max", "x max", "P"],
)
def test_what_is_no_point_of_the_curve_or_infinity_is_no_commitment(
    scene: Scene, job: Job, wrong: tuple[int, int]
) -> None:
    with refused("Market_InvalidCommitment", x=wrong[0], y=wrong[1]):
        job.attempt(job.calls.commit(1, wrong, cid(1)), scene.trainers[0])


def test_a_point_and_its_negation_are_recorded_apart_in_compressed_form(scene: Scene, job: Job) -> None:
    x, y = point("mine")
    for trainer, commitment_point in zip(scene.trainers, ((x, y), (x, P - y)), strict=False):
        event = job.send(job.calls.commit(1, commitment_point, cid(1)), trainer)
        assert isinstance(event, UpdateCommitted)
        assert event.commitment == compress(commitment_point)
    first, second = (commit.commitment for commit in job.latest.commits)
    assert first[0] ^ second[0] == 0x40
    assert first[1:] == second[1:]


def test_the_generator_is_a_commitment_like_any_other(scene: Scene, job: Job) -> None:
    job.attempt(job.calls.commit(1, GENERATOR, cid(1)), scene.trainers[0])


@pytest.mark.parametrize("bad", [b"", cid(1)[:-1], b"\x01\x71" + cid(1)[2:]], ids=["empty", "short", "codec"])
def test_the_payload_needs_a_cid(scene: Scene, job: Job, bad: bytes) -> None:
    with refused("Cids_Invalid", cid=bad):
        job.attempt(job.calls.commit(1, point(1), bad), scene.trainers[0])


def test_who_left_cannot_commit(scene: Scene, job: Job) -> None:
    job.leave(scene.trainers[0])
    with refused("Market_NotTrainer", jobId=job.id, caller=scene.trainers[0]):
        job.attempt(job.calls.commit(1, point(1), cid(1)), scene.trainers[0])
