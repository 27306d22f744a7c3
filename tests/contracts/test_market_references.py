"""The owner's reference rows, the previous aggregate, and memory: what the market keeps and hands on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aggregator.bn254 import P
from market.domain import REFERENCE_BIT, Phase, ReferenceCommitted
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point
from tests.contracts.scenario import Scene

FOUL = b"\x12\x20" + bytes(32)


@pytest.fixture
def job(scene: Scene) -> Job:
    """Give a job with a reference whose trainers have joined."""
    found = scene.create(reference=True, rounds=4)
    found.join_all(6)
    return found


@pytest.fixture
def lax(scene: Scene) -> Job:
    """Give the same with a verifier that accepts anything, and with bonds."""
    verifier = scene.chain.deploy("PermissiveVerifier").address
    found = scene.create(verifier=verifier, reference=True, rounds=4, aggregator_bond=500)
    found.join_all(6)
    for aggregator in scene.aggregators:
        found.deposit_bond(aggregator)
    return found


def test_a_reference_is_recorded_and_announced(scene: Scene, job: Job) -> None:
    event = job.commit_reference("first")
    assert event == ReferenceCommitted(job.id, 1, commitment("first"), cid("first"), 77)
    scene.check()
    job.open()
    assert job.latest.reference == event
    scene.check()


def test_no_round_opens_without_a_reference(scene: Scene, job: Job) -> None:
    with refused("Market_NoReference", jobId=job.id, round=1):
        job.attempt(job.calls.open(), scene.outsider)
    job.commit_reference()
    job.open_and_commit(scene.trainers[:6])
    job.settle()
    job.travel_to(Phase.FINAL)
    with refused("Market_NoReference", jobId=job.id, round=2):
        job.attempt(job.calls.open(), scene.outsider)


def test_the_latest_reference_before_the_round_opens_counts(scene: Scene, job: Job) -> None:
    for label in ("first", "second"):
        job.commit_reference(label)
    job.open()
    assert bytes(scene.chain.call(scene.market.functions.round(job.id, 1))[13]) == commitment("second")
    assert job.latest.reference is not None
    assert job.latest.reference.commitment == commitment("second")


def test_only_the_owner_commits_a_reference(scene: Scene, job: Job) -> None:
    call = job.calls.commit_reference(point("mine"), cid("mine"))
    for caller in (scene.outsider, scene.trainers[0], scene.aggregators[0]):
        with refused("Market_NotOwner", jobId=job.id, caller=caller):
            job.attempt(call, caller)
    job.attempt(call, scene.owner)


def test_a_job_without_a_reference_takes_none(scene: Scene) -> None:
    plain = scene.create()
    with refused("Market_NoReferenceAsked", jobId=plain.id):
        plain.attempt(plain.calls.commit_reference(point(1), cid(1)), scene.owner)


def test_no_reference_while_a_round_waits_for_its_settlement(scene: Scene, job: Job) -> None:
    """From its opening on a round's reference is fixed; the next one may be committed once it is settled, or void."""
    job.commit_reference()
    call = job.calls.commit_reference(point("next"), cid("next"))
    job.open_and_commit(scene.trainers[:6])
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.SETTLING):
        job.attempt(call, scene.owner)
    with scene.chain.undone():
        scene.chain.travel_to(job.latest.opened.settle_end)
        job.attempt(call, scene.owner)
    job.settle()
    assert job.commit_reference("next") == ReferenceCommitted(job.id, 2, commitment("next"), cid("next"), 77)
    scene.check()
    job.travel_to(Phase.FINAL)
    job.open()
    with refused("Market_WrongPhase", jobId=job.id, round=2, phase=Phase.OPEN):
        job.attempt(call, scene.owner)
    scene.check()


def test_a_closed_job_takes_no_reference(scene: Scene) -> None:
    unused = scene.create(reference=True)
    unused.close(scene.owner)
    with refused("Market_JobClosed", jobId=unused.id):
        unused.attempt(unused.calls.commit_reference(point(1), cid(1)), scene.owner)


