"""Reads: what the index says, in pages, with tags that spare sending it twice, and problems in a form of their own."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from market.api import answers
from market.api.problems import Problem
from market.indexer import views as v
from tests.unit.api.fake_reader import CHAIN, ETHER, MARKET, OWNER, TRAINERS, FakeReader, event_of

ROOT = "/api/v1"
OF_MARKET = f"{ROOT}/markets/{CHAIN}/{MARKET}"
JOB = f"{OF_MARKET}/jobs/1"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (f"{ROOT}/markets", v.Page[v.Market]),
        (OF_MARKET, v.Market),
        (f"{OF_MARKET}/events", v.Page[v.EventView]),
        (f"{ROOT}/jobs", v.Page[v.JobSummary]),
        (JOB, v.JobDetail),
        (f"{JOB}/rounds", v.Page[v.RoundSummary]),
        (f"{JOB}/rounds/2", v.RoundDetail),
        (f"{JOB}/rounds/2/evidence", v.Evidence),
        (f"{JOB}/rounds/2/similarity", v.Similarity),
        (f"{JOB}/contributions", v.Contributions),
        (f"{JOB}/trainers", v.Page[v.TrainerOfJob]),
        (f"{JOB}/events", v.Page[v.EventView]),
        (f"{OF_MARKET}/accounts/{TRAINERS[0]}", v.Account),
        (f"{OF_MARKET}/accounts/{TRAINERS[0]}/jobs", v.Page[v.JobOfTrainer]),
        (f"{OF_MARKET}/accounts/{OWNER}/events", v.Page[v.EventView]),
    ],
)
def test_every_read_answers_with_its_view(client: httpx.Client, path: str, model: type[v.View]) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    model.model_validate(_with_integers(answer.json()))


def _with_integers(value: object) -> object:
    """Undo the decimal strings of amounts, as a client in Python would."""
    if isinstance(value, dict):
        return {key: _with_integers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_integers(one) for one in value]
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def test_amounts_are_decimal_strings(client: httpx.Client) -> None:
    assert client.get(JOB).json()["summary"]["escrow"] == str(2 * ETHER)


def test_pages_follow_each_other_to_the_end(client: httpx.Client) -> None:
    seen, cursor = [], None
    while True:
        page = client.get(f"{ROOT}/jobs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [job["job_id"] for job in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [5, 4, 3, 2, 1]
    assert page["total"] == 5


def test_addresses_are_found_in_any_case(client: httpx.Client) -> None:
    assert client.get(f"{ROOT}/markets/{CHAIN}/{MARKET.lower()}").json()["address"] == MARKET


def test_who_has_the_answer_gets_304_until_something_changes(client: httpx.Client, reader: FakeReader) -> None:
    path = f"{OF_MARKET}/events"
    first = client.get(path)
    tag = first.headers["etag"]
    again = client.get(path, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    reader.change(event_of(1, 50, "RoundOpened", 4))
    changed = client.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["items"][0]["round"] == 4


def test_the_same_question_of_the_same_state_is_asked_once(client: httpx.Client, reader: FakeReader) -> None:
    first = client.get(f"{ROOT}/jobs")
    before = reader.queries
    for _ in range(3):
        assert client.get(f"{ROOT}/jobs").json() == first.json()
    assert reader.queries == before
    reader.change()
    client.get(f"{ROOT}/jobs")
    assert reader.queries == before + 1


def test_how_long_ago_the_chain_was_asked_is_never_old(
    client: httpx.Client, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get(OF_MARKET)
    late = reader.markets()[0]
    late = late.model_copy(update={"head": late.head.model_copy(update={"lag_seconds": 77.0})})
    monkeypatch.setattr(reader, "market", lambda _chain_id, _address: late)
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + answers.LAGGING_SECONDS)
    assert client.get(OF_MARKET).json()["head"]["lag_seconds"] == 77.0


def test_long_answers_are_compressed_for_who_takes_that(client: httpx.Client) -> None:
    path = f"{JOB}/rounds/1/evidence"
    packed = client.get(path, headers={"Accept-Encoding": "gzip"})
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) // 4
    assert "accept-encoding" in packed.headers["vary"].lower()
    assert packed.json() == plain.json()


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        (f"{ROOT}/nothing", 404, "not-found"),
        (f"{OF_MARKET}/jobs/77", 404, "not-found"),
        (f"{ROOT}/markets/1/{MARKET}", 404, "not-found"),
        (f"{JOB}/rounds/0", 422, "invalid-input"),
        (f"{JOB}/rounds/{1 << 63}", 422, "invalid-input"),
        (f"{ROOT}/markets/{CHAIN}/0x12", 422, "invalid-input"),
        (f"{ROOT}/jobs?limit=201", 422, "invalid-input"),
        (f"{ROOT}/jobs?status=lost", 422, "invalid-input"),
        (f"{ROOT}/jobs?cursor=%21%21", 422, "invalid-input"),
    ],
)
def test_errors_are_problem_details(client: httpx.Client, path: str, status: int, kind: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = Problem.model_validate(answer.json())
    assert (told.type, told.status) == (f"/problems/{kind}", status)
    assert told.request_id == answer.headers["x-request-id"]


def test_a_problem_names_the_parameter(client: httpx.Client) -> None:
    told = client.get(f"{ROOT}/jobs?limit=0").json()
    assert [one["pointer"] for one in told["errors"]] == ["query/limit"]


def test_the_method_must_fit(client: httpx.Client) -> None:
    answer = client.post(f"{ROOT}/markets")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["type"] == "/problems/method-not-allowed"


def test_defects_show_nothing_of_the_inside(
    client: httpx.Client, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> tuple[v.Market, ...]:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(reader, "markets", fail)
    answer = client.get(f"{ROOT}/markets")
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal"
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"]


def test_the_description_covers_every_answer(client: httpx.Client) -> None:
    document = client.get(f"{ROOT}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path.startswith(ROOT):
                assert "default" in operation["responses"], path
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])
