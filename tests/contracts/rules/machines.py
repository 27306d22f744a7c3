"""Two machines that run pure contracts on many inputs: py-evm in this process, and anvil for thousands at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import requests
from web3 import Web3

from market.chain.anvil import Anvil
from tests.contracts.harness import Chain, artifact

_BATCH = 256
_BATCH_GAS = 1 << 46
_MEMORY_BYTES = 1 << 32
_TARGET = "0x" + "11" * 20
_PROBE = "0x" + "22" * 20
_PATIENCE_SECONDS = 300


class Outcome(NamedTuple):
    """What a call gave: its output, or the data it reverted with. ``gas`` is 0 where the machine does not count."""

    ok: bool
    data: bytes
    gas: int


class Machine(Protocol):
    def run(self, code: bytes, calls: Sequence[bytes]) -> list[Outcome]:
        """Call the contract with the deployed ``code`` once with each calldata."""
        ...


class PyEvm:
    """py-evm, without transactions: ``gas`` is what the execution takes, no base fee and no calldata in it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def run(self, code: bytes, calls: Sequence[bytes]) -> list[Outcome]:
        return [Outcome(*self._chain.execute(code, call)) for call in calls]


class AnvilMachine:
    """anvil, hundreds of calls in one ``eth_call``, by a probe that asks the contract in a loop."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self._url, self._session = url, session
        probe = artifact("PureProbe")
        self._rpc("anvil_setCode", _PROBE, probe["deployedBytecode"])
        self._ask = Web3().eth.contract(abi=probe["abi"])

    def run(self, code: bytes, calls: Sequence[bytes]) -> list[Outcome]:
        self._rpc("anvil_setCode", _TARGET, "0x" + code.hex())
        starts = range(0, len(calls), _BATCH)
        return [outcome for start in starts for outcome in self._run(calls[start : start + _BATCH])]

    def _run(self, calls: Sequence[bytes]) -> Iterator[Outcome]:
        data = self._ask.encode_abi("ask", [_TARGET, list(calls)])
        answer = self._rpc("eth_call", {"to": _PROBE, "data": data, "gas": hex(_BATCH_GAS)}, "latest")
        (outcomes,) = Web3().codec.decode(["(bool,bytes)[]"], bytes.fromhex(answer[2:]))
        return (Outcome(ok, data, 0) for ok, data in outcomes)

    def _rpc(self, method: str, *parameters: Any) -> Any:
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = self._session.post(self._url, json=body, timeout=_PATIENCE_SECONDS).json()
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]


@contextmanager
def anvil_machine() -> Iterator[AnvilMachine]:
    """Run an anvil whose calls may take any gas."""
    with _RoomyAnvil() as anvil, requests.Session() as session:
        yield AnvilMachine(anvil.url, session)


class _RoomyAnvil(Anvil):
    def _command(self) -> list[str]:
        room = ["--gas-limit", str(_BATCH_GAS), "--memory-limit", str(_MEMORY_BYTES), "--no-request-size-limit"]
        return [*super()._command(), *room]
