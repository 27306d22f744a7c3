"""Addresses that depend on code, arguments and salt alone; the proxy behind them, and chains that cannot have it."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import RPCEndpoint

from aggregator.srs import development_srs
from market.chain.anvil import Anvil
from market.chain.create2 import (
    PROXY,
    PROXY_CODE,
    PROXY_COST_WEI,
    PROXY_SIGNER,
    PROXY_TRANSACTION,
    check_derivation,
    create2,
    create2_address,
    create_address,
    ensure_proxy,
    wait_for_code,
)
from market.chain.deployment_plan import DEFAULT_SALT, DeploymentPlan, plan_deployment
from market.chain.devnet import Devnet
from market.chain.rpc import connect
from market.errors import ChainError, ContractRefused, InsufficientFunds, TransactionFailed, WrongChain
from tests.unit.chain.interception import Request, intercept, refusal, result

_SALT = b"\1" * 32
_STOP = bytes.fromhex("600060005360016000f3")  # makes a contract of one byte: STOP


@pytest.fixture
def fresh(w3: Web3) -> Any:
    """The chain, given back as it was: with or without the proxy."""
    snapshot = w3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    yield w3
    w3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])


def _without(ask: Request, method: str, params: Any) -> Any:
    """Hide the proxy, with which anvil begins."""
    if method == "eth_getCode" and params[0] == PROXY:
        return result("0x")
    return ask(method, params)


def test_the_proxy_is_what_its_transaction_makes() -> None:
    assert Account.recover_transaction(PROXY_TRANSACTION) == PROXY_SIGNER
    assert create_address(PROXY_SIGNER, 0) == PROXY
    assert PROXY_TRANSACTION.count(PROXY_CODE) == 1


def test_addresses_of_create_are_those_of_go_ethereums_example() -> None:
    creator = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"
    assert create_address(creator, 0) == Web3.to_checksum_address("0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d")
    assert create_address(creator, 1) == Web3.to_checksum_address("0x343c43a37d37dff08ae8c4a11544c718abb4fcf8")


def test_a_salt_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        create2_address(b"short", b"")


def test_the_proxy_is_made_once_and_creates_where_it_was_said(fresh: Web3, account: LocalAccount) -> None:
    made = ensure_proxy(fresh, account)
    assert (made is None) == (bytes(fresh.eth.get_code(PROXY)) == PROXY_CODE and _is_anvil(fresh))
    if made is not None:
        shown = fresh.eth.get_transaction(made["transactionHash"])
        assert (shown["from"], shown["nonce"], shown["v"], shown.get("chainId")) == (PROXY_SIGNER, 0, 27, None)
    assert bytes(fresh.eth.get_code(PROXY)) == PROXY_CODE
    sent = fresh.eth.get_transaction_count(account.address)
    assert ensure_proxy(fresh, account) is None
    assert fresh.eth.get_transaction_count(account.address) == sent
    check_derivation(fresh)
    receipt = create2(fresh, account, _SALT, _STOP, "Stop")
    assert receipt is not None
    assert receipt["to"] == PROXY
    assert bytes(fresh.eth.get_code(create2_address(_SALT, _STOP))) == b"\0"


def _is_anvil(w3: Web3) -> bool:
    return w3.client_version.startswith("anvil")


def test_who_comes_second_finds_the_contract_there(fresh: Web3, account: LocalAccount) -> None:
    ensure_proxy(fresh, account)
    assert create2(fresh, account, _SALT, _STOP, "Stop") is not None
    assert create2(fresh, account, _SALT, _STOP, "Stop") is None


@pytest.mark.slow
@pytest.mark.node
def test_a_transaction_of_an_earlier_run_that_waits_is_waited_for() -> None:
    """Killed after it sent, and started again before the block: the second transaction would fail."""

    class Killed(BaseException):
        pass

    def die(ask: Request, method: str, params: Any) -> Any:
        answer = ask(method, params)
        if method == "eth_sendRawTransaction":
            raise Killed
        return answer

    with Anvil(block_time=2) as chain:
        sender: LocalAccount = Account.create()
        chain.fund(sender.address, 10**18)
        dying, again = (connect(chain.url, expected_chain_id=None) for _ in range(2))
        intercept(dying, die)
        with pytest.raises(Killed):
            create2(dying, sender, _SALT, _STOP, "Stop")
        create2(again, sender, _SALT, _STOP, "Stop")
        assert bytes(again.eth.get_code(create2_address(_SALT, _STOP))) == b"\0"


def test_code_that_cannot_be_created_is_an_error(fresh: Web3, account: LocalAccount) -> None:
    ensure_proxy(fresh, account)
    with pytest.raises((ContractRefused, TransactionFailed)):
        create2(fresh, account, _SALT, bytes.fromhex("60006000fd"), "Reverting")


def test_a_contract_that_does_not_come_is_waited_for_in_vain(w3: Web3) -> None:
    with pytest.raises(TransactionFailed, match=r"Nothing did not appear .* within 0 seconds") as failure:
        wait_for_code(w3, create2_address(_SALT, b"nothing"), "Nothing", timeout=0)
    assert "run this again" in str(failure.value.hint)


def test_other_code_at_the_proxys_address_is_refused(fresh: Web3, account: LocalAccount) -> None:
    def other(ask: Request, method: str, params: Any) -> Any:
        if method == "eth_getCode":
            return result("0x00")
        return ask(method, params)

    intercept(fresh, other)
    with pytest.raises(WrongChain, match="not the deterministic deployment proxy"):
        ensure_proxy(fresh, account)


def test_a_node_that_takes_no_transaction_without_a_chain_id_is_told_of(fresh: Web3, account: LocalAccount) -> None:
    reason = "only replay-protected (EIP-155) transactions allowed over RPC"

    def refuse(ask: Request, method: str, params: Any) -> Any:
        if method == "eth_sendRawTransaction" and bytes.fromhex(params[0].removeprefix("0x")) == PROXY_TRANSACTION:
            return refusal(reason)
        return _without(ask, method, params)

    intercept(fresh, refuse)
    with pytest.raises(ChainError, match="replay-protected") as failure:
        ensure_proxy(fresh, account)
    assert PROXY in str(failure.value.hint)
    assert "run this again" in str(failure.value.hint)
    assert fresh.eth.get_balance(PROXY_SIGNER) >= PROXY_COST_WEI  # and it is not given twice:
    balance = fresh.eth.get_balance(account.address)
    with pytest.raises(ChainError, match="replay-protected"):
        ensure_proxy(fresh, account)
    assert fresh.eth.get_balance(account.address) == balance


@pytest.mark.parametrize(
    ("method", "told", "match"),
    [
        ("eth_getTransactionCount", "0x1", "there is no other"),
        ("eth_getBlockByNumber", hex(100 * 10**9 + 1), "gas costs"),
    ],
)
def test_a_proxy_that_cannot_be_made_costs_nothing(
    method: str, told: str, match: str, fresh: Web3, account: LocalAccount
) -> None:
    def answer(ask: Request, asked: str, params: Any) -> Any:
        found = _without(ask, asked, params)
        if asked == method == "eth_getBlockByNumber":
            found["result"] = {**found["result"], "baseFeePerGas": told}
        elif asked == method and params[0] == PROXY_SIGNER:
            found["result"] = told
        assert asked != "eth_sendRawTransaction"
        return found

    intercept(fresh, answer)
    with pytest.raises(ChainError, match=match) as failure:
        ensure_proxy(fresh, account)
    assert PROXY in str(failure.value.hint)


def test_who_cannot_pay_for_the_proxy_is_told_so(fresh: Web3) -> None:
    intercept(fresh, _without)
    with pytest.raises(InsufficientFunds):
        ensure_proxy(fresh, Account.create())


def test_a_chain_that_derives_addresses_otherwise_is_refused(fresh: Web3, account: LocalAccount) -> None:
    ensure_proxy(fresh, account)

    def elsewhere(ask: Request, method: str, params: Any) -> Any:
        if method == "eth_call":
            return result("0x" + "77" * 20)
        return ask(method, params)

    intercept(fresh, elsewhere)
    with pytest.raises(WrongChain, match="EIP-1014"):
        check_derivation(fresh)


def _addresses(plan: DeploymentPlan) -> dict[str, str]:
    return {str(name): str(address) for name, address in plan.addresses.items()}


def test_addresses_depend_on_code_arguments_and_salt_alone() -> None:
    key, other = development_srs(32).key, development_srs(33).key
    plan = _addresses(plan_deployment(key))
    assert plan == _addresses(plan_deployment(key, DEFAULT_SALT))
    assert len(set(plan.values())) == len(plan)
    changed = _addresses(plan_deployment(other))
    assert {name for name in plan if plan[name] != changed[name]} == {"GramVerifier"}
    salted = _addresses(plan_deployment(key, _SALT))
    assert not set(plan.values()) & set(salted.values())


def test_two_chains_and_two_senders_give_the_same_address() -> None:
    for chain_id in (31337, 99):
        with Devnet(chain_id) as chain:
            w3, sender = connect(chain.url, expected_chain_id=chain_id), Account.create()
            chain.fund(sender.address, 10**18)
            ensure_proxy(w3, sender)
            assert create2(w3, sender, _SALT, _STOP, "Stop") is not None
            assert bytes(w3.eth.get_code(create2_address(_SALT, _STOP))) == b"\0"
