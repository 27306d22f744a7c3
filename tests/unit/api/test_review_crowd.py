"""Who asks for what is slow, or much, does not keep others from what is quick."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from web3 import Web3
from web3.providers.base import BaseProvider

from aggregator.errors import GramercyError
from market.api import files as files_of_jobs
from market.api.app import Parts, create_app
from market.api.files import Files
from market.api.settings import Settings
from market.api.watching import Watcher
from market.indexer.cursors import encode_cursor
from market.indexer.database import writing
from market.indexer.queries import Reader
from tests.unit.api.fake_reader import CHAIN, MARKET, FakeReader, event_of
from tests.unit.api.serving import client_of
from tests.unit.api.signing import OTHER, message, nonce_of, origin_of, verify

pytestmark = pytest.mark.xfail(strict=True, reason="known faults: each test says what should hold")
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


# -- news -----------------------------------------------------------------------------------------------------------


def test_no_event_is_left_out_however_many_come_at_once() -> None:
    reader = FakeReader()
    watcher = Watcher(reader)
    watcher.look()
    for place in range(450):
        reader.change(event_of(1, 1_000 + place, "RoundOpened", 1))
    assert sum(len(one.events) for one in watcher.look()) == 450


def test_a_reorganisation_does_not_bring_old_events_again() -> None:
    reader = FakeReader()
    watcher = Watcher(reader)
    for place in range(150):
        reader.change(event_of(1, 1_000 + place, "RoundOpened", 1))
    watcher.look()
    reader.extra.pop(0)  # the newest is taken back, and comes again one block later
    reader.change(event_of(1, 1_151, "RoundOpened", 1))
    assert sum(len(one.events) for one in watcher.look()) == 1


# -- cursors --------------------------------------------------------------------------------------------------------


def test_a_made_up_cursor_is_no_defect_of_the_server(database: Engine) -> None:
    reader: Any = Reader(database)
    with client_of(create_app(Settings(), Parts(reader, database))) as client:
        cursor = encode_cursor(["\ud800", 1, 1])
        assert client.get("/api/v1/jobs", params={"sort": "budget", "cursor": cursor}).status_code < 500


# -- files ----------------------------------------------------------------------------------------------------------


class _Opening:
    """Stands in for a job that is opened."""

    def __init__(self, _client: Any, _storage: Any, job_id: int, folder: Path) -> None:
        self.key = (job_id, folder)


def test_a_job_has_one_user_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files_of_jobs, "Job", _Opening)
    anything: Any = object()
    files = Files(lambda _chain_id, _market: anything, anything, tmp_path)
    entered, leave, second = threading.Event(), threading.Event(), threading.Event()

    def first_user() -> None:
        with files.job(1, MARKET, 1):
            entered.set()
            leave.wait(10)

    def second_user() -> None:
        with contextlib.suppress(GramercyError), files.job(1, MARKET, 1):
            second.set()

    first = threading.Thread(target=first_user)
    first.start()
    entered.wait(10)
    for job_id in range(2, 40):
        with files.job(1, MARKET, job_id):
            pass
    monkeypatch.setattr(files_of_jobs, "_WAIT_SECONDS", 0.3)
    other = threading.Thread(target=second_user)
    other.start()
    other.join()
    leave.set()
    first.join()
    assert not second.is_set()
