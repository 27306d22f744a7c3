"""Answers that are kept are those that would be given anew, whatever happens: events, time, reorganisations."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from market.api.answers import Bodies, Body, Freshness
from market.api.app import Parts, create_app
from market.api.settings import Settings
from market.domain import Address
from market.indexer import Indexer, Reader
from market.indexer.database import open_index
from market.indexer.queries import Since
from market.indexer.views import Change, View
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import CHAIN_ID, MARKET, Node

JOB, OTHER = (CHAIN_ID, MARKET, 1), (CHAIN_ID, MARKET, 2)


class Told:
    """An index of one market, as far as answers ask for it."""

    def __init__(self) -> None:
        self.news = Since(1, {(CHAIN_ID, MARKET): 100}, ())

    def version(self) -> int:
        return self.news.version

    def since(self, version: int) -> Since:
        changes = self.news.changes
        later = None if changes is None else tuple(change for change in changes if change.version > version)
        return Since(self.news.version, self.news.times, later)

    def happens(self, *jobs: int | None, time: int = 100) -> None:
        version = self.news.version + 1
        place = {"version": version, "chain_id": CHAIN_ID, "market": MARKET, "round": None}
        changes = tuple(Change.model_validate({**place, "job_id": job_id}) for job_id in jobs)
        self.news = Since(version, {(CHAIN_ID, MARKET): time}, changes)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def fresh(told: Any) -> Freshness:
    made = Freshness(told, seconds=0.0)
    made.look()
    return made


def body(fresh: Freshness, job: tuple[int, Address, int] | None, horizon: float = float("inf")) -> Body:
    return Body(b"", None, "", "", fresh.version, float("inf"), job, horizon)


def test_an_answer_holds_while_nothing_happens_to_its_job(told: Told, fresh: Freshness) -> None:
    kept, everything = body(fresh, JOB), body(fresh, None)
    told.happens(2, None)
    fresh.look()
    assert fresh.holds(kept)
    assert not fresh.holds(body(fresh, None) if everything.version == fresh.version else everything)
    told.happens(1)
    fresh.look()
    assert not fresh.holds(kept)
    assert fresh.holds(body(fresh, JOB))


def test_an_answer_holds_until_the_jobs_phase_changes_by_itself(told: Told, fresh: Freshness) -> None:
    kept = body(fresh, JOB, horizon=110)
    told.happens(time=109)
    fresh.look()
    assert fresh.holds(kept)
    told.happens(time=110)
    fresh.look()
    assert not fresh.holds(kept)


def test_nothing_holds_when_a_chain_goes_back_in_time(told: Told, fresh: Freshness) -> None:
    kept = body(fresh, JOB)
    told.happens(time=99)
    fresh.look()
    assert not fresh.holds(kept)


def test_nothing_holds_when_what_happened_is_not_on_record(told: Told, fresh: Freshness) -> None:
    kept = body(fresh, JOB)
    told.happens()
    told.news = Since(told.news.version, told.news.times, None)
    fresh.look()
    assert not fresh.holds(kept)


def test_an_answer_from_before_a_look_does_not_count_as_newer_than_it(told: Told, fresh: Freshness) -> None:
    """What was read while the index changed is asked again."""
    before = body(fresh, JOB)
    told.happens(1)
    fresh.look()
    late = body(fresh, JOB)
    told.happens(2)
    fresh.look()
    assert (fresh.holds(before), fresh.holds(late)) == (False, True)


def test_what_is_asked_at_length_is_not_kept(fresh: Freshness) -> None:
    bodies = Bodies(fresh)
    for number in range(5_000):
        bodies.put(f"/path?{number}", body(fresh, JOB))
        bodies.put(f"/path?{number:02000}", body(fresh, JOB))
    kept = [number for number in range(5_000) if f"/path?{number}" in bodies]
    assert kept == list(range(904, 5_000)), "as many as there are places, the latest"
    assert not any(f"/path?{number:02000}" in bodies for number in kept)


@pytest.mark.slow
def test_answers_are_the_same_whether_kept_or_made_anew(tmp_path: Path) -> None:
    player = Player(Node(), seed=5, mischief=0.2, trainers=4, rounds_each=3)
    engine = open_index(f"sqlite:///{tmp_path}/index.db")
    asyncio.run(_play_and_compare(player, Indexer(engine, player.node.client()), engine))
    engine.dispose()


async def _play_and_compare(player: Player, indexer: Indexer, engine: Engine) -> None:
    app, reader, choose = create_app(Settings(), Parts(Reader(engine), engine)), Reader(engine), random.Random(3)
    app.state.bodies.fresh.seconds = 0.0
    for _ in range(3):
        player.create()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        for step in range(80):
            if step % 17 == 16:
                player.reorganise(choose.randrange(1, 7))
            player.step(choose.randrange(1, 4))
            if choose.random() < 0.3:
                player.pass_time(choose.choice((1, 20, 60)))
                player.step(choose.randrange(1, 4))
            indexer.catch_up()
            for job_id in (1, 2, 3):
                await _compare(client, reader, job_id, len(player.world.jobs[job_id - 1].rounds))


async def _compare(client: httpx.AsyncClient, reader: Reader, job_id: int, rounds: int) -> None:
    place = (CHAIN_ID, MARKET, job_id)
    views: dict[str, View] = {
        "": reader.job(*place),
        "/rounds": reader.rounds(*place),
        "/trainers": reader.trainers(*place),
        "/contributions": reader.contributions(*place),
        "/events": reader.events(CHAIN_ID, MARKET, job_id=job_id),
    }
    if rounds:
        views[f"/rounds/{rounds}"] = reader.round(*place, rounds)
    for tail, view in views.items():
        answer = await client.get(f"/api/v1/markets/{CHAIN_ID}/{MARKET}/jobs/{job_id}{tail}")
        assert answer.text == view.model_dump_json()
