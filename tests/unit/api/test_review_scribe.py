"""What one job's aggregator or owner publishes does not keep the others' names and reasons out of the index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from market.api import scribe as scribes
from market.api.scribe import Scribe
from market.indexer import Indexer, Reader, schema
from market.indexer.queries import Notebook
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import CHAIN_ID, MARKET, Node

pytestmark = pytest.mark.xfail(strict=True, reason="known faults: each test says what should hold")


class Held:
    """Jobs as storage tells them: whoever asks is given what the test says of each."""

    def __init__(self, jobs: Mapping[int, Any]) -> None:
        self.jobs = jobs
        self.asked: list[int] = []

    @contextlib.contextmanager
    def job(self, _chain_id: int, _market: str, job_id: int) -> Iterator[Any]:
        self.asked.append(job_id)
        yield self.jobs[job_id]


def test_a_reason_that_cannot_be_kept_stops_its_own_job_alone(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    player = Player(node, seed=11, trainers=4, rounds_each=3)
    player.create()
    for _ in range(40):
        player.step(1)
    Indexer(database, node.client()).catch_up()
    reader: Any = Reader(database)
    settled = next(one.number for one in reader.rounds(CHAIN_ID, MARKET, 1).items if one.included)
    job = SimpleNamespace(number=settled)
    files: Any = Held(dict.fromkeys((1, 2, 3), job))
    notebook = Notebook(database)
    scribe = Scribe(reader, notebook, files)
    monkeypatch.setattr(Scribe, "_name_jobs", lambda _self: None)
    monkeypatch.setattr(Scribe, "_wanted", lambda _self, _key: True)

    def of_job(self: Scribe, key: Any, found: Any) -> bool:
        if key[2] == 1:
            self._explain(key, found, SimpleNamespace(number=settled))  # type: ignore[arg-type]
        return True

    monkeypatch.setattr(Scribe, "_of_job", of_job)
    monkeypatch.setattr(scribes, "exclusions_of", lambda _job, _state: {"0x" + "1" * 40: "half \ud800"})
    scribe._due.update({(CHAIN_ID, MARKET, number): 0.0 for number in (1, 2, 3)})
    for _ in range(3):
        with contextlib.suppress(Exception):  # as its thread does
            scribe.work()
    assert files.asked[:1] == [1]
    assert {2, 3} <= set(files.asked)


def test_reasons_are_one_short_line(database: Engine) -> None:
    """They are the aggregator's words, and stand in every page's table."""
    node = Node()
    player = Player(node, seed=11, trainers=4, rounds_each=3)
    player.create()
    for _ in range(40):
        player.step(1)
    Indexer(database, node.client()).catch_up()
    reader: Any = Reader(database)
    number = next(one.number for one in reader.rounds(CHAIN_ID, MARKET, 1).items if one.included)
    trainer = reader.round(CHAIN_ID, MARKET, 1, number).updates[0].trainer
    hostile = "\u202e\n\x07" + "x" * 1_000_000
    Notebook(database).record_reasons(CHAIN_ID, MARKET, 1, number, {trainer: hostile})
    with database.connect() as connection:
        kept = connection.execute(select(schema.notes.c.reason)).scalar_one()
    assert kept.isprintable()
    assert len(kept) <= 1_000
