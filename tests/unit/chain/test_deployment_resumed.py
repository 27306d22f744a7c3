"""A deployment that is interrupted, raced, lied to, or run twice: the same command goes on, or says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from aggregator.srs import VerifyingKey, development_srs
from market.chain.anvil import Anvil
from market.chain.create2 import PROXY, create2, proxy_exists
from market.chain.deployed_code import find_first_block, verify_deployment
from market.chain.deployment import PROXY_NAME, Deployment, GasUse, deploy, preview
from market.chain.deployment_plan import plan_deployment
from market.chain.devnet import Devnet
from market.chain.rpc import connect
from market.errors import ChainUnreachable, InsufficientFunds, WrongChain
from tests.unit.chain.interception import Request, intercept, refusal, result

KEY: VerifyingKey = development_srs(32).key
PLAN = plan_deployment(KEY)
FRESH = plan_deployment(KEY, b"\1" * 32)
"""For tests that create something: at addresses where no other test has."""


class Killed(BaseException):
    """Nothing catches it, as nothing catches a SIGKILL."""


@pytest.fixture
def fresh(w3: Web3) -> Iterator[Web3]:
    """The chain as it is, to which it returns."""
    snapshot = w3.manager.request_blocking("evm_snapshot", [])  # type: ignore[arg-type]
    yield w3
    w3.manager.request_blocking("evm_revert", [snapshot])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(chain: Devnet | Anvil) -> Deployment:
    """A deployment for the tests that only look at it."""
    w3, deployer = connect(chain.url, expected_chain_id=None), Account.create()
    chain.fund(deployer.address, 10**18)
    return deploy(w3, deployer, KEY)


@pytest.fixture
def again(chain: Devnet | Anvil, fresh: Web3) -> Web3:
    """Another connection: what a process that starts anew has."""
    return connect(chain.url, expected_chain_id=fresh.eth.chain_id)


def _dying(sends: int, *, before: bool) -> Any:
    """Die at the so-many-th transaction: before the node has it, or after."""
    count = 0

    def answer(ask: Request, method: str, params: Any) -> Any:
        nonlocal count
        if method != "eth_sendRawTransaction":
            return ask(method, params)
        count += 1
        if count <= sends:
            return ask(method, params)
        if not before:
            ask(method, params)
        raise Killed

    return answer


def _interrupted(w3: Web3, again: Web3, account: LocalAccount, sends: int, *, before: bool) -> None:
    expected = len(FRESH.contracts) + (0 if proxy_exists(w3) else 1)
    intercept(w3, _dying(sends, before=before))
    with pytest.raises(Killed):
        deploy(w3, account, KEY, salt=FRESH.salt)
    resumed = deploy(again, account, KEY, salt=FRESH.salt)
    assert resumed.market == FRESH.market.address
    verify_deployment(again, FRESH)
    # Each thing was created once, in whichever run.
    assert again.eth.get_transaction_count(account.address) == expected
    assert again.eth.get_code(FRESH.market.address, resumed.first_block)
    assert not again.eth.get_code(FRESH.market.address, resumed.first_block - 1)


def test_a_deployment_goes_on_after_a_crash(fresh: Web3, again: Web3, account: LocalAccount) -> None:
    _interrupted(fresh, again, account, 9, before=True)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["transfer to the signer", "proxy", "first rule", "last score", "verifier", "market"])
@pytest.mark.parametrize("before", [True, False])
def test_a_deployment_goes_on_after_a_crash_at_any_step(step: str, before: bool) -> None:
    sends = {"transfer to the signer": 0, "proxy": 1, "first rule": 2, "last score": 15, "verifier": 16, "market": 17}
    with Devnet() as chain:
        account: LocalAccount = Account.create()
        chain.fund(account.address, 10**18)
        w3, again = (connect(chain.url, expected_chain_id=None) for _ in range(2))
        _interrupted(w3, again, account, sends[step], before=before)


def test_the_second_run_sends_nothing_and_finds_the_block(made: Deployment, w3: Web3) -> None:
    w3.manager.request_blocking("evm_mine", [])  # type: ignore[arg-type]
    nobody = Account.create()  # who pays nothing needs nothing
    second = deploy(w3, nobody, KEY)
    assert w3.eth.get_transaction_count(nobody.address) == 0
    assert second.gas == ()
    assert (second.market, second.verifier, second.first_block) == (made.market, made.verifier, made.first_block)
    assert second.code_hashes == made.code_hashes
    assert preview(w3, KEY).missing == ()


@pytest.mark.slow
def test_gas_is_reported_and_was_foreseen(fresh: Web3, account: LocalAccount) -> None:
    before, told = fresh.eth.get_balance(account.address), list[GasUse]()
    expected = preview(fresh, KEY, salt=FRESH.salt)
    made = deploy(fresh, account, KEY, salt=FRESH.salt, told=told.append)
    assert list(made.gas) == told
    used = {use.contract: use for use in made.gas if use.contract != PROXY_NAME}
    assert list(used) == [contract.name for contract in FRESH.contracts]
    for contract in FRESH.contracts:
        receipt = fresh.eth.get_transaction_receipt(used[contract.name].transaction)  # type: ignore[arg-type]
        assert used[contract.name].gas == receipt["gasUsed"]
        assert used[contract.name].cost_wei == receipt["gasUsed"] * receipt["effectiveGasPrice"]
        assert contract.estimated_gas == pytest.approx(receipt["gasUsed"], rel=0.03), contract.name
    spent = before - fresh.eth.get_balance(account.address)
    assert spent == pytest.approx(expected.estimated_cost_wei, rel=0.5)
    assert expected.estimated_gas == pytest.approx(sum(use.gas for use in made.gas), rel=0.03)


@pytest.mark.slow
def test_a_stranger_who_is_first_changes_nothing(fresh: Web3, again: Web3, account: LocalAccount) -> None:
    """Between the look at the chain and the transaction somebody else creates the same contract."""
    stranger = Account.create()
    fresh.manager.request_blocking("anvil_setBalance", [stranger.address, hex(10**18)])  # type: ignore[arg-type]
    raced = FRESH.contracts[1]

    def race(use: GasUse) -> None:
        if use.contract == FRESH.contracts[0].name:
            assert create2(again, stranger, FRESH.salt, raced.creation, raced.name) is not None

    made = deploy(fresh, account, KEY, salt=FRESH.salt, told=race)
    assert raced.name not in {use.contract for use in made.gas}
    verify_deployment(fresh, FRESH)


@pytest.mark.parametrize(
    ("name", "way"),
    [("Mean", "other code"), ("Market", "another immutable"), ("GramVerifier", "another immutable")],
)
def test_other_code_at_an_address_is_refused_before_anything_is_sent(
    name: str, way: str, made: Deployment, w3: Web3, account: LocalAccount
) -> None:
    contract = next(contract for contract in PLAN.contracts if contract.name == name)
    code = bytearray(w3.eth.get_code(contract.address))
    place = contract.artifact.immutables[0][0] if contract.artifact.immutables and way != "other code" else 100
    code[place + 31] ^= 1

    def lie(ask: Request, method: str, params: Any) -> Any:
        assert method != "eth_sendRawTransaction"
        if method == "eth_getCode" and params[0] == contract.address:
            return result("0x" + code.hex())
        return ask(method, params)

    intercept(w3, lie)
    for look in (lambda: deploy(w3, account, KEY), lambda: verify_deployment(w3, PLAN)):
        with pytest.raises(WrongChain, match=f"is not that of {name}") as failure:
            look()
        assert failure.value.details["address"] == contract.address


@pytest.mark.parametrize("name", ["Forwarder", "TermsCheck"])
def test_what_the_market_makes_is_checked_too(name: str, made: Deployment, w3: Web3) -> None:
    address, gone = PLAN.addresses[name], "0x"
    code = bytearray(w3.eth.get_code(address))
    code[-1] ^= 1
    for told, match in ((gone, f"there is no {name}"), ("0x" + code.hex(), f"not that of {name}")):
        lying = Web3(w3.provider)

        def lie(ask: Request, method: str, params: Any, told: str = told) -> Any:
            return result(told) if method == "eth_getCode" and params[0] == address else ask(method, params)

        intercept(lying, lie)
        with pytest.raises(WrongChain, match=match):
            verify_deployment(lying, PLAN)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("trustedForwarder()", "the market's forwarder"),
        ("srsDigest()", "the verifier's reference string"),
        ("rules()", "the verifier's rules"),
        ("scoreOf(bytes32)", "the verifier's score alignment"),
    ],
)
def test_contracts_that_name_others_are_refused(what: str, wrong: str, made: Deployment, w3: Web3) -> None:
    selector = Web3.to_hex(Web3.keccak(text=what)[:4])

    def lie(ask: Request, method: str, params: Any) -> Any:
        if method == "eth_call" and params[0]["data"].startswith(selector):
            return result("0x" + "11" * 32)
        return ask(method, params)

    intercept(w3, lie)
    with pytest.raises(WrongChain, match=wrong):
        verify_deployment(w3, PLAN)


def test_who_cannot_pay_for_all_of_it_sends_nothing(fresh: Web3) -> None:
    poor = Account.create()
    fresh.manager.request_blocking("anvil_setBalance", [poor.address, hex(10**15)])  # type: ignore[arg-type]
    with pytest.raises(InsufficientFunds, match="to create 16 contracts") as failure:
        deploy(fresh, poor, KEY, salt=FRESH.salt)
    assert failure.value.details["has_wei"] == 10**15
    assert fresh.eth.get_transaction_count(poor.address) == 0


def test_a_node_without_old_states_gives_a_first_block_that_is_early_enough(made: Deployment, w3: Web3) -> None:
    market, head = PLAN.market.address, w3.eth.block_number
    assert find_first_block(w3, market) == made.first_block
    for kept, expected in ((head - made.first_block + 1, made.first_block), (0, 0)):
        pruned = Web3(w3.provider)

        def forget(ask: Request, method: str, params: Any, kept: int = kept) -> Any:
            if method == "eth_getCode" and params[1] != "latest" and int(params[1], 16) < head - kept:
                return refusal("missing trie node")
            return ask(method, params)

        intercept(pruned, forget)
        assert find_first_block(pruned, market) == expected


def test_a_chain_that_goes_away_is_told(fresh: Web3, account: LocalAccount) -> None:
    def vanish(ask: Request, method: str, params: Any) -> Any:
        if method == "eth_getCode" and params[0] != PROXY:
            raise ChainUnreachable("gone")
        return ask(method, params)

    intercept(fresh, vanish)
    with pytest.raises(ChainUnreachable, match="gone"):
        deploy(fresh, account, KEY)
