"""One seed of one data set: every score and every valuation, against retraining and against known worth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aggregator.scores import SCORES
from market.valuation import LABEL, leave_one_out_by_retraining
from scripts.benchmarks.process import Figures
from scripts.benchmarks.terminal import stages
from scripts.benchmarks.valuation import measured
from scripts.benchmarks.valuation.agreement import auc, spearman
from scripts.benchmarks.valuation.exact import pay_rounds, prove_rounds, score_rounds
from scripts.benchmarks.valuation.scenes import Scene, graded, mixed

PAY = "pay: half floor, half shapley-reference"
RETRAINING_LOSS, RETRAINING_ACCURACY = "retraining without each, loss", "retraining without each, accuracy"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. ``repeats`` are runs of retraining, ``rounds`` None for each data set's own number."""

    data: tuple[str, ...]
    seeds: int
    repeats: int
    pydvl: bool
    rounds: int | None = None


Shown = Callable[[str, int], Callable[[int], None]]
"""Starts a bar."""
Values = dict[str, tuple[Sequence[float], int]]
"""By method: one value for each trainer, and the models evaluated for them."""


def compare(data: str, seed: int, plan: Plan) -> Figures:
    """Return one seed's figures: by method, correlations in the graded scene, AUC in the mixed one, evaluations."""
    graded_scene, mixed_scene = graded(data, seed, rounds=plan.rounds), mixed(data, seed, rounds=plan.rounds)
    label = f"{data}, seed {seed}"
    with stages() as shown:
        updates = plan.repeats * graded_scene.federation.rounds * graded_scene.federation.n**2
        truth = leave_one_out_by_retraining(
            graded_scene.federation,
            graded_scene.measured,
            repeats=plan.repeats,
            progress=shown(f"{label}: retraining without each trainer ({LABEL})", updates),
        )
        values = _values(graded_scene, seed, plan, shown, f"{label}, graded data")
        apart = _values(mixed_scene, seed, plan, shown, f"{label}, mixed trainers")
    exact = values[measured.EXACT][0]
    rows = {
        name: _row(found, truth.loss.values, truth.accuracy.values, exact)
        | _apart(apart[name][0], mixed_scene.bad)
        | {"evaluations_a_round": cost / graded_scene.federation.rounds}
        for name, (found, cost) in values.items()
    }
    for name, found in ((RETRAINING_LOSS, truth.loss), (RETRAINING_ACCURACY, truth.accuracy)):
        rows[name] = _row(found.values, truth.loss.values, truth.accuracy.values, exact) | {
            "retrained_runs": found.evaluations,
        }
    return {
        "data": data,
        "seed": seed,
        "methods": rows,
        "reliability_loss": _reliability(truth.each_loss),
        "reliability_accuracy": _reliability(truth.each_accuracy),
    }


def _values(scene: Scene, seed: int, plan: Plan, shown: Shown, label: str) -> Values:
    records = scene.federation.train(range(scene.federation.n), progress=shown(f"{label}: rounds", _updates(scene)))
    proven = prove_rounds(scene, records)
    found: Values = {name: (score_rounds(name, proven), 0) for name in SCORES}
    found[PAY] = (pay_rounds("shapley-reference", proven), 0)
    ahead = measured.evaluations_ahead(scene.federation.n, scene.federation.rounds)
    progress = shown(f"{label}: models of coalitions ({LABEL})", ahead)
    for name, valuation in measured.valuations(scene, records, seed, progress=progress, pydvl=plan.pydvl).items():
        found[name] = (valuation.values, valuation.evaluations)
    return found


def _updates(scene: Scene) -> int:
    return scene.federation.rounds * scene.federation.n


def _row(found: Sequence[float], loss: Sequence[float], accuracy: Sequence[float], exact: Sequence[float]) -> Figures:
    return {
        "spearman_retraining_loss": spearman(found, loss),
        "spearman_retraining_accuracy": spearman(found, accuracy),
        "spearman_exact_shapley": spearman(found, exact),
    }


def _apart(found: Sequence[float], bad: Sequence[bool]) -> Figures:
    """Return the AUC with the copy, which is last, and without, as sealed payloads leave it."""
    return {"auc": auc(found, bad), "auc_without_copy": auc(found[:-1], bad[:-1])}


def _reliability(rows: Sequence[Sequence[float]]) -> float:
    """Return the mean correlation of one repetition with the mean of the others; NaN with a single one."""
    if len(rows) == 1:
        return math.nan
    found = []
    for k, row in enumerate(rows):
        others = [statistics.fmean(column) for column in zip(*(r for j, r in enumerate(rows) if j != k), strict=True)]
        found.append(spearman(row, others))
    return statistics.fmean(found)


def averaged(results: Sequence[Figures]) -> list[Figures]:
    """Return for each data set and method the means over seeds, and the lowest correlation with retraining."""
    rows = []
    for data in dict.fromkeys(result["data"] for result in results):
        own = [result for result in results if result["data"] == data]
        for method in own[0]["methods"]:
            rows.append({"data": data, "method": method, **_mean([result["methods"][method] for result in own])})
    return rows


def _mean(rows: Sequence[Mapping[str, float]]) -> Figures:
    means: Figures = {}
    for key in rows[0]:
        known = [value for row in rows if not math.isnan(value := row[key])]
        means[key] = statistics.fmean(known) if known else None
    return means | {"lowest_spearman_retraining_loss": min(row["spearman_retraining_loss"] for row in rows)}