@pytest.mark.parametrize("value", [(0, 0), (1, 3), (P + 1, 2), (1, P + 2)], ids=["infinity", "off", "x + p", "y + p"])
def test_a_reference_is_a_point(scene: Scene, job: Job, value: tuple[int, int]) -> None:
    with refused("Market_InvalidCommitment", x=value[0], y=value[1]):
        job.attempt(job.calls.commit_reference(value, cid(1)), scene.owner)


def test_a_reference_has_a_cid(scene: Scene, job: Job) -> None:
    with refused("Cids_Invalid"):
        job.attempt(job.calls.commit_reference(point(1), FOUL), scene.owner)


# -- the row in a settlement ------------------------------------------------------------------------------------------


def test_a_job_without_a_reference_has_no_such_row(scene: Scene) -> None:
    plain = scene.create()
    plain.open_and_commit(plain.join_all(6))
    honest = plain.settlement()
    included = honest.included | 1 << REFERENCE_BIT
    with refused("Market_UnknownTrainers", included=included, committed=6):
        plain.attempt(plain.calls.settle(1, replace(honest, included=included)), scene.aggregators[0])


@pytest.mark.parametrize("bit", [64, 254])
def test_no_other_bit_means_anything(scene: Scene, lax: Job, bit: int) -> None:
    lax.open_and_commit(scene.trainers[:6])
    honest = lax.settlement()
    with refused("Market_UnknownTrainers"):
        lax.attempt(lax.calls.settle(1, replace(honest, included=honest.included | 1 << bit)), scene.aggregators[0])


def test_the_recorded_reference_is_the_row(scene: Scene, lax: Job) -> None:
    lax.open_and_commit(scene.trainers[:6])
    honest = lax.settlement()
    *ys, y = honest.commitment_ys
    for false in (P - y, 0, point("another")[1]):
        changed = replace(honest, commitment_ys=(*ys, false))
        with refused("Market_WrongCommitment", index=6):
            lax.attempt(lax.calls.settle(1, changed), scene.aggregators[0])
    with refused("Market_WrongLength", field="commitmentYs", length=6, expected=7):
        lax.attempt(lax.calls.settle(1, replace(honest, commitment_ys=tuple(ys))), scene.aggregators[0])
    left_out = replace(honest, included=honest.included & ~(1 << REFERENCE_BIT))
    with refused("Market_WrongLength", field="commitmentYs", length=7, expected=6):
        lax.attempt(lax.calls.settle(1, left_out), scene.aggregators[0])
    lax.settle(honest)


@pytest.mark.parametrize("reference", [True, False])
def test_a_round_settles_with_and_without_its_reference(scene: Scene, job: Job, reference: bool) -> None:
    job.open_and_commit(scene.trainers[:6])
    job.settle(job.settlement(reference=reference))
    scene.check()


# -- the previous aggregate -------------------------------------------------------------------------------------------


def previous_of(scene: Scene, job: Job) -> int:
    return int(scene.chain.call(scene.market.functions.round(job.id, job.number))[12])


def test_the_previous_aggregate_is_that_of_the_latest_settled_round(scene: Scene, lax: Job) -> None:
    """Void rounds and overturned ones are passed over."""
    trainers = scene.trainers[:6]
    lax.play_round(trainers)  # 1 is settled
    lax.open_and_commit(trainers)
    assert previous_of(scene, lax) == 1
    scene.chain.travel_to(lax.latest.opened.settle_end)  # 2 is void
    lax.open_and_commit(trainers)
    assert previous_of(scene, lax) == 1
    lax.settle()
    lax.challenge()  # 3 is overturned
    lax.open_and_commit(trainers)
    assert previous_of(scene, lax) == 1
    lax.settle(sender=scene.aggregators[1])
    lax.travel_to(Phase.FINAL)  # 4 is settled
    lax.open_and_commit(trainers)
    assert previous_of(scene, lax) == 4
    scene.check()


