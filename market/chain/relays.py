"""Calls of the market that their senders sign and somebody else pays for: ERC-2771 requests by EIP-712.

A request is one call, once, until its deadline; whoever relays it pays gas, and the native coin that the call takes.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxParams, TxReceipt, Wei

from aggregator.errors import GramercyError
from market.chain.artifacts import load_artifact
from market.chain.market import ALL_ABIS, MarketClient
from market.chain.transactions import refusals, send
from market.domain import LOCAL_CHAIN_IDS, Address
from market.errors import ConfigError, ContractRefused, NodeRefused, WrongChain

FORMAT = "gramercy/request/1"
VALID_SECONDS = 3_600
GAS = 500_000
"""Gas of a call whose own use cannot be estimated, as its sender has not the coins that go with it."""
_GAS_MARGIN = 1.3
_MAX_UINT48 = (1 << 48) - 1
_TYPE = [
    {"name": "from", "type": "address"},
    {"name": "to", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "gas", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
    {"name": "deadline", "type": "uint48"},
    {"name": "data", "type": "bytes"},
]


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the market, signed by ``sender`` for the forwarder; ``value`` is native coin, paid by the relayer."""

    chain_id: int
    forwarder: Address
    sender: Address
    market: Address
    value: int
    gas: int
    nonce: int
    deadline: int
    data: bytes
    signature: bytes = b""

    def to_record(self) -> dict[str, Any]:
        """Return what a file holds."""
        return {
            "format": FORMAT,
            **asdict(self),
            "data": "0x" + self.data.hex(),
            "signature": "0x" + self.signature.hex(),
        }

    @classmethod
    def from_record(cls, record: Any) -> Request:
        """Return what :meth:`to_record` described.

        Raises
        ------
        ConfigError
            If it is no signed request.

        """
        try:
            request = cls(
                chain_id=_whole(record["chain_id"]),
                forwarder=Web3.to_checksum_address(record["forwarder"]),
                sender=Web3.to_checksum_address(record["sender"]),
                market=Web3.to_checksum_address(record["market"]),
                value=_whole(record["value"]),
                gas=_whole(record["gas"]),
                nonce=_whole(record["nonce"]),
                deadline=_whole(record["deadline"]),
                data=_bytes(record["data"]),
                signature=_bytes(record["signature"]),
            )
            known = record["format"] == FORMAT
        except (KeyError, TypeError, ValueError):
            known = False
        if not known:
            raise ConfigError("this is no signed request", hint="`--relayer-file FILE` of trainer commands makes one")
        return request

    def fields(self) -> tuple[Any, ...]:
        """Return the request as the forwarder takes it; the nonce is part of the signature only."""
        return (self.sender, self.market, self.value, self.gas, self.deadline, self.data, self.signature)


class Signed(GramercyError):
    """A call was signed instead of sent; not an error, but the end of what its caller can do."""

    code = "signed"

    def __init__(self, request: Request) -> None:
        super().__init__("signed, not sent")
        self.request = request


class SigningClient(MarketClient):
    """A market whose first call is signed for a relayer instead of sent: it raises :class:`Signed` with the request."""

    def _send(self, call: ContractFunction, *, value: int = 0) -> TxReceipt:
        if self.account is None:
            raise ContractRefused("this market was opened for reading only", hint="give an account")
        if call.address != self.address:
            raise ContractRefused(
                "the token's approval cannot be relayed",
                hint="approve the market once by a transaction of your own; tokens with EIP-2612 need none",
            )
        raise Signed(sign(self, self.account, HexStr(call._encode_transaction_data()), value=value))


def forwarder_of(market: MarketClient) -> Address:
    """Return the contract that may speak for others to the market."""
    with refusals(ALL_ABIS):
        return Address(market.contract.functions.trustedForwarder().call())


def sign(market: MarketClient, account: LocalAccount, data: HexStr, *, value: int = 0) -> Request:
    """Return a call of the market, signed by ``account`` with its next nonce, valid for an hour.

    Raises
    ------
    NodeRefused
        If the chain's time, as the node tells it, is more than an hour ahead of this computer's.
    ContractRefused
        If the market would refuse the call, as far as that can be told without the coins that go with it.

    """
    forwarder = forwarder_of(market)
    with refusals(ALL_ABIS):
        nonce = int(_contract(market, forwarder).functions.nonces(account.address).call())
        gas = GAS if value else _estimated(market, account.address, data)
    request = Request(
        chain_id=market.chain_id,
        forwarder=forwarder,
        sender=Address(account.address),
        market=market.address,
        value=value,
        gas=gas,
        nonce=nonce,
        deadline=_deadline(market),
        data=bytes(HexBytes(data)),
    )
    signed = account.sign_typed_data(
        {"name": "Gramercy", "version": "1", "chainId": request.chain_id, "verifyingContract": forwarder},
        {"ForwardRequest": _TYPE},
        _message(request),
    )
    return replace(request, signature=bytes(signed.signature))


