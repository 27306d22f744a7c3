"""challengeSettlement: a false aggregate voids its round and costs its aggregator bond and place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from web3.contract import Contract

from market.domain import NATIVE_COIN, Phase, SettlementOverturned, Withdrawn
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene

BOND = 999
SHARE = 3_333
REWARD = BOND * SHARE // 10_000  # 332, rounded down from 332.97


@pytest.fixture
def switch(scene: Scene) -> Contract:
    return scene.chain.deploy("FaultSwitchVerifier")


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, switch: Contract, request: pytest.FixtureRequest) -> Iterator[Job]:
    """Give a job whose first round is settled, by the first aggregator, and can be challenged."""
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    job = _job(scene, switch, token=token)
    yield job
    scene.check()


def _job(scene: Scene, switch: Contract, **changes: Any) -> Job:
    terms: dict[str, Any] = {"aggregator_bond": BOND, "challenger_share_bps": SHARE, "rounds": 3}
    job = scene.create(verifier=switch.address, **(terms | changes))
    if job.terms.aggregator_bond:
        job.deposit_bond()
    job.open_and_commit(job.join_all())
    job.settle()
    return job


def _find_fault(job: Job, switch: Contract) -> None:
    job.scene.chain.send(switch.functions.setFalse(job.id, job.number, True))


def _paid(job: Job) -> int:
    assert job.latest.settled is not None
    return job.latest.settled.paid


def test_a_false_aggregate_voids_its_round_and_everything_goes_where_it_belongs(
    scene: Scene, job: Job, switch: Contract
) -> None:
    paid, before, view = _paid(job), job.state, scene.market.functions
    assert paid > 0
    held = scene.balance(job.terms.token, scene.market.address)
    _find_fault(job, switch)
    aggregator = scene.aggregators[0]
    expected = SettlementOverturned(job.id, 1, scene.outsider, aggregator, BOND, REWARD, paid)
    assert job.challenge(scene.outsider, b"evidence") == expected
    assert job.phase is Phase.VOID
    account = scene.client.job_account(job.id)
    assert (account.escrow, account.used) == (before.escrow + paid, 0)
    assert account.escrow == job.terms.escrow
    free = [scene.client.free_balance(job.terms.token, who) for who in (scene.outsider, scene.owner, aggregator)]
    assert free == [REWARD, BOND - REWARD, 0]
    assert not scene.chain.call(view.isAggregator(job.id, aggregator))
    for trainer in scene.trainers[:5]:
        assert tuple(scene.chain.call(view.payoutOf(job.id, 1, trainer))) == (0, False)
        assert scene.chain.call(view.stakeOf(job.id, trainer)) == before.stakes[trainer]
    assert scene.balance(job.terms.token, scene.market.address) == held


def test_a_sound_aggregate_stands(scene: Scene, job: Job) -> None:
    with refused("FaultSwitch_NoFault", jobId=job.id, round=1):
        job.attempt(job.calls.challenge(1), scene.outsider)


def test_anybody_challenges(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    for caller in (scene.outsider, scene.owner, scene.trainers[0], scene.trainers[9], *scene.aggregators):
        job.attempt(job.calls.challenge(1), caller)


def test_a_challenge_comes_within_the_window(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    assert job.latest.settled is not None
    end, call = job.latest.settled.challenge_end, job.calls.challenge(1)
    scene.chain.travel_to(end - 1)
    job.attempt(call, scene.outsider)
    scene.chain.travel_to(end)
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.FINAL):
        job.attempt(call, scene.outsider)


def test_what_is_overturned_in_the_last_second_is_overturned(scene: Scene, job: Job, switch: Contract) -> None:
    """And the bond cannot be freed before: it is held up to that very second."""
    _find_fault(job, switch)
    assert job.latest.settled is not None
    scene.chain.travel_to(job.latest.settled.challenge_end - 1)
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.CHALLENGEABLE):
        job.attempt(job.calls.release(1), scene.aggregators[0])
    job.challenge()
    scene.chain.travel_to(job.latest.settled.challenge_end + 10**6)
    assert job.phase is Phase.VOID
    with refused("Market_WrongPhase", phase=Phase.VOID):
        job.attempt(job.calls.claim([1], scene.trainers[0]), scene.trainers[0])


def test_only_settled_rounds_are_challenged_and_once(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    for number, phase in ((0, Phase.NONE), (2, Phase.NONE)):
        with refused("Market_WrongPhase", jobId=job.id, round=number, phase=phase):
            job.attempt(job.calls.challenge(number), scene.outsider)
    job.challenge()
    _refuse(job, 1, Phase.VOID)
    job.open()
    scene.chain.send(switch.functions.setFalse(job.id, 2, True))
    _refuse(job, 2, Phase.OPEN)
    job.travel_to(Phase.SETTLING)
    _refuse(job, 2, Phase.SETTLING)
    job.travel_to(Phase.VOID)
    _refuse(job, 2, Phase.VOID)
    _refuse(job, 1, Phase.VOID)


def _refuse(job: Job, number: int, phase: Phase) -> None:
    with refused("Market_WrongPhase", jobId=job.id, round=number, phase=phase):
        job.attempt(job.calls.challenge(number), job.scene.outsider)


def test_an_overturned_round_is_not_settled_again_in_what_is_left_of_its_time(
    scene: Scene, job: Job, switch: Contract
) -> None:
    job.deposit_bond(scene.aggregators[1])
    _find_fault(job, switch)
    job.challenge()
    assert scene.chain.now < job.latest.opened.settle_end
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.VOID):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[1])


def test_a_slashed_aggregator_is_out_of_this_job_only(scene: Scene, job: Job, switch: Contract) -> None:
    slashed = scene.aggregators[0]
    other = scene.create(aggregator_bond=5)
    other.deposit_bond(slashed)
    _find_fault(job, switch)
    job.challenge()
    with refused("Market_NotAggregator", jobId=job.id, caller=slashed):
        job.attempt(job.calls.settle(1, job.settlement()), slashed)
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.VOID):
        job.attempt(job.calls.release(1), slashed)
    other.open_and_commit(other.join_all())
    other.settle(sender=slashed)
    assert other.latest.bond == 5


def test_an_overturned_round_hands_on_the_scale_it_was_given_and_is_played_again(
    scene: Scene, job: Job, switch: Contract
) -> None:
    assert job.state.next_scale_exponent() != job.latest.opened.scale_exponent
    _find_fault(job, switch)
    job.challenge()
    job.deposit_bond(scene.aggregators[1])
    for expected in (-7, -9, -11):  # all three promised rounds can still be settled
        job.open()
        assert job.latest.opened.scale_exponent == expected
        for trainer in scene.trainers[:5]:
            job.commit(trainer)
        job.travel_to(Phase.SETTLING)
        job.settle(sender=scene.aggregators[1])
        job.travel_to(Phase.FINAL)
    assert [state.number for state in job.state.settled_rounds] == [2, 3, 4]
    with refused("Market_AllRoundsUsed"):
        job.attempt(job.calls.open(), scene.owner)
    job.close()
    scene.check()


def test_an_overturned_round_frees_its_trainers_at_once(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    job.challenge()
    for trainer in scene.trainers[:5]:
        job.leave(trainer, stranger(trainer))
    job.close(scene.owner)
    assert job.free(scene.owner) == job.terms.escrow + BOND - REWARD


def test_final_pay_of_earlier_rounds_is_out_of_reach(scene: Scene, job: Job, switch: Contract) -> None:
    first = dict(job.latest.payouts)
    job.travel_to(Phase.FINAL)
    job.open_and_commit(scene.trainers[:5])
    job.settle()
    scene.chain.send(switch.functions.setFalse(job.id, 1, True))
    _refuse(job, 1, Phase.FINAL)
    _find_fault(job, switch)
    job.challenge()
    assert job.state.rounds[0].payouts == first
    for trainer, amount in first.items():
        if amount:
            job.claim(trainer, [1], stranger(trainer))
            assert scene.balance(job.terms.token, stranger(trainer)) == amount


@pytest.mark.parametrize(
    ("share", "reward"),
    [
        *((0, 0), (11, 1), (10_000, 999)),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((1, 0), (5_000, 499), (9_999, 998))),
    ],
    ids=str,
)
def test_the_bond_is_split_to_the_unit(scene: Scene, switch: Contract, share: int, reward: int) -> None:
    job = _job(scene, switch, challenger_share_bps=share)
    _find_fault(job, switch)
    event = job.challenge()
    assert isinstance(event, SettlementOverturned)
    assert (event.bond, event.reward, job.free(scene.owner)) == (BOND, reward, BOND - reward)
    scene.check()
    if reward:
        job.withdraw(scene.outsider, stranger("reward"))
    if reward < BOND:
        job.withdraw(recipient=stranger("owner"))
    assert scene.chain.balance(stranger("reward")) == reward
    assert scene.chain.balance(stranger("owner")) == BOND - reward
    scene.check()


def test_the_largest_bond_does_not_overflow(scene: Scene, switch: Contract) -> None:
    largest, token = (1 << 128) - 1, scene.chain.deploy("StandardToken").address
    job = _job(scene, switch, token=token, aggregator_bond=largest, challenger_share_bps=9_999)
    _find_fault(job, switch)
    event = job.challenge()
    assert isinstance(event, SettlementOverturned)
    assert event.reward == largest * 9_999 // 10_000
    scene.check()


def test_without_a_bond_a_challenge_voids_the_round_and_earns_nothing(scene: Scene, switch: Contract) -> None:
    job = _job(scene, switch, aggregator_bond=0)
    paid = _paid(job)
    _find_fault(job, switch)
    expected = SettlementOverturned(job.id, 1, scene.outsider, scene.aggregators[0], 0, 0, paid)
    assert job.challenge() == expected
    with refused("Market_NotAggregator"):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])
    assert job.free(scene.owner) == job.free(scene.outsider) == 0
    scene.check()


def test_rewards_add_up_and_are_paid_to_the_unit_and_once(scene: Scene, job: Job, switch: Contract) -> None:
    challenger, recipient = scene.trainers[0], stranger("rewards")
    _find_fault(job, switch)
    job.challenge(challenger)
    job.deposit_bond(scene.aggregators[1])
    job.open_and_commit(scene.trainers[:5])
    job.settle(sender=scene.aggregators[1])
    _find_fault(job, switch)
    job.challenge(challenger)
    assert job.withdraw(challenger, recipient) == Withdrawn(job.terms.token, challenger, 2 * REWARD, recipient)
    assert scene.balance(job.terms.token, recipient) == 2 * REWARD
    with refused("Market_InsufficientBalance", account=challenger, amount=1):
        scene.attempt(scene.withdraw_call(challenger, token=job.terms.token, amount=1), challenger)


def test_the_owners_part_waits_for_nothing_and_the_escrow_for_the_close(
    scene: Scene, job: Job, switch: Contract
) -> None:
    _find_fault(job, switch)
    job.challenge()
    job.withdraw(recipient=stranger("now"))
    assert scene.balance(job.terms.token, stranger("now")) == BOND - REWARD
    scene.chain.travel_to(job.terms.deadline + 10**9)
    job.close()
    job.withdraw(recipient=stranger("then"))
    job.withdraw(scene.outsider)
    assert scene.balance(job.terms.token, stranger("then")) == job.terms.escrow


def test_when_all_aggregators_are_slashed_everybody_still_gets_out(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    job.challenge()
    job.deposit_bond(scene.aggregators[1])
    job.open_and_commit(scene.trainers[:5])
    job.settle(sender=scene.aggregators[1])
    _find_fault(job, switch)
    job.challenge()
    assert job.state.aggregators == ()
    job.open_and_commit(scene.trainers[:5])
    job.travel_to(Phase.VOID)
    for trainer in scene.trainers[:5]:
        job.leave(trainer)
    job.close(scene.owner)
    job.withdraw()
    job.withdraw(scene.outsider)
    assert job.state.liabilities == 0
    assert scene.balance(job.terms.token, scene.market.address) == 0


def test_who_is_owner_aggregator_and_challenger_in_one_gains_nothing(scene: Scene, switch: Contract) -> None:
    """Its own bond goes round in a circle; the others keep their stakes and earlier pay, and lose that round's pay."""
    trio = scene.owner
    job = scene.create(
        verifier=switch.address, aggregators=[trio], aggregator_bond=BOND, challenger_share_bps=SHARE, rounds=2
    )
    trainers = job.join_all()
    job.deposit_bond(trio)
    deposited = job.state.liabilities + BOND
    job.open_and_commit(trainers)
    job.settle(sender=trio)
    job.travel_to(Phase.FINAL)
    earned = sum(job.latest.payouts.values())
    job.open_and_commit(trainers)
    job.settle(sender=trio)
    _find_fault(job, switch)
    job.challenge(trio)
    assert job.state.liabilities + job.free(trio) == deposited
    job.withdraw(trio, stranger("trio"))
    assert scene.chain.balance(stranger("trio")) == BOND
    for trainer in trainers:
        owed = job.state.claimable(trainer, scene.chain.now)
        if owed:
            job.claim(trainer, list(owed), stranger("trainers"))
        job.leave(trainer, stranger("trainers"))
    job.close(trio)
    job.withdraw(recipient=stranger("escrow"))
    stakes = deposited - job.terms.escrow - BOND
    assert scene.chain.balance(stranger("trainers")) == stakes + earned
    assert scene.chain.balance(stranger("escrow")) == job.terms.escrow - earned
    assert scene.chain.balance(scene.market.address) == 0
    scene.check()


