"""Ceremonies as files: what a contributor may start from, what breaks off, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aggregator.bn254 import GENERATOR, unpack_points
from aggregator.errors import InvalidSrs, OutOfRange
from aggregator.srs import check_srs
from market.errors import ConfigError
from market.srs import ceremony
from market.srs.files import load, states


def test_a_new_srs_is_nothing_but_generators(rounds: list[Path]) -> None:
    srs = load(rounds[0]).srs
    assert unpack_points(np.concatenate([srs.powers, srs.blinding])) == [GENERATOR] * 12
    assert srs.key.initial
    check_srs(srs, bytes(32), allow_initial=True)


@pytest.mark.parametrize("size", [-5, 0, 8, (1 << 28) + 1])
def test_sizes_that_no_srs_has_are_refused(tmp_path: Path, size: int) -> None:
    for make in (ceremony.new, ceremony.development):
        with pytest.raises(OutOfRange):
            make(tmp_path / "x", size)
    assert list(tmp_path.iterdir()) == []


def test_contributions_differ_even_with_the_same_entropy(rounds: list[Path], tmp_path: Path) -> None:
    first, one = ceremony.contribute(rounds[1], tmp_path / "1", "dave", entropy=b"dice")
    second, two = ceremony.contribute(rounds[1], tmp_path / "2", "dave", entropy=b"dice")
    assert one != two
    assert first.key.tau != second.key.tau
    assert [state.digest for state in states(first.header)][-1] == one


def test_a_contributor_starts_from_nothing_but_a_valid_srs(rounds: list[Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    data = bytearray(rounds[2].read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    public = ceremony.development(tmp_path / "development", 9).path
    for source in (damaged, public):
        with pytest.raises(InvalidSrs):
            ceremony.contribute(source, tmp_path / "out", "dave")
    with pytest.raises(InvalidSrs, match="name"):
        ceremony.contribute(rounds[1], tmp_path / "out", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "development"]


def test_nothing_is_overwritten(rounds: list[Path], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(b"mine")
    for call in (
        lambda: ceremony.new(taken, 9),
        lambda: ceremony.contribute(rounds[0], taken, "dave"),
        lambda: ceremony.contribute(rounds[0], rounds[0], "dave"),
    ):
        with pytest.raises(ConfigError, match="exists"):
            call()
    assert taken.read_bytes() == b"mine"


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_an_interrupted_contribution_leaves_the_source_as_it_was(
    rounds: list[Path], tmp_path: Path, stage: int
) -> None:
    before = rounds[2].read_bytes()
    begun: list[str] = []

    def stages(name: str, _points: int) -> Callable[[int], None]:
        begun.append(name)

        def advance(_done: int) -> None:
            if len(begun) == stage + 1:
                raise KeyboardInterrupt

        return advance

    with pytest.raises(KeyboardInterrupt):
        ceremony.contribute(rounds[2], tmp_path / "out", "dave", stages=stages)
    assert begun == ["checking points", "contributing", "checking points"][: stage + 1]
    assert list(tmp_path.iterdir()) == []
    assert rounds[2].read_bytes() == before
    file, _ = ceremony.contribute(rounds[2], tmp_path / "out", "dave")
    assert [record.name for record in file.header.contributions] == ["alice", "bob β", "dave"]


def test_the_number_of_contributions_is_bounded(
    rounds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceremony, "MAX_CONTRIBUTIONS", 3)
    ceremony.contribute(rounds[2], tmp_path / "third", "dave")
    with pytest.raises(InvalidSrs, match="at most 3"):
        ceremony.contribute(rounds[3], tmp_path / "fourth", "dave")
