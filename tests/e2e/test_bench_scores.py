"""scripts/bench scores: what it is made of, and one small run from end to end."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score

from aggregator.scores import SCORES
from scripts.benchmarks import app
from scripts.benchmarks.valuation.agreement import auc, ranks, spearman
from scripts.benchmarks.valuation.exact import ProvenRound, pay_rounds, prove_rounds, score_rounds
from scripts.benchmarks.valuation.scenes import TRAINERS, graded, mixed

_SMALL = st.lists(st.integers(-3, 3), min_size=4, max_size=12)


@given(_SMALL, st.randoms(use_true_random=False))
def test_ranks_and_correlation_are_scipys(values: list[int], random: object) -> None:
    others = [random.randint(-3, 3) for _ in values]  # type: ignore[attr-defined]
    assert ranks(values) == stats.rankdata(values).tolist()
    if len(set(values)) > 1 < len(set(others)):
        assert spearman(values, others) == pytest.approx(stats.spearmanr(values, others).statistic)
    assert math.isnan(spearman(values, [1] * len(values)))


@given(_SMALL)
def test_auc_is_scikit_learns(values: list[int]) -> None:
    bad = [i % 3 == 0 for i in range(len(values))]
    assert auc(values, bad) == pytest.approx(roc_auc_score([not each for each in bad], values))


def test_scenes_are_what_they_say() -> None:
    scene = graded("digits", 3)
    sizes = sorted(len(samples) for samples in scene.federation.samples)
    assert sizes[-1] / sizes[0] == pytest.approx(10, rel=0.1)
    assert len(scene.federation.samples) == len(set(scene.federation.identities)) == TRAINERS
    assert not any(scene.bad)
    mix = mixed("digits", 3)
    assert mix.bad == (False,) * 7 + (True,) * 3
    assert mix.federation.samples[9] is mix.federation.samples[0]
    assert mix.federation.identities[9] == mix.federation.identities[0]


@pytest.mark.slow
def test_proven_rounds_hold_the_copy_and_the_free_rider_and_survive_json() -> None:
    scene = mixed("digits", 1, rounds=2)
    records = scene.federation.train(range(TRAINERS))
    assert np.array_equal(records[0].updates[9], records[0].updates[0])
    rounds = prove_rounds(scene, records)
    assert [each.products.layout.previous for each in rounds] == [False, True]
    for each in rounds:
        gram = each.products.gram
        assert gram[9] == gram[0]
        assert not any(gram[8])
        assert each.aggregate_square == sum(
            a * b * gram[i][j] for i, a in enumerate(each.weights) for j, b in enumerate(each.weights)
        )
    payouts = pay_rounds("shapley-reference", rounds)
    assert payouts[9] == payouts[0] > 0 == payouts[8]
    again = [ProvenRound.of(json.loads(json.dumps(asdict(each)))) for each in rounds]
    assert again == rounds
    for score_id in SCORES:
        assert score_rounds(score_id, again) == score_rounds(score_id, rounds)


@pytest.mark.slow
def test_a_quick_run_ranks_all_methods_and_resumes(tmp_path: Path) -> None:
    kept, first, second = tmp_path / "kept.jsonl", tmp_path / "first.json", tmp_path / "second.json"
    assert app.main(["scores", "--quick", "--resume", str(kept), "--json", str(first)]) == 0
    before = kept.read_bytes()
    assert app.main(["scores", "--quick", "--resume", str(kept), "--json", str(second)]) == 0
    assert kept.read_bytes() == before, "nothing is measured again"
    answer = json.loads(first.read_text(), parse_constant=pytest.fail)  # NaN is no JSON
    assert answer["scores"] == json.loads(second.read_text())["scores"]
    assert answer["label"] == "measured, not proven: never moves money"
    rows = {row["method"]: row for row in answer["scores"]}
    assert set(SCORES) < set(rows)
    assert all(rows[score]["evaluations_a_round"] == 0 for score in SCORES)
    assert rows["exact Shapley, accuracy"]["evaluations_a_round"] == 1024
    assert rows["leave-one-out, accuracy"]["evaluations_a_round"] == 11
    assert rows["retraining without each, loss"]["spearman_retraining_loss"] == pytest.approx(1)
    assert rows["shapley-reference"]["auc_without_copy"] > 0.9


def test_nonsense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["scores", "--seeds", "0"]) == 1
    assert "at least 1" in capsys.readouterr().err
