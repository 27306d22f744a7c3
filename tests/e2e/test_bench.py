"""scripts/bench: every benchmark at a tiny size, its JSON, and the figures that can be checked without measuring."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregator.errors import OutOfRange
from scripts.benchmarks import app, growth, process
from scripts.benchmarks.inputs import Parameters, random_update
from scripts.benchmarks.measuring import timed

KERNELS = {"native", "portable", "reference"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAMERCY_BENCH_CACHE", str(tmp_path))


@pytest.fixture(autouse=True)
def _same_cores() -> Iterator[None]:
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def _bench(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert app.main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "gramercy/bench/1"
    assert answer["benchmark"] == arguments[0]
    assert answer["kernel"]["name"] in KERNELS
    assert answer["machine"]["cores"] >= answer["cores_used"] >= 1
    return answer


@pytest.mark.slow
def test_commit_tells_time_memory_and_growth(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _bench(capsys, "commit", "--d", "40", "--bits", "8", "--repeat", "2", "--growth", "--d-max", "50")
    assert answer["parameters"]["bits"] == 8
    assert len(answer["seconds"]) == 2
    assert 0 < answer["median_seconds"] == pytest.approx(answer["ns_per_entry"] * 40 / 1e9)
    assert answer["peak_bytes"] > 10_000_000  # an interpreter with NumPy
    assert [row["d"] for row in answer["growth"]["d"]["rows"]] == [50]


@pytest.mark.slow
def test_prove_verifies_every_proof_and_tells_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _bench(capsys, "prove", "--n", "2", "--d", "30", "--repeat", "2", "--threads", "1")
    assert answer["cores_used"] == 1
    assert answer["proof_bytes"] == 384
    assert answer["proofs_verified"] == 3  # one of them to warm up
    assert set(answer["steps_seconds"]) == {"mask", "correlation", "evaluations", "quotient"}
    assert all(answer[f"{step}_seconds"] > 0 for step in ("median", "gram", "check", "commit"))
    assert answer["peak_bytes"] > answer["peak_above_baseline_bytes"] >= 0


@pytest.mark.slow
def test_verify_tells_seconds_and_gas(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _bench(capsys, "verify", "--n", "3", "--d", "20", "--repeat", "1")
    assert answer["median_seconds"] > 0
    assert 21_000 < answer["verify_gas"] < answer["settle_gas"]


@pytest.mark.slow
def test_gas_does_not_depend_on_d(capsys: pytest.CaptureFixture[str]) -> None:
    answer = _bench(capsys, "gas", "--n", "3", "--d", "20", "--d-other", "300")
    (row,) = answer["rows"]
    assert (answer["verify_gas"], answer["settle_gas"]) == (row["verify_gas"], row["settle_gas"])
    # Calldata differs by its zero bytes, computation not at all.
    assert row["verify_gas_other"] == pytest.approx(row["verify_gas"], rel=0.01)
    assert row["settle_gas_other"] == pytest.approx(row["settle_gas"], rel=0.01)
    largest = {entry["id"]: entry["gas"] for entry in answer["contracts"] if entry["n"] == 64}
    assert 0 < largest["mean"] < largest["multi-krum"] < largest["nnm+multi-krum"]


@pytest.mark.slow
def test_peers_prove_and_verify_the_same_statement(capsys: pytest.CaptureFixture[str]) -> None:
    """Long: ezkl's smallest circuit takes tens of seconds."""
    answer = _bench(capsys, "peers", "--n", "2", "--d", "10", "--peer-d", "10", "--limit-seconds", "300")
    found = {peer["name"]: peer for peer in answer["peers"]}
    assert set(found) == {"groth16py unbound", "groth16py Poseidon", "ezkl KZG"}
    for peer in found.values():
        (row,) = peer["rows"]
        assert peer["stopped"] == "reached d = 10"
        assert row["cpu_us_per_entry"] == pytest.approx(row["prove_cpu_seconds"] / 20 * 1e6)
        assert row["proof_bytes"] > 0
        same = row["cpu_us_per_entry"] / answer["ours"]["cpu_us_per_entry"]
        assert peer["times_dearer"]["at_largest"] == pytest.approx(same)


def test_the_answer_of_a_person_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["commit", "--d", "20", "--repeat", "1", "--growth", "--d-max", "20"]) == 0
    shown = capsys.readouterr().out
    assert "ns per entry" in shown
    assert "growth over d" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("prove", "--n", "65"),
        ("commit", "--bits", "17"),
        ("commit", "--repeat", "-1"),
        ("gas", "--n", "2"),
        ("commit", "--threads", "100000"),
        ("peers", "--limit-seconds", "0"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([*arguments, "--json"]) == 1
    printed = capsys.readouterr()
    assert not printed.out
    assert "error:" in printed.err


def test_the_exponent_of_a_power_is_found() -> None:
    assert growth.exponent([10, 100, 1_000], [7.0, 70.0, 700.0]) == pytest.approx(1)
    assert growth.exponent([2, 4, 8], [4.0, 16.0, 64.0]) == pytest.approx(2)
    assert growth.exponent([5], [1.0]) is None


def test_a_series_compares_its_last_step() -> None:
    found = growth.series("d", [10, 20], lambda d: {"median_seconds": 3.0 * d * d, "median_cpu_seconds": 5.0 * d})
    assert (found["exponent"], found["cpu_exponent"]) == (pytest.approx(2), pytest.approx(1))
    assert (found["last_step"], found["cpu_last_step"]) == (pytest.approx(2), pytest.approx(1))
    assert [row["d"] for row in found["rows"]] == [10, 20]
    assert growth.dimensions(10**6) == (10**4, 10**5, 10**6)
    assert growth.dimensions(300) == (300,)


def test_the_first_run_is_off_the_clock() -> None:
    calls: list[int] = []
    timing, last = timed(lambda: calls.append(1) or len(calls), repeat=3)  # type: ignore[func-returns-value]
    assert last == 4
    assert len(timing.seconds) == len(timing.cpu_seconds) == 3
    assert len(timed(lambda: None)[0].seconds) == 5


def test_updates_fill_their_range_and_differ() -> None:
    first, second = (random_update(index, Parameters(n=2, d=100_000, bits=16)) for index in range(2))
    assert first.dtype == "int16"
    assert first.max() > 32_700
    assert first.min() > -32_768
    assert (first != second).mean() > 0.99
    with pytest.raises(OutOfRange):
        Parameters(n=0, d=10, bits=16)


def test_a_process_that_spends_its_cpu_time_is_ended() -> None:
    started = time.process_time()
    with pytest.raises(process.MeasurementFailed) as error:
        process.run_fresh("tests.e2e.bench_spinner", {}, cpu_limit_seconds=1)
    assert error.value.out_of_time
    assert time.process_time() - started < 1


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(process.MeasurementFailed, match="ZeroDivisionError") as error:
        process.run_fresh("tests.e2e.bench_spinner", {"divisor": 0}, cpu_limit_seconds=10)
    assert not error.value.out_of_time
