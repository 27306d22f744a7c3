"""revm as the node of a chain of the contract tests: the same as py-evm to the unit of gas, some hundred times as fast.

``test_evms.py`` plays the same history on both. pyrevm runs messages; what makes a transaction of one is here: nonces,
blocks, and the least that calldata costs (EIP-7623).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError
from web3 import Web3
from web3.types import TxReceipt

from tests.contracts.node import (
    BLOCK_GAS_LIMIT,
    FUNDS_WEI,
    GENESIS_TIME,
    NOBODY,
    Reverted,
    keys,
    receipt,
)
from tests.contracts.revm_provider import RevmProvider
from tests.contracts.revm_state import Account, Changes, State

_TRANSACTION_GAS = 21_000
_FLOOR_FOR_A_TOKEN = 10
_TOKENS_OF_A_BYTE = 4
_REVERTED = re.compile(r"Revert \{ gas_used: (\d+), output: 0x([0-9a-f]*) \}")
_HALTED = re.compile(r"Halt \{ reason: (.*), gas_used: (\d+) \}")


class Block(NamedTuple):
    """A mined block, and what its transaction logged."""

    number: int
    timestamp: int
    hash: bytes
    receipt: TxReceipt | None


class RevmNode:
    """revm under the rules that Prague has for contracts."""

    def __init__(self, contracts: dict[bytes, bytes]) -> None:
        """Start a chain that is born with contracts: their code by their addresses."""
        self.state = State(BLOCK_GAS_LIMIT)
        self._bare: State | None = None
        for address in keys():
            self.state.set_account(address.lower(), Account(FUNDS_WEI))
        for place, code in contracts.items():
            self.state.set_code(f"0x{place.hex()}", code)
        self.blocks = [Block(0, GENESIS_TIME, keccak(b"genesis"), None)]
        self.now = GENESIS_TIME + 1
        self.w3 = Web3(RevmProvider(self))

    def travel_to(self, timestamp: int) -> None:
        self.now = timestamp

    def mine(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> TxReceipt:
        sender = sender.lower()
        nonce = self.state.account(sender).nonce
        floor = _TRANSACTION_GAS + _FLOOR_FOR_A_TOKEN * _tokens(data)
        if gas < floor:
            raise ValidationError(f"{gas} gas is less than calldata costs")
        created: str | None = None
        failure: Reverted | None = None
        changes: Changes = {}
        with self._message():
            try:
                created = self._run(sender, to, data, value, gas)
                changes = self.state.changed()
                result = self.state.result
            except Reverted as error:
                failure = error
        self.state.write(changes)
        self.state.set_account(sender, self.state.account(sender)._replace(nonce=nonce + 1))
        last = self.blocks[-1]
        sent = keccak(rlp.encode([bytes.fromhex(sender[2:]), nonce, (to or "").encode(), value, data, gas]))
        mined = Block(last.number + 1, self.now, keccak(last.hash + self.now.to_bytes(8) + sent), None)
        if failure is None:
            place = {"blockNumber": mined.number, "blockHash": mined.hash, "transactionHash": sent}
            logs = ((log.address, *log.data) for log in result.logs)
            used = max(result.gas_used, floor)
            mined = mined._replace(
                receipt=receipt(place, used, to_checksum_address(created) if created else None, logs)
            )
        self.blocks.append(mined)
        self.now += 1
        if failure is not None:
            raise failure
        assert mined.receipt is not None
        return mined.receipt

    def call(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> bytes:
        if gas < _TRANSACTION_GAS + _FLOOR_FOR_A_TOKEN * _tokens(data):
            raise ValidationError(f"{gas} gas is less than calldata costs")
        with self._message():
            if to:
                return _message(self.state, sender, to, data, value, gas)
            created = self._run(sender, None, data, value, gas)
            _, account = self.state.changed()[str(created)]
            assert isinstance(account, Account)
            return self.state.codes[account.code_hash]

    def execute(self, code: bytes, data: bytes, gas: int) -> tuple[bool, bytes, int]:
        """Run code that lies at no account, and beside no other: success, output, and gas without a transaction's."""
        self._bare = self._bare or State((1 << 63) - 1)
        place, sender, before = f"0x{NOBODY.hex()}", f"0x{bytes(20).hex()}", _TRANSACTION_GAS + 4 * _tokens(data)
        self._bare.set_code(place, code)
        self._bare.begin_block(self.blocks[-1].number + 1, self.now)
        with self._bare.message():
            try:
                output, ok = _message(self._bare, sender, place, data, 0, gas + before), True
            except Reverted as error:
                output, ok = error.data, False
            result = self._bare.result
        return ok, output, result.gas_used + result.gas_refunded - before

    def balance(self, address: str) -> int:
        return self.state.account(address.lower()).balance

    @contextmanager
    def undone(self) -> Iterator[None]:
        before = self.state.moment, len(self.blocks), self.now
        try:
            yield
        finally:
            moment, blocks, self.now = before
            self.state.go_back(moment)
            del self.blocks[blocks:]

    @contextmanager
    def _message(self) -> Iterator[None]:
        self.state.begin_block(self.blocks[-1].number + 1, self.now)
        with self.state.message():
            yield

    def _run(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> str | None:
        """Run a transaction's message; return the address of what it created."""
        if to:
            _message(self.state, sender, to, data, value, gas)
            return None
        try:
            return str(self.state.evm.deploy(sender, data, value=value, gas=gas))
        except RuntimeError as error:
            raise _failure(error) from None


def _message(state: State, sender: str, to: str, data: bytes, value: int, gas: int) -> bytes:
    try:
        return bytes(state.evm.message_call(sender, to, calldata=data, value=value, gas=gas))
    except RuntimeError as error:
        raise _failure(error) from None


def _failure(error: RuntimeError) -> Exception:
    text = str(error)
    if found := _REVERTED.fullmatch(text):
        return Reverted(bytes.fromhex(found[2]), "Revert")
    if found := _HALTED.fullmatch(text):
        return Reverted(b"", found[1])
    return ValidationError(text)


def _tokens(data: bytes) -> int:
    """Return the tokens of calldata: four a byte that is not 0 (EIP-7623)."""
    return _TOKENS_OF_A_BYTE * len(data) - (_TOKENS_OF_A_BYTE - 1) * data.count(0)
