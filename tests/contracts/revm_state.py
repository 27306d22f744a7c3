"""The state of revm between transactions: pyrevm keeps a journal of one long transaction, so it is read and undone.

pyrevm (revm 8) never ends a transaction: what is warm, and what a slot held before, would stay so for ever, and gas
with it. So each message runs between a snapshot and its revert, which empties the journal; what it changed is read from
the journal's text before the revert, and then written below the journal, where the next message finds it cold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

from eth_hash.auto import keccak
from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env, ExecutionResult

from tests.contracts.node import CHAIN_ID

NO_CODE = keccak(b"")
_ADDRESS = r"(0x[0-9a-f]{40})"
_SLOT = r"(\d+): StorageSlot \{ previous_or_original_value: (\d+), present_value: (\d+) \}"
_CODE = r"None|Some\(Bytecode \{ bytecode: 0x[0-9a-f]*, state: (?:Raw|Analysed \{ len: \d+, [^}]*\} \}) \}\)"
_ACCOUNT = re.compile(
    rf"{_ADDRESS}: Account \{{ info: AccountInfo \{{ balance: (\d+), nonce: (\d+), code_hash: 0x([0-9a-f]{{64}}), "
    rf"code: ({_CODE}) \}}, storage: \{{((?:{_SLOT.replace('(', '(?:')}(?:, )?)*)\}}, "
    r"status: AccountStatus\(([^)]*)\) \}"
)
_SLOTS = re.compile(_SLOT)
_ANALYSED = re.compile(r"bytecode: 0x([0-9a-f]*), state: Analysed \{ len: (\d+)")


class Account(NamedTuple):
    """An account without its storage; its code by its hash."""

    balance: int = 0
    nonce: int = 0
    code_hash: bytes = NO_CODE


class Slot(NamedTuple):
    """A word of an account's storage."""

    address: str
    key: int


Changes: TypeAlias = dict[str | Slot, tuple[Account | int, Account | int]]
"""What an account or a slot was, and what it is."""
NOTHING = Account()


class State:
    """Accounts and storage below revm's journal, with a log by which to go back. Addresses are in lower case."""

    def __init__(self, gas_limit: int) -> None:
        """Start with no accounts; ``gas_limit`` is every block's."""
        # Prague in revm 8 is a draft; of the final one, Cancun lacks what RevmNode adds, and BLS12-381.
        self.evm = EVM(spec_id="Cancun", gas_limit=gas_limit, env=Env(cfg=CfgEnv(chain_id=CHAIN_ID)))
        self.accounts: dict[str, Account] = {}
        self.codes: dict[bytes, bytes] = {NO_CODE: b""}
        self._log: list[tuple[str, Account] | tuple[Slot, int]] = []

    def account(self, address: str) -> Account:
        return self.accounts.get(address, NOTHING)

    def begin_block(self, number: int, timestamp: int) -> None:
        """Set the block that messages see."""
        nobody, hashed = f"0x{bytes(20).hex()}", bytes(32)
        self.evm.set_block_env(
            BlockEnv(number=number, timestamp=timestamp, coinbase=nobody, prevrandao=hashed, excess_blob_gas=0)
        )

    @property
    def result(self) -> ExecutionResult:
        """What the last message came to."""
        found = self.evm.result
        assert found is not None
        return found

    @contextmanager
    def message(self) -> Iterator[None]:
        """Have a message begin with nothing warm, and undo it."""
        before = self.evm.snapshot()
        try:
            yield
        finally:
            self.evm.revert(before)

    def set_code(self, address: str, code: bytes, *, nonce: int = 1) -> None:
        """Put code at an address."""
        self.codes[keccak(code)] = code
        self.set_account(address, self.account(address)._replace(nonce=nonce, code_hash=keccak(code)))

    def set_account(self, address: str, account: Account) -> None:
        """Write an account."""
        self._log.append((address, self.account(address)))
        self._write_account(address, account)

    def changed(self) -> Changes:
        """Return what the message of this moment has changed: what it was, and what it is."""
        accounts = self.evm.journal_str.partition("}, transient_storage: ")[0] + "}"
        found: Changes = {}
        for address, balance, nonce, code_hash, code, slots, status in _ACCOUNT.findall(accounts):
            gone = "SelfDestructed" in status  # created by the same message: since Cancun no other account can be
            account = NOTHING if gone else Account(int(balance), int(nonce), bytes.fromhex(code_hash))
            if account.code_hash not in self.codes:
                padded, length = _ANALYSED.search(code).groups()  # type: ignore[union-attr]
                self.codes[account.code_hash] = bytes.fromhex(padded[: 2 * int(length)])
            if account != self.account(address):
                found[address] = (self.account(address), account)
            if not gone:
                for key, was, is_now in _SLOTS.findall(slots):
                    if was != is_now:
                        found[Slot(address, int(key))] = (int(was), int(is_now))
        return found

    def write(self, changes: Changes) -> None:
        """Make changes last, outside of any message."""
        for place, (was, is_now) in changes.items():
            self._log.append((place, was))  # type: ignore[arg-type]
            self._write(place, is_now)

    @property
    def moment(self) -> int:
        """A moment to go back to."""
        return len(self._log)

    def go_back(self, moment: int) -> None:
        """Undo what was written since a moment."""
        while len(self._log) > moment:
            self._write(*self._log.pop())

    def _write(self, place: str | Slot, value: Account | int) -> None:
        if isinstance(value, Account):
            self._write_account(str(place), value)
        elif isinstance(place, Slot):
            with self.message():  # or the slot's account would stay in the journal, warm
                self.evm.insert_account_storage(place.address, place.key, value)

    def _write_account(self, address: str, account: Account) -> None:
        self.accounts[address] = account
        balance, nonce, code_hash = account
        code = self.codes[code_hash] or None
        self.evm.insert_account_info(address, AccountInfo(balance, nonce, code_hash, code))  # type: ignore[call-arg, arg-type]
