"""Files of jobs: one user at a time, bounded memory and disk, whatever jobs claim to need."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from market.api import files as files_of_jobs
from market.api.errors import TooLarge, Unavailable
from market.api.files import Files
from tests.unit.api.fake_reader import MARKET, TRAINERS


class Opening:
    """Stands in for a job that is opened: of few entries, with as much on disk as a test wants."""

    entries, powers = 100, 1_000

    def __init__(self, _client: Any, _storage: Any, job_id: int, folder: Path) -> None:
        self.job_id, self.workdir, self.now = job_id, folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.market = SimpleNamespace(srs_size=lambda _verifier: self.powers, srs_digest=lambda _verifier: b"\1" * 32)

    @property
    def state(self) -> Any:
        terms = SimpleNamespace(dimension=self.entries, verifier="0x" + "1" * 40)
        return SimpleNamespace(terms=terms, settled_rounds=())

    def refresh(self) -> None:
        """Nothing happens here."""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Files:
    monkeypatch.setattr(files_of_jobs, "Job", Opening)
    monkeypatch.setattr(files_of_jobs, "_WAIT_SECONDS", 0.05)
    anything: Any = object()
    return Files(lambda _chain_id, _market: anything, anything, tmp_path)


def test_a_job_has_one_user_at_a_time_however_many_others_are_opened(files: Files) -> None:
    with files.job(1, MARKET, 1):
        for job_id in range(2, 40):
            with files.job(1, MARKET, job_id):
                pass
        with pytest.raises(Unavailable), files.job(1, MARKET, 1):
            pass
    with files.job(1, MARKET, 1):
        pass
    assert len(files._jobs) <= 33


def test_a_model_of_any_size_is_not_derived(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    monkeypatch.setattr(files_of_jobs, "download_model", lambda job, _path: begun.append(job.job_id))
    for entries, powers in ((60_000_000, 1_000), (100, 1 << 28)):
        monkeypatch.setattr(Opening, "entries", entries)
        monkeypatch.setattr(Opening, "powers", powers)
        with pytest.raises(TooLarge) as caught:
            files.model(1, MARKET, 1)
        assert caught.value.status == 422
    assert begun == []


def test_large_models_are_derived_one_at_a_time_small_ones_beside_them(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        small, large, another = (stack.enter_context(files.job(1, MARKET, number)) for number in (1, 2, 3))
        for job in (large, another):
            monkeypatch.setattr(job, "entries", 10_000_000)
        with files.deriving(large), files.deriving(small), pytest.raises(Unavailable), files.deriving(another):
            pass
        with files.deriving(another):
            pass


def test_a_model_is_whole_or_absent_and_derived_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def download(_job: Any, path: Path) -> int:
        path.write_bytes(b"model")
        begun.append(path.name)
        if len(begun) == 1:
            raise ConnectionResetError
        return 0

    monkeypatch.setattr(files_of_jobs, "download_model", download)
    with pytest.raises(ConnectionResetError):
        files.model(1, MARKET, 1)
    for _ in range(2):
        path, settled = files.model(1, MARKET, 1)
        assert (path.read_bytes(), settled) == (b"model", 0)
    assert len(set(begun)) == len(begun) == 2
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_was_used_the_longest_ago_makes_room_on_disk(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_of_jobs, "MAX_KEPT_BYTES", 100_000)

    def fill(job_id: int) -> Path:
        with files.job(1, MARKET, job_id) as job:
            (job.workdir / "model").write_bytes(bytes(30_000))
            return job.workdir

    first, second = fill(1), fill(2)
    fill(1)
    with files.job(1, MARKET, 2):  # in use: it stays, however old
        third, fourth, fifth = fill(3), fill(4), fill(5)
        assert [one.exists() for one in (first, second, third)] == [False, True, False]
    assert [one.exists() for one in (second, fourth, fifth)] == [True, False, True]
    assert sum(1 for _ in files.folder.iterdir()) == 2
    with files.job(1, MARKET, 1) as job:
        assert job.workdir.exists()


def test_what_an_earlier_process_left_counts_as_well(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_of_jobs, "MAX_KEPT_BYTES", 50_000)
    left = files.folder / "cache-1-0x00-job-9"
    left.mkdir()
    (left / "model").write_bytes(bytes(60_000))
    with files.job(1, MARKET, 1):
        pass
    assert not left.exists()


def test_reasons_are_fetched_once_for_a_settlement(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def exclusions(_job: Any, state: Any) -> dict[str, str]:
        asked.append(state.number)
        return {TRAINERS[0]: "too\nlong"} if state.number == 1 else {}

    def settled(number: int, commitment: bytes) -> Any:
        settlement = SimpleNamespace(aggregate_commitment=commitment)
        commits = [SimpleNamespace(trainer=TRAINERS[0])]
        return SimpleNamespace(number=number, settled=SimpleNamespace(settlement=settlement), commits=commits)

    monkeypatch.setattr(files_of_jobs, "exclusions_of", exclusions)
    monkeypatch.setattr(files_of_jobs, "withheld_until", lambda _terms, _state, _now: None)
    with files.job(1, MARKET, 1) as job:
        for _ in range(2):
            assert files.reasons(job, settled(1, b"a")) == {TRAINERS[0]: "toolong"}
            assert files.reasons(job, settled(2, b"a")) == {}
        files.reasons(job, settled(1, b"b"))
    assert asked == [1, 2, 1]
    with files.job(1, MARKET, 1) as job:
        monkeypatch.setattr(files_of_jobs, "withheld_until", lambda _terms, _state, _now: 7)
        for _ in range(2):
            files.reasons(job, settled(3, b"a"))
    assert asked == [1, 2, 1, 3, 3]


def test_a_job_that_is_waited_for_can_be_had_afterwards(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_of_jobs, "_WAIT_SECONDS", 10.0)
    entered, leave, second = threading.Event(), threading.Event(), threading.Event()

    def use_first() -> None:
        with files.job(1, MARKET, 1):
            entered.set()
            assert leave.wait(10)

    def use_second() -> None:
        with files.job(1, MARKET, 1):
            second.set()

    threads = [threading.Thread(target=use_first), threading.Thread(target=use_second)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    assert not second.is_set()
    leave.set()
    assert second.wait(10)
    for thread in threads:
        thread.join()
