"""The deep run itself: it counts what ran, plays a seed again, and fails where contract and reducers part."""

from __future__ import annotations

import json

import pytest

from market import rounds
from tests.stateful import deep


@pytest.mark.slow
def test_a_seed_gives_the_same_histories_and_another_gives_others() -> None:
    first, again, other = (deep.run(40, seed, histories=2) for seed in (5, 5, 6))
    assert first["failing_seed"] is None
    assert (first["histories"], first["steps"]) == (2, 2 * (deep.STEPS - 1))
    assert first["actions"] == again["actions"] != other["actions"]
    assert first["refusals"] == again["refusals"] != other["refusals"]


@pytest.mark.slow
def test_a_divergence_is_told_by_its_seed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(rounds, "refusal_to_commit", lambda *_: "Market_WrongPhase")
    assert deep.main(["--steps", "1", "--seed", "3"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[-1])["failing_seed"] == 3
    assert "expected Market_WrongPhase" in printed.err