def test_a_rigged_verifier_takes_the_pay_of_a_round_and_its_bond_and_nothing_else(scene: Scene) -> None:
    """What IMarket's trust assumptions say: stakes, final pay, other bonds and other jobs are out of its reach."""
    rigged = scene.chain.deploy("PermissiveVerifier").address
    job, sound = scene.create(verifier=rigged, aggregator_bond=BOND), scene.create(aggregator_bond=BOND)
    trainers = job.join_all()
    sound.join_all()
    for aggregator in scene.aggregators:
        job.deposit_bond(aggregator)
        sound.deposit_bond(aggregator)
    sound.open_and_commit(trainers)
    sound.settle(sender=scene.aggregators[0])
    job.open_and_commit(trainers)
    job.settle(replace(job.settlement(), payouts=(1, 2, 3, 4, 5)))
    job.travel_to(Phase.FINAL)
    job.open_and_commit(trainers)
    job.settle(replace(job.settlement(), payouts=(9, 9, 9, 9, 9)))
    backing = sound.state.liabilities
    job.challenge(scene.owner)
    assert sound.state.liabilities == backing
    assert (job.free(scene.aggregators[0]), job.free(scene.aggregators[1])) == (0, 2 * BOND)
    assert job.free(scene.owner) == BOND
    assert sum(job.state.stakes.values()) == sum(100 + 7 * i for i in range(5))
    for place, trainer in enumerate(trainers):
        job.claim(trainer, [1], stranger(trainer))
        assert scene.chain.balance(stranger(trainer)) == place + 1
    scene.check()


def test_a_verifier_that_reverts_or_burns_gas_can_find_no_fault_and_blocks_nobody(scene: Scene) -> None:
    job = scene.create(verifier=scene.chain.deploy("RevertingVerifier").address, aggregator_bond=BOND)
    job.deposit_bond()
    job.open_and_commit(job.join_all())
    job.travel_to(Phase.VOID)
    job.withdraw(scene.aggregators[0])
    for trainer in scene.trainers[:5]:
        job.leave(trainer)
    scene.check()
