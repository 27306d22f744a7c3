"""Who asks for what is slow, or much, does not keep others from what is quick."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from web3 import Web3
from web3.providers.base import BaseProvider

from market.api.app import Parts, create_app
from market.api.settings import Settings
from market.indexer.database import writing
from market.indexer.queries import Reader
from tests.unit.api.fake_reader import CHAIN, MARKET, FakeReader
from tests.unit.api.serving import client_of
from tests.unit.api.signing import OTHER, message, nonce_of, origin_of, signed_in, verify

SLOW = 2.0
JOB = f"/api/v1/markets/{CHAIN}/{MARKET}/jobs"


class SlowFiles:
    """Storage that nobody answers from."""

    def report(self, *_: Any) -> bytes:
        time.sleep(SLOW)
        return b"{}"


class SlowNode(BaseProvider):
    """A node that takes its time."""

    def make_request(self, method: Any, params: Any) -> Any:
        time.sleep(SLOW)
        return {"jsonrpc": "2.0", "id": 1, "result": "0x"}


def waited_for(client: httpx.Client, path: str) -> float:
    started = time.monotonic()
    assert client.get(path).status_code == 200
    return time.monotonic() - started


def crowd(client: httpx.Client, method: str, path: str, **given: Any) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(60)
    for _ in range(60):
        pool.submit(httpx.request, method, f"{origin_of(client)}{path}", timeout=30, trust_env=False, **given)
    time.sleep(0.8)
    return pool


@pytest.mark.slow
def test_files_that_take_long_do_not_keep_the_pages_waiting(database: Engine) -> None:
    files: Any = SlowFiles()
    app = create_app(Settings(), Parts(FakeReader(), database, files=files))
    with client_of(app) as client, crowd(client, "GET", f"{JOB}/1/files/report"):
        assert waited_for(client, "/readyz") < SLOW / 4
        assert waited_for(client, "/api/v1/jobs?limit=7") < SLOW / 4


@pytest.mark.slow
def test_sign_ins_by_contracts_do_not_keep_the_pages_waiting(database: Engine) -> None:
    parts = Parts(FakeReader(), database, chains={CHAIN: Web3(SlowNode())})
    with client_of(create_app(Settings(), parts)) as client, ThreadPoolExecutor(60) as pool:

        def attempt() -> None:
            with httpx.Client(base_url=origin_of(client), trust_env=False, timeout=30) as own:
                text = message(origin_of(own), nonce_of(own), address=OTHER.address)
                verify(own, text, "0x" + "00" * 65)

        tries = [pool.submit(attempt) for _ in range(60)]
        time.sleep(1.0)
        assert waited_for(client, "/readyz") < SLOW / 4
        assert waited_for(client, "/api/v1/jobs?limit=7") < SLOW / 4
        for each in tries:
            each.result()


@pytest.mark.slow
def test_who_waits_to_write_does_not_stop_the_whole_server(database: Engine) -> None:
    """While the index is written, sign-ins wait for their turn, each with a connection of the pool in hand."""
    reader: Any = Reader(database)
    with client_of(create_app(Settings(), Parts(reader, database))) as client, ThreadPoolExecutor(25) as pool:
        url = origin_of(client)
        ask = partial(httpx.request, timeout=40.0, trust_env=False)
        assert ask("GET", f"{url}/api/v1/jobs").status_code == 200  # from now on it is answered from memory
        with writing(database).begin():
            for _ in range(20):
                pool.submit(ask, "POST", f"{url}/api/v1/auth/nonce")
            time.sleep(0.5)
            pool.submit(ask, "GET", f"{url}/api/v1/jobs")
            time.sleep(0.2)
            healthy = pool.submit(ask, "GET", f"{url}/healthz")
            time.sleep(1.5)
            answered = healthy.done()
        assert answered


@pytest.mark.slow
def test_who_finds_no_place_is_told_when_to_come_again(database: Engine) -> None:
    files: Any = SlowFiles()
    with client_of(create_app(Settings(), Parts(FakeReader(), database, files=files))) as client:
        url = f"{origin_of(client)}{JOB}/1/files/report"
        with ThreadPoolExecutor(30) as pool:
            asked = [pool.submit(httpx.get, url, timeout=30, trust_env=False) for _ in range(30)]
            answers = [one.result() for one in asked]
    refused = [one for one in answers if one.status_code == 503]
    assert 20 <= len(refused) < 30
    assert {one.status_code for one in answers} == {200, 503}
    for one in refused:
        assert one.json()["type"] == "/problems/unavailable"
        assert int(one.headers["retry-after"]) > 0
        assert one.elapsed.total_seconds() < SLOW


@pytest.mark.slow
def test_private_writes_that_wait_do_not_keep_the_pages_waiting(database: Engine) -> None:
    with client_of(create_app(Settings(), Parts(FakeReader(), database))) as client, ThreadPoolExecutor(40) as pool:
        headers = {**signed_in(client), "Cookie": "; ".join(f"{n}={v}" for n, v in client.cookies.items())}
        url = f"{origin_of(client)}/api/v1/me/drafts"
        post = partial(httpx.post, url, json={"name": "x", "body": {}}, headers=headers, timeout=60, trust_env=False)
        with writing(database).begin():  # the index is written for long
            waiting = [pool.submit(post) for _ in range(40)]
            time.sleep(0.5)
            assert waited_for(client, "/readyz") < SLOW / 2
            assert client.get("/api/v1/me").status_code == 200
        statuses = [one.result().status_code for one in waiting]
    assert set(statuses) == {201, 503}
