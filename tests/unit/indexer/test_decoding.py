"""Logs as events: the same as web3 makes of them, and nothing of what another contract logged."""

from __future__ import annotations

from typing import Any

import pytest
from hexbytes import HexBytes
from web3 import Web3

from market.chain.artifacts import load_artifact
from market.chain.market_encoding import DECODERS
from market.domain import Deposited, JobCreated, KeyPublished, RoundSettled, SettlementOverturned, SettlementReplaced
from market.errors import ForbiddenTransition
from market.indexer.decoding import Log, decode, topic_of
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import MARKET, Node, address, encode_event


def played() -> list[dict[str, Any]]:
    """Return logs of markets on which everything happens."""
    found = []
    for seed in range(6):
        node = Node()
        player = Player(node, seed, mischief=0.3, trainers=5, rounds_each=4)
        for _ in range(2):
            player.create()
        for step in range(200):
            player.step(step % 2 + 1)
        found += [log for block in node.blocks for log in block.logs]
    rare = Node()
    gave_way = SettlementReplaced(7, 3, address("aggregator"), 12)
    overturned = SettlementOverturned(7, 3, address("challenger"), address("aggregator"), 9, 4, 12)
    rare.mine([encode_event(gave_way, None), encode_event(overturned, None)], 1)
    return [*found, *rare.blocks[1].logs]


LOGS = played()


def as_log(log: dict[str, Any]) -> Log:
    topics = b"".join(bytes.fromhex(topic[2:]) for topic in log["topics"])
    return Log(int(log["blockNumber"], 16), b"", int(log["logIndex"], 16), b"", topics, bytes.fromhex(log["data"][2:]))


def by_web3(log: dict[str, Any]) -> Any:
    contract = Web3().eth.contract(address=MARKET, abi=load_artifact("Market").abi)
    events = {contract.events[name].topic: contract.events[name] for name in (*DECODERS, "KeyPublished")}
    event = events[log["topics"][0]]
    numbers = {name: int(log[name], 16) for name in ("blockNumber", "logIndex")}
    words = {name: HexBytes(log[name]) for name in ("blockHash", "transactionHash", "data")}
    whole = {**numbers, **words, "transactionIndex": 0, "address": MARKET, "topics": list(map(HexBytes, log["topics"]))}
    args = event().process_log(whole)["args"]
    if event.event_name == "KeyPublished":
        return KeyPublished(args["account"], args["key"])
    return DECODERS[event.event_name](args)


def test_every_event_is_what_web3_makes_of_it() -> None:
    seen: dict[str, int] = {}
    for log in LOGS:
        name = type(decode(as_log(log))).__name__
        seen[name] = seen.get(name, 0) + 1
        if seen[name] <= 5:
            assert decode(as_log(log)) == by_web3(log)
    assert set(seen) >= {*DECODERS, "KeyPublished"}


def test_logs_of_other_events_are_passed_over() -> None:
    assert decode(Log(1, b"", 0, b"", b"", b"")) is None
    assert decode(Log(1, b"", 0, b"", bytes(32), b"\x01")) is None


@pytest.mark.parametrize("kind", [JobCreated, RoundSettled, Deposited])
def test_what_ends_early_is_no_event(kind: type[Any]) -> None:
    log = next(as_log(log) for log in LOGS if bytes.fromhex(log["topics"][0][2:]) == topic_of(kind.__name__))
    for spoilt in (
        Log(log.block, b"", log.index, b"", log.topics, log.data[:-1]),
        Log(log.block, b"", log.index, b"", log.topics[:-32], log.data),
    ):
        with pytest.raises(ForbiddenTransition):
            decode(spoilt)


def test_an_address_of_more_than_twenty_bytes_is_none() -> None:
    log = next(as_log(log) for log in LOGS if bytes.fromhex(log["topics"][0][2:]) == topic_of("Deposited"))
    with pytest.raises(ForbiddenTransition, match="20 bytes"):
        decode(Log(1, b"", 0, b"", log.topics[:32] + b"\x01" + log.topics[33:], log.data))


def test_a_job_beyond_all_numbers_is_none() -> None:
    log = next(as_log(log) for log in LOGS if bytes.fromhex(log["topics"][0][2:]) == topic_of("RoundSettled"))
    with pytest.raises(ForbiddenTransition, match="no job or round"):
        decode(Log(1, b"", 0, b"", log.topics[:32] + b"\xff" * 32 + log.topics[64:], log.data))
