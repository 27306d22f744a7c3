"""Invariant 23: calls that their senders sign (EIP-712) and others send count for the signer, once, in time, here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from market.chain.artifacts import load_artifact
from market.domain import NATIVE_COIN, Phase, RoundSettled, TrainerJoined
from tests.contracts.calls import calldata
from tests.contracts.harness import Reverted, decode_refusal, refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, point, stranger
from tests.contracts.scenario import Scene
from tests.contracts.signing import Request, permit, request


@pytest.fixture
def forwarder(scene: Scene) -> Contract:
    return scene.chain.at("Forwarder", scene.chain.call(scene.market.functions.trustedForwarder()))


@pytest.fixture
def poor() -> LocalAccount:
    """Return a key whose account has no coins, so that it can send nothing itself."""
    signer: LocalAccount = Account.from_key(b"\7" * 32)
    return signer


def _withdrawal(scene: Scene, forwarder: Contract, account: str, amount: int = 5) -> Request:
    scene.deposit(account, 50)
    call = scene.market.functions.withdraw(NATIVE_COIN, amount, stranger("relayed"))
    return request(scene.chain, forwarder, account, call)


def test_the_forwarder_is_the_published_one(scene: Scene, forwarder: Contract) -> None:
    assert load_artifact("Forwarder").matches(bytes(scene.chain.w3.eth.get_code(forwarder.address)))
    domain = scene.chain.call(forwarder.functions.eip712Domain())
    assert domain[1:5] == ["Gramercy", "1", scene.chain.chain_id, forwarder.address]
    assert scene.chain.call(scene.market.functions.isTrustedForwarder(forwarder.address))
    assert not scene.chain.call(scene.market.functions.isTrustedForwarder(scene.outsider))


def test_a_trainer_without_coins_joins_commits_claims_and_leaves(
    scene: Scene, forwarder: Contract, poor: LocalAccount
) -> None:
    token = scene.chain.deploy("PermitToken")
    job = scene.create(token=token.address, rule="mean")
    scene.chain.send(token.functions.mint(poor.address, 100))

    def relay(call: ContractFunction) -> object:
        made = request(scene.chain, forwarder, poor.address, call)
        return scene.send(made.signed_by(poor), scene.outsider)[-1]

    signed = permit(scene.chain, token, poor, scene.market.address, 100)
    assert relay(job.calls.join(100, signed)) == TrainerJoined(job.id, poor.address, 100)
    others = job.join_all(4)
    job.open()
    relay(job.calls.commit(1, point("mine"), cid("mine")))
    for trainer in others:
        job.commit(trainer)
    job.travel_to(Phase.SETTLING)
    job.settle()
    job.travel_to(Phase.FINAL)
    earned = job.latest.payouts[poor.address]
    assert earned > 0
    relay(job.calls.claim([1], poor.address))
    relay(job.calls.leave(poor.address))
    assert scene.balance(token.address, poor.address) == earned + 100
    assert scene.chain.balance(poor.address) == 0
    scene.check()


def test_coins_that_come_along_are_the_relayers(scene: Scene, forwarder: Contract, poor: LocalAccount) -> None:
    job = scene.create()
    made = request(scene.chain, forwarder, poor.address, job.calls.join(100), value=100)
    call = made.signed_by(poor)
    for value in (0, 99, 101):
        with refused("ERC2771ForwarderMismatchedValue", requestedValue=100, msgValue=value):
            scene.attempt(call, scene.outsider, value)
    scene.send(call, scene.outsider, 100)
    assert job.state.stakes == {poor.address: 100}
    assert scene.chain.balance(forwarder.address) == 0
    scene.check()


def test_an_aggregator_settles_through_a_relayer(scene: Scene, forwarder: Contract) -> None:
    settler = scene.aggregators[0]
    job = scene.create(aggregator_bond=500)
    job.deposit_bond(settler)
    job.open_and_commit(job.join_all())
    call = job.calls.settle(1, job.settlement())
    made = request(scene.chain, forwarder, settler, call)
    event = scene.send(made.signed_by(scene.chain.signer(settler)), scene.outsider)[-1]
    assert isinstance(event, RoundSettled)
    assert (event.aggregator, job.free(settler)) == (settler, 0)
    scene.check()


def test_a_signature_of_somebody_else_serves_for_nothing(scene: Scene, forwarder: Contract) -> None:
    victim, thief = scene.trainers[0], scene.trainers[1]
    made = _withdrawal(scene, forwarder, victim)
    with refused("ERC2771ForwarderInvalidSigner", signer=thief, **{"from": victim}):
        scene.attempt(made.signed_by(scene.chain.signer(thief)), thief)


def test_a_request_is_executed_once(scene: Scene, forwarder: Contract) -> None:
    account = scene.trainers[0]
    call = _withdrawal(scene, forwarder, account).signed_by(scene.chain.signer(account))
    scene.send(call, scene.outsider)
    assert scene.free(account) == 45
    with refused("ERC2771ForwarderInvalidSigner"):
        scene.attempt(call, scene.outsider)
    scene.check()


@pytest.mark.parametrize("field", ["nonce", "chain", "forwarder"])
def test_a_request_for_elsewhere_or_another_turn_is_refused(scene: Scene, forwarder: Contract, field: str) -> None:
    account = scene.trainers[0]
    signer, made = scene.chain.signer(account), _withdrawal(scene, forwarder, account)
    good = made.signed_by(signer)
    scene.attempt(good, scene.outsider)
    if field == "nonce":
        call = made.but(nonce=1).signed_by(signer)
    elif field == "chain":
        call = made.signed_by(signer, chain_id=scene.chain.chain_id + 1)
    else:
        market = scene.chain.deploy("Market")
        other = scene.chain.at("Forwarder", scene.chain.call(market.functions.trustedForwarder()))
        elsewhere = replace(made, forwarder=other).signed_by(signer)
        call = forwarder.functions.execute(*elsewhere.arguments)
    with refused("ERC2771ForwarderInvalidSigner"):
        scene.attempt(call, scene.outsider)


@pytest.mark.parametrize("field", ["to", "value", "gas", "deadline", "data"])
def test_no_field_of_a_request_can_be_changed(scene: Scene, forwarder: Contract, field: str) -> None:
    account = scene.trainers[0]
    made = _withdrawal(scene, forwarder, account)
    (sender, to, value, gas, deadline, data, signature) = made.signed_by(scene.chain.signer(account)).arguments[0]
    changed = {
        "to": scene.chain.deploy("Market").address,
        "value": value + 1,
        "gas": gas - 1,
        "deadline": deadline + 1,
        "data": calldata(scene.market.functions.withdraw(NATIVE_COIN, 50, scene.outsider)),
    }[field]
    fields = {"to": to, "value": value, "gas": gas, "deadline": deadline, "data": data, field: changed}
    call = forwarder.functions.execute((sender, *fields.values(), signature))
    with refused("ERC2771UntrustfulTarget" if field == "to" else "ERC2771ForwarderInvalidSigner"):
        scene.attempt(call, scene.outsider, 1 if field == "value" else 0)


def test_a_request_ends_with_its_deadline(scene: Scene, forwarder: Contract) -> None:
    account = scene.trainers[0]
    made = _withdrawal(scene, forwarder, account)
    call = made.signed_by(scene.chain.signer(account))
    scene.chain.travel_to(made.deadline)
    scene.attempt(call, scene.outsider)
    scene.chain.travel_to(made.deadline + 1)
    with refused("ERC2771ForwarderExpiredRequest", deadline=made.deadline):
        scene.attempt(call, scene.outsider)


def test_a_request_is_cancelled_by_its_sender_alone(scene: Scene, forwarder: Contract) -> None:
    account = scene.trainers[0]
    call = _withdrawal(scene, forwarder, account).signed_by(scene.chain.signer(account))
    scene.chain.send(forwarder.functions.cancel(), sender=scene.outsider)
    scene.attempt(call, scene.outsider)
    scene.chain.send(forwarder.functions.cancel(), sender=account)
    with refused("ERC2771ForwarderInvalidSigner"):
        scene.attempt(call, scene.outsider)


def test_a_refused_call_spends_no_nonce(scene: Scene, forwarder: Contract) -> None:
    account = scene.trainers[0]
    signer = scene.chain.signer(account)
    made = _withdrawal(scene, forwarder, account, amount=51)
    with refused("FailedCall"):
        scene.send(made.signed_by(signer), scene.outsider)
    assert scene.chain.call(forwarder.functions.nonces(account)) == 0
    scene.deposit(account, 1)
    scene.send(made.signed_by(signer), scene.outsider)
    assert scene.balance(NATIVE_COIN, stranger("relayed")) == 51


def test_a_wallet_contract_signs_by_its_key(scene: Scene, forwarder: Contract, poor: LocalAccount) -> None:
    wallet = scene.chain.deploy("SigningWallet", poor.address)
    scene.wallets[wallet.address] = wallet
    scene.chain.send_raw({"to": wallet.address}, value=50)
    made = _withdrawal(scene, forwarder, wallet.address)
    for other in (scene.outsider, scene.trainers[0]):
        with refused("ERC2771ForwarderInvalidSigner"):
            scene.attempt(made.signed_by(scene.chain.signer(other)), scene.outsider)
    call = made.signed_by(poor)
    scene.send(call, scene.outsider)
    assert (scene.free(wallet.address), scene.balance(NATIVE_COIN, stranger("relayed"))) == (45, 5)
    with refused("ERC2771ForwarderInvalidSigner"):  # nor can it be sent again
        scene.attempt(call, scene.outsider)
    scene.check()


def test_a_wallet_without_signatures_cannot_be_signed_for(scene: Scene, forwarder: Contract) -> None:
    wallet = scene.wallet("ReenteringReceiver")
    made = request(scene.chain, forwarder, wallet.address, scene.market.functions.publishKey(b"\1" * 32))
    with refused("ERC2771ForwarderInvalidSigner"):
        scene.attempt(made.signed_by(scene.chain.signer(scene.outsider)), scene.outsider)


def test_a_stranger_cannot_append_somebodys_address(scene: Scene) -> None:
    """The market looks for a sender at the end of the calldata only where its forwarder calls."""
    victim = scene.trainers[0]
    scene.deposit(victim, 50)
    stolen = calldata(scene.market.functions.withdraw(NATIVE_COIN, 50, scene.outsider)) + bytes.fromhex(victim[2:])
    with refused("Market_InsufficientBalance", account=scene.outsider, amount=50):
        scene.chain.send_raw({"to": scene.market.address, "data": stolen}, sender=scene.outsider)
    assert scene.free(victim) == scene.client.free_balance(NATIVE_COIN, victim) == 50


def test_the_forwarder_calls_only_who_trusts_it(scene: Scene, forwarder: Contract) -> None:
    token = scene.chain.deploy("StandardToken")
    scene.chain.send(token.functions.mint(forwarder.address, 9))
    made = request(scene.chain, forwarder, scene.outsider, token.functions.transfer(scene.outsider, 9))
    with refused("ERC2771UntrustfulTarget", target=token.address, forwarder=forwarder.address):
        scene.attempt(made.signed_by(scene.chain.signer(scene.outsider)), scene.outsider)


def test_invariant_20_no_reentry_through_the_forwarder(scene: Scene, forwarder: Contract) -> None:
    """A receiver that holds somebody's signed withdrawal cannot have it run inside its own, only afterwards."""
    wallet, victim = scene.wallet("ReenteringReceiver"), scene.trainers[0]
    scene.chain.send_raw({"to": wallet.address}, value=50)
    inner = _withdrawal(scene, forwarder, victim).signed_by(scene.chain.signer(victim))
    scene.deposit(wallet.address, 50)
    view = scene.market.functions.balanceOf(NATIVE_COIN, wallet.address)
    armed = [(call.address, calldata(call)) for call in (inner, view)]
    scene.chain.send(wallet.functions.arm(armed))
    scene.withdraw(wallet.address)
    (ok, data), (_, seen) = scene.chain.call(wallet.functions.answers())
    assert not ok
    assert decode_refusal(Reverted(data, "re-entry")).name == "FailedCall"
    assert int.from_bytes(seen) == 0  # the view shows the balance as it is afterwards
    scene.send(inner, scene.outsider)
    scene.check()


def test_a_relayed_claim_pays_a_receiver_that_calls_back_once(scene: Scene, forwarder: Contract) -> None:
    wallet = scene.wallet("ReenteringReceiver")
    account = scene.trainers[0]
    job: Job = scene.create(rule="mean")
    job.play_round(job.join_all())
    claim = request(scene.chain, forwarder, account, job.calls.claim([1], wallet.address))
    call = claim.signed_by(scene.chain.signer(account))
    scene.chain.send(wallet.functions.arm([(forwarder.address, calldata(call))]))
    scene.send(call, scene.outsider)
    assert [ok for ok, _ in scene.chain.call(wallet.functions.answers())] == [False]
    assert scene.chain.balance(wallet.address) == job.latest.payouts[account]
    scene.check()
