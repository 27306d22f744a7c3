"""Verifiers on anvil, asked by eth_call: a real EVM that verifies in milliseconds what py-evm takes a second for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from eth_account import Account

from aggregator.srs import VerifyingKey
from market.chain.anvil import Anvil
from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS
from market.chain.rpc import connect
from market.chain.transactions import send
from tests.contracts.harness import artifact

_BATCH = 50
_TIMEOUT_SECONDS = 120.0
_REVERTED = 3
"""Error code of a call that reverted; anything else is no verdict."""


class Judge:
    """A deployed contract whose views judge calldata."""

    def __init__(self, url: str, address: str) -> None:
        self._url = url
        self._address = address
        self._session = requests.Session()

    def accepts(self, selector: bytes, arguments: Sequence[bytes]) -> Iterator[bool]:
        """Yield for each of many arguments of a function whether the contract returns."""
        for start in range(0, len(arguments), _BATCH):
            yield from self._verdicts([selector + data for data in arguments[start : start + _BATCH]])

    def _verdicts(self, calls: Sequence[bytes]) -> list[bool]:
        requested: list[Any] = [
            {
                "jsonrpc": "2.0",
                "id": at,
                "method": "eth_call",
                "params": [{"to": self._address, "data": f"0x{data.hex()}", "gas": "0x1000000"}, "latest"],
            }
            for at, data in enumerate(calls)
        ]
        answers = self._session.post(self._url, json=requested, timeout=_TIMEOUT_SECONDS).json()
        return [_verdict(answer) for answer in sorted(answers, key=lambda answer: int(answer["id"]))]

    def close(self) -> None:
        self._session.close()


@contextmanager
def judge(key: VerifyingKey, name: str = "GramVerifier") -> Iterator[Judge]:
    """Run anvil with a contract that is constructed from a reference string."""
    with Anvil() as anvil:
        deployer = Account.create()
        anvil.fund(deployer.address, 10**19)
        w3 = connect(anvil.url, expected_chain_id=anvil.chain_id)

        def create(contract: str, *arguments: Any) -> str:
            code = artifact(contract)
            factory = w3.eth.contract(abi=code["abi"], bytecode=code["bytecode"])
            return str(send(w3, deployer, factory.constructor(*arguments))["contractAddress"])

        tables = (RULE_CONTRACTS, SCORE_CONTRACTS) if name == "GramVerifier" else ()
        registry = [[create(contract) for contract in table.values()] for table in tables]
        found = Judge(anvil.url, create(name, key.words(), *registry))
        try:
            yield found
        finally:
            found.close()


def _verdict(answer: dict[str, Any]) -> bool:
    error = answer.get("error")
    if error is None:
        return True
    if error["code"] != _REVERTED:
        raise AssertionError(f"no verdict: {error}")
    return False
