"""extendJob, stopJob, early closes, and void rounds that are refunded: what an owner can change, and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from market.domain import NATIVE_COIN, JobClosed, JobExtended, JobStopped, Phase, RoundRefunded
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene

BUDGET = 1_000_003
DAY = 86_400


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Job]:
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    job = scene.create(token=token)
    job.join_all()
    yield job
    scene.check()


# -- extensions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounds", "raise_by", "seconds", "deposit"),
    [(3, 0, 0, BUDGET), (2, 7, 0, 14), (2, 0, 1, 0), (4, 5, 9, 2 * BUDGET + 20)],
    ids=["rounds", "budget", "deadline", "all"],
)
def test_an_extension_takes_what_it_adds_to_the_unit(
    scene: Scene, job: Job, rounds: int, raise_by: int, seconds: int, deposit: int
) -> None:
    held, deadline = scene.balance(job.terms.token, scene.market.address), job.terms.deadline + seconds
    event = job.extend(rounds=rounds, round_budget=BUDGET + raise_by, deadline=deadline)
    assert event == JobExtended(job.id, rounds, BUDGET + raise_by, deadline, deposit)
    assert scene.balance(job.terms.token, scene.market.address) - held == deposit
    assert scene.client.job_account(job.id).escrow == rounds * (BUDGET + raise_by)


def test_exactly_the_deposit_is_taken(scene: Scene, job: Job) -> None:
    call = job.calls.extend(3, BUDGET + 1, job.terms.deadline)
    scene.fund(job.terms.token, scene.owner, BUDGET + 3)
    expected = job.value(BUDGET + 3)
    for value in {0, BUDGET + 2, BUDGET + 4} - {expected}:
        with refused("Assets_WrongValue", value=value, expected=expected):
            job.attempt(call, scene.owner, value)


def test_rounds_that_are_used_up_are_not_paid_for_again(scene: Scene, job: Job) -> None:
    job.play_round(scene.trainers[:5])
    left = job.state.escrow
    event = job.extend(round_budget=BUDGET + 10, rounds=3)
    assert isinstance(event, JobExtended)
    assert event.deposit == BUDGET + 2 * 10
    assert job.state.escrow == left + BUDGET + 20
    job.play_round(scene.trainers[:5])
    job.play_round(scene.trainers[:5])
    assert [state.budget for state in job.state.rounds] == [BUDGET, BUDGET + 10, BUDGET + 10]
    job.close()


def test_a_higher_budget_is_what_the_next_round_pays(scene: Scene, job: Job) -> None:
    job.extend(round_budget=10 * BUDGET)
    job.play_round(scene.trainers[:5])
    assert 9 * BUDGET < sum(job.latest.payouts.values()) <= 10 * BUDGET


def test_nothing_becomes_less(scene: Scene, job: Job) -> None:
    now, deadline = scene.chain.now, job.terms.deadline
    for wanted, field in (
        ((1, 2 * BUDGET, deadline + 1), "rounds"),
        ((3, BUDGET - 1, deadline + 1), "roundBudget"),
        ((3, BUDGET, deadline - 1), "deadline"),
        ((2, BUDGET, now + 3650 * DAY + 1), "deadline"),
    ):
        with refused("Market_InvalidTerms", field=field):
            job.attempt(job.calls.extend(*wanted), scene.owner, job.value(BUDGET))
    with refused("Market_NothingToExtend", jobId=job.id):
        job.attempt(job.calls.extend(2, BUDGET, deadline), scene.owner)
    job.attempt(job.calls.extend(2, BUDGET, now + 3650 * DAY), scene.owner)


def test_the_owner_alone_extends_and_stops(scene: Scene, job: Job) -> None:
    for caller in (scene.outsider, scene.trainers[0], scene.aggregators[0]):
        for call in (job.calls.extend(3, BUDGET, job.terms.deadline), job.calls.stop()):
            with refused("Market_NotOwner", jobId=job.id, caller=caller):
                job.attempt(call, caller)


def test_a_job_is_extended_between_rounds_only(scene: Scene, job: Job) -> None:
    call, value = job.calls.extend(3, BUDGET, job.terms.deadline), job.value(BUDGET)
    scene.fund(job.terms.token, scene.owner, BUDGET)
    job.open_and_commit(scene.trainers[:5])
    with refused("Market_WrongPhase", phase=Phase.SETTLING):
        job.attempt(call, scene.owner, value)
    job.settle()
    with refused("Market_WrongPhase", phase=Phase.CHALLENGEABLE):
        job.attempt(call, scene.owner, value)
    job.travel_to(Phase.FINAL)
    job.attempt(call, scene.owner, value)


@pytest.mark.parametrize("how", ["stopped", pytest.param("used up", marks=pytest.mark.slow), "past its deadline"])
def test_an_extension_revives_a_job_that_is_not_closed(scene: Scene, job: Job, how: str) -> None:
    trainers = scene.trainers[:5]
    if how == "stopped":
        job.stop()
    if how == "used up":
        job.play_round(trainers)
        job.play_round(trainers)
    if how == "past its deadline":
        scene.chain.travel_to(job.terms.deadline)
    assert job.state.finished(scene.chain.now)
    with refused("Market_AllRoundsUsed" if how == "used up" else "Market_DeadlinePassed"):
        job.attempt(job.calls.open(), scene.outsider)
    job.extend(rounds=3, deadline=max(job.terms.deadline, scene.chain.now + 5_000))
    job.play_round(trainers)


def test_a_closed_job_is_not_extended_nor_stopped(scene: Scene, job: Job) -> None:
    job.close(scene.owner)
    for call in (job.calls.extend(3, BUDGET, job.terms.deadline), job.calls.stop()):
        with refused("Market_JobClosed", jobId=job.id):
            job.attempt(call, scene.owner)


# -- stops and early closes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settled", [False, True], ids=["before the settlement", "after it"])
def test_a_stop_takes_nothing_from_the_live_round(scene: Scene, job: Job, settled: bool) -> None:
    trainers = scene.trainers[:5]
    job.open()
    for trainer in trainers[:4]:
        job.commit(trainer)
    if not settled:
        assert job.stop() == JobStopped(job.id, job.terms.deadline)
    job.commit(trainers[4])
    job.travel_to(Phase.SETTLING)
    job.settle()
    if settled:
        job.stop()
    with refused("Market_WrongPhase", phase=Phase.CHALLENGEABLE):
        job.attempt(job.calls.close(), scene.owner)
    job.travel_to(Phase.FINAL)
    with refused("Market_DeadlinePassed", deadline=job.terms.deadline):
        job.attempt(job.calls.open(), scene.outsider)
    left = job.state.escrow
    assert job.close(scene.outsider) == JobClosed(job.id, left)
    paid = dict(job.latest.payouts)
    assert any(paid.values())
    for trainer, amount in paid.items():
        if amount:
            job.claim(trainer, [1], stranger(trainer))
        job.leave(trainer)
        assert scene.balance(job.terms.token, stranger(trainer)) == amount


def test_a_stopped_job_is_not_stopped_again(scene: Scene, job: Job) -> None:
    job.stop()
    with refused("Market_DeadlinePassed", deadline=job.terms.deadline):
        job.attempt(job.calls.stop(), scene.owner)


@pytest.mark.parametrize("rounds", [0, 1])
def test_an_owner_closes_between_rounds_and_what_was_earned_stays(scene: Scene, job: Job, rounds: int) -> None:
    trainers = scene.trainers[:5]
    for _ in range(rounds):
        job.play_round(trainers)
    with refused("Market_JobRunning", jobId=job.id):
        job.attempt(job.calls.close(), scene.outsider)
    left = job.state.escrow
    assert job.close(scene.owner) == JobClosed(job.id, left)
    assert job.free(scene.owner) == left
    for trainer in trainers:
        owed = job.state.claimable(trainer, scene.chain.now)
        if owed:
            job.claim(trainer, list(owed))
        job.leave(trainer)
    job.withdraw()
    assert scene.balance(job.terms.token, scene.market.address) == 0


# -- void rounds that are refunded ------------------------------------------------------------------------------------


def _refunding(scene: Scene, **changes: Any) -> Job:
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(refund_void=True, verifier=verifier.address, **changes)
    for number in range(1, 4):
        scene.chain.send(verifier.functions.setFalse(job.id, number, True))
    job.join_all()
    return job


def test_the_budget_of_a_void_round_is_the_owners_and_the_round_used_up(scene: Scene) -> None:
    job = _refunding(scene)
    job.open()
    job.travel_to(Phase.VOID)
    assert job.free(scene.owner) == 0  # nobody has put the books in order yet
    opened = scene.send(job.calls.open(), scene.outsider)
    assert opened[0] == RoundRefunded(job.id, 1, BUDGET)
    assert (job.free(scene.owner), job.state.escrow, job.state.used) == (BUDGET, BUDGET, 1)
    job.withdraw(recipient=stranger("refund"))
    assert scene.chain.balance(stranger("refund")) == BUDGET
    job.travel_to(Phase.VOID)
    with refused("Market_AllRoundsUsed", jobId=job.id):
        job.attempt(job.calls.open(), scene.outsider)
    scene.check()


def test_an_overturned_round_is_refunded_once_its_payouts_are_back(scene: Scene) -> None:
    job = _refunding(scene)
    job.play_to_overturned(scene.trainers[:5])
    assert (job.state.used, job.state.escrow) == (0, job.terms.escrow)
    events = scene.send(job.calls.close(), scene.owner)
    assert events == [RoundRefunded(job.id, 1, BUDGET), JobClosed(job.id, BUDGET)]
    assert job.free(scene.owner) == 2 * BUDGET
    scene.check()


def test_the_last_void_round_lets_anybody_close_the_job(scene: Scene) -> None:
    job = _refunding(scene, rounds=1)
    job.open()
    job.travel_to(Phase.SETTLING)
    with refused("Market_WrongPhase", phase=Phase.SETTLING):
        job.attempt(job.calls.close(), scene.outsider)
    job.travel_to(Phase.VOID)
    assert job.close(scene.outsider) == JobClosed(job.id, 0)
    assert (job.free(scene.owner), job.state.used) == (BUDGET, 1)
    scene.check()


def test_an_extension_after_a_void_round_pays_for_the_rounds_to_come_only(scene: Scene) -> None:
    job = _refunding(scene)
    job.open()
    job.travel_to(Phase.VOID)
    event = job.extend(rounds=3, round_budget=BUDGET + 1)
    assert isinstance(event, JobExtended)
    assert event.deposit == BUDGET + 2
    assert (job.state.escrow, job.free(scene.owner)) == (2 * BUDGET + 2, BUDGET)
    scene.check()


def test_a_settled_round_is_not_refunded(scene: Scene) -> None:
    job = _refunding(scene)
    job.play_round(scene.trainers[:5])
    job.open()
    assert (job.free(scene.owner), job.state.used, job.state.rounds[0].refunded) == (0, 1, False)
    scene.check()


def test_where_void_rounds_are_repeated_nothing_is_refunded(scene: Scene, job: Job) -> None:
    for _ in range(3):
        job.open()
        job.travel_to(Phase.VOID)
    assert (job.free(scene.owner), job.state.escrow, job.state.used) == (0, job.terms.escrow, 0)
    job.open()
