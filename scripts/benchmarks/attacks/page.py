"""The tables as one HTML page with plots, as Markdown for the documentation, and on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from rich.table import Table

from scripts.benchmarks.attacks.grid import DEFAULT, PEER_ATTACKS, SPLITS
from scripts.benchmarks.attacks.plots import worst_case_plot
from scripts.benchmarks.attacks.table import Row, worst_cases

_STYLE = (
    "body{font:14px system-ui;margin:2rem;max-width:1200px}table{border-collapse:collapse;font-size:12px}"
    "td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
    ".missed{background:#fde8e8}svg{max-width:100%;height:auto}"
)
_SHOWN = (
    ("attack", "attack"), ("seeds", "seeds"), ("accuracy", "accuracy"), ("attack_free", "attack-free"),
    ("attackers_pay", "attackers' pay"), ("attackers_weight", "attackers' weight"),
    ("honest_fairness", "honest fairness (Jain)"), ("false_rejections", "false rejections"),
    ("backdoor_success", "backdoor success"), ("missed", "target missed"),
)  # fmt: skip


def html(found: Sequence[Row], command: str) -> str:
    """Return the page: worst cases with a plot for each setting, then every row."""
    parts = [f"<!doctype html><meta charset=utf-8><title>Rules under attack</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>Rules under attack</h1><p>Made by <code>{escape(command)}</code>.</p>")
    for title, own in by_setting(found):
        worst = _sorted(worst_cases(own))
        parts.append(f"<h2>{escape(title)}</h2>")
        if worst:
            parts.append(worst_case_plot(worst, f"worst of {', '.join(PEER_ATTACKS)}"))
        for (split, rule), rows in groupby(_sorted(own), key=lambda row: (row["split"], row["rule"])):
            parts.append(f"<h3>{escape(split)}: {escape(rule)}</h3><table><tr>")
            parts.append("".join(f"<th>{escape(name)}</th>" for _, name in _SHOWN) + "</tr>")
            parts.extend(_html_row(row) for row in rows)
            parts.append("</table>")
    return "\n".join(parts)


def markdown(found: Sequence[Row]) -> str:
    """Return the worst cases as tables, a line for each rule, a column for each split; then the default rule's rows."""
    lines: list[str] = []
    for title, own in by_setting(found):
        worst = worst_cases(own)
        splits = [split for split in SPLITS if any(row["split"] == split for row in worst)]
        if not splits:
            continue
        lines += [f"### {title}", "", "| rule | " + " | ".join(splits) + " |", "|---" * (len(splits) + 1) + "|"]
        free = {row["split"]: row["attack_free"] for row in sorted(worst, key=lambda row: int(row["seeds"]))}
        lines.append("| *attack-free* | " + " | ".join(_figure(free[split]) for split in splits) + " |")
        for rule in dict.fromkeys(row["rule"] for row in worst):
            at = {row["split"]: row for row in worst if row["rule"] == rule}
            lines.append(f"| {rule} | " + " | ".join(_worst(at.get(split)) for split in splits) + " |")
        lines += ["", *_default_rows(own)]
    return "\n".join(lines)


def _default_rows(own: Sequence[Row]) -> list[str]:
    rows = [row for row in own if row["rule"] == DEFAULT]
    splits = [split for split in SPLITS if any(row["split"] == split for row in rows)]
    lines = [
        f"`{DEFAULT}`: accuracy / attackers' pay / false rejections / fairness",
        "",
        "| attack | " + " | ".join(splits) + " |",
        "|---" * (len(splits) + 1) + "|",
    ]
    for attack in dict.fromkeys(row["attack"] for row in rows):
        at = {row["split"]: row for row in rows if row["attack"] == attack}
        lines.append(f"| {attack} | " + " | ".join(_in_short(at.get(split)) for split in splits) + " |")
    return [*lines, ""]


def _in_short(row: Row | None) -> str:
    if row is None:
        return ""
    others = (row["attackers_pay"], row["false_rejections"], row["honest_fairness"])
    figures = " / ".join("-" if value is None else f"{value:.2f}" for value in others)
    return f"{row['accuracy']:.3f} / {figures}{' **missed**' if row['missed'] else ''}"


def terminal(found: Sequence[Row]) -> list[Table]:
    """Return a table of worst cases for each setting."""
    tables = []
    for title, own in by_setting(found):
        worst = worst_cases(own)
        splits = [split for split in SPLITS if any(row["split"] == split for row in worst)]
        table = Table(title=f"{title}: worst of {', '.join(PEER_ATTACKS)}")
        table.add_column("rule")
        for split in splits:
            table.add_column(split, justify="right")
        for rule in dict.fromkeys(row["rule"] for row in worst):
            at = {row["split"]: row for row in worst if row["rule"] == rule}
            table.add_row(rule, *(_worst(at.get(split)) for split in splits))
        tables.append(table)
    return tables


def by_setting(found: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows of each task and share of attackers, with a title."""
    grouped: dict[str, list[Row]] = {}
    for row in found:
        title = f"{row['data']} {row['model']}, {row['honest']} honest + {row['byzantine']} Byzantine"
        grouped.setdefault(title, []).append(row)
    return list(grouped.items())


def _sorted(found: Sequence[Row]) -> list[Row]:
    return sorted(found, key=lambda row: (SPLITS.index(row["split"]), row["rule"]))


def _html_row(row: Row) -> str:
    cells = "".join(f"<td>{escape(_figure(row[name]))}</td>" for name, _ in _SHOWN)
    return f"<tr{' class=missed' if row['missed'] else ''}>{cells}</tr>"


def _worst(row: Row | None) -> str:
    if row is None:
        return ""
    seeds = "" if row["seeds"] == 1 else f", {row['seeds']} seeds"
    return f"{row['accuracy']:.3f} ({row['attack']}{seeds}){' **missed**' if row['missed'] else ''}"


def _figure(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
