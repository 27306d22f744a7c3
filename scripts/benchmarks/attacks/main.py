"""The command: runs the cells that are missing, then makes the tables."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from scripts.benchmarks.attacks import page
from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.attacks.engine import simulate
from scripts.benchmarks.attacks.grid import selected
from scripts.benchmarks.attacks.store import Store
from scripts.benchmarks.attacks.table import rows, worst_cases, write_csv
from scripts.benchmarks.inputs import cache_folder
from scripts.benchmarks.process import Figures
from scripts.benchmarks.terminal import console, counted

_NICENESS = 10
_WIDTH = 160
STORE = "attacks.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--quick", action="store_true", help="a selection, one seed: under ten minutes on two cores")
    parser.add_argument("--comparison", action="store_true", help="only 10 honest + 4 Byzantine trainers on MNIST")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each cell (5)")
    parser.add_argument("--processes", type=int, default=0, help="cells at once, one thread each (0: all cores)")
    parser.add_argument("--table-only", action="store_true", help="run nothing, show what is there")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables of the documentation")
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="answer with one JSON object, or write it")


def run(asked: argparse.Namespace) -> Figures:
    """Run the missing cells, write what is asked for, and return all rows under ``attacks``.

    Raises
    ------
    OutOfRange
        If there are no seeds.

    """
    kind = "quick" if asked.quick else "comparison" if asked.comparison else "all"
    cells, store = selected(kind, asked.seeds), Store(cache_folder() / STORE)
    if not asked.table_only:
        _finish(store.missing(cells), store, asked.processes or os.cpu_count() or 1)
    found = rows(cells, store)
    if asked.csv:
        write_csv(found, asked.csv)
    if asked.html:
        asked.html.write_text(page.html(found, shlex.join(["scripts/bench", *sys.argv[1:]])))
    if asked.markdown:
        asked.markdown.write_text(page.markdown(found))
    return {"cells": len(cells), "missing": len(store.missing(cells)), "worst": worst_cases(found), "attacks": found}


def answer(asked: argparse.Namespace, figures: Figures) -> None:
    """Write the figures where they were asked for: as tables, as JSON, or into a file."""
    if asked.json is None:
        out = Console()
        if not out.is_terminal:
            out.width = _WIDTH
        for table in page.terminal(figures["attacks"]):
            out.print(table)
    elif asked.json == "-":
        json.dump(figures, sys.stdout, indent=1)
        print()
    else:
        Path(asked.json).write_text(json.dumps(figures, indent=1) + "\n")
        console.print(f"written to {asked.json}", markup=False)


def _finish(cells: Sequence[Cell], store: Store, processes: int) -> None:
    # "spawn": a fork would copy torch's threads in an unknown state
    with multiprocessing.get_context("spawn").Pool(processes, initializer=os.nice, initargs=(_NICENESS,)) as pool:
        results = pool.imap(simulate, cells)
        for cell in counted("simulations", cells):
            store.put(cell, next(results))
