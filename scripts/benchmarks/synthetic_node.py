"""A node without a chain: blocks of made-up logs, and answers to what an index asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from eth_abi.abi import encode
from eth_hash.auto import keccak
from web3 import Web3
from web3.providers.base import BaseProvider

from market.chain.artifacts import load_artifact
from market.chain.market import MarketClient
from market.chain.market_encoding import encode_id, encode_terms
from market.domain import JobCreated, KeyPublished, MarketEvent, RoundSettled
from market.rounds import JobState

CHAIN_ID = 31337
MARKET = Web3.to_checksum_address("0x" + "ee" * 20)
START = 1_700_000_000
AnyEvent = MarketEvent | KeyPublished


def address(name: str) -> str:
    """Return somebody's address."""
    return str(Web3.to_checksum_address(keccak(name.encode())[-20:]))


_FORWARDER = "0x" + bytes(12).hex() + address("forwarder")[2:]

# -- events as logs -------------------------------------------------------------------------------------------------

_ENTRIES = {entry["name"]: entry for entry in load_artifact("Market").abi if entry["type"] == "event"}


def _type(parameter: Any) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(map(_type, parameter["components"])) + ")" + kind[len("tuple") :]


_TYPES = {
    name: tuple([_type(one) for one in entry["inputs"] if one["indexed"] is indexed] for indexed in (True, False))
    for name, entry in _ENTRIES.items()
}
_TOPICS = {
    name: keccak(f"{name}({','.join(map(_type, entry['inputs']))})".encode()) for name, entry in _ENTRIES.items()
}


def encode_event(event: AnyEvent, job: JobState | None) -> tuple[list[str], str]:
    """Return an event's topics and data, as a node gives them; ``job`` is that of a settlement, before it."""
    name = type(event).__name__
    indexed, plain = _TYPES[name]
    values = _values(event, job)
    topics = [_TOPICS[name], *(encode([kind], [value]) for kind, value in zip(indexed, values, strict=False))]
    return ["0x" + topic.hex() for topic in topics], "0x" + encode(plain, values[len(indexed) :]).hex()


def _values(event: AnyEvent, job: JobState | None) -> list[Any]:
    if isinstance(event, JobCreated):
        return [event.job_id, event.owner, encode_terms(event.terms), event.aggregators, event.manifest_cid]
    if isinstance(event, RoundSettled) and job is not None:
        return _settled(event, job)
    return [getattr(event, name) for name in event.__dataclass_fields__]


def _settled(event: RoundSettled, job: JobState) -> list[Any]:
    posted, target, terms = event.settlement, job.rounds[-1], job.terms
    included = [commit for commit in target.commits if posted.included >> commit.index & 1]
    gram = (
        *(CHAIN_ID, MARKET, event.job_id, event.number, event.aggregator),
        *(encode_id(terms.rule), encode_id(terms.score), terms.byzantine, terms.dimension, terms.bits),
        *(terms.headroom_bits, target.opened.scale_exponent, target.budget, terms.floor_bps, terms.cap_bps),
        *(False, False, False),
        [commit.trainer for commit in included],
        [job.stakes.get(commit.trainer, 0) for commit in included],
        [
            (int.from_bytes(commit.commitment, "big") >> 2, y)
            for commit, y in zip(included, posted.commitment_ys, strict=True)
        ],
        posted.gram,
    )
    statement = (
        *(gram, posted.weights, posted.scores, posted.payouts, posted.aggregate_commitment),
        *(posted.next_scale_exponent, terms.reference, bytes(32), posted.next_memory_digest, astuple(posted.witness)),
    )
    published = (posted.included, posted.aggregate_root, posted.aggregate_cid, posted.aggregate_bytes)
    return [
        event.job_id,
        event.number,
        event.aggregator,
        statement,
        published,
        event.proof,
        event.paid,
        event.challenge_end,
    ]


# -- a node ---------------------------------------------------------------------------------------------------------


@dataclass
class Block:
    """A block of the synthetic chain: its logs are as a node gives them."""

    number: int
    hash: str
    timestamp: int
    logs: list[dict[str, Any]] = field(default_factory=list)


Answer = Callable[[str, Any, Any], Any]


class Node(BaseProvider):
    """A node with one market on it; ``intercept`` may change, or refuse, what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.global_ccip_read_enabled = False  # as ChainProvider has it
        self.blocks = [Block(0, "0x" + 64 * "0", START)]
        self.intercept: Answer = lambda _method, _params, answer: answer
        self.asked: list[str] = []

    def client(self) -> MarketClient:
        """Return the market behind this node."""
        return MarketClient(Web3(self), MARKET)

    def mine(self, encoded: Sequence[tuple[list[str], str]], timestamp: int, salt: int = 0) -> None:
        """Add a block with logs, each of a transaction of its own."""
        number = len(self.blocks)
        digest = keccak(f"{self.blocks[-1].hash}{salt}{timestamp}{encoded}".encode())
        block = Block(number, "0x" + digest.hex(), timestamp)
        for index, (topics, data) in enumerate(encoded):
            block.logs.append(
                {
                    **{"address": MARKET.lower(), "topics": topics, "data": data, "removed": False},
                    **{"blockNumber": hex(number), "blockHash": block.hash, "logIndex": hex(index)},
                    "transactionHash": "0x" + keccak(f"{block.hash}{index}".encode()).hex(),
                }
            )
        self.blocks.append(block)

    def make_request(self, method: Any, params: Any) -> Any:
        """Answer a request."""
        self.asked.append(str(method))
        return {"jsonrpc": "2.0", "id": 0, **self.intercept(method, params, self._answer(method, params))}

    def make_batch_request(self, batch_requests: Any) -> Any:
        """Answer a batch."""
        return [{**self.make_request(*request), "id": place} for place, request in enumerate(batch_requests)]

    def _answer(self, method: str, params: Any) -> dict[str, Any]:
        answers: dict[str, Callable[[], Any]] = {
            "eth_chainId": lambda: hex(CHAIN_ID),
            "eth_getCode": lambda: "0x00",
            "eth_call": lambda: _FORWARDER if params[0]["to"] == MARKET else "0x",
            "eth_getBlockByNumber": lambda: self._block(params[0]),
            "eth_getTransactionReceipt": lambda: {"gasUsed": hex(500_000)},
            "eth_getLogs": lambda: self._logs(**params[0]),
        }
        if method not in answers:
            return {"error": {"code": -32601, "message": f"no method {method}"}}
        return {"result": answers[method]()}

    def _logs(self, fromBlock: str, toBlock: str, **_: Any) -> list[dict[str, Any]]:  # noqa: N803 - as asked
        blocks = self.blocks[int(fromBlock, 16) : int(toBlock, 16) + 1]
        return [log for block in blocks for log in block.logs]

    def _block(self, tag: str) -> dict[str, Any] | None:
        number = len(self.blocks) - 1 if tag == "latest" else int(tag, 16)
        if number >= len(self.blocks):
            return None
        block = self.blocks[number]
        return {"number": hex(number), "hash": block.hash, "timestamp": hex(block.timestamp)}
