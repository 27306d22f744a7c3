"""Invariants 14 to 17: each party gets its own out by itself, whoever else is silent, absent or hostile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from web3.contract import Contract

from market.domain import NATIVE_COIN, Phase
from tests.contracts.calls import calldata
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import stranger
from tests.contracts.scenario import Scene


def _open_and_commit_some(job: Job, trainers: Sequence[str]) -> None:
    job.open()
    for trainer in trainers[:3]:
        job.commit(trainer)


def _settled(job: Job, trainers: Sequence[str]) -> None:
    job.open_and_commit(trainers)
    job.settle()


def _void(job: Job, trainers: Sequence[str]) -> None:
    job.open_and_commit(trainers)
    job.travel_to(Phase.VOID)


def _between_rounds(job: Job, trainers: Sequence[str]) -> None:
    job.play_round(trainers)
    _void(job, trainers)


def _second_challengeable(job: Job, trainers: Sequence[str]) -> None:
    job.play_round(trainers)
    _settled(job, trainers)


def _opened_at_the_last_second(job: Job, trainers: Sequence[str]) -> None:
    job.play_round(trainers)
    job.scene.chain.travel_to(job.terms.deadline - 1)
    _open_and_commit_some(job, trainers)


def _overturned(job: Job, trainers: Sequence[str]) -> None:
    """Play a round to its end and have the next one overturned, so that every kind of credit is open."""
    job.play_round(trainers)
    job.play_to_overturned(trainers)


def _played_after_an_overturned_one(job: Job, trainers: Sequence[str]) -> None:
    _overturned(job, trainers)
    job.open_and_commit(trainers)
    job.settle(sender=job.scene.aggregators[1])


def _closed(job: Job, trainers: Sequence[str]) -> None:
    job.play_round(trainers)
    job.scene.chain.travel_to(job.terms.deadline)
    job.close()


STATES: dict[str, Callable[[Job, Sequence[str]], object]] = {
    "never opened": lambda job, trainers: None,
    "open, no commitment": lambda job, trainers: job.open(),
    "open": _open_and_commit_some,
    "settling": lambda job, trainers: job.open_and_commit(trainers),
    "settling with too few": lambda job, trainers: job.open_and_commit(trainers[:4]),
    "challengeable": _settled,
    "final": lambda job, trainers: job.play_round(trainers),
    "void": _void,
    "between rounds, after a void one": _between_rounds,
    "last round challengeable": _second_challengeable,
    "opened at the last second": _opened_at_the_last_second,
    "overturned": _overturned,
    "played on after an overturned one": _played_after_an_overturned_one,
    "closed": _closed,
}

_ON_THE_WAY = {"open", "settling", "settling with too few", "final", "opened at the last second"}
"""States that other tests of the quick run pass through."""


def _end(job: Job) -> int:
    """Return when everybody can be out at the latest: the deadline, one round's windows, and one more for each of the f
    trainers that a settlement left out."""
    terms = job.terms
    windows = (terms.byzantine + 1) * terms.challenge_seconds
    return terms.deadline + terms.commit_seconds + terms.settle_seconds + windows


def _trainer_out(job: Job, trainer: str) -> int:
    """Take one trainer's own out, by its own calls alone; return what it got."""
    recipient = stranger((job.id, trainer))
    numbers = list(job.state.claimable(trainer, job.scene.chain.now))
    if numbers:
        job.claim(trainer, numbers, recipient)
    job.leave(trainer, recipient)
    return job.scene.balance(job.terms.token, recipient)


def _balance_out(job: Job, account: str) -> int:
    """Take an account's free balance out, with what its own calls alone add to it; return what it got."""
    scene, recipient = job.scene, stranger((job.id, "balance", account))
    now = scene.chain.now
    for number in job.state.releasable(account, now):
        job.send(job.calls.release(number), account)
    if account == job.state.owner and not job.state.closed:
        job.close(account)
    if job.free(account):
        job.withdraw(account, recipient)
    return scene.balance(job.terms.token, recipient)


def _ways_out(job: Job) -> list[tuple[Callable[[], int], int]]:
    """Return for each party how it takes its own out by itself, and how much that has to be."""
    state, now, scene = job.state, job.scene.chain.now, job.scene
    ways: list[tuple[Callable[[], int], int]] = [
        (partial(_trainer_out, job, trainer), stake + sum(state.claimable(trainer, now).values()))
        for trainer, stake in state.stakes.items()
    ]
    for account in (scene.outsider, *scene.aggregators):
        bonds = sum(state.releasable(account, now).values())
        ways.append((partial(_balance_out, job, account), job.free(account) + bonds))
    return [*ways, (partial(_balance_out, job, state.owner), state.escrow + job.free(state.owner))]


