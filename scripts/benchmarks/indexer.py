"""Indexing a market's whole history into SQLite: events a second, from a node's answers to committed rows."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable

from sqlalchemy import Engine

from aggregator.errors import OutOfRange
from market.indexer import Indexer, Reader, open_index
from scripts.benchmarks.measuring import Stopwatch
from scripts.benchmarks.process import Figures, MeasurementFailed, serve
from scripts.benchmarks.synthetic_market import play
from scripts.benchmarks.synthetic_node import Node

TARGET = 5_000
"""Events a second on one core."""
_FEWEST_EVENTS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--events", type=int, default=100_000, help="events of the market (100000)")
    parser.add_argument("--jobs", type=int, default=200, help="jobs that run side by side (200)")
    parser.add_argument("--trainers", type=int, default=8, help="trainers of each job, 3 to 64 (8)")
    parser.add_argument("--threads", type=int, default=1, help="cores to use (1; 0: all)")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")


def run(asked: argparse.Namespace, fresh: Callable[[str, Figures], Figures]) -> Figures:
    """Measure in a process of its own.

    Raises
    ------
    OutOfRange
        If there are too few events, jobs or trainers.

    """
    if asked.events < _FEWEST_EVENTS or asked.jobs < 1 or not 3 <= asked.trainers <= 64:  # noqa: PLR2004 - of a job
        raise OutOfRange(f"at least {_FEWEST_EVENTS} events, one job, and 3 to 64 trainers")
    size = {"events": asked.events, "jobs": asked.jobs, "trainers": asked.trainers}
    return fresh("scripts.benchmarks.indexer", size)


def measure(asked: Figures) -> Figures:
    """Play a market, then index it; playing is not on the clock."""
    node = Node()
    events = play(node, **asked).events
    with tempfile.TemporaryDirectory() as folder:
        engine = open_index(f"sqlite:///{folder}/index.db")
        try:
            return _index(engine, node, events)
        finally:
            engine.dispose()


def _index(engine: Engine, node: Node, events: int) -> Figures:
    indexer = Indexer(engine, node.client())
    watch = Stopwatch()
    indexer.catch_up()
    seconds, cpu_seconds = watch.read()
    (told,) = Reader(engine).status().markets
    if told.events != events or told.fault is not None:
        raise MeasurementFailed(f"of {events} events {told.events} were indexed: {told.fault}")
    return {
        "events": events,
        "blocks": len(node.blocks),
        "events_per_second": events / seconds,
        "events_per_cpu_second": events / cpu_seconds,
        "index_seconds": seconds,
        "index_cpu_seconds": cpu_seconds,
        "target": TARGET,
    }


if __name__ == "__main__":
    serve(measure)
