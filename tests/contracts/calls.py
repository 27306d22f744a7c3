"""The calls of the market, by one job or by one account, as tests make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from web3.contract import Contract
from web3.contract.contract import ContractFunction

from market.chain.market_encoding import encode_settlement
from market.domain import NATIVE_COIN, JobTerms, Settlement
from tests.contracts.encoding import calldata

__all__ = ["Calls", "calldata", "escrow_value"]


class Calls:
    """The calls on one job."""

    def __init__(self, market: Contract, job_id: int) -> None:
        self._functions: Any = market.functions
        self._id = job_id

    def join(self, stake: int, permit: bytes = b"") -> ContractFunction:
        return self._call("joinJob", stake, permit)

    def leave(self, recipient: str) -> ContractFunction:
        return self._call("leaveJob", recipient)

    def name(self, aggregator: str) -> ContractFunction:
        return self._call("nameAggregator", aggregator)

    def open(self) -> ContractFunction:
        return self._call("openRound")

    def commit_reference(self, value: tuple[int, int], payload: bytes, size: int = 77) -> ContractFunction:
        return self._call("commitReference", value, payload, size)

    def commit(self, number: int, value: tuple[int, int], payload: bytes, size: int = 77) -> ContractFunction:
        return self._call("commitUpdate", number, value, payload, size)

    def settle(self, number: int, settlement: Settlement, proof: bytes = b"") -> ContractFunction:
        return self._call("settleRound", number, encode_settlement(settlement), proof)

    def release(self, number: int) -> ContractFunction:
        return self._call("releaseBond", number)

    def challenge(self, number: int, evidence: bytes = b"") -> ContractFunction:
        return self._call("challengeSettlement", number, evidence)

    def challenge_update(self, number: int, index: int, evidence: bytes = b"") -> ContractFunction:
        return self._call("challengeUpdate", number, index, evidence)

    def claim(self, numbers: Sequence[int], recipient: str) -> ContractFunction:
        return self._call("claim", list(numbers), recipient)

    def extend(self, rounds: int, round_budget: int, deadline: int, permit: bytes = b"") -> ContractFunction:
        return self._call("extendJob", rounds, round_budget, deadline, permit)

    def stop(self) -> ContractFunction:
        return self._call("stopJob")

    def close(self) -> ContractFunction:
        return self._call("closeJob")

    def _call(self, name: str, *arguments: Any) -> ContractFunction:
        call: ContractFunction = getattr(self._functions, name)(self._id, *arguments)
        return call


def escrow_value(terms: JobTerms) -> int:
    """Return the coins to send along when a job is created."""
    return terms.escrow if terms.token == NATIVE_COIN else 0
