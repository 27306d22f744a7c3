"""Deposits with a permit (EIP-2612): one transaction, no approval before, and nobody else can get in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from market.domain import NATIVE_COIN, Deposited
from tests.contracts.calls import Calls
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.scenario import Scene
from tests.contracts.signing import permit, permit_parts


@pytest.fixture
def token(scene: Scene) -> Contract:
    return scene.chain.deploy("PermitToken")


@pytest.fixture
def job(scene: Scene, token: Contract) -> Job:
    return scene.create(token=token.address)


def _give(scene: Scene, token: Contract, account: str, amount: int) -> None:
    scene.chain.send(token.functions.mint(account, amount))


DEPOSITS = ("create", "extend", "join", "deposit")


def _deposit(scene: Scene, token: Contract, job: Job, how: str) -> tuple[str, int, Callable[[bytes], ContractFunction]]:
    """Return who deposits how much, and the call by its permit."""
    terms, calls = scene.terms(token=token.address), Calls(scene.market, job.id)
    budget, deadline = job.terms.round_budget, job.terms.deadline
    return {
        "create": (scene.owner, terms.escrow, lambda signed: scene.create_call(terms, permit=signed)),
        "extend": (scene.owner, budget, lambda signed: calls.extend(3, budget, deadline, signed)),
        "join": (scene.trainers[0], 100, lambda signed: calls.join(100, signed)),
        "deposit": (
            scene.outsider,
            77,
            lambda signed: scene.market.functions.deposit(token.address, 77, signed),
        ),
    }[how]


@pytest.mark.parametrize("how", DEPOSITS)
def test_a_permit_pays_in_one_transaction(scene: Scene, token: Contract, job: Job, how: str) -> None:
    account, amount, call = _deposit(scene, token, job, how)
    _give(scene, token, account, amount)
    held, signer = scene.balance(token.address, scene.market.address), scene.chain.signer(account)
    with refused("ERC20InsufficientAllowance", allowance=0, needed=amount):
        scene.attempt(call(b""), account)
    scene.send(call(permit(scene.chain, token, signer, scene.market.address, amount)), account)
    assert scene.balance(token.address, scene.market.address) - held == amount
    assert scene.chain.call(token.functions.allowance(account, scene.market.address)) == 0
    scene.check()


def test_who_sends_a_permit_first_blocks_nobody(scene: Scene, token: Contract) -> None:
    account, amount = scene.outsider, 77
    _give(scene, token, account, amount)
    parts = permit_parts(scene.chain, token, scene.chain.signer(account), scene.market.address, amount)
    signed = permit(scene.chain, token, scene.chain.signer(account), scene.market.address, amount)
    scene.chain.send(token.functions.permit(account, scene.market.address, amount, *parts), sender=scene.trainers[0])
    (event,) = scene.send(scene.market.functions.deposit(token.address, amount, signed), account)
    assert event == Deposited(token.address, account, amount)
    scene.check()


def test_a_permit_that_fails_is_ignored_where_there_is_an_allowance(scene: Scene, token: Contract) -> None:
    scene.fund(token.address, scene.outsider, 77)
    stale = permit(scene.chain, token, scene.chain.signer(scene.outsider), scene.market.address, 77, deadline=1)
    scene.send(scene.market.functions.deposit(token.address, 77, stale), scene.outsider)
    assert scene.free(scene.outsider, token.address) == 77
    scene.check()


@pytest.mark.parametrize("wrong", ["signer", "amount", "spender", "deadline", "account"])
def test_a_wrong_permit_without_an_allowance_pays_nothing(scene: Scene, token: Contract, wrong: str) -> None:
    account, other = scene.outsider, scene.trainers[0]
    for holder in (account, other):
        _give(scene, token, holder, 77)
    signer = scene.chain.signer(other if wrong in ("signer", "account") else account)
    signed = permit(
        *(scene.chain, token, signer),
        scene.owner if wrong == "spender" else scene.market.address,
        76 if wrong == "amount" else 77,
        deadline=scene.chain.now - 1 if wrong == "deadline" else None,
    )
    with refused("ERC20InsufficientAllowance", allowance=0, needed=77):
        scene.attempt(scene.market.functions.deposit(token.address, 77, signed), account)


def test_a_permit_has_four_words(scene: Scene, token: Contract) -> None:
    signed = permit(scene.chain, token, scene.chain.signer(scene.outsider), scene.market.address, 77)
    for changed in (signed[:-1], signed + b"\0", b"\0"):
        with refused("Assets_InvalidPermit", length=len(changed)):
            scene.attempt(scene.market.functions.deposit(token.address, 77, changed), scene.outsider)


def test_a_token_without_permits_and_the_coin_pass_one_over(scene: Scene, token: Contract) -> None:
    signed = permit(scene.chain, token, scene.chain.signer(scene.outsider), scene.market.address, 77)
    plain = scene.chain.deploy("StandardToken").address
    scene.fund(plain, scene.outsider, 77)
    scene.send(scene.market.functions.deposit(plain, 77, signed), scene.outsider)
    scene.send(scene.market.functions.deposit(NATIVE_COIN, 77, signed), scene.outsider, 77)
    assert scene.free(scene.outsider, plain) == scene.free(scene.outsider) == 77
    scene.check()
