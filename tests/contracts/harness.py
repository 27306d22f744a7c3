"""A chain for contract tests: an EVM in this process, compiled doubles, exact time, refusals by name.

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

The EVM is revm, or py-evm where ``GRAMERCY_TEST_EVM=py-evm``; ``test_evms.py`` holds that both do the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.types import TxReceipt

from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS
from scripts import compile_contracts
from tests.contracts.encoding import Call, Views, calldata, returned
from tests.contracts.node import BLOCK_GAS_LIMIT, CHAIN_ID, EXECUTION_GAS, Node, Reverted, keys
from tests.contracts.pyevm_node import PyEvmNode
from tests.contracts.revm_node import RevmNode

__all__ = ["REGISTRY", "TRANSACTION_GAS_CAP", "Chain", "Refusal", "Reverted", "artifact", "decode_refusal", "refused"]

ROOT = Path(__file__).resolve().parents[2]
DOUBLES = ROOT / "tests" / "contracts" / "doubles"
CACHE = ROOT / ".cache" / "doubles"
EVM_VARIABLE = "GRAMERCY_TEST_EVM"
"""Environment variable: the EVM of a chain that is not told, ``revm`` or ``py-evm``."""
TRANSACTION_GAS_CAP = 1 << 24
"""The most gas that one transaction may use (EIP-7825)."""


def _registered(contracts: Iterable[str], first: int) -> list[ChecksumAddress]:
    return [Web3.to_checksum_address(f"0x{first + place:040x}") for place, _ in enumerate(contracts)]


REGISTRY = (
    _registered(RULE_CONTRACTS, 0x10000),
    _registered(SCORE_CONTRACTS, 0x20000),
)
"""Where the contracts of rules and scores lie on every chain, in the order of their tables."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A decoded refusal: the error's name and its fields by their names."""

    name: str
    fields: dict[str, Any]


class Chain:
    """One in-process chain under Prague rules, with funded accounts; see the module's docstring."""

    def __init__(self, *, evm: str | None = None, own_curve: bool = False) -> None:
        """Start a chain on ``revm`` or ``py-evm``, by default as the environment says.

        ``own_curve`` has py-evm do BN254 itself, seconds a pairing, instead of by the devnet's kernel.
        """
        evm = "py-evm" if own_curve else evm or os.environ.get(EVM_VARIABLE, "revm")
        contracts = _rules_and_scores()
        self._node: Node = RevmNode(contracts) if evm == "revm" else PyEvmNode(contracts, own_curve=own_curve)
        self.w3 = self._node.w3
        self.accounts: Sequence[ChecksumAddress] = tuple(keys())
        self.chain_id = CHAIN_ID
        self._contracts: dict[tuple[str, str], Contract] = {}

    # -- time -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The chain time, in seconds, at which calls run and the next transaction is mined."""
        return self._node.now

    def travel_to(self, timestamp: int) -> None:
        """Make ``timestamp`` the chain's time; it never runs backwards."""
        if timestamp < self.now:
            raise ValueError(f"chain time is {self.now} already")
        self._node.travel_to(timestamp)

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
        if (name, address) not in self._contracts:
            abi = artifact(name)["abi"]
            self._contracts[name, address] = self.w3.eth.contract(address=Web3.to_checksum_address(address), abi=abi)
        return self._contracts[name, address]

    def call(self, function: Call, *, sender: str | None = None, value: int = 0) -> Any:
        """Run a function without a transaction, at ``now``; return what it returns.

        Raises
        ------
        Reverted
            If it fails.

        """
        data = calldata(function)
        answer = self._node.call(sender or self.accounts[0], function.address, data, value, BLOCK_GAS_LIMIT)
        return returned(function, answer)

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
        if isinstance(function, ContractConstructor):
            to, data = None, bytes(HexBytes(function.data_in_transaction))
        else:
            to, data = function.address, calldata(function)
        return self._node.mine(sender or self.accounts[0], to, data, value, gas)

    def send_raw(self, transaction: Mapping[str, Any], *, sender: str | None = None, value: int = 0) -> TxReceipt:
        """Mine a transaction given by ``to`` and ``data``, as :meth:`send`; a plain transfer needs ``to`` only."""
        data, gas = bytes(HexBytes(transaction.get("data", b""))), transaction.get("gas", TRANSACTION_GAS_CAP)
        return self._node.mine(sender or self.accounts[0], transaction["to"] or None, data, value, gas)

    def execute(self, code: bytes, data: bytes, *, gas: int = EXECUTION_GAS) -> tuple[bool, bytes, int]:
        """Run deployed code without an account or a transaction: success, output and gas of the execution alone."""
        return self._node.execute(code, data, gas)

    def balance(self, address: str) -> int:
        """Return an account's balance in wei."""
        return self._node.balance(address)

    def signer(self, account: str) -> LocalAccount:
        """Return the key of one of :attr:`accounts`."""
        signer: LocalAccount = Account.from_key(keys()[Web3.to_checksum_address(account)].to_bytes())
        return signer

    # -- undoing --------------------------------------------------------------------------------------------------

    @contextmanager
    def undone(self) -> Iterator[Chain]:
        """Undo at the end whatever happens to the chain inside; nests."""
        with self._node.undone():
            yield self


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


@cache
def views_of(name: str, address: str) -> Views:
    """Return the views of the contract ``name`` at an address: what :meth:`Chain.at` has, quicker to ask."""
    return Views(artifact(name)["abi"], address)


def _asks(abi: list[dict[str, Any]]) -> bool:
    """Whether a contract's constructor takes rules and scores at its end."""
    inputs: list[Any] = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
    return [parameter["name"] for parameter in inputs][-2:] == ["ruleContracts", "scoreContracts"]


def _rules_and_scores() -> dict[bytes, bytes]:
    """Return the code of rules and scores by their addresses: they are pure, so that it is all there is to them."""
    names = (*RULE_CONTRACTS.values(), *SCORE_CONTRACTS.values())
    places = (address for group in REGISTRY for address in group)
    return {
        bytes.fromhex(address[2:]): bytes.fromhex(_published(name)["deployedBytecode"][2:])
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
