"""A chain for contract tests: py-evm in this process, compiled doubles, exact time, refusals by name.

How a test uses it (fixtures are in ``conftest.py``)::

    def test_only_the_owner_may(chain):
        market = chain.deploy("Market")                       # committed artifact, or a double of doubles/*.sol
        owner, other = chain.accounts[:2]
        receipt = chain.send(market.functions.f(1), sender=owner, value=5)
        (event,) = market.events.Done().process_receipt(receipt)
        assert chain.call(market.functions.g()) == 1
        chain.travel_to(chain.now + 60)                       # calls and the next transaction happen in that second
        with refused("Market_NotOwner", jobId=1, caller=other):
            chain.send(market.functions.f(1), sender=other)

Every transaction is a block of its own and may use the protocol's cap of 2**24 gas. A transaction that fails is mined,
as on any chain, and raises :class:`Reverted`. What a test does to ``chain`` is undone after it; what a module or the
session shares goes into a fixture that takes ``session_chain``. A test that uses a double carries the marker ``node``:
doubles are compiled here, and kept under ``.cache`` until their sources change.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

from eth.constants import GENESIS_PARENT_HASH
from eth.exceptions import Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.state import PragueState
from eth.vm.spoof import SpoofTransaction
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_tester import EthereumTester, PyEVMBackend
from eth_typing import ChecksumAddress
from eth_utils.address import to_canonical_address, to_checksum_address
from hexbytes import HexBytes
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.datastructures import AttributeDict
from web3.types import TxParams, TxReceipt

from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS
from market.chain.devnet_precompiles import FastCurveComputation
from scripts import compile_contracts
from tests.evm import quicken

ROOT = Path(__file__).resolve().parents[2]
DOUBLES = ROOT / "tests" / "contracts" / "doubles"
CACHE = ROOT / ".cache" / "doubles"
TRANSACTION_GAS_CAP = 1 << 24
"""The most gas that one transaction may use (EIP-7825)."""
GENESIS_TIME = 4_000_000_000  # beyond any wall clock, which py-evm would otherwise mix in
ACCOUNTS = 80
_BLOCK_GAS_LIMIT = 40_000_000
_EXECUTION_GAS = 1 << 27


def _registered(contracts: Iterable[str], first: int) -> list[ChecksumAddress]:
    return [Web3.to_checksum_address(f"0x{first + place:040x}") for place, _ in enumerate(contracts)]


REGISTRY = (
    _registered(RULE_CONTRACTS, 0x10000),
    _registered(SCORE_CONTRACTS, 0x20000),
)
"""Where the contracts of rules and scores lie on every chain, in the order of their tables."""


class Reverted(Exception):
    """A call or transaction that failed; ``data`` is what the contract gave, empty if it ran out of gas or trapped."""

    def __init__(self, data: bytes, reason: str) -> None:
        super().__init__(reason)
        self.data = data


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decoded refusal: the error's name and its fields by their names."""

    name: str
    fields: dict[str, Any]


