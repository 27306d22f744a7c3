"""From finished cells to rows: means over seeds, worst cases over attacks, and which targets are missed."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.attacks.grid import DEFAULT, PEER_ATTACKS, PEERS, WITHOUT_REFERENCE
from scripts.benchmarks.attacks.store import Store

Row = dict[str, Any]
ALLOWED_LOSS = 0.03
_MEANS = ("accuracy", "attackers_pay", "attackers_weight", "honest_fairness", "false_rejections", "backdoor_success")
_SETTING = ("data", "model", "split", "honest", "byzantine")
COLUMNS = (
    *_SETTING, "rule", "proven", "attack", "seeds", "accuracy", "accuracy_deviation", "attack_free", "loss",
    "attackers_pay", "attackers_weight", "honest_fairness", "false_rejections", "backdoor_success", "missed",
)  # fmt: skip


def rows(cells: Iterable[Cell], store: Store) -> list[Row]:
    """Return one row for each setting, rule and attack: means over the seeds that are finished.

    ``attack_free`` is the accuracy of the plain mean without attackers on the same splits and seeds, ``loss`` what is
    missing to it; ``missed`` names the target that a row misses: for the default rule, to lose no more than
    ``ALLOWED_LOSS``; for the one without a reference, to be no worse than the best worst case of byzfl's rules here.
    """
    grouped: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        if store.get(cell) is not None:
            grouped[(*(getattr(cell, name) for name in _SETTING), cell.rule, cell.attack)].append(cell)
    found = [_row(group, store) for group in grouped.values()]
    bars = peers_best(found)
    for row in found:
        row["missed"] = _missed(row, bars)
    return found


def peers_best(found: Sequence[Row]) -> dict[tuple[Any, ...], float]:
    """Return, for each setting, the best worst case of byzfl's rules that ran under all four attacks."""
    best: dict[tuple[Any, ...], float] = {}
    for row in worst_cases(found):
        if is_peer(row["rule"]):
            setting = tuple(row[name] for name in _SETTING)
            best[setting] = max(best.get(setting, 0.0), row["accuracy"])
    return best


def worst_cases(found: Sequence[Row], attacks: Sequence[str] = PEER_ATTACKS) -> list[Row]:
    """Return, for each setting and rule that ran under all of ``attacks``, the row of the worst one."""
    grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in found:
        if row["attack"] in attacks:
            grouped[(*(row[name] for name in _SETTING), row["rule"])].append(row)
    complete = [group for group in grouped.values() if len(group) == len(attacks)]
    return [min(group, key=lambda row: row["accuracy"]) for group in complete]


def write_csv(found: Sequence[Row], path: Path) -> None:
    """Write the rows."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows({name: _cell_text(row[name]) for name in COLUMNS} for row in found)


def _row(group: Sequence[Cell], store: Store) -> Row:
    first = group[0]
    results = [store.get(cell) or {} for cell in group]
    free = [figures["accuracy"] for cell in group if (figures := store.get(cell.attack_free()))]
    row: Row = {name: getattr(first, name) for name in _SETTING}
    row |= {"rule": first.rule, "attack": first.attack, "proven": results[0]["proven"], "seeds": len(group)}
    for name in _MEANS:
        known = [figures[name] for figures in results if figures.get(name) is not None]
        row[name] = fmean(known) if known else None
    row["accuracy_deviation"] = pstdev([figures["accuracy"] for figures in results])
    row["attack_free"] = fmean(free) if free else None
    row["loss"] = None if row["attack_free"] is None else row["attack_free"] - row["accuracy"]
    return row


def _missed(row: Row, bars: dict[tuple[Any, ...], float]) -> str:
    if row["attack"] not in PEER_ATTACKS:
        return ""
    if row["rule"] == DEFAULT and (row["loss"] or 0) > ALLOWED_LOSS:
        return f"loses more than {ALLOWED_LOSS:.0%} of accuracy"
    bar = bars.get(tuple(row[name] for name in _SETTING), 0.0)
    if row["rule"] == WITHOUT_REFERENCE and row["accuracy"] < bar:
        return f"below the peers' best, {bar:.3f}"
    return ""


def _cell_text(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return "" if value is None else value


def is_peer(rule: str) -> bool:
    """Return whether a rule is byzfl's."""
    return rule in PEERS
