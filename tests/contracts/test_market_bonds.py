"""postBond, withdrawBond and publishKey: what aggregators put in, when it comes out again, and how they are reached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from market.domain import NATIVE_COIN, BondPosted, BondWithdrawn, KeyPublished, Phase
from tests.contracts.harness import refused
from tests.contracts.labels import stranger
from tests.contracts.scenario import Job, Scene

BOND = 500


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Job]:
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    yield scene.create(token=token, aggregator_bond=BOND, challenger_share_bps=2_500)
    scene.check()


def test_posting_takes_the_bond_and_says_so(scene: Scene, job: Job) -> None:
    aggregator = scene.aggregators[0]
    before = scene.balance(job.terms.token, scene.market.address)
    assert job.deposit_bond(aggregator) == BondPosted(job.id, aggregator, BOND)
    assert scene.chain.call(scene.market.functions.bondOf(job.id, aggregator)) == BOND
    assert scene.balance(job.terms.token, scene.market.address) - before == BOND


def test_only_the_jobs_aggregators_post_bonds(scene: Scene, job: Job) -> None:
    other = scene.create(aggregators=[scene.outsider], aggregator_bond=BOND)
    for caller in (scene.outsider, scene.owner, scene.trainers[0]):
        with refused("Market_NotAggregator", jobId=job.id, caller=caller):
            job.attempt(job.calls.deposit_bond(), caller, job.value(BOND))
    other.attempt(other.calls.deposit_bond(), scene.outsider, BOND)


def test_nobody_posts_twice(scene: Scene, job: Job) -> None:
    job.deposit_bond()
    with refused("Market_AlreadyBonded", jobId=job.id, aggregator=scene.aggregators[0]):
        job.attempt(job.calls.deposit_bond(), scene.aggregators[0], job.value(BOND))
    job.withdraw_bond()
    job.deposit_bond()


def test_exactly_the_bond_is_taken(scene: Scene, job: Job) -> None:
    aggregator = scene.aggregators[0]
    scene.fund(job.terms.token, aggregator, BOND)
    expected = job.value(BOND)
    for value in {0, BOND - 1, BOND + 1} - {expected}:
        with refused("Assets_WrongValue", value=value, expected=expected):
            job.attempt(job.calls.deposit_bond(), aggregator, value)


def test_a_job_that_asks_for_no_bond_takes_none(scene: Scene) -> None:
    job = scene.create()
    with refused("Market_NoBondAsked", jobId=job.id):
        job.attempt(job.calls.deposit_bond(), scene.aggregators[0])


def test_a_closed_job_takes_no_bond(scene: Scene, job: Job) -> None:
    job.close(scene.owner)
    with refused("Market_JobClosed", jobId=job.id):
        job.attempt(job.calls.deposit_bond(), scene.aggregators[0], job.value(BOND))


def test_a_withdrawal_pays_the_whole_bond_to_the_recipient_and_once(scene: Scene, job: Job) -> None:
    aggregator, recipient = scene.aggregators[0], stranger("bond")
    job.deposit_bond(aggregator)
    assert job.withdraw_bond(aggregator, recipient) == BondWithdrawn(job.id, aggregator, BOND, recipient)
    assert scene.balance(job.terms.token, recipient) == BOND
    assert scene.chain.call(scene.market.functions.bondOf(job.id, aggregator)) == 0
    with refused("Market_NotBonded", jobId=job.id, aggregator=aggregator):
        job.attempt(job.calls.withdraw_bond(recipient), aggregator)


def test_only_who_posted_a_bond_withdraws_it(scene: Scene, job: Job) -> None:
    job.deposit_bond()
    for caller in (scene.aggregators[1], scene.owner, scene.outsider):
        with refused("Market_NotBonded", jobId=job.id, aggregator=caller):
            job.attempt(job.calls.withdraw_bond(caller), caller)


def test_a_bond_is_not_sent_to_nobody(scene: Scene, job: Job) -> None:
    job.deposit_bond()
    with refused("Market_ZeroRecipient"):
        job.attempt(job.calls.withdraw_bond(NATIVE_COIN), scene.aggregators[0])


def test_a_settlement_needs_a_bond(scene: Scene, job: Job) -> None:
    job.open_and_commit(job.join_all())
    call = job.calls.settle(1, job.settlement())
    for aggregator in scene.aggregators:
        with refused("Market_NotBonded", jobId=job.id, aggregator=aggregator):
            job.attempt(call, aggregator)
    job.deposit_bond()  # in time, while the round waits
    job.attempt(call, scene.aggregators[0])
    with refused("Market_NotBonded", aggregator=scene.aggregators[1]):
        job.attempt(call, scene.aggregators[1])
    job.withdraw_bond()
    with refused("Market_NotBonded", aggregator=scene.aggregators[0]):
        job.attempt(call, scene.aggregators[0])


def test_a_bond_is_free_until_its_aggregator_settles_and_locked_to_the_end_of_the_window(
    scene: Scene, job: Job
) -> None:
    settler, other = scene.aggregators
    job.deposit_bond(settler)
    job.deposit_bond(other)
    trainers = job.join_all()
    job.open()
    for trainer in trainers:
        job.commit(trainer)
    for phase in (None, Phase.SETTLING):
        if phase is not None:
            job.travel_to(phase)
        job.attempt(job.calls.withdraw_bond(settler), settler)
    job.settle(sender=settler)
    assert job.latest.settled is not None
    end = job.latest.settled.challenge_end
    for second in (scene.chain.now, end - 1):
        scene.chain.travel_to(second)
        with refused("Market_BondLocked", jobId=job.id, round=1):
            job.attempt(job.calls.withdraw_bond(settler), settler)
        job.attempt(job.calls.withdraw_bond(other), other)  # who settled nothing is free
    scene.chain.travel_to(end)
    job.withdraw_bond(settler)


def test_a_bond_is_locked_for_its_own_aggregators_rounds_only(scene: Scene, job: Job) -> None:
    """The round that counts is the one the aggregator itself settled, not the one that is live now."""
    settler, other = scene.aggregators
    job.deposit_bond(settler)
    job.deposit_bond(other)
    trainers = job.join_all()
    job.open_and_commit(trainers)
    job.settle(sender=settler)
    job.travel_to(Phase.FINAL)
    job.open_and_commit(trainers)
    job.attempt(job.calls.withdraw_bond(settler), settler)
    job.settle(sender=other)
    job.attempt(job.calls.withdraw_bond(settler), settler)
    with refused("Market_BondLocked", jobId=job.id, round=2):
        job.attempt(job.calls.withdraw_bond(other), other)
    job.travel_to(Phase.FINAL)
    job.withdraw_bond(other)
    job.withdraw_bond(settler)


@pytest.mark.parametrize("age", [0, 10**9])
def test_a_bond_outlives_the_job(scene: Scene, job: Job, age: int) -> None:
    job.deposit_bond()
    scene.chain.travel_to(job.terms.deadline + age)
    job.close()
    job.withdraw()
    job.withdraw_bond(recipient=stranger("late"))
    assert scene.balance(job.terms.token, stranger("late")) == BOND
    assert scene.balance(job.terms.token, scene.market.address) == 0


def test_an_owner_can_close_an_unused_job_over_a_bond(scene: Scene, job: Job) -> None:
    job.deposit_bond()
    job.close(scene.owner)
    job.withdraw()
    job.withdraw_bond()


def test_bonds_of_two_jobs_are_apart(scene: Scene, job: Job) -> None:
    twin = scene.create(token=job.terms.token, aggregator_bond=BOND + 1)
    job.deposit_bond()
    with refused("Market_NotBonded", jobId=twin.id):
        twin.attempt(twin.calls.withdraw_bond(scene.aggregators[0]), scene.aggregators[0])
    twin.deposit_bond()
    twin.withdraw_bond(recipient=stranger("twin"))
    assert scene.balance(job.terms.token, stranger("twin")) == BOND + 1


def test_keys_are_published_changed_and_withdrawn_by_their_account(scene: Scene) -> None:
    client, first = scene.client, scene.chain.w3.eth.block_number
    one, other = scene.aggregators
    assert client.encryption_key(one) is None
    for account, key in ((one, b"\1" * 32), (other, b"\2" * 32), (one, b"\3" * 32), (other, bytes(32))):
        assert scene.send(scene.market.functions.publishKey(key), account) == []  # no event of a job
    assert client.encryption_key(one) == b"\3" * 32
    assert client.encryption_key(other) is None
    assert client.keys_published(first, scene.chain.w3.eth.block_number) == [
        KeyPublished(one, b"\1" * 32),
        KeyPublished(other, b"\2" * 32),
        KeyPublished(one, b"\3" * 32),
        KeyPublished(other, bytes(32)),
    ]


def test_published_keys_are_no_events_of_a_job(scene: Scene) -> None:
    job = scene.create()
    first = scene.chain.w3.eth.block_number
    scene.send(scene.market.functions.publishKey(b"\1" * 32), scene.aggregators[0])
    job.join(scene.trainers[0])
    last = scene.chain.w3.eth.block_number
    for job_id in (None, job.id):
        assert [type(event).__name__ for event in scene.client.events(first + 1, last, job_id)] == ["TrainerJoined"]
