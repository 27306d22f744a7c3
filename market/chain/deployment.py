"""Deployment of the market, of the rules' and scores' contracts, and of their verifier: at addresses known beforehand.

What is on the chain is the only record of how far a deployment came, so that the same command goes on after a crash at
any step. Nothing is sent before the chain has answered for everything that the contracts need of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import TxReceipt

from aggregator.errors import InvalidSrs
from aggregator.srs import VerifyingKey
from market.chain.create2 import (
    PROXY,
    PROXY_COST_WEI,
    check_derivation,
    create2,
    ensure_proxy,
    proxy_exists,
)
from market.chain.deployed_code import find_first_block, is_deployed, verify_deployment
from market.chain.deployment_plan import DEFAULT_SALT, DeploymentPlan, PlannedContract, plan_deployment
from market.chain.known_answers import check_chain
from market.chain.transactions import format_coins, refusals
from market.domain import LOCAL_CHAIN_IDS, Address
from market.errors import InsufficientFunds

PROXY_NAME = "deployment proxy"
PROXY_ESTIMATED_GAS = 90_000
"""Gas of the transaction that funds the proxy's signer and of the one that makes the proxy."""


@dataclass(frozen=True, slots=True)
class GasUse:
    """What the creation of one contract cost.

    Attributes
    ----------
    contract, address
        Its name, and where it is.
    gas
        Gas used; with the deployment proxy, without the transfer that funds its signer.
    price_wei
        Paid for a unit of gas.
    cost_wei
        All that was paid: gas, and the layer-1 data fee that some layer-2 chains take besides.
    transaction
        Hash of the transaction, 0x-prefixed.

    """

    contract: str
    address: Address
    gas: int
    price_wei: int
    cost_wei: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """Addresses of a deployment, and the block from which the market can have events.

    Attributes
    ----------
    market, verifier
        What jobs are made with.
    first_block
        The block in which the market was created; 0 where it was there already and the node does not know.
    plan
        Every contract, its arguments and its address.
    code_hashes
        Keccak-256 of the code found at each address, by the contracts' names.
    gas
        What this run created; empty if everything was there.

    """

    market: Address
    verifier: Address
    first_block: int
    plan: DeploymentPlan
    code_hashes: Mapping[str, bytes]
    gas: tuple[GasUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deployment would do.

    Attributes
    ----------
    plan
        Every contract and its address.
    proxy
        Whether the deployment proxy is on the chain.
    present
        Names of the contracts that are there with the right code.
    answers
        What the chain answered as the contracts need it.
    gas_price_wei
        What a unit of gas costs now.

    """

    plan: DeploymentPlan
    proxy: bool
    present: frozenset[str]
    answers: tuple[str, ...]
    gas_price_wei: int

    @property
    def missing(self) -> tuple[PlannedContract, ...]:
        """What would be created."""
        return tuple(contract for contract in self.plan.contracts if contract.name not in self.present)

    @property
    def estimated_gas(self) -> int:
        """Gas of all that is missing, by Ethereum's prices."""
        return sum(contract.estimated_gas for contract in self.missing) + (0 if self.proxy else PROXY_ESTIMATED_GAS)

    @property
    def estimated_cost_wei(self) -> int:
        """What that costs at the present price, with what the proxy's signer has to be given."""
        return self.estimated_gas * self.gas_price_wei + (0 if self.proxy else PROXY_COST_WEI)


def preview(w3: Web3, key: VerifyingKey, *, salt: bytes = DEFAULT_SALT) -> Preview:
    """Check a chain and say what a deployment would do there; sends nothing and needs no key.

    Raises
    ------
    InvalidSrs
        If the secrets of the reference string are known, and the chain is none of :data:`LOCAL_CHAIN_IDS`.
    WrongChain
        If the chain does not answer as the contracts need it, or other code is at one of the addresses.

    """
    with refusals():
        chain_id = w3.eth.chain_id
    refuse_known_secrets(key, chain_id)
    answers, proxy = check_chain(w3), proxy_exists(w3)
    if proxy:
        check_derivation(w3)
    plan = plan_deployment(key, salt)
    present = frozenset(contract.name for contract in plan.contracts if is_deployed(w3, plan, contract))
    with refusals():
        price = int(w3.eth.gas_price)
    return Preview(plan, proxy, present, tuple(answers), price)


def deploy(
    w3: Web3,
    account: LocalAccount,
    key: VerifyingKey,
    *,
    salt: bytes = DEFAULT_SALT,
    told: Callable[[GasUse], None] | None = None,
) -> Deployment:
    """Deploy what is missing of the market, rules, scores, and the verifier of proofs with one reference string.

    Run again, it sends nothing: an address depends on code, arguments and salt alone; what has the right code stays.

    Parameters
    ----------
    w3, account
        Connection, and who pays.
    key
        Of the reference string with which proofs are made.
    salt
        32 bytes; another salt is another market at other addresses.
    told
        Called after each transaction that created something.

    Raises
    ------
    InvalidSrs
        If the secrets of the reference string are known, and the chain is none of :data:`LOCAL_CHAIN_IDS`.
    WrongChain
        If the chain does not answer as the contracts need it, or other code is at one of the addresses.
    ChainError
        If the chain has no deterministic deployment proxy and cannot have it.
    InsufficientFunds
        If the account cannot pay for what is missing.

    """
    found = preview(w3, key, salt=salt)
    if found.missing or not found.proxy:
        _require_funds(w3, account, found)
    uses: list[GasUse] = []

    def note(name: str, address: str, receipt: TxReceipt | None) -> None:
        if receipt is not None:
            uses.append(_gas_use(name, Address(address), receipt))
            if told is not None:
                told(uses[-1])

    if not found.proxy:
        note(PROXY_NAME, PROXY, ensure_proxy(w3, account))
        check_derivation(w3)
    first_block: int | None = None
    for contract in found.missing:
        receipt = create2(w3, account, salt, contract.creation, contract.name)
        note(contract.name, contract.address, receipt)
        if receipt is not None and contract == found.plan.market:
            first_block = int(receipt["blockNumber"])
    hashes = verify_deployment(w3, found.plan)
    market = found.plan.market.address
    return Deployment(
        market=Address(market),
        verifier=Address(found.plan.verifier.address),
        first_block=find_first_block(w3, market) if first_block is None else first_block,
        plan=found.plan,
        code_hashes=hashes,
        gas=tuple(uses),
    )


def refuse_known_secrets(key: VerifyingKey, chain_id: int) -> None:
    """Refuse a reference string that anybody can forge with, on all chains but local ones.

    Raises
    ------
    InvalidSrs
        If its secrets are known.

    """
    if (key.development or key.initial) and chain_id not in LOCAL_CHAIN_IDS:
        raise InvalidSrs(
            "the secrets of this reference string are known: with it anybody can forge proofs",
            hint=f"chain {chain_id} needs one from a ceremony with at least one participant whom its users trust",
            chain_id=chain_id,
        )


def _require_funds(w3: Web3, account: LocalAccount, found: Preview) -> None:
    """Refuse before anything is sent; what was sent anyway is not lost, but a half deployment helps nobody."""
    with refusals():
        has_wei = int(w3.eth.get_balance(account.address, "pending"))
    needed_wei = found.estimated_cost_wei
    if has_wei < needed_wei:
        raise InsufficientFunds(
            f"{account.address} has {format_coins(has_wei)} coins and needs about {format_coins(needed_wei)} "
            f"to create {len(found.missing)} contracts.",
            hint="Send native coins to this address, use another account, or wait until gas is cheaper.",
            address=account.address,
            needed_wei=needed_wei,
            has_wei=has_wei,
        )


def _gas_use(name: str, address: Address, receipt: TxReceipt) -> GasUse:
    gas, price = int(receipt["gasUsed"]), int(receipt.get("effectiveGasPrice", 0))
    fields: Mapping[str, Any] = receipt
    data_fee = fields.get("l1Fee") or 0  # chains of the OP stack
    data_fee_wei = int(data_fee, 16) if isinstance(data_fee, str) else int(data_fee)
    transaction = Web3.to_hex(receipt["transactionHash"])
    return GasUse(name, address, gas, price, gas * price + data_fee_wei, transaction)
