"""scripts/bench rules at tiny sizes: its rows, and outputs equal to those of byzfl, byzpy and flwr where installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aggregator.rules import RULES
from scripts.benchmarks import app
from scripts.benchmarks.peers_environment import AGGREGATION
from scripts.benchmarks.rules.limit import Limit, build
from scripts.benchmarks.rules.main import LIBRARIES
from scripts.benchmarks.rules.updates import SCALE_EXPONENT, byzantine_of, dequantised, load, prepare

STEP = 2.0**SCALE_EXPONENT


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAMERCY_BENCH_CACHE", str(tmp_path))


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert app.main(["rules", *arguments, "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rules"]
    return rows


@pytest.mark.slow
def test_rows_tell_time_memory_and_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ("multi-krum", "fltrust", "foolsgold", "coordinate-median")
    names = [argument for name in wanted for argument in ("--rule", name)]
    rows = rows_of(capsys, "--no-peers", "--size", "7,3000", "--repeat", "1", *names)
    assert sorted(row["rule"] for row in rows) == sorted(wanted)
    for row in rows:
        assert (row["n"], row["d"], row["byzantine"]) == (7, 3000, 1)
        assert row["median_ms"] == pytest.approx(sum(row["steps_ms"].values()))
        assert row["peak_bytes"] > row["extra_bytes"] >= 0
        assert row["peer"] is None
        if "limit_ms" in row:
            assert row["ratio_to_limit"] == pytest.approx(row["median_ms"] / row["limit_ms"])
    chosen = next(row for row in rows if row["rule"] == "multi-krum")
    assert chosen["accepted"] == list(range(1, 7))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LIBRARIES if name != "mda"])
def test_outputs_are_those_of_the_peers(capsys: pytest.CaptureFixture[str], name: str) -> None:
    if not AGGREGATION.python.exists():
        pytest.skip("the peers are not installed: `scripts/bench rules --quick` does it")
    (row,) = rows_of(capsys, "--size", "11,20000", "--repeat", "1", "--rule", name)
    found = {peer["name"]: peer for peer in row["peers"]}
    assert set(found) == set(LIBRARIES[name])
    for library in found.values():
        assert "failed" not in library, library
    differing = {library for library, peer in found.items() if not peer["same_output"]}
    assert differing <= DIFFERENT.get(name, set())


DIFFERENT: dict[str, set[str]] = {
    "bulyan": {"flwr"},  # which of two entries is taken that are equally near to the median
    "caf": {"byzfl", "byzpy"},  # both start their power iteration at random
    "geometric-median": {"byzpy"},  # iterates from the median until it stands still
    "nnm+geometric-median": {"byzpy"},
}
"""Where definitions differ."""


def test_updates_are_the_same_for_all_sides(tmp_path: Path) -> None:
    path = prepare(tmp_path, 5, 1_000)
    written = path.stat().st_mtime_ns
    assert prepare(tmp_path, 5, 1_000).stat().st_mtime_ns == written
    whole = load(str(path), 5, 1_000)
    assert whole.shape == (6, 1_000)
    assert np.array_equal(dequantised(str(path), 5, 1_000), (whole[:5] * STEP).astype(np.float32))
    assert whole[:5].astype(np.int64).std() > 1_000


def test_byzantine_trainers_are_as_many_as_every_rule_tolerates() -> None:
    assert [byzantine_of(n) for n in (3, 7, 10, 20, 50)] == [0, 1, 1, 4, 10]


def test_the_limit_is_a_gram_matrix_and_a_sum(tmp_path: Path) -> None:
    library = build(tmp_path)
    if library is None:
        pytest.skip("needs a C++ compiler")
    gram, total = Limit(str(library), np.ones((7, 5_000), dtype=np.float32), 2).seconds()
    assert gram > 0
    assert total > 0


def test_unknown_rules_and_sizes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (("--rule", "best"), ("--size", "10"), ("--size", "2,5")):
        assert app.main(["rules", "--no-peers", *wrong]) == 1
    assert set(LIBRARIES) >= {"multi-krum", "geometric-median"}
    assert set(LIBRARIES) - set(RULES) == {"coordinate-median", "trimmed-mean", "bulyan"}
