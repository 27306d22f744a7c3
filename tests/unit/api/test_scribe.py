"""What one job's aggregator or owner publishes does not keep the others' names and reasons out of the index."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from market.api import scribe as scribes
from market.api.files import MAX_REASON, plain_reasons
from market.api.scribe import Scribe
from market.services.manifest import Manifest
from market.storage.cid import Cid
from tests.unit.api.fake_reader import CHAIN, MARKET, TRAINERS, FakeReader


class Held:
    """Files whose jobs of odd numbers raise what no layer expects."""

    storage = None

    def __init__(self) -> None:
        self.asked: list[int] = []

    @contextlib.contextmanager
    def job(self, _chain_id: int, _market: str, job_id: int) -> Iterator[Any]:
        self.asked.append(job_id)
        if job_id % 2:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        yield SimpleNamespace(state=SimpleNamespace(settled_rounds=()))


class Written:
    """A notebook that cannot take some names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def unnamed(self, limit: int = 50) -> tuple[tuple[int, str, int, bytes], ...]:
        return tuple((CHAIN, MARKET, number, bytes([number])) for number in (1, 2, 3))

    def set_name(self, manifest_cid: bytes, name: str) -> None:
        if "\ud800" in name:
            raise UnicodeEncodeError("utf-8", name, 0, 1, "surrogates not allowed")
        self.names.append(name)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def scribe(held: Held, monkeypatch: pytest.MonkeyPatch) -> Scribe:
    files: Any = held
    notebook: Any = Written()
    monkeypatch.setattr(Scribe, "_wanted", lambda _self, _key: True)
    return Scribe(FakeReader(), notebook, files)


def test_one_jobs_trouble_does_not_stop_the_others(scribe: Scribe, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scribe, "_name_jobs", lambda _self: None)
    scribe.look_everywhere()
    scribe.work()
    assert sorted(held.asked) == [1, 2, 3, 4, 5]
    scribe.work()
    assert len(held.asked) == 5  # what failed waits its time
    monkeypatch.setattr(scribes, "RETRY_SECONDS", 0.0)
    scribe._due = dict.fromkeys(scribe._due, 0.0)
    scribe.work()
    assert sorted(held.asked[5:]) == [1, 3, 5]


def test_a_name_that_cannot_be_kept_does_not_stop_the_others(scribe: Scribe, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {1: "first", 2: "half \ud800", 3: "third"}
    monkeypatch.setattr(Cid, "parse", lambda cid: cid)
    monkeypatch.setattr(scribes, "get_bytes", lambda _storage, cid, *, max_bytes: cid)
    monkeypatch.setattr(Manifest, "from_bytes", lambda data: SimpleNamespace(name=names[data[0]]))
    scribe.work()
    notebook: Any = scribe.notebook
    assert notebook.names == ["first", "third"]


@pytest.mark.parametrize("told", ["\u202e\n\x07", "half \ud800", "a\x00b", "\u2028\u200e"])
def test_reasons_are_short_plain_lines_about_the_rounds_trainers(told: str) -> None:
    """They are the aggregator's words, and stand in every page's table."""
    state: Any = SimpleNamespace(commits=[SimpleNamespace(trainer=trainer) for trainer in TRAINERS])
    given = {TRAINERS[0]: told + "x" * 1_000_000, TRAINERS[1]: told, "somebody else" * 99: "x", "0x" + "1" * 40: "x"}
    kept = plain_reasons(given, state)
    assert set(kept) <= set(TRAINERS[:2])
    assert len(kept[TRAINERS[0]]) == MAX_REASON
    for reason in kept.values():
        assert reason.isprintable()
        reason.encode()