class Chain:
    """One in-process chain under Prague rules, with funded accounts; see the module's docstring."""

    def __init__(self, *, own_curve: bool = False) -> None:
        """Start a chain; ``own_curve`` has py-evm itself do BN254, seconds a pairing, not the devnet's kernel."""
        quicken()
        genesis = PyEVMBackend.generate_genesis_params({"timestamp": GENESIS_TIME, "gas_limit": _BLOCK_GAS_LIMIT})
        accounts = PyEVMBackend.generate_genesis_state(num_accounts=ACCOUNTS) | _rules_and_scores()
        self._backend = _Backend(genesis, accounts, ((0, PragueVM if own_curve else _FastCurveVM),))
        tester = EthereumTester(self._backend)
        self.w3 = Web3(EthereumTesterProvider(tester))
        self._tester = tester
        self.accounts: Sequence[ChecksumAddress] = self.w3.eth.accounts
        self.chain_id = self.w3.eth.chain_id

    # -- time -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The chain time, in seconds, at which calls run and the next transaction is mined."""
        return int(self._backend.chain.header.timestamp)

    def travel_to(self, timestamp: int) -> None:
        """Make ``timestamp`` the chain's time; it never runs backwards."""
        if timestamp < self.now:
            raise ValueError(f"chain time is {self.now} already")
        self._backend.chain.set_header_timestamp(timestamp)

    # -- contracts ------------------------------------------------------------------------------------------------

    def deploy(self, name: str, *args: Any, sender: str | None = None) -> Contract:
        """Deploy a published contract (its committed artifact) or a double (compiled here).

        A verifier that asks rules and scores is told those that the chain was born with; see :data:`REGISTRY`.
        """
        code = artifact(name)
        if _asks(code["abi"]):
            args = (*args, *REGISTRY)
        factory = self.w3.eth.contract(abi=code["abi"], bytecode=code["bytecode"])
        receipt = self.send(factory.constructor(*args), sender=sender)
        return self.at(name, cast(str, receipt["contractAddress"]))

    def at(self, name: str, address: str) -> Contract:
        """Return the contract ``name`` at an address."""
        contract: Contract = self.w3.eth.contract(address=Web3.to_checksum_address(address), abi=artifact(name)["abi"])
        return contract

    def call(self, function: ContractFunction, *, sender: str | None = None, value: int = 0) -> Any:
        """Run a function without a transaction, at ``now``; return what it returns.

        Raises
        ------
        Reverted
            If it fails.

        """
        fields = {"from": sender or self.accounts[0], "value": value, "gas": _BLOCK_GAS_LIMIT}
        return function.call(cast(TxParams, fields))

    def send(
        self,
        function: ContractFunction | ContractConstructor,
        *,
        sender: str | None = None,
        value: int = 0,
        gas: int = TRANSACTION_GAS_CAP,
    ) -> TxReceipt:
        """Mine a transaction at ``now``; return its receipt. The chain's time is then one second later.

        Raises
        ------
        Reverted
            If it fails; it is mined all the same.

        """
        settled = {"gas": gas, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "chainId": self.chain_id, "value": 0}
        built = function.build_transaction(cast(TxParams, settled))  # asks the chain for nothing that is given
        sent = {"to": built["to"], "data": built["data"], "gas": gas}
        return self.send_raw(sent, sender=sender, value=value)

    def send_raw(self, transaction: Mapping[str, Any], *, sender: str | None = None, value: int = 0) -> TxReceipt:
        """Mine a transaction given by ``to`` and ``data``, as :meth:`send`; a plain transfer needs ``to`` only."""
        complete = {"gas": TRANSACTION_GAS_CAP, **transaction}
        return self._backend.mine(complete | {"from": sender or self.accounts[0], "value": value})

    def execute(self, code: bytes, data: bytes, *, gas: int = _EXECUTION_GAS) -> tuple[bool, bytes, int]:
        """Run deployed code without an account or a transaction: success, output and gas of the execution alone."""
        vm = self._backend.chain.get_vm(self._backend.chain.header)
        nobody = bytes(19) + b"\xff"
        computation = vm.execute_bytecode(nobody, 0, gas, nobody, nobody, 0, data, code)
        return not computation.is_error, bytes(computation.output), computation.get_gas_used()

    def balance(self, address: str) -> int:
        """Return an account's balance in wei."""
        return self.w3.eth.get_balance(Web3.to_checksum_address(address))

    def signer(self, account: str) -> LocalAccount:
        """Return the key of one of :attr:`accounts`."""
        signer: LocalAccount = Account.from_key(self._backend._key_lookup[to_canonical_address(account)].to_bytes())
        return signer

    # -- undoing --------------------------------------------------------------------------------------------------

    @contextmanager
    def undone(self) -> Iterator[Chain]:
        """Undo at the end whatever happens to the chain inside; nests."""
        chain = self._backend.chain
        before = chain.header
        parent = chain.get_block_header_by_hash(before.parent_hash)
        try:
            yield self
        finally:
            if chain.header.parent_hash != before.parent_hash:
                chain.chaindb._set_as_canonical_chain_head(chain.chaindb.db, parent, GENESIS_PARENT_HASH)
            chain.header = before