@pytest.mark.parametrize("native", [True, False], ids=["coin", "token"])
@pytest.mark.parametrize(
    "state", [pytest.param(state, marks=pytest.mark.slow if state in _ON_THE_WAY else ()) for state in STATES]
)
def test_invariant_14_each_party_alone_gets_its_own_out(scene: Scene, state: str, native: bool) -> None:
    token = NATIVE_COIN if native else scene.chain.deploy("StandardToken").address
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(token=token, verifier=verifier.address, aggregator_bond=500, challenger_share_bps=2_500)
    scene.chain.send(verifier.functions.setFalse(job.id, 2, True))
    for aggregator in scene.aggregators:
        job.deposit_bond(aggregator)
    trainers = job.join_all()
    STATES[state](job, trainers)
    scene.chain.travel_to(max(_end(job), scene.chain.now))
    ways = _ways_out(job)
    assert sum(amount for _, amount in ways) == job.state.liabilities + scene.accounts.owed(token)
    assert bool(job.free(scene.outsider)) == ("overturned" in state)
    for way_out, amount in (ways[0], *ways[len(trainers) - 1 :]):
        with scene.undone():
            assert way_out() == amount
    for way_out, _ in ways[::-1]:  # and all of them, in whatever order: to close a job frees the bond in it
        way_out()
    scene.check()
    assert scene.balance(token, scene.market.address) == 0


def test_invariant_14_nobody_can_put_the_end_off(scene: Scene) -> None:
    """An outsider who opens rounds whenever it can delays the close by one round's windows at most."""
    job = scene.create(deadline=scene.chain.now + 1_000)
    trainers = job.join_all()
    while scene.chain.now < job.terms.deadline:
        job.open(scene.outsider)
        scene.chain.travel_to(job.latest.opened.settle_end)
    assert job.number == 7
    assert scene.chain.now <= _end(job)
    for trainer in trainers:
        assert _trainer_out(job, trainer) > 0
    assert _balance_out(job, scene.owner) == job.terms.escrow


def test_invariant_15_an_absent_aggregator_costs_nothing(scene: Scene) -> None:
    job = scene.create()
    trainers = job.join_all()
    job.open_and_commit(trainers)
    job.travel_to(Phase.VOID)
    assert job.state.escrow == job.terms.escrow
    stakes = job.state.stakes
    with scene.undone():
        for trainer in trainers:
            assert _trainer_out(job, trainer) == stakes[trainer]
    for _ in range(job.terms.rounds):  # the budget rolls on: all promised rounds can still be settled
        job.play_round(trainers)
    assert len(job.state.settled_rounds) == job.terms.rounds
    scene.check()


def test_invariant_15_absent_and_slashed_aggregators_cost_the_others_nothing_more(scene: Scene) -> None:
    """Bonds of those who stay away lock nobody's money, and a job whose aggregators are all gone ends as usual."""
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(verifier=verifier.address, aggregator_bond=500, challenger_share_bps=2_500)
    trainers = job.join_all()
    job.deposit_bond(scene.aggregators[0])
    for number in range(1, 4):
        scene.chain.send(verifier.functions.setFalse(job.id, number, True))
    job.play_to_overturned(trainers)
    job.open_and_commit(trainers)  # the other one has no bond to give: nobody can settle
    job.travel_to(Phase.VOID)
    assert job.state.escrow == job.terms.escrow
    scene.chain.travel_to(job.terms.deadline)
    assert _balance_out(job, scene.owner) == job.terms.escrow + 375
    for trainer in trainers:
        assert _trainer_out(job, trainer) > 0
    assert _balance_out(job, scene.outsider) == 125
    scene.check()
    assert scene.chain.balance(scene.market.address) == 0


def test_invariant_16_payments_of_an_absent_owner_stay_claimable_for_ever(scene: Scene) -> None:
    job = scene.create()
    trainers = job.join_all()
    for _ in range(2):
        job.play_round(trainers)
    scene.chain.travel_to(job.terms.deadline + 100 * 365 * 86_400)
    expected = {t: sum(state.payouts[t] for state in job.state.rounds) + job.state.stakes[t] for t in trainers}
    assert {trainer: _trainer_out(job, trainer) for trainer in trainers} == expected
    assert not job.state.closed
    scene.check()


