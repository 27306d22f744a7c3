"""The command: every rule at every size, beside the peers that have it, and beside the limit."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from aggregator.errors import InvalidInput
from aggregator.rules import RULES
from scripts.benchmarks.inputs import cache_folder
from scripts.benchmarks.peers_environment import AGGREGATION
from scripts.benchmarks.process import Figures, MeasurementFailed, restrict_cores, run_fresh
from scripts.benchmarks.rules.limit import build
from scripts.benchmarks.rules.updates import SCALE_EXPONENT, byzantine_of, prepare
from scripts.benchmarks.terminal import console, counted, waiting

SIZES = ((10, 1_000_000), (50, 1_000_000), (20, 10_000_000))
QUICK_SIZES = ((10, 100_000),)
_COORDINATEWISE = ("coordinate-median", "trimmed-mean", "bulyan")
_ALL = ("byzfl", "byzpy")
LIBRARIES: dict[str, tuple[str, ...]] = {
    "krum": (*_ALL, "flwr", "flwr messages"),
    "multi-krum": (*_ALL, "flwr", "flwr messages"),
    "geometric-median": _ALL,
    "centred-clipping": _ALL,
    "caf": _ALL,
    "mda": _ALL,
    "mean": ("byzfl", "flwr"),
    "nnm+multi-krum": _ALL,
    "nnm+geometric-median": _ALL,
    "nnm+centred-clipping": _ALL,
    "nnm+mean": ("byzfl",),
    "coordinate-median": (*_ALL, "flwr"),
    "trimmed-mean": (*_ALL, "flwr"),
    "bulyan": ("flwr",),
}
"""Which libraries have a rule."""
PEERS_MOST_UPDATES = {"mda": 20}
"""Beyond this, the peers' rule (which tries all subsets) would not end."""
_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""For CAF and Flag: eigenvectors of n x n matrices take OpenBLAS many times as long on two threads."""
_SECONDS = 120
_SPARE_BYTES = 1 << 30
_MODEL_ENTRY_BYTES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--quick", action="store_true", help=f"at {QUICK_SIZES[0]} alone")
    parser.add_argument("--rule", action="append", help="only this rule; may be given again")
    parser.add_argument("--size", action="append", metavar="N,D", help="at this size; may be given again")
    parser.add_argument("--no-peers", action="store_true", help="leave out the peers, which have their own environment")
    parser.add_argument("--threads", type=int, default=0, help="cores to use (0: all)")
    parser.add_argument(
        "--repeat", type=int, default=0, help="times on the clock (0: 9 or 3 of ours, 5, 2 or 1 of theirs)"
    )
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")


def run(asked: argparse.Namespace) -> Figures:
    """Measure, and return one row for each size and rule under ``rules``.

    Raises
    ------
    InvalidInput
        If a rule or a size is not known.

    """
    names = _names(asked.rule)
    sizes = _sizes(asked)
    if not asked.no_peers:
        AGGREGATION.prepare()
    library = build(cache_folder())
    work = [(n, d, name) for n, d in sizes for name in names]
    rows = []
    for n, d, name in counted("rules", work):
        with waiting(f"updates, n = {n}, d = {d}"):
            path = prepare(cache_folder(), n, d)
        common = {
            "n": n,
            "d": d,
            "rule": name,
            "updates": str(path),
            "threads": restrict_cores(0),
            "repeat": asked.repeat,
        }
        left_out = asked.no_peers or n > PEERS_MOST_UPDATES.get(name, n)
        rows.append(_row(common, library, () if left_out else LIBRARIES.get(name, ())))
        console.print(_line(rows[-1]), highlight=False)
    return {"versions": {} if asked.no_peers else AGGREGATION.versions(), "rules": rows}


def _names(wanted: Sequence[str] | None) -> list[str]:
    known = [*RULES, *_COORDINATEWISE]
    for name in wanted or ():
        if name not in known:
            raise InvalidInput(f"there is no rule {name!r}", hint=f"choose from: {', '.join(known)}")
    return [name for name in known if wanted is None or name in wanted]


def _sizes(asked: argparse.Namespace) -> Sequence[tuple[int, int]]:
    if not asked.size:
        return QUICK_SIZES if asked.quick else SIZES
    try:
        sizes = [(int(n), int(d)) for n, d in (size.split(",") for size in asked.size)]
    except ValueError:
        raise InvalidInput("a size is two numbers, n,d") from None
    if any(n < 3 or d < 1 for n, d in sizes):  # noqa: PLR2004 # the fewest that rules by distances take
        raise InvalidInput("a size has n >= 3 updates of d >= 1 entries")
    return sizes


def _row(common: Figures, library: Path | None, peers: Sequence[str]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder) / "ours.npy"
        asked = common | {"output": str(mine), "limit": str(library) if library else None}
        if common["rule"] in _COORDINATEWISE:
            asked["limit"] = None
        ours = run_fresh("scripts.benchmarks.rules.ours", asked, variables=_ONE_BLAS_THREAD)
        found = [_peer(peer, common, Path(folder), mine) for peer in peers]
    done = [peer for peer in found if "median_ms" in peer]
    fastest = min(done, key=lambda peer: float(peer["median_ms"]), default=None)
    limit = ours.get("limit_ms")
    return {
        "rule": common["rule"],
        "n": common["n"],
        "d": common["d"],
        "byzantine": byzantine_of(common["n"]),
        **ours,
        "model_bytes": _MODEL_ENTRY_BYTES * common["d"],
        "ratio_to_limit": ours["median_ms"] / limit if limit else None,
        "cpu_ratio_to_limit": ours["median_cpu_ms"] / ours["limit_cpu_ms"] if limit else None,
        "peer": fastest["name"] if fastest else None,
        "peer_ms": fastest["median_ms"] if fastest else None,
        "peer_extra_bytes": fastest["extra_bytes"] if fastest else None,
        "speedup_vs_peer": fastest["median_ms"] / ours["median_ms"] if fastest else None,
        "cpu_speedup_vs_peer": fastest["median_cpu_ms"] / ours["median_cpu_ms"] if fastest else None,
        "max_abs_difference": fastest["max_abs_difference"] if fastest else None,
        "same_output": any(peer["same_output"] for peer in done) if done else None,
        "peers": found,
    }


def _peer(name: str, common: Figures, folder: Path, mine: Path) -> Figures:
    output = folder / f"{name}.npy"
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") if hasattr(os, "sysconf") else 0
    asked = common | {
        "library": name,
        "output": str(output),
        "memory_limit_bytes": max(0, available - _SPARE_BYTES),
    }
    module = "scripts.benchmarks.rules.peer_libraries"
    try:
        figures = run_fresh(module, asked, python=str(AGGREGATION.python), cpu_limit_seconds=_SECONDS)
    except MeasurementFailed as error:
        return {"name": name, "failed": str(error)[-160:]}
    difference = float(np.max(np.abs(np.load(mine).astype(np.float64) - np.load(output).ravel()), initial=0))
    return {
        "name": name,
        **figures,
        "max_abs_difference": difference,
        "same_output": difference <= 2.0**SCALE_EXPONENT,
    }


def _line(row: Figures) -> str:
    peer = f"; {row['peer']} {row['peer_ms']:,.0f} ms, x {row['speedup_vs_peer']:.1f}" if row["peer"] else ""
    limit = f"; {row['ratio_to_limit']:.2f} of the limit" if row["ratio_to_limit"] else ""
    limit += f" ({row['cpu_ratio_to_limit']:.2f} in CPU time)" if limit else ""
    return f"{row['rule']}, n = {row['n']}, d = {row['d']:,}: {row['median_ms']:.1f} ms{limit}{peer}"


def table(rows: Sequence[Figures]) -> Table:
    """Return the rows as a table."""
    shown = Table(title="Gram matrix, decision and output, medians; extra memory is beyond input and output")
    columns = ("rule", "n", "d", "ms", "Gram", "decide", "sum", "limit", "ratio", "CPU", "extra MB", "model MB")
    for i, name in enumerate((*columns, "fastest peer", "ms", "extra MB", "times", "CPU", "difference")):
        shown.add_column(name, justify="right" if i else "left")
    for row in rows:
        peer: Sequence[str] = ("-",) * 6
        if row["peer"]:
            times = f"{row['speedup_vs_peer']:.1f}", f"{row['cpu_speedup_vs_peer']:.1f}"
            difference = f"{row['max_abs_difference']:.2g}"
            peer = (row["peer"], f"{row['peer_ms']:,.0f}", _megabytes(row["peer_extra_bytes"]), *times, difference)
        limit: Sequence[str] = ("-",) * 3
        if row["ratio_to_limit"]:
            limit = (f"{row['limit_ms']:.1f}", f"{row['ratio_to_limit']:.2f}", f"{row['cpu_ratio_to_limit']:.2f}")
        shown.add_row(
            *(row["rule"], str(row["n"]), f"{row['d']:,}", f"{row['median_ms']:.1f}"),
            *(f"{row['steps_ms'][step]:.1f}" for step in ("gram", "decide", "sum")),
            *limit,
            *(_megabytes(row["extra_bytes"]), _megabytes(row["model_bytes"])),
            *peer,
        )
    return shown


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