def test_the_previous_aggregates_commitment_is_the_row(scene: Scene, lax: Job) -> None:
    lax.play_round(scene.trainers[:6])
    lax.open_and_commit(scene.trainers[:6])
    honest = lax.settlement()
    *ys, y = honest.commitment_ys
    assert y == point(("aggregate", lax.id, 1))[1]
    for false in (P - y, ys[0]):
        with refused("Market_WrongCommitment", index=7):
            lax.attempt(lax.calls.settle(2, replace(honest, commitment_ys=(*ys, false))), scene.aggregators[0])
    with refused("Market_WrongLength", field="commitmentYs", length=7, expected=8):
        lax.attempt(lax.calls.settle(2, replace(honest, commitment_ys=tuple(ys))), scene.aggregators[0])
    lax.settle(honest)


def test_an_aggregate_of_nothing_is_no_row(scene: Scene, lax: Job) -> None:
    """Where no update had a weight, the recorded commitment is infinity."""
    lax.open_and_commit(scene.trainers[:6])
    lax.settle(replace(lax.settlement(), aggregate_commitment=b"\x40" + bytes(31)))
    lax.travel_to(Phase.FINAL)
    lax.open_and_commit(scene.trainers[:6])
    assert lax.previous is None
    assert len(lax.settlement().commitment_ys) == 7
    lax.settle()
    scene.check()


# -- running sums and memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 7])
def test_running_sums_are_one_for_each_update(scene: Scene, lax: Job, count: int) -> None:
    lax.open_and_commit(scene.trainers[:6])
    changed = replace(lax.settlement(), history=tuple(point(i) for i in range(count)))
    with refused("Market_WrongLength", field="history", length=count, expected=6):
        lax.attempt(lax.calls.settle(1, changed), scene.aggregators[0])


def memory_of(scene: Scene, job: Job) -> tuple[Any, Any]:
    found = scene.chain.call(scene.market.functions.round(job.id, job.number))
    return found[14], found[15]


def test_memory_goes_from_settled_round_to_settled_round(scene: Scene, lax: Job) -> None:
    """What an overturned settlement wrote nobody remembers; a void round hands on what it was given."""
    trainers = scene.trainers[:6]
    nothing, first, false, second = bytes(32), b"\1" * 32, b"\2" * 32, b"\3" * 32
    lax.open_and_commit(trainers)
    lax.settle(replace(lax.settlement(), next_memory_digest=first))
    assert memory_of(scene, lax) == (nothing, first)
    lax.travel_to(Phase.FINAL)
    lax.open_and_commit(trainers)
    lax.settle(replace(lax.settlement(), next_memory_digest=false))
    lax.challenge()
    assert memory_of(scene, lax) == (first, false)
    lax.open_and_commit(trainers)
    scene.chain.travel_to(lax.latest.opened.settle_end)
    assert memory_of(scene, lax) == (first, nothing)
    lax.open_and_commit(trainers)
    assert memory_of(scene, lax) == (first, nothing)
    lax.settle(replace(lax.settlement(), next_memory_digest=second), sender=scene.aggregators[1])
    assert memory_of(scene, lax) == (first, second)
    scene.check()


def test_the_verifier_refuses_memory_that_is_not_the_jobs(scene: Scene) -> None:
    job = scene.create(score="reputation", rounds=3)
    job.join_all(6)
    for _ in range(2):
        job.open_and_commit(scene.trainers[:6])
        honest = job.settlement()
        digest = job.state.memory_digest(job.number)
        for carried in (honest.witness.carried + b"\0", b"\0" * 12):
            changed = replace(honest, witness=replace(honest.witness, carried=carried))
            with refused("Carried_WrongDigest", expected=digest):
                job.attempt(job.calls.settle(job.number, changed), scene.aggregators[0])
        with refused("Registry_WrongMemory", posted=b"\1" * 32, expected=honest.next_memory_digest):
            changed = replace(honest, next_memory_digest=b"\1" * 32)
            job.attempt(job.calls.settle(job.number, changed), scene.aggregators[0])
        job.settle(honest)
        job.travel_to(Phase.FINAL)
    assert job.carried.score
    scene.check()
