"""What a chain of the contract tests needs of the EVM below it; both EVMs begin with the same accounts and second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Protocol, cast

from eth_keys.datatypes import PrivateKey
from eth_tester.backends.pyevm.main import get_default_account_keys
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.datastructures import AttributeDict
from web3.types import TxReceipt

GENESIS_TIME = 4_000_000_000  # beyond any wall clock, which py-evm would otherwise mix in
CHAIN_ID = 131277322940537
ACCOUNTS = 80
FUNDS_WEI = 10**24
BLOCK_GAS_LIMIT = 40_000_000
EXECUTION_GAS = 1 << 27
NOBODY = bytes(19) + b"\xff"
"""Who runs code that lies at no account, and where."""


class Reverted(Exception):
    """A call or transaction that failed; ``data`` is what the contract gave, empty if it ran out of gas or trapped."""

    def __init__(self, data: bytes, reason: str) -> None:
        super().__init__(reason)
        self.data = data


class Node(Protocol):
    """An EVM with a state, whose every transaction is a block of its own; its base fee is 0."""

    w3: Web3

    @property
    def now(self) -> int:
        """The second in which calls run and the next transaction is mined."""

    def travel_to(self, timestamp: int) -> None:
        """Set that second."""

    def mine(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> TxReceipt:
        """Mine a transaction, a creation where ``to`` is None; raise :class:`Reverted` if it failed."""

    def call(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> bytes:
        """Run a call that leaves no trace; raise :class:`Reverted` if it failed."""

    def execute(self, code: bytes, data: bytes, gas: int) -> tuple[bool, bytes, int]:
        """Run code that lies at no account: success, output, and gas without a transaction's."""

    def balance(self, address: str) -> int:
        """Return an account's coins in wei."""

    def undone(self) -> AbstractContextManager[None]:
        """Undo at the end whatever happens inside; nests."""


@cache
def keys() -> dict[ChecksumAddress, PrivateKey]:
    """Return the keys of the funded accounts, in the order of the accounts."""
    return {key.public_key.to_checksum_address(): key for key in get_default_account_keys(ACCOUNTS)}


def receipt(
    place: dict[str, Any], gas_used: int, created: str | None, logs: Iterable[tuple[str, Sequence[bytes], bytes]]
) -> TxReceipt:
    """Return the receipt of the only transaction of a block, which succeeded, as web3 gives it."""
    place = {key: HexBytes(value) if isinstance(value, bytes) else value for key, value in place.items()}
    place["transactionIndex"] = 0
    told = [
        AttributeDict(
            {
                **place,
                "address": address,
                "topics": [HexBytes(topic) for topic in topics],
                "data": HexBytes(data),
                "logIndex": at,
            }
        )
        for at, (address, topics, data) in enumerate(logs)
    ]
    found = {**place, "status": 1, "gasUsed": gas_used, "contractAddress": created, "logs": told}
    return cast(TxReceipt, found)