@contextmanager
def refused(name: str, **fields: Any) -> Iterator[None]:
    """Expect the body to revert with the custom error ``name`` whose ``fields`` are as given (others are free).

    ``bytes32`` fields may be given as strings. ``Panic`` has the field ``code``, ``Error`` the field ``message``.
    """
    try:
        yield
    except Reverted as error:
        refusal = decode_refusal(error)
        expected = {key: _comparable(value) for key, value in fields.items()}
        found = {key: _comparable(refusal.fields.get(key)) for key in fields}
        if refusal.name != name or found != expected:
            raise AssertionError(f"refused with {refusal.name} {refusal.fields}, not {name} {fields}") from error
        return
    raise AssertionError(f"not refused; expected {name} {fields}")


def decode_refusal(error: Reverted) -> Refusal:
    """Return the custom error behind a revert; its name is empty where there are no data or nobody declares it."""
    entry = _published_errors().get(error.data[:4]) or _double_errors(error.data[:4])
    if entry is None:
        return Refusal("", {"data": error.data, "reason": str(error)})
    values = Web3().codec.decode([parameter["type"] for parameter in entry["inputs"]], error.data[4:])
    names = [parameter["name"] for parameter in entry["inputs"]]
    return Refusal(entry["name"], dict(zip(names, values, strict=True)))


def artifact(name: str) -> dict[str, Any]:
    """Return ABI and bytecode of a published contract, else of a double."""
    if (compile_contracts.ARTIFACTS / f"{name}.json").exists():
        return _published(name)
    file = DOUBLES / f"{name}.sol"
    return (_compiled((file,)) if file.exists() else doubles())[name]


def _asks(abi: list[dict[str, Any]]) -> bool:
    """Whether a contract's constructor takes rules and scores at its end."""
    inputs: list[Any] = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
    return [parameter["name"] for parameter in inputs][-2:] == ["ruleContracts", "scoreContracts"]


def _rules_and_scores() -> dict[bytes, dict[str, Any]]:
    """Return the genesis accounts of rules and scores: they are pure, so that their code is all there is to them."""
    names = (*RULE_CONTRACTS.values(), *SCORE_CONTRACTS.values())
    places = (address for group in REGISTRY for address in group)
    return {
        bytes.fromhex(address[2:]): {
            "balance": 0,
            "nonce": 1,
            "code": bytes.fromhex(_published(name)["deployedBytecode"][2:]),
            "storage": {},
        }
        for address, name in zip(places, names, strict=True)
    }


@cache
def doubles() -> dict[str, dict[str, Any]]:
    """Return ABI and bytecode of every contract of ``doubles/*.sol`` by name, compiling what is new or changed."""
    return _compiled(tuple(sorted(DOUBLES.glob("*.sol"))))


@cache
def _compiled(files: tuple[Path, ...]) -> dict[str, dict[str, Any]]:
    paths = {f"tests/contracts/doubles/{path.name}": CACHE / f"{path.stem}.json" for path in files}
    digests = {source: _digest(source) for source in paths}
    stale = [source for source, path in paths.items() if _cached(path, digests[source]) is None]
    if stale:
        output = compile_contracts.compile_sources(stale)
        CACHE.mkdir(parents=True, exist_ok=True)
        for source in stale:
            contracts = {name: compile_contracts.artifact(contract) for name, contract in output[source].items()}
            _write(paths[source], {"digest": digests[source], "contracts": contracts})
    found: dict[str, dict[str, Any]] = {}
    for source, path in paths.items():
        found |= _cached(path, digests[source]) or {}
    return found


@cache
def _published(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((compile_contracts.ARTIFACTS / f"{name}.json").read_text())
    return loaded


@cache
def _published_errors() -> dict[bytes, dict[str, Any]]:
    abis = [_published(path.stem)["abi"] for path in compile_contracts.ARTIFACTS.glob("*.json")]
    panic = {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]}
    text = {"type": "error", "name": "Error", "inputs": [{"name": "message", "type": "string"}]}
    return _errors_of([*abis, [panic, text]])


def _double_errors(selector: bytes) -> dict[str, Any] | None:
    """Return the error that a double declares; compiles the doubles, so published contracts are asked first."""
    return _errors_of(contract["abi"] for contract in doubles().values()).get(selector) if selector else None


def _errors_of(abis: Iterable[list[dict[str, Any]]]) -> dict[bytes, dict[str, Any]]:
    return {_selector(entry): entry for abi in abis for entry in abi if entry["type"] == "error"}