def _deadline(market: MarketClient) -> int:
    """Return the end of an hour from now; a node that lies about the time cannot put it off."""
    now = market.head().next_timestamp
    if market.chain_id in LOCAL_CHAIN_IDS:  # whose time can be moved; the signature is for no other chain
        return min(now + VALID_SECONDS, _MAX_UINT48)
    local = int(time.time())
    if now > local + VALID_SECONDS:
        raise NodeRefused(
            f"by the node's account the chain's time is {now}, {now - local} s ahead of this computer's",
            hint="set this computer's clock, or use another node",
        )
    return min(now, local) + VALID_SECONDS


def check(market: MarketClient, request: Request) -> str:
    """Return which function a request calls, once nothing speaks against relaying it now.

    Raises
    ------
    WrongChain
        If it is for another chain, market or forwarder.
    ContractRefused
        If it was used, cancelled, has expired or is not signed by its sender; or the market refuses the call itself.

    """
    if (request.chain_id, request.market) != (market.chain_id, market.address):
        raise WrongChain(f"the request is for market {request.market} on chain {request.chain_id}")
    forwarder = forwarder_of(market)
    if request.forwarder != forwarder:
        raise WrongChain(f"the market trusts {forwarder}, not {request.forwarder}")
    contract = _contract(market, forwarder)
    with refusals(ALL_ABIS):
        nonce = int(contract.functions.nonces(request.sender).call())
        if nonce != request.nonce:
            raise ContractRefused(
                f"the request has nonce {request.nonce}, {request.sender} is at {nonce}: it was used or cancelled",
                hint="requests of one sender are relayed in the order in which they were signed",
                error="ERC2771ForwarderInvalidSigner",
            )
        now = market.head().next_timestamp
        if request.deadline < now:
            raise ContractRefused(
                f"the request expired at {request.deadline}; it is {now}",
                hint="sign it again",
                error="ERC2771ForwarderExpiredRequest",
            )
        if not contract.functions.verify(request.fields()).call():
            raise ContractRefused(
                f"the request is not signed by {request.sender}", error="ERC2771ForwarderInvalidSigner"
            )
    _try_call(market, request)
    return market.function_name(request.data) or "unknown"


def relay(market: MarketClient, request: Request) -> TxReceipt:
    """Check a request and execute it, at the client's expense; errors as for :func:`check`."""
    check(market, request)
    if market.account is None:
        raise ContractRefused("this market was opened for reading only", hint="give an account")
    call = _contract(market, request.forwarder).functions.execute(request.fields())
    try:
        with refusals(ALL_ABIS):
            return send(market.w3, market.account, call, value=request.value, abis=ALL_ABIS)
    except ContractRefused as refused:
        if refused.details.get("error") != "FailedCall":
            raise
        raise ContractRefused(
            f"the market refuses the {market.function_name(request.data)} that {request.sender} signed",
            hint="`gramercy job show` tells the job's terms and its phase",
            error="FailedCall",
        ) from refused


def _try_call(market: MarketClient, request: Request) -> None:
    """Ask the market itself, as the forwarder would, which tells nothing of why a call failed."""
    sender = Web3.to_checksum_address(request.forwarder)
    asked: TxParams = {
        "from": sender,
        "to": Web3.to_checksum_address(market.address),
        "data": HexBytes(request.data + bytes.fromhex(request.sender[2:])),
        "value": Wei(request.value),
    }
    try:
        with refusals(ALL_ABIS):
            if request.value:  # which the forwarder does not have before it is relayed
                market.w3.eth.call(asked, "pending", {sender: {"balance": Wei(request.value)}})
            else:
                market.w3.eth.call(asked, "pending")
    except NodeRefused:
        if not request.value:
            raise  # else a node without state overrides: the transaction will tell


def _contract(market: MarketClient, forwarder: Address) -> Contract:
    return market.w3.eth.contract(address=Web3.to_checksum_address(forwarder), abi=load_artifact("Forwarder").abi)


def _estimated(market: MarketClient, sender: Address, data: HexStr) -> int:
    fields: TxParams = {
        "from": Web3.to_checksum_address(sender),
        "to": Web3.to_checksum_address(market.address),
        "data": data,
        "value": Wei(0),
    }
    return int(market.w3.eth.estimate_gas(fields, "pending") * _GAS_MARGIN)


def _message(request: Request) -> dict[str, Any]:
    return {
        "from": request.sender,
        "to": request.market,
        "value": request.value,
        "gas": request.gas,
        "nonce": request.nonce,
        "deadline": request.deadline,
        "data": request.data,
    }


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError("not a whole number")
    return number


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("not hexadecimal")
    return bytes.fromhex(text[2:])
