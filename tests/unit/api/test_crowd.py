"""Who asks for what is slow, or much, does not keep others from what is quick."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from web3 import Web3
from web3.providers.base import BaseProvider

from market.api import making
from market.api.app import Parts, create_app
from market.api.settings import Settings
from market.indexer.database import writing
from market.indexer.queries import Reader
from tests.unit.api.fake_reader import CHAIN, MARKET, FakeReader
from tests.unit.api.serving import PATIENCE, Counted, client_of
from tests.unit.api.signing import OTHER, message, nonce_of, origin_of, signed_in, verify

JOB = f"/api/v1/markets/{CHAIN}/{MARKET}/jobs"
ask = partial(httpx.request, timeout=PATIENCE, trust_env=False)


class SlowFiles:
    """Storage that nobody answers from, for job 1, until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def report(self, _chain_id: int, _market: str, job_id: int) -> bytes:
        assert job_id != 1 or self.released.wait(PATIENCE)
        return b"{}"


class SlowNode(BaseProvider):
    """A node that says nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def make_request(self, method: Any, params: Any) -> Any:
        assert self.released.wait(PATIENCE)
        return {"jsonrpc": "2.0", "id": 1, "result": "0x"}


@contextlib.contextmanager
def releasing(event: threading.Event) -> Iterator[ThreadPoolExecutor]:
    """Give threads for a crowd, which ends once what it waits for is released."""
    with ThreadPoolExecutor(60) as pool:
        try:
            yield pool
        finally:
            event.set()


def statuses(client: httpx.Client, *paths: str) -> list[int]:
    return [ask("GET", f"{origin_of(client)}{path}").status_code for path in paths]


@pytest.mark.slow
def test_files_that_take_long_do_not_keep_the_pages_waiting(database: Engine) -> None:
    files: Any = SlowFiles()
    app = Counted(create_app(Settings(), Parts(FakeReader(), database, files=files)))
    with client_of(app) as client, releasing(files.released) as pool:
        for _ in range(60):
            pool.submit(ask, "GET", f"{origin_of(client)}{JOB}/1/files/report")
        app.wait_for(60)
        assert statuses(client, "/readyz", "/api/v1/jobs?limit=7", f"{JOB}/2/files/report") == [200] * 3


@pytest.mark.slow
def test_sign_ins_by_contracts_do_not_keep_the_pages_waiting(database: Engine) -> None:
    node = SlowNode()
    app = Counted(create_app(Settings(), Parts(FakeReader(), database, chains={CHAIN: Web3(node)})))
    with client_of(app) as client, releasing(node.released) as pool:

        def attempt() -> None:
            with httpx.Client(base_url=origin_of(client), trust_env=False, timeout=PATIENCE) as own:
                text = message(origin_of(own), nonce_of(own), address=OTHER.address)
                verify(own, text, "0x" + "00" * 65)

        tries = [pool.submit(attempt) for _ in range(60)]
        app.wait_for(120)
        assert statuses(client, "/readyz", "/api/v1/jobs?limit=7") == [200] * 2
        node.released.set()
        for each in tries:
            each.result()


@pytest.mark.slow
def test_who_waits_to_write_does_not_stop_the_whole_server(database: Engine) -> None:
    """While the index is written, sign-ins wait for their turn, each with a connection of the pool in hand."""
    reader: Any = Reader(database)
    app = Counted(create_app(Settings(), Parts(reader, database)))
    with client_of(app) as client, ThreadPoolExecutor(25) as pool:
        url = origin_of(client)
        assert ask("GET", f"{url}/api/v1/jobs").status_code == 200  # from now on it is answered from memory
        with writing(database).begin():
            for _ in range(20):
                pool.submit(ask, "POST", f"{url}/api/v1/auth/nonce")
            app.wait_for(21)
            pool.submit(ask, "GET", f"{url}/api/v1/jobs")
            app.wait_for(1)
            assert ask("GET", f"{url}/healthz").status_code == 200


def test_whose_file_takes_long_is_told_when_to_come_again(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "WAIT_SECONDS", 0.1)
    files: Any = SlowFiles()
    with client_of(create_app(Settings(), Parts(FakeReader(), database, files=files))) as client:
        url = f"{origin_of(client)}{JOB}/1/files/report"
        with releasing(files.released):
            for _ in range(3):
                refused = ask("GET", url)
                assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
                assert int(refused.headers["retry-after"]) > 0
        monkeypatch.setattr(making, "WAIT_SECONDS", PATIENCE)
        assert ask("GET", url).content == b"{}"


@pytest.mark.slow
def test_private_writes_that_wait_do_not_keep_the_pages_waiting(database: Engine) -> None:
    app = Counted(create_app(Settings(), Parts(FakeReader(), database)))
    with client_of(app) as client, ThreadPoolExecutor(40) as pool:
        headers = {**signed_in(client), "Cookie": "; ".join(f"{n}={v}" for n, v in client.cookies.items())}
        url = f"{origin_of(client)}/api/v1/me/drafts"
        app.wait_for(2)
        with writing(database).begin():  # the index is written for long
            post = partial(ask, "POST", url, json={"name": "x", "body": {}}, headers=headers)
            waiting = [pool.submit(post) for _ in range(40)]
            app.wait_for(40)
            assert statuses(client, "/readyz") == [200]
            assert client.get("/api/v1/me", timeout=PATIENCE).status_code == 200
            assert not all(one.done() for one in waiting)
        found = [one.result().status_code for one in waiting]
    assert set(found) == {201, 503}
