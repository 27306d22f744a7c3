"""Following a market: what a node may answer, or not answer, and what is told of it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from market.domain import Deposited, PayoutClaimed, TrainerJoined, Withdrawn
from market.errors import ChainError, ChainUnreachable, NodeRefused
from market.indexer import Indexer, Reader, schema
from scripts.benchmarks import synthetic_node
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import CHAIN_ID, MARKET, Node, address, encode_event
from tests.unit.indexer.tables import derived

Answer = Callable[[str, Any, Any], Any]


@pytest.fixture
def node() -> Node:
    """A node on whose market a job has run for a while."""
    made = Node()
    player = Player(made, seed=11, trainers=4, rounds_each=3)
    player.create()
    for _ in range(40):
        player.step(1)
    return made


def count_events(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.events)).scalar_one())


def logged(node: Node) -> int:
    return sum(len(block.logs) for block in node.blocks)


def test_all_events_are_read_once(index: Engine, node: Node) -> None:
    indexer = Indexer(index, node.client())
    indexer.catch_up()
    assert count_events(index) == logged(node)
    before, version = derived(index), Reader(index).version()
    assert indexer.step() is False
    assert Indexer(index, node.client()).step() is False
    assert (derived(index), Reader(index).version()) == (before, version)


def test_a_range_that_is_too_long_is_halved_and_grows_again(index: Engine, node: Node) -> None:
    asked: list[int] = []

    def limited(method: str, params: Any, answer: Any) -> Any:
        if method != "eth_getLogs":
            return answer
        asked.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
        too_many = len(answer["result"]) > 6
        return {"error": {"code": -32005, "message": "query returned more than 6 results"}} if too_many else answer

    node.intercept = limited
    Indexer(index, node.client()).catch_up()
    assert count_events(index) == logged(node)
    assert asked[0] == len(node.blocks)
    falls = [a > b for a, b in itertools.pairwise(asked)]
    assert any(falls)
    assert not all(falls)


def test_a_refusal_of_one_block_is_told_and_tried_again(index: Engine, node: Node) -> None:
    def refusing(method: str, _params: Any, answer: Any) -> Any:
        return {"error": {"code": -32000, "message": "no logs today"}} if method == "eth_getLogs" else answer

    indexer = Indexer(index, node.client(), clock=lambda: 77.5)
    node.intercept = refusing
    with pytest.raises(NodeRefused, match="no logs today"):
        indexer.step()
    told = Reader(index).status()
    assert not told.ready
    assert told.markets[0].failure == "The node refused: no logs today."
    assert told.markets[0].failing_since == 77
    node.intercept = lambda _method, _params, answer: answer
    indexer.catch_up()
    told = Reader(index).status()
    assert told.ready
    assert told.markets[0].failure is None
    assert told.markets[0].caught_up
    assert told.markets[0].events == logged(node)


def spoilt_log(**changes: Any) -> Answer:
    def answer_with(method: str, _params: Any, answer: Any) -> Any:
        if method != "eth_getLogs" or not answer["result"]:
            return answer
        first, *others = answer["result"]
        return {"result": [{**first, **changes}, *others]}

    return answer_with


def of_block(at: int, /, **changes: Any) -> Answer:
    def answer_with(method: str, params: Any, answer: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[0] == hex(at):
            return {"result": {**answer["result"], **changes}}
        return answer

    return answer_with


@pytest.mark.slow
@pytest.mark.parametrize(
    "lie",
    [
        spoilt_log(address=address("another market")),
        spoilt_log(removed=True),
        spoilt_log(blockNumber="0xffffff"),
        spoilt_log(blockNumber="one"),
        spoilt_log(blockHash="0x" + 64 * "7"),
        spoilt_log(blockHash="0x07"),
        spoilt_log(topics=None),
        spoilt_log(topics=["0x12"]),
        spoilt_log(data="0xzz"),
        spoilt_log(transactionHash=None),
        spoilt_log(logIndex=hex(1 << 70)),
        of_block(1, hash="0x" + 64 * "8"),
        of_block(1, number="0x2"),
        of_block(1, timestamp=None),
        lambda method, _params, answer: {"result": "x"} if method == "eth_getLogs" else answer,
        lambda method, _params, answer: {} if method == "eth_getLogs" else answer,
        lambda method, _params, answer: {"result": 2 * answer["result"]} if method == "eth_getLogs" else answer,
        lambda method, _params, answer: {"result": None} if method == "eth_getTransactionReceipt" else answer,
        lambda _method, params, answer: {"result": None} if params and params[0] == "latest" else answer,
    ],
)
def test_answers_that_contradict_themselves_are_refused(index: Engine, node: Node, lie: Answer) -> None:
    indexer = Indexer(index, node.client())
    node.intercept = lie
    with pytest.raises(ChainError):
        indexer.catch_up()
    assert count_events(index) == 0
    assert Reader(index).status().markets[0].failure
    node.intercept = lambda _method, _params, answer: answer
    indexer.catch_up()
    assert count_events(index) == logged(node)


def test_a_chain_that_changes_while_it_is_read_is_read_again(index: Engine, node: Node) -> None:
    other = Node()
    player = Player(other, seed=12, trainers=4, rounds_each=3)
    player.create()
    for _ in range(40):
        player.step(1)
    indexer = Indexer(index, node.client())
    old, new = node.blocks, other.blocks

    def turning(method: str, _params: Any, answer: Any) -> Any:
        if method == "eth_getLogs":
            node.blocks = new
        return answer

    node.intercept = turning
    with pytest.raises(ChainUnreachable, match="reorganised"):
        indexer.step()
    assert count_events(index) == 0
    node.intercept = lambda _method, _params, answer: answer
    indexer.catch_up()
    assert count_events(index) == sum(len(block.logs) for block in new) > 0
    assert node.blocks is not old


def test_a_node_that_is_behind_is_waited_for(index: Engine, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_node, "CHAIN_ID", 1)
    now = [0.0]
    indexer = Indexer(index, node.client(), clock=lambda: now[0])
    indexer.catch_up()
    before, cut = derived(index), node.blocks[-5:]
    del node.blocks[-5:]
    for now[0] in (1.0, 30.0, 60.0):
        with pytest.raises(ChainUnreachable, match="behind"):
            indexer.step()
        assert derived(index) == before
    now[0] = 61.5
    indexer.catch_up()  # by now the chain has become shorter
    assert count_events(index) == logged(node)
    node.blocks.extend(cut)
    indexer.catch_up()
    assert derived(index) == before


def test_a_node_that_caught_up_again_is_forgiven(index: Engine, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_node, "CHAIN_ID", 1)
    now = [0.0]
    indexer = Indexer(index, node.client(), clock=lambda: now[0])
    indexer.catch_up()
    for now[0] in (10.0, 100.0):
        cut = node.blocks[-5:]
        del node.blocks[-5:]
        with pytest.raises(ChainUnreachable, match="behind"):
            indexer.step()
        node.blocks.extend(cut)
        indexer.catch_up()


def test_what_the_reducer_forbids_breaks_its_job_alone(index: Engine, node: Node) -> None:
    claim = encode_event(PayoutClaimed(1, 1, address("nobody"), 5, address("nobody")), None)
    node.mine([claim], node.blocks[-1].timestamp + 1)
    indexer = Indexer(index, node.client())
    indexer.catch_up()
    reader = Reader(index)
    fault = reader.job(CHAIN_ID, MARKET, 1).summary.fault
    assert fault is not None
    assert "not owed" in fault
    before = reader.job(CHAIN_ID, MARKET, 1)
    more = [encode_event(TrainerJoined(1, address("late"), 10**16), None)]
    node.mine([*more, *_created(2)], node.blocks[-1].timestamp + 1)
    indexer.catch_up()
    assert reader.job(CHAIN_ID, MARKET, 1).summary.trainers == before.summary.trainers
    assert reader.job(CHAIN_ID, MARKET, 2).summary.fault is None
    assert reader.events(CHAIN_ID, MARKET, job_id=1).items[0].name == "TrainerJoined"
    assert reader.status().markets[0].fault is None


def _created(job_id: int) -> list[tuple[list[str], str]]:
    other = Player(Node(), seed=1)
    other.create()
    return [encode_event(replace(other.world.jobs[0].created, job_id=job_id), None)]


def test_events_that_no_market_logs_are_told_of_the_whole_market(index: Engine, node: Node) -> None:
    forbidden = encode_event(Withdrawn("0x" + 40 * "0", address("poor"), 1, address("poor")), None)
    number = len(node.blocks)
    node.mine([forbidden, (forbidden[0], "0x12")], node.blocks[-1].timestamp)
    Indexer(index, node.client()).catch_up()
    fault = Reader(index).status().markets[0].fault
    assert fault == f"Withdrawn that the free balances do not allow (block {number}, log 0)"
    names = [event.name for event in Reader(index).events(CHAIN_ID, MARKET, limit=2).items]
    assert names == ["Unreadable", "Withdrawn"]
    assert Reader(index).job(CHAIN_ID, MARKET, 1).summary.fault is None


def test_a_fault_that_is_reorganised_away_is_forgotten(new_index: Callable[[], Engine], node: Node) -> None:
    index, after = new_index(), node.blocks[-1].timestamp
    forbidden = encode_event(Withdrawn("0x" + 40 * "0", address("poor"), 1, address("poor")), None)
    node.mine([forbidden], after)
    indexer = Indexer(index, node.client())
    indexer.catch_up()
    del node.blocks[-1:]
    node.mine([encode_event(Deposited("0x" + 40 * "0", address("poor"), 1), None)], after)
    indexer.catch_up()
    assert Reader(index).status().markets[0].fault is None
    fresh = new_index()
    Indexer(fresh, node.client()).catch_up()
    assert derived(fresh) == derived(index)


def test_a_market_read_from_too_late_a_block_says_so(index: Engine, node: Node) -> None:
    Indexer(index, node.client(), first_block=5).catch_up()
    status = Reader(index).status().markets[0]
    assert status.first_block == 5
    assert "created before the first block" in str(status.fault)
    assert Reader(index).jobs().total == 0


def test_several_markets_share_an_index(new_index: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    shared, alone = new_index(), new_index()
    nodes = [Node(), Node()]
    indexers = []
    for chain_id, node in zip((31337, 1337), nodes, strict=True):
        monkeypatch.setattr(synthetic_node, "CHAIN_ID", chain_id)
        player = Player(node, seed=chain_id, mischief=0.2, trainers=4, rounds_each=3)
        player.create()
        for _ in range(40):
            player.step(1)
        indexers.append(Indexer(shared, node.client()))
    threads = [threading.Thread(target=one.catch_up) for one in indexers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(synthetic_node, "CHAIN_ID", 31337)
    Indexer(alone, nodes[0].client()).catch_up()
    markets = Reader(shared).markets()
    assert sorted(market.chain_id for market in markets) == [1337, 31337]
    assert [market.jobs for market in markets] == [1, 1]
    mine, expected = Reader(shared).market(31337, MARKET), Reader(alone).market(31337, MARKET)
    assert mine.amounts == expected.amounts
    for number in range(1, Reader(alone).rounds(31337, MARKET, 1).total + 1):
        assert Reader(shared).round(31337, MARKET, 1, number) == Reader(alone).round(31337, MARKET, 1, number)
    assert Reader(shared).status().version == Reader(shared).version()


def test_two_indexers_of_one_market_do_not_disturb_each_other(new_index: Callable[[], Engine], node: Node) -> None:
    index, alone = new_index(), new_index()
    pair = [Indexer(index, node.client()) for _ in range(2)]
    more = [True, True]
    while any(more):
        for one in pair:
            one._range = 4
        more = [one.step() for one in pair]
    node.mine(_created(2), node.blocks[-1].timestamp + 1)
    for one in reversed(pair):
        one.catch_up()
    Indexer(alone, node.client()).catch_up()
    assert derived(index) == derived(alone)


def test_following_goes_on_through_failures_until_it_is_stopped(index: Engine, node: Node) -> None:
    stop, refused = threading.Event(), [0]

    def sometimes(method: str, _params: Any, answer: Any) -> Any:
        if method == "eth_getLogs" and refused[0] < 3:
            refused[0] += 1
            raise ChainUnreachable("not now")
        if method == "eth_getLogs":
            threading.Timer(0.2, stop.set).start()
        return answer

    indexer = Indexer(index, node.client())
    node.intercept = sometimes
    indexer.run(stop, poll_seconds=0.001)
    assert refused == [3]
    assert count_events(index) == logged(node)


def test_changes_are_told_in_order(index: Engine, node: Node) -> None:
    indexer = Indexer(index, node.client())
    indexer._range = 10
    indexer.catch_up()
    reader = Reader(index)
    everything = reader.changes(0, limit=1000)
    versions = [change.version for change in everything]
    assert versions == sorted(versions)
    assert {change.job_id for change in everything} == {1, None}
    part = reader.changes(0, limit=3)
    assert part == everything[: len(part)]
    assert {change.version for change in part}.isdisjoint(change.version for change in everything[len(part) :])
    assert reader.changes(reader.version()) == ()


def test_heads_without_events_are_not_kept_for_ever(index: Engine, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market.indexer.book.HEADS", 5)
    indexer = Indexer(index, node.client())
    indexer.catch_up()
    for _ in range(12):
        node.mine([], node.blocks[-1].timestamp)
        indexer.step()
    with index.connect() as connection:
        columns = schema.blocks.c
        heads = connection.execute(select(columns.number).where(columns.eventful.is_(False))).scalars().all()
    assert sorted(heads) == list(range(len(node.blocks) - 5, len(node.blocks)))
