"""One seed of one data set: every score and every valuation, against retraining and against known worth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from aggregator.scores import SCORES
from market.valuation import LABEL, leave_one_out_by_retraining
from scripts.benchmarks.process import Figures
from scripts.benchmarks.terminal import stages
from scripts.benchmarks.valuation import measured
from scripts.benchmarks.valuation.agreement import auc, spearman
from scripts.benchmarks.valuation.exact import ProvenRound, pay_rounds, prove_rounds, score_rounds
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


def measure(data: str, seed: int, plan: Plan) -> Figures:
    """Return one seed's measurements, as JSON: retraining, valuations and inner products, from which scores follow."""
    scene = graded(data, seed, rounds=plan.rounds)
    label = f"{data}, seed {seed}"
    with stages() as shown:
        updates = plan.repeats * scene.federation.rounds * scene.federation.n**2
        truth = leave_one_out_by_retraining(
            scene.federation,
            scene.measured,
            repeats=plan.repeats,
            progress=shown(f"{label}: retraining without each trainer ({LABEL})", updates),
        )
        found = {
            "graded": _measure(scene, seed, plan, shown, f"{label}, graded data"),
            "mixed": _measure(mixed(data, seed, rounds=plan.rounds), seed, plan, shown, f"{label}, mixed trainers"),
        }
    retrained = {"loss": truth.each_loss, "accuracy": truth.each_accuracy, "runs": truth.loss.evaluations}
    return {"data": data, "seed": seed, "rounds": scene.federation.rounds, "retraining": retrained, **found}


def _measure(scene: Scene, seed: int, plan: Plan, shown: Shown, label: str) -> Figures:
    n, rounds = scene.federation.n, scene.federation.rounds
    records = scene.federation.train(range(n), progress=shown(f"{label}: rounds", rounds * n))
    progress = shown(f"{label}: models of coalitions ({LABEL})", measured.evaluations_ahead(n, rounds))
    valuations = measured.valuations(scene, records, seed, progress=progress, pydvl=plan.pydvl)
    return {
        "bad": scene.bad,
        "proven": [asdict(each) for each in prove_rounds(scene, records)],
        "valuations": {name: asdict(valuation) for name, valuation in valuations.items()},
    }


def judge(found: Figures) -> Figures:
    """Return from one seed's measurements, by method: correlations in the graded scene, AUC in the mixed, cost."""
    loss, accuracy = (_means(found["retraining"][kind]) for kind in ("loss", "accuracy"))
    values, apart, bad = _values(found["graded"]), _values(found["mixed"]), found["mixed"]["bad"]
    exact = values[measured.EXACT][0]
    rows = {
        name: _row(own, loss, accuracy, exact)
        | _apart(apart[name][0], bad)
        | {"evaluations_a_round": cost / found["rounds"]}
        for name, (own, cost) in values.items()
    }
    for name, own in ((RETRAINING_LOSS, loss), (RETRAINING_ACCURACY, accuracy)):
        rows[name] = _row(own, loss, accuracy, exact) | {"retrained_runs": found["retraining"]["runs"]}
    return {
        "data": found["data"],
        "seed": found["seed"],
        "methods": rows,
        "reliability_loss": _reliability(found["retraining"]["loss"]),
        "reliability_accuracy": _reliability(found["retraining"]["accuracy"]),
    }


def _values(scene: Figures) -> Values:
    proven = [ProvenRound.of(each) for each in scene["proven"]]
    found: Values = {name: (score_rounds(name, proven), 0) for name in SCORES}
    found[PAY] = (pay_rounds("shapley-reference", proven), 0)
    return found | {name: (each["values"], each["evaluations"]) for name, each in scene["valuations"].items()}


def _row(found: Sequence[float], loss: Sequence[float], accuracy: Sequence[float], exact: Sequence[float]) -> Figures:
    return {
        "spearman_retraining_loss": spearman(found, loss),
        "spearman_retraining_accuracy": spearman(found, accuracy),
        "spearman_exact_shapley": spearman(found, exact),
    }


def _apart(found: Sequence[float], bad: Sequence[bool]) -> Figures:
    """Return the AUC with the copy, which is last, and without, as sealed payloads leave it."""
    return {"auc": auc(found, bad), "auc_without_copy": auc(found[:-1], bad[:-1])}


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.fmean(column) for column in zip(*rows, strict=True)]


def _reliability(rows: Sequence[Sequence[float]]) -> float | None:
    """Return the mean correlation of one repetition with the mean of the others; None with a single one."""
    if len(rows) == 1:
        return None
    return statistics.fmean(spearman(row, _means([*rows[:k], *rows[k + 1 :]])) for k, row in enumerate(rows))


def averaged(results: Sequence[Figures]) -> list[Figures]:
    """Return for each data set and method the means over seeds, and the lowest correlation with retraining.

    None stands for what is undefined in a seed: a correlation with values that are all equal.
    """
    rows = []
    for data in dict.fromkeys(result["data"] for result in results):
        own = [result for result in results if result["data"] == data]
        for method in own[0]["methods"]:
            rows.append({"data": data, "method": method, **_mean([result["methods"][method] for result in own])})
    return rows


def _mean(rows: Sequence[Mapping[str, float]]) -> Figures:
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    defined = {key: not any(map(math.isnan, column)) for key, column in columns.items()}
    means: Figures = {key: statistics.fmean(column) if defined[key] else None for key, column in columns.items()}
    lowest, key = "lowest_spearman_retraining_loss", "spearman_retraining_loss"
    return means | {lowest: min(columns[key]) if defined[key] else None}
