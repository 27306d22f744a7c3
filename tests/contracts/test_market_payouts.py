"""claim, and what the owner gets back at the close: what is owed is paid once, whole, to whom the creditor names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from market.domain import NATIVE_COIN, PayoutClaimed, Phase, Withdrawn
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Job]:
    """Give a job with one final round of five trainers; one of the payouts is zero."""
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    job = scene.create(token=token)
    job.play_round(job.join_all())
    assert sorted(job.latest.payouts.values())[:1] == [0]
    yield job
    scene.check()


def _paid(job: Job) -> list[str]:
    """Return the trainers with a payout in the latest round."""
    return [trainer for trainer, amount in job.latest.payouts.items() if amount]


def test_a_claim_pays_the_recipient_to_the_unit(scene: Scene, job: Job) -> None:
    trainer, recipient = _paid(job)[0], stranger("claim")
    amount = job.latest.payouts[trainer]
    assert scene.attempt(job.calls.claim([1], recipient), trainer) == amount
    assert job.claim(trainer, recipient=recipient) == [PayoutClaimed(job.id, 1, trainer, amount, recipient)]
    assert scene.balance(job.terms.token, recipient) == amount
    assert tuple(scene.chain.call(scene.market.functions.payoutOf(job.id, 1, trainer))) == (amount, True)


def test_rounds_are_claimed_together_in_one_payment(scene: Scene, job: Job) -> None:
    job.play_round(scene.trainers[:5])
    first, second = (state.payouts for state in job.state.rounds)
    trainer = next(trainer for trainer in first if first[trainer] and second[trainer])
    recipient = stranger("batch")
    assert job.claim(trainer, [2, 1], recipient) == [
        PayoutClaimed(job.id, 2, trainer, second[trainer], recipient),
        PayoutClaimed(job.id, 1, trainer, first[trainer], recipient),
    ]
    assert scene.balance(job.terms.token, recipient) == first[trainer] + second[trainer]


def test_a_payout_waits_for_the_challenge_window(scene: Scene, job: Job) -> None:
    job.open_and_commit(scene.trainers[:5])
    job.settle()
    trainer = _paid(job)[0]
    assert job.latest.settled is not None
    end = job.latest.settled.challenge_end
    for second in (scene.chain.now, end - 1):
        scene.chain.travel_to(second)
        with refused("Market_WrongPhase", jobId=job.id, round=2, phase=Phase.CHALLENGEABLE):
            job.attempt(job.calls.claim([2], trainer), trainer)
    scene.chain.travel_to(end)
    job.claim(trainer)


def test_nothing_is_claimed_from_rounds_that_are_not_final(scene: Scene, job: Job) -> None:
    trainer = _paid(job)[0]
    _refuse_claim(job, trainer, [2], Phase.NONE)
    _refuse_claim(job, trainer, [1, 0], Phase.NONE)
    job.open()
    _refuse_claim(job, trainer, [1, 2], Phase.OPEN)
    job.travel_to(Phase.SETTLING)
    _refuse_claim(job, trainer, [2], Phase.SETTLING)
    job.travel_to(Phase.VOID)
    _refuse_claim(job, trainer, [2, 1], Phase.VOID)


def _refuse_claim(job: Job, trainer: str, numbers: list[int], phase: Phase) -> None:
    with refused("Market_WrongPhase", jobId=job.id, round=next(n for n in numbers if n != 1), phase=phase):
        job.attempt(job.calls.claim(numbers, trainer), trainer)


def test_who_earned_nothing_claims_nothing(scene: Scene, job: Job) -> None:
    unpaid = next(trainer for trainer, amount in job.latest.payouts.items() if not amount)
    for caller in (unpaid, scene.outsider, scene.owner):
        with refused("Market_NothingToClaim", jobId=job.id, round=1, trainer=caller):
            job.attempt(job.calls.claim([1], caller), caller)


def test_an_empty_batch_is_refused(scene: Scene, job: Job) -> None:
    trainer = _paid(job)[0]
    with refused("Market_NothingToClaim", jobId=job.id, round=0, trainer=trainer):
        job.attempt(job.calls.claim([], trainer), trainer)


def test_a_payout_is_claimed_once(scene: Scene, job: Job) -> None:
    trainer = _paid(job)[0]
    with refused("Market_AlreadyClaimed", jobId=job.id, round=1, trainer=trainer):
        job.attempt(job.calls.claim([1, 1], trainer), trainer)
    job.claim(trainer)
    with refused("Market_AlreadyClaimed", jobId=job.id, round=1, trainer=trainer):
        job.attempt(job.calls.claim([1], trainer), trainer)


def test_a_payout_is_not_sent_to_nobody(scene: Scene, job: Job) -> None:
    with refused("Market_ZeroRecipient"):
        job.attempt(job.calls.claim([1], NATIVE_COIN), _paid(job)[0])


def test_a_payout_outlives_leaving_and_closing(scene: Scene, job: Job) -> None:
    trainer = _paid(job)[0]
    job.leave(trainer)
    scene.chain.travel_to(job.terms.deadline + 10**8)
    job.close()
    job.withdraw()
    job.claim(trainer)


def test_the_refund_is_paid_to_the_unit_and_once(scene: Scene, job: Job) -> None:
    scene.chain.travel_to(job.terms.deadline)
    left = job.state.escrow
    assert job.free(scene.owner) == 0
    job.close()
    refund, recipient, token = job.free(scene.owner), stranger("refund"), job.terms.token
    assert refund == left == job.terms.escrow - sum(job.latest.payouts.values())
    assert job.withdraw(recipient=recipient) == Withdrawn(token, scene.owner, refund, recipient)
    assert scene.balance(token, recipient) == refund
    with refused("Market_InsufficientBalance", token=token, account=scene.owner, amount=1):
        scene.attempt(scene.withdraw_call(scene.owner, token=token, amount=1), scene.owner)


def test_nobody_else_gets_the_refund(scene: Scene, job: Job) -> None:
    scene.chain.travel_to(job.terms.deadline)
    job.close()
    for caller in (scene.outsider, scene.trainers[0], scene.aggregators[0]):
        with refused("Market_InsufficientBalance", token=job.terms.token, account=caller, amount=1):
            scene.attempt(scene.withdraw_call(caller, token=job.terms.token, amount=1), caller)
