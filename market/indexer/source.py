"""Where an index reads a market from: heads, blocks, logs, and a few facts, each checked when it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from web3.exceptions import Web3RPCError
from web3.types import RPCEndpoint

from market.chain import tokens
from market.chain.market import MarketClient
from market.chain.relays import forwarder_of
from market.chain.rpc import raise_if_busy
from market.domain import Address
from market.errors import ChainUnreachable, ContractRefused, NodeRefused, WrongChain
from market.indexer.decoding import Log
from market.indexer.verifiers import read_verifier

BATCH = 100
"""Requests sent at once."""


@dataclass(frozen=True, slots=True)
class BlockMark:
    """A block, as far as an index has to do with it."""

    number: int
    hash: bytes
    timestamp: int


@dataclass(frozen=True, slots=True)
class VerifierFacts:
    """Digest and words of a verifier's reference string, as far as the chain tells them."""

    digest: bytes | None
    words: bytes | None


class Source(Protocol):
    """One market on one chain. Every method raises ChainError when it has no answer that can be relied on."""

    @property
    def chain_id(self) -> int:
        """The chain's id."""

    @property
    def address(self) -> Address:
        """The market's address."""

    def forwarder(self) -> Address:
        """Return the forwarder that the market trusts."""

    def head(self) -> BlockMark:
        """Return the newest block."""

    def blocks(self, numbers: Sequence[int]) -> list[BlockMark | None]:
        """Return blocks by number; None for those that the node does not have."""

    def logs(self, first: int, last: int) -> list[Log]:
        """Return the market's logs in blocks first..last, in order."""

    def gas_used(self, transactions: Sequence[bytes]) -> list[int]:
        """Return what transactions took."""

    def token(self, address: Address) -> tokens.Token:
        """Return how amounts of a token are written."""

    def verifier(self, address: Address, block: int) -> VerifierFacts:
        """Return what a verifier that was there by ``block`` tells of its reference string."""


