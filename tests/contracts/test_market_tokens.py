"""Tokens that misbehave: refused where they would leave the books short, and never at another job's cost."""

from __future__ import annotations

import pytest

from market.domain import Phase
from tests.contracts.calls import escrow_value
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene


def _play_to_the_end(scene: Scene, job: Job) -> None:
    """Play a round that is overturned and two that are not, claim, close, withdraw and leave; nothing may remain."""
    trainers = job.join_all()
    for aggregator in scene.aggregators:
        job.deposit_bond(aggregator)
    job.play_to_overturned(trainers)
    for _ in range(2):
        job.open_and_commit(trainers)
        job.settle(sender=scene.aggregators[1])
        job.travel_to(Phase.FINAL)
    for trainer in trainers:
        numbers = list(job.state.claimable(trainer, scene.chain.now))
        if numbers:
            job.claim(trainer, numbers, stranger(trainer))
        job.leave(trainer, stranger(trainer))
    job.withdraw(scene.outsider, stranger("challenger"))
    job.close()
    job.withdraw(scene.aggregators[1], stranger("aggregator"))
    job.withdraw(recipient=stranger("owner"))
    scene.check()
    assert job.state.liabilities == 0


@pytest.mark.parametrize(
    "name",
    [
        *("StandardToken", "NoReturnToken", "FeeToken"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("FalseReturnToken", "BlocklistToken", "CallbackToken")
        ),
    ],
)
def test_a_token_that_delivers_serves_a_whole_job(scene: Scene, name: str) -> None:
    token, verifier = scene.chain.deploy(name).address, scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(token=token, verifier=verifier.address, aggregator_bond=500, challenger_share_bps=2_500)
    scene.chain.send(verifier.functions.setFalse(job.id, 1, True))
    _play_to_the_end(scene, job)
    assert scene.balance(token, scene.market.address) == 0


def test_a_fee_on_transfer_is_refused_at_every_deposit(scene: Scene) -> None:
    token = scene.chain.deploy("FeeToken")
    job = scene.create(token=token.address, aggregator_bond=1_000)
    scene.chain.send(token.functions.setFee(1))
    trainer, terms = scene.trainers[0], scene.terms(token=token.address, round_budget=10_000, rounds=1)
    scene.fund(token.address, scene.owner, terms.escrow)
    scene.fund(token.address, trainer, 1_000)
    with refused("Assets_InexactTransfer", token=token.address, received=9_999, expected=10_000):
        scene.attempt(scene.create_call(terms), scene.owner, escrow_value(terms))
    job.join(trainer, 999)  # too little for a fee of a basis point: it arrives whole
    scene.fund(token.address, scene.trainers[1], 1_000)
    scene.chain.send(token.functions.setFee(10))
    with refused("Assets_InexactTransfer", received=999, expected=1_000):
        job.attempt(job.calls.join(1_000), scene.trainers[1])
    scene.fund(token.address, scene.aggregators[0], 1_000)
    with refused("Assets_InexactTransfer", received=999, expected=1_000):
        scene.attempt(scene.market.functions.deposit(token.address, 1_000, b""), scene.aggregators[0])
    job.close(scene.owner)
    longer = scene.create(token=token.address, round_budget=1)
    scene.fund(token.address, scene.owner, 2_000)
    with refused("Assets_InexactTransfer", received=1_998, expected=2_000):
        longer.attempt(longer.calls.extend(2, 1_001, longer.terms.deadline), scene.owner)
    scene.check()


def test_a_fee_that_comes_later_takes_from_the_recipient_only(scene: Scene) -> None:
    token = scene.chain.deploy("FeeToken")
    job = scene.create(token=token.address)
    trainers = job.join_all()
    scene.chain.send(token.functions.setFee(1_000))
    job.leave(trainers[0], stranger("leaver"))
    assert scene.balance(token.address, stranger("leaver")) == 90
    scene.check()


def test_a_rebase_between_asking_and_receiving_is_refused(scene: Scene) -> None:
    token = scene.chain.deploy("RebasingToken")
    terms = scene.terms(token=token.address)
    scene.fund(token.address, scene.owner, terms.escrow)
    scene.chain.send(token.functions.rebase(3 * 10**17))  # shares round down: less arrives than was asked
    scene.fund(token.address, scene.owner, terms.escrow)
    with refused("Assets_InexactTransfer", received=terms.escrow - 1, expected=terms.escrow):
        scene.attempt(scene.create_call(terms), scene.owner)


def test_a_rebase_cannot_reach_jobs_in_other_tokens(scene: Scene) -> None:
    token = scene.chain.deploy("RebasingToken")
    hostile, sound = scene.create(token=token.address), scene.create()
    hostile.join_all()
    trainers = sound.join_all()
    scene.chain.send(token.functions.rebase(10**17))
    held = scene.balance(token.address, scene.market.address)
    assert held < hostile.state.liabilities  # the parties of this job chose this token
    hostile.leave(trainers[0], stranger("hostile"))  # first come, first served, out of what this token left
    sound.leave(trainers[0], stranger("sound"))
    assert scene.chain.balance(stranger("sound")) == 100
    assert scene.chain.balance(scene.market.address) == sound.state.liabilities


def test_a_rebase_upwards_is_owed_to_nobody(scene: Scene) -> None:
    token = scene.chain.deploy("RebasingToken")
    job = scene.create(token=token.address)
    owed = job.state.liabilities
    scene.chain.send(token.functions.rebase(2 * 10**18))
    job.close(scene.owner)
    job.withdraw(recipient=stranger("owner"))
    assert scene.balance(token.address, stranger("owner")) == owed
    assert scene.balance(token.address, scene.market.address) == owed


