"""The command: compare scores with valuations over seeds, and show what each tells of trainers."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aggregator.errors import OutOfRange
from market.valuation import LABEL
from scripts.benchmarks.peers_environment import PYDVL
from scripts.benchmarks.process import Figures
from scripts.benchmarks.terminal import console
from scripts.benchmarks.valuation.compare import Plan, averaged, judge, measure
from scripts.benchmarks.valuation.scenes import DATA

_WIDTH = 150
_COLUMNS = (
    ("retraining, loss", "spearman_retraining_loss"),
    ("lowest seed", "lowest_spearman_retraining_loss"),
    ("retraining, accuracy", "spearman_retraining_accuracy"),
    ("exact Shapley", "spearman_exact_shapley"),
    ("AUC", "auc"),
    ("AUC without the copy", "auc_without_copy"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--quick", action="store_true", help="digits, one seed, three rounds, without pyDVL")
    parser.add_argument("--data", choices=(*DATA, "all"), default="all", help="data sets (all)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each data set (5)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of retraining to average over (3)")
    parser.add_argument("--no-pydvl", action="store_true", help="leave out pyDVL, which has an environment of its own")
    parser.add_argument("--resume", type=Path, help="file that keeps measurements, and spares what it has of them")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="answer with one JSON object, or write it")


def plan_of(asked: argparse.Namespace) -> Plan:
    """Return what to measure.

    Raises
    ------
    OutOfRange
        If there are no seeds or no repeats.

    """
    if asked.quick:
        return Plan(("digits",), seeds=1, repeats=1, pydvl=False, rounds=3)
    if asked.seeds < 1 or asked.repeats < 1:
        raise OutOfRange("--seeds and --repeats are at least 1")
    data = DATA if asked.data == "all" else (asked.data,)
    return Plan(data, asked.seeds, asked.repeats, pydvl=not asked.no_pydvl)


def run(asked: argparse.Namespace) -> Figures:
    """Measure, and return means over seeds under ``scores`` and each seed's figures under ``each``."""
    plan = plan_of(asked)
    if plan.pydvl:
        PYDVL.prepare()
    results = _kept(asked.resume)
    for data in plan.data:
        for seed in range(plan.seeds):
            if not any((result["data"], result["seed"]) == (data, seed) for result in results):
                results.append(measure(data, seed, plan))
                if asked.resume:
                    asked.resume.write_text("\n".join(map(json.dumps, results)) + "\n")
    wanted = [judge(result) for result in results if result["data"] in plan.data and result["seed"] < plan.seeds]
    versions = PYDVL.versions() if plan.pydvl else {}
    return {"label": LABEL, "versions": versions, "scores": averaged(wanted), "each": _without_nan(wanted)}


def _without_nan(results: list[Figures]) -> list[Figures]:
    """Return the figures as JSON has them: None for what is undefined."""
    return [
        result
        | {
            "methods": {
                method: {key: None if math.isnan(value) else value for key, value in row.items()}
                for method, row in result["methods"].items()
            }
        }
        for result in results
    ]


def answer(asked: argparse.Namespace, figures: Figures) -> None:
    """Write the figures where they were asked for: as tables, as JSON, or into a file."""
    if asked.json is None:
        show(figures)
    elif asked.json == "-":
        json.dump(figures, sys.stdout, indent=1)
        print()
    else:
        Path(asked.json).write_text(json.dumps(figures, indent=1) + "\n")
        console.print(f"written to {asked.json}", markup=False)


def show(figures: Figures) -> None:
    """Print one table for each data set."""
    out = Console()
    if not out.is_terminal:
        out.width = _WIDTH
    for data in dict.fromkeys(row["data"] for row in figures["scores"]):
        own = [result for result in figures["each"] if result["data"] == data]
        table = Table(title=f"{data}, means of {len(own)} seeds: Spearman's correlation with ..., and AUC")
        table.add_column("method")
        for title, _ in _COLUMNS:
            table.add_column(title, justify="right")
        table.add_column("models a round", justify="right")
        for row in figures["scores"]:
            if row["data"] == data:
                table.add_row(row["method"], *(_figure(row.get(key)) for _, key in _COLUMNS), _cost(row))
        out.print(table)
        out.print(
            f"one run of retraining against the others: loss {_figure(_mean(own, 'reliability_loss'))}, accuracy "
            f"{_figure(_mean(own, 'reliability_accuracy'))}",
            highlight=False,
        )
    out.print(f"What evaluates models is {figures['label']}.", highlight=False)


def _mean(results: list[Figures], key: str) -> float | None:
    known = [result[key] for result in results if result[key] is not None]
    return sum(known) / len(known) if known else None


def _figure(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.2f}"


def _cost(row: Figures) -> str:
    if "retrained_runs" in row:
        return f"{row['retrained_runs']:.0f} federated runs"
    return f"{row['evaluations_a_round']:,.0f}"


def _kept(path: Path | None) -> list[Figures]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]
