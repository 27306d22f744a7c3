"""Plots of the table as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from scripts.benchmarks.attacks.grid import DEFAULT, WITHOUT_REFERENCE
from scripts.benchmarks.attacks.table import Row, is_peer

_COLOURS = {True: "#9aa5b1", False: "#3b6ea5"}
_HIGHLIGHT = "#0b7a4b"


def worst_case_plot(found: Sequence[Row], title: str) -> str:
    """Return bars of each rule's worst case, one panel for each split; a line at the attack-free accuracy."""
    splits = list(dict.fromkeys(row["split"] for row in found))
    rules = list(dict.fromkeys(row["rule"] for row in found))
    figure = Figure(figsize=(3.1 * len(splits) + 2.2, 0.26 * len(rules) + 1.4), layout="constrained")
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for axis, split in zip(panels, splits, strict=True):
        own = {row["rule"]: row for row in found if row["split"] == split}
        for place, rule in enumerate(rules):
            if rule in own:
                axis.barh(place, own[rule]["accuracy"], color=_colour(rule))
                axis.text(0.01, place, own[rule]["attack"], va="center", fontsize=6, color="white")
        free = [row["attack_free"] for row in own.values() if row["attack_free"] is not None]
        if free:
            axis.axvline(max(free), color="black", linewidth=0.8, linestyle="--")
        axis.set_title(split, fontsize=9)
        axis.set_xlim(0, 1)
    panels[0].set_yticks(range(len(rules)), rules, fontsize=7)
    panels[0].invert_yaxis()
    figure.suptitle(title, fontsize=10)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()[stream.getvalue().index("<svg") :]


def _colour(rule: str) -> str:
    return _HIGHLIGHT if rule in (DEFAULT, WITHOUT_REFERENCE) else _COLOURS[is_peer(rule)]
