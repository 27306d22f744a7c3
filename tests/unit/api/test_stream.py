"""Live changes: told as they are indexed, continued after a break, and never of somebody's private data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from market.api.routes import stream as streams
from market.api.routes.stream import Hub, missed_since
from market.api.watching import HEAD_SECONDS, News, Watcher
from market.indexer.views import Change
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


def test_no_event_is_left_out_however_many_come_at_once(reader: FakeReader) -> None:
    watcher = Watcher(reader)
    watcher.look()
    for place in range(450):
        reader.change(event_of(1, 1_000 + place, "RoundOpened", 1))
    (news,) = watcher.look()
    assert [event.block for event in news.events] == list(range(1_000, 1_450))
    assert len(news.changes) == 450


def test_a_reorganisation_does_not_bring_old_events_again(reader: FakeReader) -> None:
    watcher = Watcher(reader)
    for place in range(350):
        reader.change(event_of(1, 1_000 + place, "RoundOpened", 1))
    watcher.look()
    reader.extra.pop(0)  # the newest is taken back, and comes again one block later
    reader.change(event_of(1, 1_351, "RoundOpened", 1))
    assert [event.block for event in watcher.look()[0].events] == [1_351]
    reader.extra[:3] = []
    reader.change(event_of(1, 1_347, "RoundOpened", 1))
    assert [event.block for event in watcher.look()[0].events] == []  # told before, at this very place
    reader.change(event_of(1, 1_352, "RoundOpened", 1))
    assert [event.block for event in watcher.look()[0].events] == [1_352]


def test_after_a_restart_a_lost_place_brings_what_may_have_been_reorganised(reader: FakeReader) -> None:
    for block in range(1_000, 1_300):
        reader.change(event_of(1, block, "RoundOpened", 1))
    gone = (1_299, 5, "0x" + "ee" * 32)
    (news,) = Watcher(reader, resume=lambda _chain_id, _market: gone).look()
    assert [event.block for event in news.events] == list(range(1_299 - 64, 1_300))


def test_a_listener_that_fails_is_told_again_and_keeps_nothing_from_the_others(reader: FakeReader) -> None:
    told: list[int] = []
    failing: list[int] = []
    broken = [True]

    def fails(news: list[News]) -> None:
        if broken[0]:
            raise OSError
        failing.extend(event.block for one in news for event in one.events)

    watcher = Watcher(reader, [fails, lambda news: told.extend(event.block for one in news for event in one.events)])
    watcher.look()
    for block in (70, 71):
        reader.change(event_of(1, block, "RoundOpened", 4))
        watcher.spread(watcher.look())
    assert (failing, told) == ([], [70, 71])
    broken[0] = False
    watcher.spread([])
    assert (failing, told) == ([70, 71], [70, 71])


def test_whoever_has_most_streams_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 3)

    async def scene() -> list[bool]:
        hub = Hub()
        opened = []
        for peer in ("a", "b", "b", "b", "c"):
            stream = hub.stream([], peer)
            await anext(stream)
            opened.append(stream)
        assert hub.streams == 3
        hub.close()
        ended = []
        for stream in opened:
            ended.append([part async for part in stream] == [])
            await stream.aclose()
        assert hub.streams == 0
        return ended

    assert all(asyncio.run(scene()))


def test_a_crowd_of_one_client_does_not_shut_another_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)

    async def scene() -> tuple[bytes, list[bytes]]:
        hub = Hub()
        mine, crowd = hub.stream([], "me"), [hub.stream([], "crowd") for _ in range(5)]
        for stream in (mine, *crowd):
            await anext(stream)
        change = Change(chain_id=CHAIN, market=MARKET, job_id=1, round=1, version=7)
        hub._spread([change])
        told = await anext(mine)
        ended = [part async for part in crowd[0]]
        for stream in (mine, *crowd):
            await stream.aclose()
        return told, ended

    told, ended = asyncio.run(scene())
    assert b'"version":7' in told
    assert ended == []
