"""A one-node chain in memory on eth-tester and py-evm: every transaction is a block, and its clock can be moved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth.abc import BlockHeaderAPI, ComputationAPI, SignedTransactionAPI, StateAPI
from eth.exceptions import Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.state import PragueState
from eth.vm.spoof import SpoofTransaction
from eth_tester import PyEVMBackend
from eth_typing import Address, Hash32
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from market.chain.devnet_precompiles import FastCurveComputation
from market.chain.devnet_types import (
    BLOCK_GAS_LIMIT,
    DEFAULT_CHAIN_ID,
    ZERO_ADDRESS,
    CallRequest,
    Header,
    MinedBlock,
    Rejected,
    Reverted,
)

_BLOB_TYPE = 3
_FLOOR_GAS_PER_TOKEN = 10
_TOKENS_PER_NONZERO_BYTE = 4
_BASE_GAS = 21_000
_ESTIMATE_TOLERANCE = 64
_TIMESTAMP_LIMIT = 1 << 63
_VM_ERRORS = {
    "OutOfGas": "out of gas",
    "InvalidInstruction": "invalid opcode",
    "InvalidJumpDestination": "invalid jump destination",
    "InsufficientStack": "stack underflow",
    "FullStack": "stack limit reached 1024",
    "WriteProtection": "write protection",
}


@dataclass(frozen=True)
class _Snapshot:
    height: int
    pending: Header
    offset_seconds: int
    exact_timestamp: int | None


class _DevnetState(PragueState):
    computation_class = FastCurveComputation


class _DevnetVM(PragueVM):
    """Prague rules with fast curve arithmetic, but a block may carry its parent's timestamp.

    py-evm, like every execution client, wants it strictly later; with a block for every transaction a burst of
    50 transactions would then push chain time 50 seconds ahead of the wall clock, past the deadlines of a round.
    anvil lets blocks of one second share a timestamp too.
    """

    _state_class = _DevnetState

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        """Check a header against its parent; equal timestamps pass, earlier ones do not."""
        if header.timestamp == parent_header.timestamp:
            parent_header = parent_header.copy(timestamp=header.timestamp - 1)
        super().validate_header(header, parent_header)


class EmbeddedChain:
    """State, blocks and clock of the embedded devnet. Not thread safe: callers hold a lock.

    Parameters
    ----------
    chain_id
        EIP-155 chain id.
    now
        The wall clock in seconds; chain time is its integer part plus an offset, and never falls.

    """

    def __init__(self, chain_id: int = DEFAULT_CHAIN_ID, *, now: Callable[[], float] = time.time) -> None:
        self.chain_id = chain_id
        self._now = now
        self._offset_seconds = 0
        self._exact_timestamp: int | None = None
        genesis = PyEVMBackend.generate_genesis_params({"gas_limit": BLOCK_GAS_LIMIT, "timestamp": int(now())})
        # One empty account: eth-tester makes ten funded ones with known keys from an empty genesis.
        nobody = {ZERO_ADDRESS: {"balance": 0, "nonce": 0, "code": b"", "storage": {}}}
        self._chain: Any = PyEVMBackend(genesis, nobody, vm_configuration=((0, _DevnetVM),)).chain
        self._chain.chain_id = chain_id
        first = self._chain.get_canonical_block_by_number(0)
        self._blocks = [MinedBlock(first.header, len(rlp.encode(first)))]
        self._numbers: dict[Hash32, int] = {first.header.hash: 0}
        self._transactions: dict[Hash32, int] = {}
        self._snapshots: dict[int, _Snapshot] = {}
        self._snapshot_count = 0

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Number of the newest block."""
        return len(self._blocks) - 1

    def block(self, number: int) -> MinedBlock | None:
        """Return the block of that number, or None beyond the head."""
        return self._blocks[number] if 0 <= number <= self.height else None

    def block_number_of(self, block_hash: bytes) -> int | None:
        """Return the number of the block with that hash, or None."""
        return self._numbers.get(Hash32(block_hash))

    def block_of_transaction(self, transaction_hash: bytes) -> MinedBlock | None:
        """Return the block that holds a transaction, or None."""
        number = self._transactions.get(Hash32(transaction_hash))
        return None if number is None else self._blocks[number]

    def pending_header(self) -> Header:
        """Return the header that the next block would start from if it were mined now."""
        pending: Header = self._chain.header
        # Derived from the parent, so that a call sees the PREVRANDAO with which the next block will run.
        return pending.copy(timestamp=self.next_timestamp(), mix_hash=keccak(pending.parent_hash))

    def state(self, number: int | None) -> StateAPI:
        """Return a scratch copy of the state after a block; None means the head, as the next block will find it."""
        header = self.pending_header() if number is None else self._blocks[number].header
        state: StateAPI = self._chain.get_vm(header).state
        return state

    # -- time -----------------------------------------------------------------------------------------------------

    def next_timestamp(self) -> int:
        """Return the timestamp that the next block would carry if it were mined now."""
        if self._exact_timestamp is not None:
            return self._exact_timestamp
        latest: int = self._blocks[-1].header.timestamp
        return max(int(self._now()) + self._offset_seconds, latest)

    def increase_time(self, seconds: int) -> int:
        """Move the clock forward for good; return the whole offset to the wall clock, in seconds."""
        if self.next_timestamp() + seconds >= _TIMESTAMP_LIMIT:
            raise Rejected("timestamp out of range")
        if self._exact_timestamp is not None:
            self._exact_timestamp += seconds
        self._offset_seconds += seconds
        return self._offset_seconds

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the next block's timestamp; the clock runs on from there. Rejected if before the newest block."""
        if timestamp < self._blocks[-1].header.timestamp:
            raise Rejected(f"timestamp {timestamp} is lower than previous block's timestamp")
        self._exact_timestamp = timestamp
        self._offset_seconds = timestamp - int(self._now())

    # -- writing --------------------------------------------------------------------------------------------------

    def mine(self) -> MinedBlock:
        """Mine an empty block."""
        self._chain.header = self.pending_header()
        return self._seal(None, ZERO_ADDRESS, None)

    def send_raw(self, raw: bytes) -> Hash32:
        """Check a signed transaction, run it and mine it in a block of its own; a revert still is a block.

        Raises
        ------
        Rejected
            If it is malformed, for another chain, of the blob type, has a wrong nonce, too little gas or fee, or
            its sender cannot pay.

        """
        transaction = self._decode(raw)
        try:
            sender = Address(transaction.sender)
        except (ValidationError, ValueError) as error:
            raise Rejected("invalid sender") from error
        self._check(transaction, sender)
        self._chain.header = self.pending_header()
        try:
            _, receipt, computation = self._chain.apply_transaction(transaction)
        except ValidationError as error:
            raise Rejected(str(error)) from error
        self._seal(transaction, sender, receipt, succeeded=computation.is_success)
        return Hash32(transaction.hash)

    def set_balance(self, address: Address, balance_wei: int) -> None:
        """Set an account's balance between blocks; reads of the head see it at once, the next block records it."""
        vm = self._chain.get_vm()
        vm.state.set_balance(address, balance_wei)
        vm.state.persist()
        self._chain.header = self._chain.header.copy(state_root=vm.state.state_root)

    def snapshot(self) -> int:
        """Remember blocks, state and clock; return the id to revert with."""
        self._snapshot_count += 1
        self._snapshots[self._snapshot_count] = _Snapshot(
            self.height, self._chain.header, self._offset_seconds, self._exact_timestamp
        )
        return self._snapshot_count

    def revert(self, snapshot_id: int) -> bool:
        """Return to a snapshot, and forget it and those after it; False if there is no such snapshot."""
        kept = self._snapshots.get(snapshot_id)
        if kept is None:
            return False
        self._snapshots = {key: value for key, value in self._snapshots.items() if key < snapshot_id}
        for block in self._blocks[kept.height + 1 :]:
            del self._numbers[Hash32(block.header.hash)]
            if block.transaction is not None:
                del self._transactions[Hash32(block.transaction.hash)]
        del self._blocks[kept.height + 1 :]
        self._chain.header = kept.pending
        self._offset_seconds, self._exact_timestamp = kept.offset_seconds, kept.exact_timestamp
        return True

    # -- execution without a transaction --------------------------------------------------------------------------

    def call(self, request: CallRequest, number: int | None = None) -> bytes:
        """Run a call on the state after a block and return its output; None is the head, at the next block's time.

        Raises
        ------
        Reverted
            If the contract reverts.
        Rejected
            If the call runs out of gas, hits an invalid instruction, or the sender lacks ``value``.

        """
        computation = self._run(request, number, min(request.gas or BLOCK_GAS_LIMIT, BLOCK_GAS_LIMIT))
        _raise_on_error(computation)
        return bytes(computation.output)

    def estimate_gas(self, request: CallRequest, number: int | None = None) -> int:
        """Return a gas limit with which the request succeeds: two runs where geth's first guess holds.

        The guess is the gas used at the full limit, before refunds, times 64/63 (EIP-150 keeps 1/64 back at each
        call); where it is too small, a bisection to 1/64 follows. Errors as ``call``.
        """
        ceiling = min(request.gas or BLOCK_GAS_LIMIT, BLOCK_GAS_LIMIT)
        computation = self._run(request, number, ceiling)
        _raise_on_error(computation)
        intrinsic = self._unsigned(request, 0, ceiling).intrinsic_gas
        used = intrinsic + computation.get_gas_used()
        floor = data_floor_gas(request.data)
        if request.data or request.to == b"":
            used = used + used // 63 + 1
        guess = min(max(used, floor), ceiling)
        low, high = guess, ceiling
        if self._run(request, number, guess).is_success:
            return int(guess)
        while high - low > high // _ESTIMATE_TOLERANCE:
            middle = (low + high) // 2
            if self._run(request, number, middle).is_success:
                high = middle
            else:
                low = middle
        return int(high)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _run(self, request: CallRequest, number: int | None, gas: int) -> ComputationAPI:
        header = self.pending_header() if number is None else self._blocks[number].header
        # Without a fee to pay there is no base fee to meet; geth does the same for calls at gas price zero.
        state = self._chain.get_vm(header.copy(base_fee_per_gas=0)).state
        balance = state.get_balance(request.sender)
        if balance < request.value:
            raise Rejected(f"insufficient funds for gas * price + value: balance {balance}, tx cost {request.value}")
        unsigned = self._unsigned(request, state.get_nonce(request.sender), gas)
        if gas < unsigned.intrinsic_gas:
            raise Rejected(f"intrinsic gas too low: gas {gas}, minimum needed {unsigned.intrinsic_gas}")
        computation: ComputationAPI = state.apply_transaction(SpoofTransaction(unsigned, from_=request.sender))
        return computation

    def _unsigned(self, request: CallRequest, nonce: int, gas: int) -> Any:
        builder: Any = _DevnetVM.get_transaction_builder()
        return builder.new_unsigned_dynamic_fee_transaction(
            chain_id=self.chain_id,
            nonce=nonce,
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=gas,
            to=request.to,
            value=request.value,
            data=request.data,
            access_list=request.access_list,
        )

    def _decode(self, raw: bytes) -> SignedTransactionAPI:
        if raw[:1] == bytes([_BLOB_TYPE]):
            raise Rejected("transaction type not supported: blob transactions")
        try:
            transaction: SignedTransactionAPI = _DevnetVM.get_transaction_builder().decode(raw)
        except Exception as error:  # rlp and py-evm raise a score of unrelated types on malformed bytes
            raise Rejected("failed to decode signed transaction") from error
        return transaction

    def _check(self, transaction: SignedTransactionAPI, sender: Address) -> None:
        """Refuse what py-evm would refuse, in the words that clients look for, and what it lets through."""
        if Hash32(transaction.hash) in self._transactions:
            raise Rejected("already known")
        if transaction.chain_id not in (None, self.chain_id):
            raise Rejected(f"invalid chain id for signer: have {transaction.chain_id} want {self.chain_id}")
        state = self.state(None)
        nonce = state.get_nonce(sender)
        if transaction.nonce < nonce:
            raise Rejected(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.nonce > nonce:
            raise Rejected(
                f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce} (transactions are not queued)"
            )
        needed_gas = max(transaction.intrinsic_gas, data_floor_gas(transaction.data))
        if transaction.gas < needed_gas:
            raise Rejected(f"intrinsic gas too low: gas {transaction.gas}, minimum needed {needed_gas}")
        if transaction.gas > BLOCK_GAS_LIMIT:
            raise Rejected(f"exceeds block gas limit: {transaction.gas} > {BLOCK_GAS_LIMIT}")
        price = max_fee(transaction)
        base_fee = self._chain.header.base_fee_per_gas
        if price < base_fee:
            raise Rejected(f"max fee per gas less than block base fee: {price} < {base_fee}")
        cost = transaction.gas * price + transaction.value
        balance = state.get_balance(sender)
        if balance < cost:
            raise Rejected(f"insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")

    def _seal(
        self,
        transaction: SignedTransactionAPI | None,
        sender: Address,
        receipt: Any,
        *,
        succeeded: bool = True,
    ) -> MinedBlock:
        sealed = self._chain.mine_block(coinbase=ZERO_ADDRESS)
        self._exact_timestamp = None
        block = MinedBlock(sealed.header, len(rlp.encode(sealed)))
        if transaction is not None:
            created = None
            if transaction.to == b"":
                created = Address(keccak(rlp.encode([sender, transaction.nonce]))[12:])
            block = MinedBlock(
                sealed.header,
                block.size_bytes,
                transaction,
                sender,
                created,
                succeeded,
                receipt.bloom,
                tuple(receipt.logs),
            )
            self._transactions[Hash32(transaction.hash)] = self.height + 1
        self._blocks.append(block)
        self._numbers[Hash32(sealed.header.hash)] = self.height
        return block


def max_fee(transaction: SignedTransactionAPI) -> int:
    """Return the most that a transaction pays for a unit of gas, in wei."""
    price: int = transaction.max_fee_per_gas
    return price


def data_floor_gas(data: bytes) -> int:
    """Return the least gas for a transaction with this call data (EIP-7623)."""
    zeros = data.count(0)
    tokens = zeros + _TOKENS_PER_NONZERO_BYTE * (len(data) - zeros)
    return _BASE_GAS + _FLOOR_GAS_PER_TOKEN * tokens


def _raise_on_error(computation: ComputationAPI) -> None:
    if computation.is_success:
        return
    error = computation.error
    if isinstance(error, Revert):
        raise Reverted(bytes(computation.output))
    name = type(error).__name__
    raise Rejected(_VM_ERRORS.get(name, name))