class RpcSource:
    """A market behind a node's JSON-RPC.

    Parameters
    ----------
    client
        The market.

    """

    def __init__(self, client: MarketClient) -> None:
        self._client = client
        self._address = bytes.fromhex(client.address[2:])

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._client.chain_id

    @property
    def address(self) -> Address:
        """The market's address."""
        return Address(self._client.address)

    def forwarder(self) -> Address:
        """Return the forwarder that the market trusts."""
        return forwarder_of(self._client)

    def head(self) -> BlockMark:
        """Return the newest block."""
        (found,) = self._ask([("eth_getBlockByNumber", ["latest", False])])
        mark = _mark(found)
        if mark is None:
            raise ChainUnreachable("the node has no newest block")
        return mark

    def blocks(self, numbers: Sequence[int]) -> list[BlockMark | None]:
        """Return blocks by number; None for those that the node does not have."""
        marks = list(map(_mark, self._ask([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])))
        for number, mark in zip(numbers, marks, strict=True):
            if mark is not None and mark.number != number:
                raise _distrusted(f"asked for block {number} it gives block {mark.number}")
        return marks

    def logs(self, first: int, last: int) -> list[Log]:
        """Return the market's logs in blocks first..last, in order.

        Raises
        ------
        NodeRefused
            If the node limits the range or the number of results, or gives what was not asked for.

        """
        query = {"address": self.address, "fromBlock": hex(first), "toBlock": hex(last)}
        (found,) = self._ask([("eth_getLogs", [query])])
        if not isinstance(found, list):
            raise _distrusted("asked for logs it gives something else")
        logs = sorted(map(self._log, found), key=lambda log: (log.block, log.index))
        places = {(log.block, log.index) for log in logs}
        if len(places) != len(logs) or any(not first <= log.block <= last for log in logs):
            raise _distrusted("it gives logs twice, or of blocks that were not asked for")
        return logs

    def gas_used(self, transactions: Sequence[bytes]) -> list[int]:
        """Return what transactions took."""
        asked = [("eth_getTransactionReceipt", ["0x" + tx.hex()]) for tx in transactions]
        return [_quantity(receipt, "gasUsed") for receipt in self._ask(asked)]

    def token(self, address: Address) -> tokens.Token:
        """Return how amounts of a token are written; one that does not tell is counted in units."""
        try:
            return tokens.describe(self._client.w3, address)
        except WrongChain:
            return tokens.Token(address, 0, "units")

    def verifier(self, address: Address, block: int) -> VerifierFacts:
        """Return what a verifier that was there by ``block`` tells of its reference string."""
        try:
            digest = self._client.srs_digest(address)
        except NodeRefused as refused:
            if isinstance(refused.__cause__, Web3RPCError):
                raise_if_busy(refused.__cause__)
            return VerifierFacts(None, None)
        except (WrongChain, ContractRefused):
            return VerifierFacts(None, None)
        return VerifierFacts(digest, read_verifier(self._client.w3, address, digest, block))

    def _log(self, given: Any) -> Log:
        if not isinstance(given, dict) or given.get("removed"):
            raise _distrusted("it gives a log that was removed, or none")
        if _data(given, "address") != self._address:
            raise _distrusted("it gives a log of another contract")
        topics = given.get("topics")
        if not isinstance(topics, list) or len(topics) > 4:  # noqa: PLR2004 - of an EVM log
            raise _distrusted("a log has no topics")
        return Log(
            block=_quantity(given, "blockNumber"),
            block_hash=_data(given, "blockHash", 32),
            index=_quantity(given, "logIndex"),
            tx=_data(given, "transactionHash", 32),
            topics=b"".join(_bytes(topic, 32) for topic in topics),
            data=_data(given, "data"),
        )

    def _ask(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Return the results of requests, in order; batches keep the waiting short, and formatting is left out."""
        found: list[Any] = []
        for start in range(0, len(requests), BATCH):
            part = [(RPCEndpoint(method), params) for method, params in requests[start : start + BATCH]]
            found.extend(self._batch(part) if len(part) > 1 else [self._single(*part[0])])
        return found

    def _single(self, method: RPCEndpoint, params: list[Any]) -> Any:
        return _result(self._client.w3.provider.make_request(method, params))

    def _batch(self, part: list[tuple[RPCEndpoint, list[Any]]]) -> list[Any]:
        answers: Any = self._client.w3.provider.make_batch_request(part)  # type: ignore[attr-defined]
        numbered = isinstance(answers, list) and all(_is_numbered(answer) for answer in answers)
        if not numbered or len(answers) != len(part):
            return [self._single(*request) for request in part]  # some nodes take no batches, or not now
        return list(map(_result, sorted(answers, key=lambda answer: int(answer["id"]))))


def _is_numbered(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("id"), int)


def _result(answer: Any) -> Any:
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is not None:
        words = str(error.get("message") if isinstance(error, dict) else error)
        raise NodeRefused(f"The node refused: {words}.", reason=words)
    if not isinstance(answer, dict) or "result" not in answer:
        raise _distrusted("its answer is none")
    return answer["result"]


def _mark(given: Any) -> BlockMark | None:
    if given is None:
        return None
    return BlockMark(_quantity(given, "number"), _data(given, "hash", 32), _quantity(given, "timestamp"))


def _quantity(given: Any, name: str) -> int:
    try:
        value = int(given[name], 16)
    except (KeyError, TypeError, ValueError):
        raise _distrusted(f"{name} is missing") from None
    if not 0 <= value < 1 << 63:
        raise _distrusted(f"{name} is out of range")
    return value


def _data(given: Any, name: str, size: int | None = None) -> bytes:
    return _bytes(given.get(name) if isinstance(given, dict) else None, size)


def _bytes(text: Any, size: int | None = None) -> bytes:
    try:
        data = bytes.fromhex(text[2:])
    except (TypeError, ValueError):
        raise _distrusted("data are not hexadecimal") from None
    if text[:2] != "0x" or (size is not None and len(data) != size):
        raise _distrusted("data have the wrong length")
    return data


def _distrusted(words: str) -> NodeRefused:
    return NodeRefused(f"The node's answer cannot be relied on: {words}.", reason=words)
