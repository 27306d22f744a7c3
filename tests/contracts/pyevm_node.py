"""py-evm as the node of a chain of the contract tests, by eth-tester's backend without its checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from eth.constants import GENESIS_PARENT_HASH
from eth.exceptions import Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.state import PragueState
from eth.vm.spoof import SpoofTransaction
from eth_tester import EthereumTester, PyEVMBackend
from eth_utils.address import to_canonical_address, to_checksum_address
from web3 import EthereumTesterProvider, Web3
from web3.types import TxReceipt

from market.chain.devnet_precompiles import FastCurveComputation
from tests.contracts.node import (
    ACCOUNTS,
    BLOCK_GAS_LIMIT,
    FUNDS_WEI,
    GENESIS_TIME,
    NOBODY,
    Reverted,
    receipt,
)
from tests.evm import quicken


class PyEvmNode:
    """py-evm under Prague rules; ``own_curve`` has it do BN254 itself, seconds a pairing."""

    def __init__(self, contracts: dict[bytes, bytes], *, own_curve: bool) -> None:
        """Start a chain that is born with contracts: their code by their addresses."""
        quicken()
        genesis = PyEVMBackend.generate_genesis_params({"timestamp": GENESIS_TIME, "gas_limit": BLOCK_GAS_LIMIT})
        accounts = PyEVMBackend.generate_genesis_state({"balance": FUNDS_WEI}, ACCOUNTS)
        accounts |= {
            address: {"balance": 0, "nonce": 1, "code": code, "storage": {}} for address, code in contracts.items()
        }
        self._backend = _Backend(
            genesis | {"base_fee_per_gas": 0}, accounts, ((0, PragueVM if own_curve else _FastCurveVM),)
        )
        self.w3 = Web3(EthereumTesterProvider(EthereumTester(self._backend)))

    @property
    def now(self) -> int:
        return int(self._backend.chain.header.timestamp)

    def travel_to(self, timestamp: int) -> None:
        self._backend.chain.set_header_timestamp(timestamp)

    def mine(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> TxReceipt:
        return self._backend.mine(sender, to, data, value, gas)

    def call(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> bytes:
        told = {"from": to_canonical_address(sender), "data": data, "value": value, "gas": gas}
        return self._backend.call(told | {"to": to_canonical_address(to) if to else b""})

    def execute(self, code: bytes, data: bytes, gas: int) -> tuple[bool, bytes, int]:
        vm = self._backend.chain.get_vm(self._backend.chain.header)
        computation = vm.execute_bytecode(NOBODY, 0, gas, NOBODY, NOBODY, 0, data, code)
        return not computation.is_error, bytes(computation.output), computation.get_gas_used()

    def balance(self, address: str) -> int:
        return int(self._backend.get_balance(to_canonical_address(address)))

    @contextmanager
    def undone(self) -> Iterator[None]:
        chain = self._backend.chain
        before = chain.header
        parent = chain.get_block_header_by_hash(before.parent_hash)
        try:
            yield
        finally:
            if chain.header.parent_hash != before.parent_hash:
                chain.chaindb._set_as_canonical_chain_head(chain.chaindb.db, parent, GENESIS_PARENT_HASH)
            chain.header = before


class _FastCurveState(PragueState):
    computation_class = FastCurveComputation


class _FastCurveVM(PragueVM):
    _state_class = _FastCurveState


class _Backend(PyEVMBackend):  # type: ignore[misc]
    """eth-tester's backend without its checks; keeps the revert data, and calls at the time of the block to come."""

    @cached_property
    def _key_lookup(self) -> dict[bytes, Any]:
        """Return the keys of the accounts, which the base class derives twice for every transaction."""
        found: dict[bytes, Any] = super()._key_lookup
        return found

    def mine(self, sender: str, to: str | None, data: bytes, value: int, gas: int) -> TxReceipt:
        """Mine a block of one transaction; return the receipt as web3 does, or raise what made it fail."""
        account, header = to_canonical_address(sender), self.chain.header
        unsigned = self.chain.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
            chain_id=self.chain.chain_id,
            nonce=self.chain.get_vm(header).state.get_nonce(account),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=gas,
            to=to_canonical_address(to) if to else b"",
            value=value,
            data=data,
            access_list=(),
        )
        signed = unsigned.as_signed_transaction(self._key_lookup[account])
        _, mined, computation = self.chain.apply_transaction(signed)
        block = self.chain.mine_block(coinbase=bytes(20), mix_hash=bytes(32), blob_gas_used=0)
        if computation.is_error:
            raise _reverted(computation)
        created = None if to else to_checksum_address(computation.msg.storage_address)
        place = {"blockNumber": block.number, "blockHash": block.hash, "transactionHash": signed.hash}
        logs = (
            (to_checksum_address(log.address), [topic.to_bytes(32) for topic in log.topics], log.data)
            for log in mined.logs
        )
        return receipt(place, mined.gas_used, created, logs)

    def call(self, transaction: dict[str, Any], block_number: object = "latest") -> bytes:
        unsigned = self._get_normalized_and_unsigned_evm_transaction(
            {"gas": BLOCK_GAS_LIMIT, **transaction, "max_fee_per_gas": 0, "max_priority_fee_per_gas": 0}
        )
        state = self.chain.get_vm(self.chain.header).state
        computation = state.apply_transaction(SpoofTransaction(unsigned, from_=transaction["from"]))
        if computation.is_error:
            raise _reverted(computation)
        return bytes(computation.output)


def _log(log: Any) -> tuple[str, list[bytes], bytes]:
    return to_checksum_address(log.address), [topic.to_bytes(32) for topic in log.topics], log.data


def _reverted(computation: Any) -> Reverted:
    data = bytes(computation.output) if isinstance(computation.error, Revert) else b""
    return Reverted(data, f"{type(computation.error).__name__} {computation.error}")
