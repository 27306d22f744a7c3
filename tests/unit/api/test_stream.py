"""Live changes: told as they are indexed, continued after a break, and never of somebody's private data."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from market.api.routes.stream import missed_since
from market.api.watching import HEAD_SECONDS, Watcher
from tests.unit.api.fake_reader import CHAIN, MARKET, FakeReader, event_of


def changes(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    """Yield the data of `change` events."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_a_change_is_told_with_its_job_and_round(client: httpx.Client, reader: FakeReader) -> None:
    with client.stream("GET", "/api/v1/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        reader.change(event_of(2, 60, "RoundSettled", 3))
        told = next(one for one in changes(lines) if one["job_id"] is not None)
    assert told == {"chain_id": CHAIN, "market": MARKET, "job_id": 2, "round": 3, "version": reader.version()}


def test_who_missed_changes_is_told_so(client: httpx.Client, reader: FakeReader) -> None:
    before = reader.version()
    reader.change(event_of(3, 61, "RoundOpened", 2))
    with client.stream("GET", "/api/v1/stream", headers={"Last-Event-ID": str(before)}) as answer:
        told = next(changes(answer.iter_lines()))
    assert (told["job_id"], told["round"], told["version"]) == (3, 2, reader.version())


def test_who_missed_too_much_is_told_that_everything_changed(reader: FakeReader) -> None:
    for _ in range(500):
        reader.change(event_of(1, 62, "RoundOpened", 2))
    (told,) = missed_since(str(reader.version() - 400), reader)
    assert (told.job_id, told.version) == (None, reader.version())
    assert missed_since(str(reader.version()), reader) == []


@pytest.mark.parametrize("last", ["-1", "x", "9" * 400, "²"])
def test_a_nonsensical_last_event_is_none(client: httpx.Client, last: str) -> None:
    with client.stream("GET", "/api/v1/stream", headers=[(b"Last-Event-ID", last.encode())]) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()) == "retry: 2000"


def test_a_look_tells_new_events_oldest_first_and_once(reader: FakeReader) -> None:
    watcher = Watcher(reader)
    (first,) = watcher.look()
    assert (first.events, first.changes) == ((), ())
    reader.change(event_of(1, 70, "RoundOpened", 4))
    reader.change(event_of(2, 71, "RoundOpened", 5))
    (news,) = watcher.look()
    assert [event.block for event in news.events] == [70, 71]
    assert {(change.job_id, change.round) for change in news.changes} == {(1, 4), (2, 5)}
    assert watcher.look() == []


def test_new_heads_alone_change_the_market_now_and_then(reader: FakeReader) -> None:
    watcher = Watcher(reader)
    watcher.look()
    for _ in range(3):
        reader.change()
        assert watcher.look() == []
    watcher._told -= HEAD_SECONDS  # what was not told then is told now, though nothing came since
    assert [(change.job_id, change.round) for change in watcher.look()[0].changes] == [(None, None)]


def test_a_reorganisation_is_told_with_what_came_instead(reader: FakeReader) -> None:
    reader.change(event_of(1, 70, "RoundOpened", 4))
    watcher = Watcher(reader)
    watcher.look()
    reader.take_back(event_of(1, 69, "RoundOpened", 4))
    (news,) = watcher.look()
    assert [event.block for event in news.events][-1] == 69
    assert [(change.job_id, change.round) for change in news.changes] == [(1, 4)]
