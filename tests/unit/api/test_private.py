"""Drafts and hooks: private to their account, bounded, and changed by the own page alone."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, inspect, text

from market.api.drafts import MAX_BYTES, MAX_DRAFTS, DraftStore
from market.api.errors import TooMany
from market.api.limits import Limit
from market.api.private_views import DraftGiven
from market.api.tables import metadata
from market.indexer.database import open_index
from tests.unit.api.fake_reader import CHAIN, MARKET
from tests.unit.api.signing import OTHER, WALLET, signed_in
from tests.unit.indexer.postgres import find_server, running_server

DRAFTS = "/api/v1/me/drafts"
HOOKS = "/api/v1/me/hooks"
GIVEN: dict[str, Any] = {"name": "digits", "body": {"rounds": "5", "deep": [1, {"a": None}]}}
HOOK: dict[str, Any] = {"kind": "webhook", "target": "https://192.0.2.1/", "chain_id": CHAIN, "market": MARKET}


def test_a_draft_is_kept_changed_and_deleted(client: httpx.Client) -> None:
    headers = signed_in(client)
    made = client.post(DRAFTS, json=GIVEN, headers=headers)
    assert made.status_code == 201, made.text
    path = f"{DRAFTS}/{made.json()['id']}"
    assert client.get(path).json()["body"] == GIVEN["body"]
    assert client.put(path, json={**GIVEN, "name": "later"}, headers=headers).json()["name"] == "later"
    assert [one["name"] for one in client.get(DRAFTS).json()["items"]] == ["later"]
    assert client.delete(path, headers=headers).status_code == 204
    assert client.get(path).status_code == 404


def test_an_account_sees_no_others_drafts(client: httpx.Client) -> None:
    headers = signed_in(client)
    path = f"{DRAFTS}/{client.post(DRAFTS, json=GIVEN, headers=headers).json()['id']}"
    others = signed_in(client, OTHER)
    assert client.get(DRAFTS).json()["items"] == []
    assert client.get(path).status_code == 404
    assert client.put(path, json=GIVEN, headers=others).status_code == 404
    assert client.delete(path, headers=others).status_code == 404


@pytest.mark.parametrize("path", [DRAFTS, HOOKS, f"{DRAFTS}/{'0' * 32}"])
def test_private_paths_need_a_session(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-signed-in")


def test_private_answers_are_not_stored(client: httpx.Client) -> None:
    signed_in(client)
    assert client.get(DRAFTS).headers["cache-control"] == "no-store"
    assert client.get("/api/v1/me").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "changes",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "guess"},
        {"X-CSRF-Token": "\xff"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_cross_site_request_forgery_is_refused(client: httpx.Client, changes: dict[str, str]) -> None:
    headers = {**signed_in(client), **changes}
    before = client.get(DRAFTS).json()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for method, path in (("POST", DRAFTS), ("DELETE", f"{DRAFTS}/{'0' * 32}"), ("POST", "/api/v1/auth/logout")):
        answer = client.request(method, path, json=GIVEN, headers=raw)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-origin"), (method, path)
    assert client.get(DRAFTS).json() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_form_of_another_page_is_no_draft(client: httpx.Client, kind: str) -> None:
    headers = {**signed_in(client), "Content-Type": kind}
    assert client.post(DRAFTS, content=b'{"name": "x", "body": {}}', headers=headers).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "x", "body": {"a": "\\ud800"}}',
        b'{"name": "\\ud800", "body": {}}',
        b'{"name": "a\\u0000b", "body": {}}',
        b'{"name": "", "body": {}}',
        b'{"name": "x", "body": []}',
        b'{"name": "x", "body": {}, "more": 1}',
        b'{"name": "x", "body": {"a": NaN}}',
        b'{"name": "x", "body": {"a": 1e999}}',
        b'{"name": "x", "body": {"a": ' + b"9" * 5000 + b"}}",
        b'{"name": "x", "body": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b"[" * 40_000,
        b"",
        b"\xff",
        b'{"name": "x", "body": {"a": "' + b"a" * MAX_BYTES + b'"}}',
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_a_hostile_draft_is_refused(client: httpx.Client, body: bytes) -> None:
    headers = {**signed_in(client), "Content-Type": "application/json"}
    answer = client.post(DRAFTS, content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_account_has_so_many_drafts_and_no_more(database: Engine) -> None:
    store = DraftStore(database)
    for number in range(MAX_DRAFTS):
        store.add(WALLET.address, DraftGiven(name=str(number), body={}))
    with pytest.raises(TooMany):
        store.add(WALLET.address, DraftGiven(name="more", body={}))
    store.add(OTHER.address, DraftGiven(name="first", body={}))


def test_a_draft_as_large_as_allowed_is_kept(client: httpx.Client) -> None:
    body = {"a": "ü" * ((MAX_BYTES - 8) // 2)}
    headers = signed_in(client)
    made = client.post(DRAFTS, json={"name": "large", "body": body}, headers=headers)
    assert made.status_code == 201, made.text
    assert client.get(f"{DRAFTS}/{made.json()['id']}").json()["body"] == body
    client.delete(f"{DRAFTS}/{made.json()['id']}", headers=headers)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"target": "http://127.0.0.1/"}, 422),
        ({"target": "ftp://example.com/"}, 422),
        ({"kind": "email", "target": "a@example.com"}, 422),
        ({"events": ["not a name"]}, 422),
        ({"market": "0x" + "00" * 20}, 404),
        ({"chain_id": 5}, 404),
    ],
    ids=str,
)
def test_a_hook_that_cannot_be_is_refused(client: httpx.Client, changes: dict[str, Any], status: int) -> None:
    headers = signed_in(client)
    answer = client.post(HOOKS, json={**HOOK, **changes}, headers=headers)
    assert answer.status_code == status, answer.text
    assert client.get(HOOKS).json()["items"] == []


def test_the_migration_makes_the_tables_that_are_used(database: Engine) -> None:
    found = inspect(database)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
        assert {index["name"] for index in found.get_indexes(table.name)} == {index.name for index in table.indexes}


def test_an_earlier_servers_drafts_are_kept_and_its_sessions_end(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    before = open_index(url, revision="0002")
    with before.begin() as connection:
        connection.execute(
            text("INSERT INTO drafts VALUES ('1', :account, 'n', '{}', 1.0)"), {"account": WALLET.address}
        )
        connection.execute(
            text("INSERT INTO sessions VALUES ('t', 'c', :account, 1, 1e12)"), {"account": WALLET.address}
        )
    before.dispose()
    after = open_index(url)
    assert [one.name for one in DraftStore(after).all(WALLET.address)] == ["n"]
    with after.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM sessions")) == 0
    after.dispose()


@pytest.mark.slow
def test_drafts_that_are_kept_at_once_count_as_well_where_writers_do_not_wait() -> None:
    programs = find_server()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with running_server(programs) as address:
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
            connection.execute(b"CREATE DATABASE drafts")
        engine = open_index(f"{address}/drafts".replace("postgresql:", "postgresql+psycopg:"))
        store = DraftStore(engine, _writing=Limit("keeping", 12, waiting=100, seconds=30))

        def add(number: int) -> None:
            with contextlib.suppress(TooMany):
                store.add(f"{CHAIN}:{WALLET.address}", DraftGiven(name=str(number), body={}))

        with ThreadPoolExecutor(12) as pool:
            for one in [pool.submit(add, number) for number in range(MAX_DRAFTS + 20)]:
                one.result()
        assert len(store.all(f"{CHAIN}:{WALLET.address}")) == MAX_DRAFTS
        engine.dispose()