@pytest.fixture(params=["RevertingReceiver", "GasBurningReceiver"])
def hostile(scene: Scene, request: pytest.FixtureRequest) -> Contract:
    return scene.wallet(request.param)


def _refused_payment(hostile: Contract, job: Job, call: str) -> None:
    """Check that a payment to the hostile address fails whole."""
    address = hostile.address
    calls = {
        "claim": job.calls.claim([1], address),
        "leave": job.calls.leave(address),
        "withdraw": job.scene.withdraw_call(address, token=job.terms.token),
    }
    reverting = any(entry.get("name") == "Reverting_NoCoins" for entry in hostile.abi)
    with refused("Reverting_NoCoins" if reverting else "FailedCall"):
        job.attempt(calls[call], address)


def test_invariant_17_a_hostile_trainer_blocks_nobody(scene: Scene, hostile: Contract) -> None:
    job = scene.create(rule="mean")
    trainers = job.join_all(4)
    job.join(hostile.address, 100)
    job.play_round([hostile.address, *trainers])
    owed = job.latest.payouts[hostile.address]
    assert owed > 0
    for call in ("claim", "leave"):
        _refused_payment(hostile, job, call)
    job.play_round([hostile.address, *trainers])
    for trainer in trainers:
        assert _trainer_out(job, trainer) > 0
    assert _balance_out(job, scene.owner) == job.terms.escrow - sum(
        s.settled.paid for s in job.state.rounds if s.settled
    )
    job.claim(hostile.address, [1], stranger("friend"))
    job.leave(hostile.address, stranger("friend"))
    assert scene.chain.balance(stranger("friend")) == owed + 100
    scene.check()


def test_invariant_17_a_hostile_owner_blocks_nobody(scene: Scene, hostile: Contract) -> None:
    job = scene.create(owner=hostile.address)
    trainers = job.join_all()
    for _ in range(2):
        job.play_round(trainers)
    job.close()
    _refused_payment(hostile, job, "withdraw")
    for trainer in trainers:
        assert _trainer_out(job, trainer) > 0
    refund = job.free(hostile.address)
    job.withdraw(recipient=stranger("friend"))
    assert scene.chain.balance(stranger("friend")) == refund
    scene.check()
    assert scene.chain.balance(scene.market.address) == 0


def test_invariant_17_a_hostile_aggregator_and_a_hostile_challenger_block_nobody(
    scene: Scene, hostile: Contract
) -> None:
    """One contract that takes no coins settles, is slashed by its own challenge, and keeps a free balance."""
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    parties = [hostile.address, *scene.aggregators]
    job = scene.create(verifier=verifier.address, aggregators=parties, aggregator_bond=500, challenger_share_bps=2_500)
    # a receiver that reverts gets its coins by force: its own calls bring them along
    deposit = scene.market.functions.deposit(NATIVE_COIN, 1_000, b"")
    perform = hostile.functions.perform(scene.market.address, 1_000, calldata(deposit))
    scene.feed(scene.chain.send(perform, value=1_000)["logs"])
    job.deposit_bond(scene.aggregators[0])
    trainers = job.join_all()
    job.open_and_commit(trainers)
    job.settle(sender=hostile.address)
    scene.chain.send(verifier.functions.setFalse(job.id, 1, True))
    job.challenge(hostile.address)
    _refused_payment(hostile, job, "withdraw")
    job.play_round(trainers)
    for trainer in trainers:
        assert _trainer_out(job, trainer) > 0
    assert _balance_out(job, scene.aggregators[0]) == 500
    scene.chain.travel_to(job.terms.deadline)
    assert _balance_out(job, scene.owner) > 0
    job.withdraw(hostile.address, stranger("friend"))
    assert scene.chain.balance(stranger("friend")) == 125 + 500
    scene.check()


def test_invariant_17_a_failed_payment_leaves_the_credit_as_it_was(scene: Scene, hostile: Contract) -> None:
    job = scene.create(rule="mean")
    job.join_all(4)
    job.join(hostile.address, 100)
    job.play_round([hostile.address, *scene.trainers[:4]])
    before = job.state
    for call in (job.calls.claim([1], hostile.address), job.calls.leave(hostile.address)):
        with pytest.raises(Exception, match="Revert"):
            scene.send(call, hostile.address)
    assert job.state == before
    scene.check()
