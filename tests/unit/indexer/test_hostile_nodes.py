"""Following a market goes on whatever a job's token answers, and whatever stands in for a node for a moment."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi.abi import encode
from sqlalchemy import Engine, select

from market.chain.rpc import ChainProvider
from market.domain import Deposited
from market.errors import ChainError
from market.indexer import Indexer, Reader, schema
from market.indexer.learning import PAUSE_SECONDS
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import MARKET, Node, address, encode_event

pytestmark = pytest.mark.slow
OFFCHAIN_LOOKUP = "0x556f1830"


@pytest.fixture
def node() -> Node:
    made = Node()
    player = Player(made, seed=11, trainers=4, rounds_each=3)
    player.create()
    for _ in range(10):
        player.step(1)
    return made


def lookup(sender: str, *urls: str) -> str:
    """Return the revert data of EIP-3668 by which a contract asks its caller to fetch from these URLs."""
    arguments = (sender, list(urls), b"", b"\1\2\3\4", b"")
    return OFFCHAIN_LOOKUP + encode(["address", "string[]", "bytes", "bytes4", "bytes"], arguments).hex()


def ran(indexer: Indexer) -> BaseException | None:
    """Let an indexer run in a thread until it has caught up; return what ended it, if anything did."""
    stop, ended = threading.Event(), []

    def run() -> None:
        try:
            indexer.run(stop, poll_seconds=0.01)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.3)
    stop.set()
    thread.join()
    return ended[0] if ended else None


def test_a_jobs_token_cannot_end_the_index(index: Engine, node: Node) -> None:
    tokens: set[str] = set()

    def hostile(method: str, params: Any, answer: Any) -> Any:
        if method != "eth_call" or params[0]["to"] == MARKET:
            return answer
        tokens.add(params[0]["to"])
        data = lookup(params[0]["to"], "https://[::ffff:127.0.0.1]:9/{sender}/{data}")
        return {"error": {"code": 3, "message": "execution reverted", "data": data}}

    indexer = Indexer(index, node.client())
    node.intercept = hostile
    assert ran(indexer) is None
    assert tokens
    assert Reader(index).status().ready


class _Page(http.server.BaseHTTPRequestHandler):
    """Answers single requests in JSON-RPC, and batches with a page, as a proxy does whose node restarts."""

    answer = b"<html>please wait</html>"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


BATCH: Any = [("eth_getBlockByNumber", ["0x1", False]), ("eth_getBlockByNumber", ["0x2", False])]


def test_a_page_in_place_of_a_batch_is_an_unreachable_chain(page: str) -> None:
    with pytest.raises(ChainError):
        ChainProvider(page, timeout=(1, 1)).make_batch_request(BATCH)


@pytest.mark.parametrize("answer", [{}, {"id": None, "error": {"code": -32600, "message": "busy"}}, "x", None, 7])
def test_answers_of_a_batch_without_a_number_are_a_chain_error(index: Engine, node: Node, answer: Any) -> None:
    indexer = Indexer(index, node.client())
    node.make_batch_request = lambda batch_requests: [answer for _ in batch_requests]  # type: ignore[method-assign]
    assert ran(indexer) is None


@pytest.mark.filterwarnings("ignore:Received batch response with missing `id`:RuntimeWarning")  # web3's own
def test_a_batch_refused_as_a_whole_is_a_chain_error(page: str) -> None:
    _Page.answer = json.dumps(
        [{"jsonrpc": "2.0", "id": None, "error": {"code": 429, "message": "slow down"}}] * 2
    ).encode()
    try:
        with pytest.raises(ChainError):
            ChainProvider(page, timeout=(1, 1)).make_batch_request(BATCH)
    finally:
        _Page.answer = b"<html>please wait</html>"


def test_a_token_is_asked_again_where_the_node_had_no_time(index: Engine, node: Node) -> None:
    """Else one answer of "too many requests" writes 1.5 USDC as 1500000 units for ever, in forms as well."""
    busy, token, now = True, address("a token"), 0.0

    def answering(method: str, params: Any, answer: Any) -> Any:
        if method != "eth_call" or params[0]["to"] != token:
            return answer
        if busy:
            return {"error": {"code": -32005, "message": "daily request count exceeded, request rate limited"}}
        kind, value = ("uint8", 6) if params[0]["data"].startswith("0x313ce567") else ("string", "USDC")
        return {"result": "0x" + encode([kind], [value]).hex()}

    def decimals() -> list[int]:
        (market,) = Reader(index).markets()
        return [amounts.token.decimals for amounts in market.amounts if amounts.token.address == token]

    deposit = encode_event(Deposited(token, address("somebody"), 1_500_000), None)
    node.mine([deposit], node.blocks[-1].timestamp + 1)
    indexer = Indexer(index, node.client(), clock=lambda: now)
    node.intercept = answering
    indexer.catch_up()
    assert Reader(index).status().ready, "events do not wait for what a token answers"
    assert decimals() == [0]
    busy = False
    indexer.step()
    assert decimals() == [0], "it is not asked again at once"
    now = PAUSE_SECONDS
    indexer.step()
    assert decimals() == [6]


def test_what_an_earlier_process_did_not_get_to_know_is_asked_again(index: Engine, node: Node) -> None:
    node.intercept = failing_calls
    Indexer(index, node.client()).catch_up()
    before = Reader(index).version()
    node.intercept = lambda _method, _params, answer: answer
    Indexer(index, node.client()).catch_up()
    with index.connect() as connection:
        verifiers = connection.execute(select(schema.verifiers.c.address)).scalars().all()
    assert verifiers == [address("verifier")]
    told = Reader(index).changes(before)
    assert [change.job_id for change in told] == [1], "whose pages are told"


def failing_calls(method: str, params: Any, answer: Any) -> Any:
    """Answer calls of other contracts than the market only that there is no time."""
    busy = {"error": {"code": -32005, "message": "too many requests"}}
    return busy if method == "eth_call" and params[0]["to"] != MARKET else answer


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32000, "message": "Execution reverted (rate limit)"},
        {"code": -32603, "message": "Error: VM Exception: reverted with reason string 'rate limit'"},
        {"code": -32005, "message": "query timeout exceeded"},
        {"code": 3, "message": "execution reverted: rate limit", "data": "0x"},
    ],
)
def test_no_words_of_a_contract_hold_the_events_up(index: Engine, node: Node, error: dict[str, Any]) -> None:
    indexer = Indexer(index, node.client())
    node.intercept = lambda method, params, answer: (
        {"error": error} if method == "eth_call" and params[0]["to"] != MARKET else answer
    )
    indexer.catch_up()
    assert Reader(index).status().markets[0].events > 0
