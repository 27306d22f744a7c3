"""The devnet over HTTP: in a thread and as a process, for web3.py, batches, browsers and clients that misbehave."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from market.chain.devnet import MAX_BODY_BYTES, Devnet, spawn
from market.chain.process import ChainProcess
from market.chain.rpc import chain_time, connect, fast_forward, next_block_time
from market.chain.transactions import send
from market.errors import ChainUnreachable

PATIENCE_SECONDS = 20.0
CHAIN_ID = 4242


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet(CHAIN_ID) as running:
        yield running


@pytest.fixture(scope="module")
def client(devnet: Devnet) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=devnet.url, timeout=PATIENCE_SECONDS) as opened:
        yield opened


def _ask(client: httpx.Client, method: str, *params: Any) -> Any:
    answer = client.post("/", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    return answer.json()["result"]


# -- HTTP ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", ["http://127.0.0.1:8420", "http://localhost:5173", "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn"]
)
def test_pages_of_this_machine_and_wallets_may_ask(client: httpx.Client, page: str) -> None:
    origin = {"Origin": page}
    preflight = client.options(
        "/",
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type"
    assert preflight.headers["Access-Control-Allow-Private-Network"] == "true"

    answer = client.post("/", headers=origin, json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["result"] == hex(CHAIN_ID)


def test_nothing_is_done_for_pages_of_others(client: httpx.Client) -> None:
    """As a form sends it, which browsers do without asking the server first."""
    before = _ask(client, "eth_blockNumber")
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "evm_mine"})
    rebound = f"market.example:{client.base_url.port}"
    for page, host in (
        ("https://market.example", client.base_url.netloc.decode()),
        (f"http://{rebound}", rebound),
        ("null", client.base_url.netloc.decode()),
    ):
        headers = {"Origin": page, "Host": host, "Content-Type": "text/plain"}
        answer = client.post("/", content=call, headers=headers)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert _ask(client, "eth_blockNumber") == before


def test_malformed_bodies_get_json_rpc_errors(client: httpx.Client) -> None:
    for body in (b"", b"{", b"\x00\xff", b"[" * 500_000):
        answer = client.post("/", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32700)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_beyond_the_bound_is_refused(client: httpx.Client, streamed: bool) -> None:
    padding = b" " * MAX_BODY_BYTES
    body: Any = iter([padding, b"{}"]) if streamed else padding + b"{}"
    answer = client.post("/", content=body)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == -32600
    assert _ask(client, "eth_chainId") == hex(CHAIN_ID)


def test_notifications_have_no_body_and_other_routes_do_not_exist(client: httpx.Client) -> None:
    assert client.post("/", json={"method": "evm_mine"}).status_code == 204
    assert client.get("/").status_code == 405
    assert client.get("/docs").status_code == 404


def test_a_dropped_connection_leaves_the_server_well(client: httpx.Client, devnet: Devnet) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(devnet.url).port or 0)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert _ask(client, "eth_chainId") == hex(CHAIN_ID)


# -- clients ------------------------------------------------------------------------------------------------------


def test_web3_batches(devnet: Devnet) -> None:
    w3: Any = connect(devnet.url, expected_chain_id=CHAIN_ID)
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(w3.eth.get_balance(Web3.to_checksum_address("0x" + "11" * 20)))
        block, balance = batch.execute()
    assert balance == 0
    assert block["number"] == w3.eth.block_number


def test_many_clients_send_at_once(devnet: Devnet) -> None:
    target = Account.create().address
    accounts: list[LocalAccount] = [Account.create() for _ in range(4)]
    failures: list[BaseException] = []

    def work(account: LocalAccount) -> None:
        try:
            w3 = connect(devnet.url, expected_chain_id=CHAIN_ID)
            for _ in range(5):
                send(w3, account, {"to": target}, value=1)
        except BaseException as error:
            failures.append(error)

    for one in accounts:
        devnet.fund(one.address, 10**18)
    threads = [threading.Thread(target=work, args=(one,)) for one in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    w3 = connect(devnet.url, expected_chain_id=CHAIN_ID)
    assert failures == []
    assert w3.eth.get_balance(target) == 20
    assert [w3.eth.get_transaction_count(one.address) for one in accounts] == [5] * 4


def test_time_rises_with_the_blocks_and_stays_near_the_wall_clock(devnet: Devnet) -> None:
    w3 = connect(devnet.url, expected_chain_id=CHAIN_ID)
    account: LocalAccount = Account.create()
    devnet.fund(account.address, 10**18)
    start, first = time.time(), w3.eth.block_number + 1
    for _ in range(25):
        send(w3, account, {"to": account.address})
    took = time.time() - start
    times = [w3.eth.get_block(number)["timestamp"] for number in range(first, w3.eth.block_number + 1)]
    assert times == sorted(times)
    assert len(times) == 25
    assert times[-1] - times[0] <= took + 1


# -- life and death -----------------------------------------------------------------------------------------------


def test_two_devnets_are_two_chains_and_a_port_is_taken_once() -> None:
    with Devnet() as one, Devnet() as other:
        one.fund("0x" + "11" * 20, 7)
        assert (
            connect(other.url, expected_chain_id=31337).eth.get_balance(Web3.to_checksum_address("0x" + "11" * 20)) == 0
        )
        port = httpx.URL(one.url).port or 0
        with pytest.raises(ChainUnreachable, match="cannot listen"):
            Devnet(port=port).start()
    with Devnet(port=port) as again:
        assert again.url == one.url
    again.stop()


def test_block_time_lets_deadlines_pass_while_nobody_sends() -> None:
    with Devnet(block_time=0.02) as devnet:
        w3 = connect(devnet.url, expected_chain_id=31337)
        deadline = fast_forward(w3, 100) + 1
        patience = time.monotonic() + PATIENCE_SECONDS
        while chain_time(w3) < deadline and time.monotonic() < patience:
            pass
        assert chain_time(w3) >= deadline


def test_without_block_time_only_the_pending_block_follows_the_clock() -> None:
    with Devnet() as devnet:
        w3 = connect(devnet.url, expected_chain_id=31337)
        genesis = chain_time(w3)
        patience = time.monotonic() + PATIENCE_SECONDS
        while next_block_time(w3) == genesis and time.monotonic() < patience:
            pass
        assert next_block_time(w3) > genesis
        assert chain_time(w3) == genesis


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_devnet_process_serves_and_ends_cleanly_on_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "devnet.log"
    with spawn(chain_id=CHAIN_ID, block_time=60, log=log) as process:
        w3 = connect(process.url, expected_chain_id=CHAIN_ID)
        process.fund("0x" + "11" * 20, 5)
        process.fund("0x" + "11" * 20, 6)
        assert w3.eth.get_balance(Web3.to_checksum_address("0x" + "11" * 20)) == 11
        os.kill(process.pid, number)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert log.read_text() == ""
    with pytest.raises(ChainUnreachable):
        connect(process.url, expected_chain_id=CHAIN_ID)


def test_a_port_that_is_taken_is_told_by_exit_status_and_one_line(devnet: Devnet) -> None:
    port = str(httpx.URL(devnet.url).port)
    done = subprocess.run(
        [sys.executable, "-m", "market.chain.devnet", "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ChainUnreachable.exit_code
    assert done.stderr.count("\n") == 1
    assert port in done.stderr


def test_a_process_that_never_answers_is_ended_and_told() -> None:
    sleeper = [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)"]
    with pytest.raises(ChainUnreachable, match="did not begin to answer"):
        ChainProcess.start(sleeper, ready=lambda _: None, seconds=0.5)
    with pytest.raises(ChainUnreachable, match="exit status 3"):
        ChainProcess.start([sys.executable, "-c", "exit(3)"], ready=lambda _: None)
    with pytest.raises(ChainUnreachable, match="cannot be started"):
        ChainProcess.start(["/nonexistent/program"], ready=lambda _: None)


def test_a_process_that_talks_much_is_not_held_up(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = f"print('ready', flush=True); print('x' * 10_000_000, flush=True); open({str(done)!r}, 'w').close()"
    process = ChainProcess.start([sys.executable, "-c", code], ready=lambda line: "url" if line == "ready" else None)
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stop()
    assert done.exists()


def test_requests_in_flight_are_answered_before_the_end() -> None:
    with Devnet() as devnet, httpx.Client(base_url=devnet.url, timeout=PATIENCE_SECONDS) as client:
        spin = {"data": "0x5b5f56", "gas": hex(300_000)}  # loops until its gas is gone
        body = json.dumps({"id": 1, "method": "eth_call", "params": [spin]}).encode()
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(client.post("/", content=body).json()))
        caller.start()
        while not devnet._handler._lock.locked() and caller.is_alive():
            pass
        devnet.stop()
        caller.join(PATIENCE_SECONDS)
        assert answers[0]["error"] == {"code": -32000, "message": "out of gas"}