def _selector(entry: dict[str, Any]) -> bytes:
    types = ",".join(parameter["type"] for parameter in entry["inputs"])
    return bytes(Web3.keccak(text=f"{entry['name']}({types})")[:4])


def _comparable(value: Any) -> Any:
    """Bytes as they are; strings that stand for a bytes32 or an address by the bytes they stand for."""
    if isinstance(value, str) and Web3.is_address(value):
        return value.lower()
    return value.rstrip(b"\0") if isinstance(value, bytes) else value.encode() if isinstance(value, str) else value


def _digest(source: str) -> str:
    """Hash what a double's bytecode depends on: its sources, and how they are compiled."""
    modules = compile_contracts.install_modules()
    text = json.dumps(compile_contracts.gather_sources([source], modules), sort_keys=True)
    return hashlib.sha256(text.encode() + Path(compile_contracts.__file__).read_bytes()).hexdigest()


def _cached(path: Path, digest: str) -> dict[str, dict[str, Any]] | None:
    if not path.exists():
        return None
    stored = json.loads(path.read_text())
    contracts: dict[str, dict[str, Any]] = stored["contracts"]
    return contracts if stored["digest"] == digest else None


def _write(path: Path, content: dict[str, Any]) -> None:
    """Replace a file as a whole, so that test processes side by side never read half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(content, file)
    os.replace(file.name, path)


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

    def mine(self, transaction: Mapping[str, Any]) -> TxReceipt:
        """Mine a block of one transaction; return the receipt as web3 does, or raise what made it fail."""
        sender, header = to_canonical_address(transaction["from"]), self.chain.header
        unsigned = self.chain.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
            chain_id=self.chain.chain_id,
            nonce=self.chain.get_vm(header).state.get_nonce(sender),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=header.base_fee_per_gas,
            gas=transaction["gas"],
            to=to_canonical_address(transaction["to"]) if transaction["to"] else b"",
            value=transaction["value"],
            data=bytes(HexBytes(transaction.get("data", b""))),
            access_list=(),
        )
        signed = unsigned.as_signed_transaction(self._key_lookup[sender])
        _, receipt, computation = self.chain.apply_transaction(signed)
        block = self.chain.mine_block(coinbase=bytes(20), mix_hash=bytes(32), blob_gas_used=0)
        if computation.is_error:
            raise _reverted(computation)
        created = None if signed.to else to_checksum_address(computation.msg.storage_address)
        return _receipt(
            receipt, {"blockNumber": block.number, "blockHash": block.hash, "transactionHash": signed.hash}, created
        )

    def call(self, transaction: dict[str, Any], block_number: object = "latest") -> bytes:
        unsigned = self._get_normalized_and_unsigned_evm_transaction(
            {"gas": _BLOCK_GAS_LIMIT, **transaction, "max_fee_per_gas": 0, "max_priority_fee_per_gas": 0}
        )
        header = self.chain.header.copy(base_fee_per_gas=0)
        state = self.chain.get_vm(header).state
        computation = state.apply_transaction(SpoofTransaction(unsigned, from_=transaction["from"]))
        if computation.is_error:
            raise _reverted(computation)
        return bytes(computation.output)


def _reverted(computation: Any) -> Reverted:
    data = bytes(computation.output) if isinstance(computation.error, Revert) else b""
    return Reverted(data, f"{type(computation.error).__name__} {computation.error}")


def _receipt(receipt: Any, place: dict[str, Any], created: str | None) -> TxReceipt:
    """Return the receipt of the only transaction of a block as web3 gives it."""
    place = {key: HexBytes(value) if isinstance(value, bytes) else value for key, value in place.items()}
    place["transactionIndex"] = 0
    logs = [
        AttributeDict(
            {
                **place,
                "address": to_checksum_address(log.address),
                "topics": [HexBytes(topic.to_bytes(32)) for topic in log.topics],
                "data": HexBytes(log.data),
                "logIndex": at,
            }
        )
        for at, log in enumerate(receipt.logs)
    ]
    told = {**place, "status": 1, "gasUsed": receipt.gas_used, "contractAddress": created, "logs": logs}
    return cast(TxReceipt, told)
