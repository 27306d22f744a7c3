"""The user's SRS files: found by digest, verified once each, never trusted after a change."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from aggregator.errors import InvalidSrs, OutOfRange
from market.srs import cache, ceremony, files
from market.srs.files import SrsFile, Stages, load, no_stages

SIZE = 9


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chosen = tmp_path / "cache"
    monkeypatch.setenv("GRAMERCY_SRS", str(chosen))
    return chosen


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were verified, in order."""
    seen: list[Path] = []

    def verify(file: SrsFile, *, stages: Stages = no_stages) -> None:
        seen.append(file.path)
        files.verify(file, stages=stages)

    monkeypatch.setattr(cache, "verify", verify)
    return seen


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_the_folder_is_the_users_cache_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAMERCY_SRS")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == Path("/somewhere/gramercy/srs")


def test_a_stored_srs_is_found_by_its_digest(final: Path, verified: list[Path]) -> None:
    digest = load(final).key.digest
    assert cache.find(digest) is None
    stored = cache.store(final)
    assert stored.path == cache.srs_path(digest)
    assert stored.path.read_bytes() == final.read_bytes()
    found = cache.find(digest)
    assert found is not None
    assert found.key == load(final).key
    assert len(verified) == 1
    cache.store(final)
    assert len(verified) == 1


def test_a_file_anywhere_is_verified_once_until_it_changes(final: Path, tmp_path: Path, verified: list[Path]) -> None:
    copy = tmp_path / "copy.srs"
    shutil.copyfile(final, copy)
    for _ in range(3):
        cache.open_verified(copy)
    assert verified == [copy]
    os.utime(copy, ns=(1, 1))
    cache.open_verified(copy)
    assert verified == [copy] * 2
    shutil.copyfile(final, tmp_path / "other")
    (tmp_path / "other").replace(copy)
    cache.open_verified(copy)
    assert verified == [copy] * 3


def test_a_change_is_found_even_with_the_old_time(final: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.srs"
    shutil.copyfile(final, copy)
    cache.open_verified(copy)
    before = copy.stat()
    damage(copy)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InvalidSrs):
        cache.open_verified(copy)


def test_a_note_for_another_file_or_without_sense_does_not_count(
    final: Path, tmp_path: Path, folder: Path, verified: list[Path]
) -> None:
    copy = tmp_path / "copy.srs"
    shutil.copyfile(final, copy)
    cache.open_verified(copy)
    (note,) = (folder / "verified").iterdir()
    good = json.loads(note.read_text())
    for text in ("", "[]", "{", "null", json.dumps({**good, "digest": "0" * 64}), json.dumps({**good, "inode": 1})):
        note.write_text(text)
        cache.open_verified(copy)
    assert len(verified) == 7


def test_another_srs_than_the_expected_one_is_refused(rounds: list[Path], tmp_path: Path) -> None:
    wanted = load(rounds[3]).key.digest
    for attempt in (cache.open_verified, cache.store):
        with pytest.raises(InvalidSrs, match="is the SRS"):
            attempt(rounds[2], digest=wanted)
    cache.store(rounds[3])
    shutil.copyfile(rounds[2], cache.srs_path(wanted))
    with pytest.raises(InvalidSrs, match="is the SRS"):
        cache.find(wanted)


def test_only_a_valid_srs_is_stored(rounds: list[Path], tmp_path: Path, folder: Path) -> None:
    bad = tmp_path / "bad.srs"
    shutil.copyfile(rounds[3], bad)
    damage(bad)
    for path in (bad, rounds[0]):
        with pytest.raises(InvalidSrs):
            cache.store(path)
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_damaged_file_in_the_folder_is_refused_and_replaced(final: Path) -> None:
    digest = load(final).key.digest
    path = cache.store(final).path
    damage(path)
    with pytest.raises(InvalidSrs):
        cache.find(digest)
    cache.store(final)
    assert path.read_bytes() == final.read_bytes()
    assert cache.find(digest) is not None


def test_a_folder_that_cannot_be_written_costs_time_but_no_trust(
    final: Path, folder: Path, verified: list[Path]
) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"a file where the folder should be")
    for _ in range(2):
        cache.open_verified(final)
    assert len(verified) == 2


def test_the_development_srs_is_computed_once_and_again_when_damaged(
    monkeypatch: pytest.MonkeyPatch, verified: list[Path]
) -> None:
    real, computed = ceremony.development, []

    def development(path: Path, size: int, *, stages: Stages = no_stages, replace: bool = False) -> SrsFile:
        computed.append(size)
        return real(path, size, stages=stages, replace=replace)

    monkeypatch.setattr(ceremony, "development", development)
    first = cache.development(SIZE)
    again = cache.development(SIZE)
    assert first.key == again.key
    assert first.key.development
    assert (computed, verified) == ([SIZE], [])
    damage(first.path)
    assert cache.development(SIZE).key == first.key
    assert cache.development(SIZE + 1).size == SIZE + 1
    assert computed == [SIZE, SIZE, SIZE + 1]
    shutil.copyfile(cache.development(SIZE + 1).path, first.path)
    assert cache.development(SIZE).size == SIZE


def test_digests_of_another_length_and_impossible_sizes_are_refused() -> None:
    with pytest.raises(OutOfRange):
        cache.srs_path(b"short")
    with pytest.raises(OutOfRange):
        cache.development(0)