def test_a_transfer_that_answers_false_moves_nothing_in_the_books(scene: Scene) -> None:
    token, (one, other) = scene.chain.deploy("FalseReturnToken"), scene.aggregators
    job = scene.create(token=token.address, aggregator_bond=500)
    trainer = job.join_all()[0]
    job.deposit_bond(one)
    scene.fund(token.address, scene.trainers[5], 100)
    scene.fund(token.address, other, 500)
    scene.chain.send(token.functions.freeze(True))
    for call, sender in (
        (job.calls.leave(trainer), trainer),
        (job.calls.join(100), scene.trainers[5]),
        (scene.withdraw_call(one, token=token.address), one),
        (scene.market.functions.deposit(token.address, 500, b""), other),
    ):
        with refused("SafeERC20FailedOperation", token=token.address):
            job.attempt(call, sender)
    terms = scene.terms(token=token.address)
    with refused("SafeERC20FailedOperation", token=token.address):
        scene.attempt(scene.create_call(terms), scene.owner)
    scene.check()
    scene.chain.send(token.functions.freeze(False))
    job.leave(trainer)
    job.withdraw(one)
    scene.check()


def test_a_frozen_token_gives_payouts_and_refund_when_it_thaws(scene: Scene) -> None:
    token = scene.chain.deploy("FalseReturnToken")
    job = scene.create(token=token.address, rounds=1)
    trainers = job.join_all()
    job.play_round(trainers)
    job.close()
    trainer = next(trainer for trainer, amount in job.latest.payouts.items() if amount)
    scene.chain.send(token.functions.freeze(True))
    for call, sender in (
        (job.calls.claim([1], trainer), trainer),
        (scene.withdraw_call(scene.owner, token=token.address), scene.owner),
    ):
        with refused("SafeERC20FailedOperation"):
            job.attempt(call, sender)
    scene.chain.send(token.functions.freeze(False))
    job.claim(trainer)
    job.withdraw()
    scene.check()


def test_a_blocked_trainer_names_another_recipient_and_blocks_nobody(scene: Scene) -> None:
    token = scene.chain.deploy("BlocklistToken")
    job = scene.create(token=token.address)
    trainers = job.join_all()
    job.play_round(trainers)
    blocked, other = [trainer for trainer, amount in job.latest.payouts.items() if amount][:2]
    scene.chain.send(token.functions.setBlocked(blocked, True))
    with refused("Blocklist_Blocked", account=blocked):
        job.attempt(job.calls.claim([1], blocked), blocked)
    with refused("Blocklist_Blocked", account=blocked):
        job.attempt(job.calls.leave(blocked), blocked)
    job.claim(other)
    job.leave(other)
    job.claim(blocked, recipient=stranger("friend"))
    job.leave(blocked, stranger("friend"))
    assert scene.balance(token.address, stranger("friend")) == job.state.rounds[0].payouts[blocked] + 100
    scene.check()


def test_blocked_aggregators_and_challengers_name_another_recipient(scene: Scene) -> None:
    token, verifier = scene.chain.deploy("BlocklistToken"), scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(token=token.address, verifier=verifier.address, aggregator_bond=500, challenger_share_bps=2_500)
    scene.chain.send(verifier.functions.setFalse(job.id, 1, True))
    one, other = scene.aggregators
    for aggregator in (one, other):
        job.deposit_bond(aggregator)
    trainers = job.join_all()
    job.open_and_commit(trainers)
    job.settle(sender=one)
    for account in (one, other, scene.outsider):
        scene.chain.send(token.functions.setBlocked(account, True))
    job.challenge(scene.outsider)  # whether anybody can be paid plays no part in it
    for account in (other, scene.outsider):
        with refused("Blocklist_Blocked", account=account):
            scene.attempt(scene.withdraw_call(account, token=token.address), account)
    job.withdraw(other, stranger("friend"))
    job.withdraw(scene.outsider, stranger("friend"))
    assert scene.balance(token.address, stranger("friend")) == 500 + 125
    scene.check()


def test_a_market_that_a_token_blocks_keeps_its_other_jobs(scene: Scene) -> None:
    token = scene.chain.deploy("BlocklistToken")
    hostile, sound = scene.create(token=token.address), scene.create()
    trainer = hostile.join_all()[0]
    sound.join(trainer)
    scene.chain.send(token.functions.setBlocked(scene.market.address, True))
    with refused("Blocklist_Blocked", account=scene.market.address):
        hostile.attempt(hostile.calls.leave(trainer), trainer)
    sound.leave(trainer)
    scene.chain.send(token.functions.setBlocked(scene.market.address, False))
    hostile.leave(trainer)
    scene.check()


def test_tokens_sent_to_the_market_by_mistake_enter_no_account(scene: Scene) -> None:
    token = scene.chain.deploy("StandardToken")
    job = scene.create(token=token.address)
    scene.chain.send(token.functions.mint(scene.market.address, 7))
    scene.forced[token.address] = 7
    scene.check()
    job.open_and_commit(job.join_all())
    job.travel_to(Phase.VOID)
    scene.chain.travel_to(job.terms.deadline)
    job.close()
    job.withdraw()
    for trainer in list(job.state.stakes):
        job.leave(trainer)
    scene.check()
    assert scene.balance(token.address, scene.market.address) == 7
