"""deposit, withdraw, releaseBond and publishKey: free balances, and the bonds that settlements take from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from market.domain import NATIVE_COIN, BondReleased, Deposited, KeyPublished, Phase, Withdrawn
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene

BOND = 500


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Job]:
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    yield scene.create(token=token, aggregator_bond=BOND, challenger_share_bps=2_500)
    scene.check()


def test_a_deposit_is_taken_and_added_up(scene: Scene, job: Job) -> None:
    account, token = scene.outsider, job.terms.token
    before = scene.balance(token, scene.market.address)
    assert scene.deposit(account, 3, token) == Deposited(token, account, 3)
    assert scene.deposit(account, 4, token) == Deposited(token, account, 4)
    assert scene.client.free_balance(token, account) == 7
    assert scene.balance(token, scene.market.address) - before == 7


def test_exactly_the_deposit_is_taken(scene: Scene, job: Job) -> None:
    account, token = scene.outsider, job.terms.token
    scene.fund(token, account, BOND)
    expected = job.value(BOND)
    for value in {0, BOND - 1, BOND + 1} - {expected}:
        with refused("Assets_WrongValue", value=value, expected=expected):
            scene.attempt(scene.market.functions.deposit(token, BOND, b""), account, value)


def test_nothing_is_neither_deposited_nor_withdrawn(scene: Scene, job: Job) -> None:
    token = job.terms.token
    with refused("Market_ZeroAmount"):
        scene.attempt(scene.market.functions.deposit(token, 0, b""), scene.outsider)
    scene.deposit(scene.outsider, 5, token)
    with refused("Market_ZeroAmount"):
        scene.attempt(scene.withdraw_call(scene.outsider, token=token, amount=0), scene.outsider)


def test_a_withdrawal_pays_the_recipient_in_parts_and_never_more_than_there_is(scene: Scene, job: Job) -> None:
    account, recipient, token = scene.outsider, stranger("part"), job.terms.token
    scene.deposit(account, 10, token)
    paid = scene.withdraw(account, token=token, amount=4, recipient=recipient)
    assert paid == Withdrawn(token, account, 4, recipient)
    for amount in (7, 1 << 255):
        with refused("Market_InsufficientBalance", token=token, account=account, amount=amount):
            scene.attempt(scene.withdraw_call(account, token=token, amount=amount), account)
    scene.withdraw(account, token=token, amount=6, recipient=recipient)
    assert scene.balance(token, recipient) == 10
    with refused("Market_InsufficientBalance", amount=1):
        scene.attempt(scene.withdraw_call(account, token=token, amount=1), account)


def test_a_free_balance_is_its_accounts_alone_and_not_sent_to_nobody(scene: Scene, job: Job) -> None:
    token = job.terms.token
    scene.deposit(scene.outsider, 10, token)
    for caller in (scene.owner, *scene.aggregators, scene.trainers[0]):
        with refused("Market_InsufficientBalance", account=caller, amount=1):
            scene.attempt(scene.withdraw_call(caller, token=token, amount=1), caller)
    with refused("Market_ZeroRecipient"):
        scene.attempt(scene.withdraw_call(scene.outsider, token=token, recipient=NATIVE_COIN), scene.outsider)


def test_free_balances_of_tokens_are_apart(scene: Scene, job: Job) -> None:
    other = scene.chain.deploy("StandardToken").address
    scene.deposit(scene.outsider, 10, other)
    with refused("Market_InsufficientBalance", token=job.terms.token, account=scene.outsider, amount=10):
        scene.attempt(scene.withdraw_call(scene.outsider, token=job.terms.token, amount=10), scene.outsider)
    scene.withdraw(scene.outsider, token=other, recipient=stranger("other"))
    assert scene.balance(other, stranger("other")) == 10


def test_a_settlement_takes_its_bond_from_the_free_balance(scene: Scene, job: Job) -> None:
    settler, token = scene.aggregators[0], job.terms.token
    job.open_and_commit(job.join_all())
    call = job.calls.settle(1, job.settlement())
    for deposited in (0, BOND - 1):
        if deposited:
            scene.deposit(settler, deposited, token)
        with refused("Market_InsufficientBalance", token=token, account=settler, amount=BOND):
            job.attempt(call, settler)
    scene.deposit(settler, 3, token)
    job.settle(sender=settler)
    assert (job.free(settler), job.latest.bond) == (2, BOND)
    with refused("Market_InsufficientBalance", amount=3):
        scene.attempt(scene.withdraw_call(settler, token=token, amount=3), settler)
    with refused("Market_InsufficientBalance", account=scene.aggregators[1]):  # nor does another one's bond serve
        scene.attempt(scene.withdraw_call(scene.aggregators[1], token=token, amount=1), scene.aggregators[1])


def test_one_deposit_cannot_back_two_live_settlements(scene: Scene, job: Job) -> None:
    """Not in two jobs, and not by going round through a withdrawal."""
    settler, twin = scene.aggregators[0], scene.create(token=job.terms.token, aggregator_bond=BOND, settle_seconds=999)
    trainers = job.join_all()
    twin.join_all()
    twin.open()
    for trainer in trainers:
        twin.commit(trainer)
    job.open_and_commit(trainers)
    job.deposit_bond(settler)
    job.settle(sender=settler)
    assert twin.phase is Phase.SETTLING
    second = twin.calls.settle(1, twin.settlement())
    with refused("Market_InsufficientBalance", token=job.terms.token, account=settler, amount=BOND):
        twin.attempt(second, settler)
    job.travel_to(Phase.FINAL)
    with refused("Market_InsufficientBalance"):  # final, but not yet released
        twin.attempt(second, settler)
    job.release()
    twin.settle(sender=settler)
    with refused("Market_NotBonded", jobId=job.id, round=1):
        job.attempt(job.calls.release(1), settler)


def test_a_bond_is_released_by_anybody_from_the_end_of_the_window_on_and_once(scene: Scene, job: Job) -> None:
    settler = scene.aggregators[0]
    job.deposit_bond(settler)
    job.open_and_commit(job.join_all())
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.SETTLING):
        job.attempt(job.calls.release(1), settler)
    job.settle(sender=settler)
    assert job.latest.settled is not None
    end = job.latest.settled.challenge_end
    for second in (scene.chain.now, end - 1):
        scene.chain.travel_to(second)
        with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.CHALLENGEABLE):
            job.attempt(job.calls.release(1), settler)
    scene.chain.travel_to(end)
    assert job.send(job.calls.release(1), scene.outsider) == BondReleased(job.id, 1, settler, BOND)
    assert job.free(settler) == BOND
    for number, error in ((1, "Market_NotBonded"), (2, "Market_WrongPhase"), (0, "Market_WrongPhase")):
        with refused(error, jobId=job.id, round=number):
            job.attempt(job.calls.release(number), settler)


@pytest.mark.parametrize("how", ["open", "extend", "close"])
def test_what_follows_a_final_round_releases_its_bond(scene: Scene, job: Job, how: str) -> None:
    settler = scene.aggregators[0]
    job.deposit_bond(settler)
    job.play_round(job.join_all())
    steps: dict[str, Callable[[], object]] = {
        "open": job.open,
        "extend": lambda: job.extend(rounds=3),
        "close": lambda: job.close(scene.owner),
    }
    steps[how]()
    assert (job.free(settler), job.state.bonds) == (BOND, 0)
    with refused("Market_NotBonded", jobId=job.id, round=1):
        job.attempt(job.calls.release(1), settler)


def test_the_same_deposit_serves_round_after_round(scene: Scene, job: Job) -> None:
    job.deposit_bond()
    trainers = job.join_all()
    for _ in range(2):
        job.play_round(trainers)
    job.close()
    assert job.free(scene.aggregators[0]) == BOND


def test_a_job_that_asks_for_no_bond_holds_none(scene: Scene) -> None:
    job = scene.create()
    job.play_round(job.join_all())
    with refused("Market_NotBonded", jobId=job.id, round=1):
        job.attempt(job.calls.release(1), scene.aggregators[0])
    scene.check()


@pytest.mark.parametrize("age", [pytest.param(0, marks=pytest.mark.slow), 10**9])
def test_a_free_balance_outlives_the_job(scene: Scene, job: Job, age: int) -> None:
    job.deposit_bond()
    job.play_round(job.join_all())
    scene.chain.travel_to(job.terms.deadline + age)
    for trainer in list(job.state.stakes):
        owed = job.state.claimable(trainer, scene.chain.now)
        if owed:
            job.claim(trainer, list(owed))
        job.leave(trainer)
    job.close()
    job.withdraw()
    job.withdraw(scene.aggregators[0], stranger("late"))
    assert scene.balance(job.terms.token, stranger("late")) == BOND
    assert scene.balance(job.terms.token, scene.market.address) == 0


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
