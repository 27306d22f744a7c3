"""A settlement gives way to one with more of the trainers: who was left out is paid, and leaving out gains nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_abi.abi import encode
from eth_utils.abi import get_abi_input_types
from web3 import Web3
from web3.contract import Contract

from market.domain import (
    NATIVE_COIN,
    BondReleased,
    Phase,
    RoundSettled,
    Settlement,
    SettlementOverturned,
    SettlementReplaced,
)
from tests.contracts.harness import artifact, refused
from tests.contracts.job import Job
from tests.contracts.labels import commitment
from tests.contracts.scenario import Scene
from tests.contracts.views import aggregate_claim, statement

BOND = 500


@pytest.fixture
def switch(scene: Scene) -> Contract:
    return scene.chain.deploy("FaultSwitchVerifier")


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, switch: Contract, request: pytest.FixtureRequest) -> Iterator[Job]:
    """Give a job whose first round is settled, by the first aggregator, without the second of six trainers."""
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    job = scene.create(token=token, verifier=switch.address, aggregator_bond=BOND, challenger_share_bps=2_500)
    for aggregator in scene.aggregators:
        job.deposit_bond(aggregator)
    job.open_and_commit(job.join_all(6))
    job.settle(job.settlement(excluded=[1]))
    yield job
    scene.check()


def test_more_trainers_win_and_everything_begins_anew(scene: Scene, job: Job) -> None:
    first, second = scene.aggregators
    before, held = dict(job.latest.payouts), scene.balance(job.terms.token, scene.market.address)
    assert scene.trainers[1] not in before
    scene.chain.travel_to(scene.chain.now + 30)
    whole, now = job.settlement(), scene.chain.now
    events = scene.send(job.calls.settle(1, whole), second)
    assert events == [
        SettlementReplaced(job.id, 1, first, sum(before.values())),
        BondReleased(job.id, 1, first, BOND),
        RoundSettled(job.id, 1, second, whole, sum(whole.payouts), now + 40),
    ]
    view = scene.market.functions
    for trainer, amount in zip(scene.trainers[:6], whole.payouts, strict=True):
        assert tuple(scene.chain.call(view.payoutOf(job.id, 1, trainer))) == (amount, False)
    assert job.latest.payouts != before
    assert job.latest.payouts[scene.trainers[1]] > 0
    account = scene.client.job_account(job.id)
    assert (account.escrow, account.used) == (job.terms.escrow - sum(whole.payouts), 1)
    assert [job.free(aggregator) for aggregator in scene.aggregators] == [BOND, 0]
    scene.chain.travel_to(now + 39)
    assert job.phase is Phase.CHALLENGEABLE
    with refused("Market_WrongPhase", phase=Phase.CHALLENGEABLE):
        job.attempt(job.calls.claim([1], scene.trainers[1]), scene.trainers[1])
    scene.chain.travel_to(now + 40)
    job.claim(scene.trainers[1])
    assert scene.balance(job.terms.token, scene.market.address) == held - whole.payouts[1]


@pytest.mark.parametrize("excluded", [(1,), (0,), (5,)], ids=str)
def test_as_many_or_others_do_not_win(scene: Scene, job: Job, excluded: tuple[int, ...]) -> None:
    settlement = job.settlement(excluded=excluded)
    for aggregator in scene.aggregators:
        with refused("Market_NotSuperset", jobId=job.id, round=1, included=settlement.included):
            job.attempt(job.calls.settle(1, settlement), aggregator)


def test_more_trainers_win_to_the_last_second_of_the_window(scene: Scene, job: Job) -> None:
    assert job.latest.settled is not None
    end, call = job.latest.settled.challenge_end, job.calls.settle(1, job.settlement())
    scene.chain.travel_to(end - 1)
    job.attempt(call, scene.aggregators[1])
    scene.chain.travel_to(end)
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.FINAL):
        job.attempt(call, scene.aggregators[1])


def test_only_aggregators_with_a_bond_of_their_own_replace(scene: Scene, job: Job) -> None:
    call, second = job.calls.settle(1, job.settlement()), scene.aggregators[1]
    with refused("Market_NotAggregator", caller=scene.outsider):
        job.attempt(call, scene.outsider)
    job.withdraw(second)
    with refused("Market_InsufficientBalance", account=second, amount=BOND):
        job.attempt(call, second)


def test_the_same_aggregator_mends_its_settlement_with_the_bond_it_has(scene: Scene, job: Job) -> None:
    first = scene.aggregators[0]
    assert job.free(first) == 0
    job.settle(sender=first)
    assert (job.free(first), job.latest.bond) == (0, BOND)


def test_an_overturned_settlement_is_not_replaced(scene: Scene, job: Job, switch: Contract) -> None:
    scene.chain.send(switch.functions.setFalse(job.id, 1, True))
    job.challenge()
    with refused("Market_WrongPhase", phase=Phase.VOID):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[1])


def test_who_was_replaced_is_not_slashed_for_the_settlement_that_counts(
    scene: Scene, job: Job, switch: Contract
) -> None:
    first, second = scene.aggregators
    job.settle(sender=second)
    paid = sum(job.latest.payouts.values())
    scene.chain.send(switch.functions.setFalse(job.id, 1, True))
    assert job.challenge() == SettlementOverturned(job.id, 1, scene.outsider, second, BOND, BOND // 4, paid)
    assert (job.free(first), job.free(second)) == (BOND, 0)
    assert job.state.aggregators == (first,)
    assert job.state.escrow == job.terms.escrow


def test_slashed_trainers_need_not_be_included_and_do_not_count_as_more(
    scene: Scene, job: Job, switch: Contract
) -> None:
    bad = job.latest.commits[0]
    scene.chain.send(switch.functions.setOutOfRange(job.id, 1, bad.commitment, True))
    job.challenge_update(bad.trainer)
    fewer = job.settlement(excluded=[1])  # the same, but for the slashed one
    with refused("Market_NotSuperset", included=fewer.included):
        job.attempt(job.calls.settle(1, fewer), scene.aggregators[1])
    whole = job.settlement()
    assert whole.included == 0b111110
    job.settle(whole, sender=scene.aggregators[1])
    assert bad.trainer not in job.latest.payouts
    with refused("Market_NotSuperset"):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])


def test_a_settlement_of_everybody_is_not_replaced_by_itself(scene: Scene, switch: Contract) -> None:
    """With every seat taken, and after a slash and a new stake: the window does not begin anew for nothing."""
    job = scene.create(verifier=switch.address, challenger_share_bps=10_000)
    job.open_and_commit(job.join_all(job.terms.max_trainers))
    job.settle()
    last = job.latest.commits[-1]
    scene.chain.send(switch.functions.setOutOfRange(job.id, 1, last.commitment, True))
    before, slash = job.settlement(), job.calls.challenge_update(1, last.index)

    def refuses(*settlements: Settlement) -> None:
        for aggregator in scene.aggregators:
            for settlement in settlements:
                with refused("Market_NotSuperset", included=settlement.included):
                    job.attempt(job.calls.settle(1, settlement), aggregator)

    refuses(before, job.settlement(excluded=[0]))
    scene.send(slash, last.trainer)
    job.join(last.trainer)
    refuses(before, job.settlement(), job.settlement(excluded=[0]))
    scene.check()


def test_a_slash_does_not_keep_who_was_left_out_from_being_included(scene: Scene, switch: Contract) -> None:
    """One of five trainers takes the others below the least number, once the first settlement is there."""
    job = scene.create(verifier=switch.address, challenger_share_bps=10_000, rule="mean")
    trainers = job.join_all(job.terms.min_trainers)
    job.open_and_commit(trainers)
    job.settle(job.settlement(excluded=[1]))
    scene.chain.send(switch.functions.setOutOfRange(job.id, 1, job.latest.commits[4].commitment, True))
    job.challenge_update(trainers[4], challenger=trainers[4])
    job.settle(sender=scene.aggregators[1])
    assert job.latest.payouts[trainers[1]] > 0
    assert trainers[4] not in job.latest.payouts
    scene.check()


def test_a_round_is_settled_anew_at_most_f_times(scene: Scene) -> None:
    job = scene.create(min_trainers=7, byzantine=2)
    job.open_and_commit(job.join_all(8))
    began = scene.chain.now
    for turn, excluded in enumerate(((0, 1), (1,), ())):
        job.settle(job.settlement(excluded=excluded), sender=scene.aggregators[turn % 2])
        assert job.latest.settled is not None
        scene.chain.travel_to(job.latest.settled.challenge_end - 1)
    with refused("Market_NotSuperset"):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])
    assert len(job.latest.replaced) == job.terms.byzantine
    assert scene.chain.now < began + 3 * job.terms.challenge_seconds
    scene.check()


def test_the_reference_counts_as_a_member(scene: Scene) -> None:
    """Once more, that is: f trainers and the reference row can be left out at first."""
    job = scene.create(reference=True)
    job.open_and_commit(job.join_all(6))
    job.settle(job.settlement(excluded=[0], reference=False))
    for excluded, reference in (((0,), False), ((1,), True)):
        wrong = job.settlement(excluded=excluded, reference=reference)
        with refused("Market_NotSuperset", included=wrong.included):
            job.attempt(job.calls.settle(1, wrong), scene.aggregators[0])
    job.settle(job.settlement(excluded=[0]))
    without = job.settlement(reference=False)
    with refused("Market_NotSuperset", included=without.included):
        job.attempt(job.calls.settle(1, without), scene.aggregators[0])
    job.settle()
    assert len(job.latest.replaced) == job.terms.byzantine + 1
    scene.check()


def _hash(function: str, value: object) -> bytes:
    (found,) = [entry for entry in artifact("BindingVerifier")["abi"] if entry.get("name") == function]
    return bytes(Web3.keccak(encode([get_abi_input_types(found)[0]], [value])))


def test_evidence_against_the_replaced_settlement_does_not_hit_the_new_one(scene: Scene) -> None:
    job = scene.create(verifier=scene.chain.deploy("BindingVerifier").address)
    job.open_and_commit(job.join_all(6))
    partial = job.settlement(excluded=[1])
    job.settle(partial, proof=_hash("verify", statement(job, partial, scene.aggregators[0])))
    evidence = _hash("verifyFault", aggregate_claim(job))
    job.attempt(job.calls.challenge(1, evidence), scene.outsider)
    whole = job.settlement()
    job.settle(whole, sender=scene.aggregators[1], proof=_hash("verify", statement(job, whole, scene.aggregators[1])))
    with refused("Binding_WrongEvidence"):
        job.attempt(job.calls.challenge(1, evidence), scene.outsider)
    job.attempt(job.calls.challenge(1, _hash("verifyFault", aggregate_claim(job))), scene.outsider)
    scene.check()


def test_the_next_round_goes_on_from_the_settlement_that_counts(scene: Scene, job: Job) -> None:
    job.settle(sender=scene.aggregators[1])
    job.travel_to(Phase.FINAL)
    job.open_and_commit(scene.trainers[:6])
    assert job.previous == commitment(("aggregate", job.id, 1))
    job.settle(sender=scene.aggregators[1])
