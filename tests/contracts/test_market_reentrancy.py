"""Invariant 20: callbacks of receivers, tokens and verifiers find every entry barred and no half-written account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hexbytes import HexBytes
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxParams

from market.chain.market_encoding import encode_terms
from market.domain import NATIVE_COIN
from tests.contracts.calls import Calls, calldata
from tests.contracts.harness import Reverted, artifact, decode_refusal
from tests.contracts.job import Job
from tests.contracts.labels import cid, point, stranger
from tests.contracts.scenario import Scene

GUARD = "ReentrancyGuardReentrantCall"


def _arm(scene: Scene, wallet: Contract, calls: Sequence[ContractFunction]) -> None:
    """Have the wallet try these calls whenever coins or tokens come or go."""
    scene.chain.send(wallet.functions.arm([(call.address, calldata(call)) for call in calls]))


def _answers(scene: Scene, wallet: Contract) -> list[str]:
    """Return for each call tried the error that refused it; "" for one that went through."""
    return [
        "" if ok else decode_refusal(Reverted(data, "re-entry")).name
        for ok, data in scene.chain.call(wallet.functions.answers())
    ]


def _guarded(scene: Scene, job_id: int, wallet: Contract) -> list[ContractFunction]:
    """Return a call of every function that moves money or settles."""
    calls = Calls(scene.market, job_id)
    words = (bytes(32), bytes(32), bytes(32))
    settlement: tuple[Any, ...] = (0, [], [], b"", [], [], [], 0, *words, cid(1), 0, (b"", b"", b"", b""))
    functions = scene.market.functions
    return [
        functions.createJob(encode_terms(scene.terms()), list(scene.aggregators), cid(1), b""),
        calls.extend(9, 10**7, 1 << 40),
        calls.join(100),
        calls.leave(wallet.address),
        functions.settleRound(job_id, 1, settlement, b""),
        calls.claim([1], wallet.address),
        calls.challenge(1),
        calls.challenge_update(1, 0),
        functions.deposit(NATIVE_COIN, 1, b""),
        functions.withdraw(NATIVE_COIN, 1, wallet.address),
    ]


GUARDED = 10


def _token(scene: Scene, name: str) -> str:
    return NATIVE_COIN if name == "coin" else scene.chain.deploy("CallbackToken").address


def _hook(scene: Scene, wallet: Contract, token: str) -> None:
    if token != NATIVE_COIN:
        register = scene.chain.at("CallbackToken", token).functions.register()
        scene.send(register, wallet.address)


@pytest.fixture(params=["coin", "callback token"])
def token(scene: Scene, request: pytest.FixtureRequest) -> str:
    return _token(scene, request.param)


@pytest.fixture
def wallet(scene: Scene, token: str) -> Contract:
    wallet = scene.wallet("ReenteringReceiver")
    _hook(scene, wallet, token)
    return wallet


def _job_with_wallet(scene: Scene, token: str, wallet: Contract) -> Job:
    """Give a job in the Final phase of its first round, in which the wallet trained and earned."""
    job = scene.create(token=token, rule="mean")
    job.join_all(4)
    job.join(wallet.address, 100)
    job.play_round([*scene.trainers[:4], wallet.address])
    assert job.latest.payouts[wallet.address] > 0
    return job


def test_invariant_20_no_reentry_while_a_payout_is_claimed(scene: Scene, token: str, wallet: Contract) -> None:
    job = _job_with_wallet(scene, token, wallet)
    _arm(scene, wallet, [*_guarded(scene, job.id, wallet), job.calls.claim([1], wallet.address)])
    before = scene.balance(token, wallet.address)
    job.claim(wallet.address)
    assert _answers(scene, wallet) == [GUARD] * (GUARDED + 1)
    assert scene.balance(token, wallet.address) - before == job.latest.payouts[wallet.address]
    scene.check()


def test_invariant_20_no_reentry_while_a_stake_is_returned(scene: Scene, token: str, wallet: Contract) -> None:
    job = _job_with_wallet(scene, token, wallet)
    job.open()
    _arm(scene, wallet, [*_guarded(scene, job.id, wallet), job.calls.commit(2, point(1), cid(1))])
    before = scene.balance(token, wallet.address)
    job.leave(wallet.address)
    assert _answers(scene, wallet) == [GUARD] * GUARDED + ["Market_NotTrainer"]
    assert scene.balance(token, wallet.address) - before == 100
    scene.check()


def test_invariant_20_no_reentry_while_a_refund_is_withdrawn(scene: Scene, token: str, wallet: Contract) -> None:
    job = scene.create(owner=wallet.address, token=token)
    job.close(wallet.address)
    _arm(scene, wallet, [*_guarded(scene, job.id, wallet), job.calls.close(), job.calls.open()])
    before = scene.balance(token, wallet.address)
    job.withdraw()
    assert _answers(scene, wallet) == [GUARD] * GUARDED + ["Market_JobClosed"] * 2
    assert scene.balance(token, wallet.address) - before == job.terms.escrow
    scene.check()


def test_invariant_20_no_reentry_while_a_stake_is_taken(scene: Scene) -> None:
    token = _token(scene, "callback token")
    wallet = scene.wallet("ReenteringReceiver")
    job = scene.create(token=token)
    scene.fund(token, wallet.address, 200)
    _hook(scene, wallet, token)
    _arm(scene, wallet, _guarded(scene, job.id, wallet))
    job.send(job.calls.join(100), wallet.address)
    assert _answers(scene, wallet) == [GUARD] * GUARDED
    assert scene.balance(token, wallet.address) == 100
    scene.check()


def test_invariant_20_a_job_closed_while_it_is_being_paid_for_still_balances(scene: Scene) -> None:
    """The unguarded closeJob can run inside createJob; the books hold, since they never read the balance."""
    token = _token(scene, "callback token")
    wallet = scene.wallet("ReenteringReceiver")
    terms = scene.terms(token=token)
    scene.fund(token, wallet.address, terms.escrow)
    _hook(scene, wallet, token)
    _arm(scene, wallet, [scene.market.functions.closeJob(1), *_guarded(scene, 1, wallet)])
    scene.send(scene.create_call(terms), wallet.address)
    assert _answers(scene, wallet) == [""] + [GUARD] * GUARDED
    assert scene.chain.call(scene.market.functions.job(1))[5] == 0
    assert scene.free(wallet.address, token) == terms.escrow
    assert scene.balance(token, scene.market.address) == terms.escrow


def test_invariant_20_no_reentry_while_a_deposit_is_taken(scene: Scene) -> None:
    token = _token(scene, "callback token")
    wallet = scene.wallet("ReenteringReceiver")
    job = scene.create(token=token)
    scene.fund(token, wallet.address, 1_000)
    _hook(scene, wallet, token)
    _arm(scene, wallet, _guarded(scene, job.id, wallet))
    scene.send(scene.market.functions.deposit(token, 500, b""), wallet.address)
    assert _answers(scene, wallet) == [GUARD] * GUARDED
    assert (scene.balance(token, wallet.address), scene.free(wallet.address, token)) == (500, 500)
    scene.check()


def test_invariant_20_no_reentry_while_an_extension_is_paid_for(scene: Scene) -> None:
    token = _token(scene, "callback token")
    wallet = scene.wallet("ReenteringReceiver")
    job = scene.create(token=token, owner=wallet.address)
    scene.fund(token, wallet.address, job.terms.round_budget)
    _hook(scene, wallet, token)
    _arm(scene, wallet, _guarded(scene, job.id, wallet))
    job.send(job.calls.extend(3, job.terms.round_budget, job.terms.deadline), wallet.address)
    assert _answers(scene, wallet) == [GUARD] * GUARDED
    assert job.state.escrow == 3 * job.terms.round_budget
    scene.check()


def test_invariant_20_no_reentry_while_a_balance_is_withdrawn(scene: Scene, token: str, wallet: Contract) -> None:
    """It cannot back a settlement while it is on its way out, either; opening a round is harmless, and so free."""
    job = scene.create(aggregators=[wallet.address, *scene.aggregators], token=token, aggregator_bond=500)
    if token == NATIVE_COIN:
        scene.chain.send_raw({"to": wallet.address}, value=500)
    job.deposit_bond(wallet.address)
    job.open_and_commit(job.join_all())
    _arm(scene, wallet, [*_guarded(scene, job.id, wallet), job.calls.settle(1, job.settlement())])
    before = scene.balance(token, wallet.address)
    job.withdraw(wallet.address)
    assert _answers(scene, wallet) == [GUARD] * (GUARDED + 1)
    assert scene.balance(token, wallet.address) - before == 500
    assert job.free(wallet.address) == 0
    scene.check()


def _views(scene: Scene, job: Job, account: str) -> list[ContractFunction]:
    view = scene.market.functions
    return [
        *(view.job(job.id), view.stakeOf(job.id, account), view.payoutOf(job.id, 1, account), view.phase(job.id, 1)),
        *(view.balanceOf(job.terms.token, account), view.isAggregator(job.id, account), view.round(job.id, 1)),
    ]


@pytest.mark.parametrize("action", ["claim", "leave", "withdraw"])
def test_invariant_20_views_show_the_state_afterwards_while_money_moves(
    scene: Scene, token: str, wallet: Contract, action: str
) -> None:
    job = _job_with_wallet(scene, token, wallet)
    if action == "withdraw":
        job = scene.create(owner=wallet.address, token=token)
        job.close(wallet.address)
    views = _views(scene, job, wallet.address)
    _arm(scene, wallet, views)
    act: dict[str, Callable[[], object]] = {
        "claim": lambda: job.claim(wallet.address),
        "leave": lambda: job.leave(wallet.address),
        "withdraw": job.withdraw,
    }
    act[action]()
    seen = [data for _, data in scene.chain.call(wallet.functions.answers())]
    fields: TxParams = {"from": scene.chain.accounts[0], "gas": 1_000_000}
    after = [
        scene.chain.w3.eth.call({**fields, "to": view.address, "data": HexBytes(calldata(view))}) for view in views
    ]
    assert seen == after


def test_invariant_20_a_verifier_cannot_call_back(scene: Scene) -> None:
    verifier = scene.chain.deploy("ReenteringVerifier")
    job = scene.create(verifier=verifier.address, aggregators=[verifier.address, *scene.aggregators])
    job.open_and_commit(job.join_all())
    settlement = job.settlement()
    attacks = [
        job.calls.settle(1, settlement),
        job.calls.open(),
        job.calls.close(),
        job.calls.claim([1], stranger(1)),
        job.calls.challenge(1),
        job.calls.challenge_update(1, 0),
        job.calls.release(1),
        scene.market.functions.deposit(NATIVE_COIN, 1, b""),
        scene.market.functions.withdraw(NATIVE_COIN, 1, stranger(1)),
    ]
    scene.chain.send(verifier.functions.arm([calldata(call) for call in attacks]))
    job.settle(settlement)
    job.challenge()
    scene.check()


def test_invariant_20_a_verifier_sees_nothing_of_the_settlement_it_verifies(scene: Scene) -> None:
    job = scene.create(verifier=scene.chain.deploy("PryingVerifier").address, aggregator_bond=500)
    trainers = job.join_all()
    job.deposit_bond()
    job.play_round(trainers)
    job.play_round(trainers)
    scene.check()


def test_invariant_20_a_verifier_sees_nothing_of_the_slash_it_decides(scene: Scene) -> None:
    job = scene.create(verifier=scene.chain.deploy("PryingVerifier").address, aggregator_bond=500)
    job.deposit_bond()
    job.play_to_overturned(job.join_all())
    scene.check()


def test_every_function_that_moves_money_or_settles_is_guarded(scene: Scene) -> None:
    """Whoever adds an entry point decides here on which side it is."""
    mutating = {
        entry["name"]: entry
        for entry in artifact("Market")["abi"]
        if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable")
    }
    guarded = {"createJob", "extendJob", "joinJob", "leaveJob", "settleRound", "claim", "deposit", "withdraw"}
    guarded |= {"challengeSettlement", "challengeUpdate"}
    free = {"openRound", "commitReference", "commitUpdate", "closeJob", "stopJob", "releaseBond", "nameAggregator"}
    assert set(mutating) == guarded | free | {"publishKey"}
    payable = {name for name, entry in mutating.items() if entry["stateMutability"] == "payable"}
    assert payable == {"createJob", "extendJob", "joinJob", "deposit"}


def test_the_market_takes_no_coins_outside_its_functions(scene: Scene) -> None:
    entries: list[dict[str, Any]] = artifact("Market")["abi"]
    assert not {"receive", "fallback"} & {entry["type"] for entry in entries}
    with pytest.raises(Reverted):
        scene.chain.send_raw({"to": scene.market.address, "data": "0x"}, sender=scene.outsider, value=1)
