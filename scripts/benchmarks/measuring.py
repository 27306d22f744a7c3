"""Timing, and what a figure has to be read with: kernel, compiler, machine."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aggregator.bn254 import kernel
from scripts.benchmarks.process import Figures

Result = TypeVar("Result")
SCHEMA = "gramercy/bench/1"
_COMPILER_NOTES = (re.compile(rb"clang version [ -~]+"), re.compile(rb"GCC: [ -~]+"))
_SHORT_SECONDS, _LONG_SECONDS = 2.0, 20.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall and CPU seconds of each repetition; CPU is of all threads together."""

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]

    @property
    def median_seconds(self) -> float:
        """Median wall time."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_seconds(self) -> float:
        """Median CPU time."""
        return statistics.median(self.cpu_seconds)


class Stopwatch:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return (wall, CPU) seconds."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


def timed(run: Callable[[], Result], *, repeat: int = 0) -> tuple[Timing, Result]:
    """Run once to warm up, then ``repeat`` times on the clock; return the times and the last result.

    ``repeat = 0``: 5 times if the first run took less than 2 s, 3 times if less than 20 s, else once.
    """
    watch = Stopwatch()
    result = run()
    times = repeat or _repetitions(watch.read()[0])
    seconds, cpu_seconds = [], []
    for _ in range(times):
        watch = Stopwatch()
        result = run()
        wall, cpu = watch.read()
        seconds.append(wall)
        cpu_seconds.append(cpu)
    return Timing(tuple(seconds), tuple(cpu_seconds)), result


def envelope(benchmark: str, parameters: Figures) -> Figures:
    """Return what every answer begins with."""
    return {
        "schema": SCHEMA,
        "benchmark": benchmark,
        "parameters": parameters,
        "kernel": {"name": kernel().name, "description": kernel().description, "compiler": compiler()},
        "machine": machine(),
    }


def machine() -> Figures:
    """Describe the machine, as far as it bears on speed; it is not named."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": load,
    }


def compiler() -> str | None:
    """Return what compiled the native kernel, by the note that compilers leave in a library; None if not to be told."""
    library = importlib.util.find_spec("aggregator.bn254._native")
    if kernel().name != "native" or library is None or library.origin is None:
        return None
    code = Path(library.origin).read_bytes()
    for note in _COMPILER_NOTES:  # parts of a library that clang made may still come from gcc's run time
        if found := note.search(code):
            return found[0].decode("ascii", errors="replace")
    return None


def _repetitions(first_seconds: float) -> int:
    if first_seconds < _SHORT_SECONDS:
        return 5
    return 3 if first_seconds < _LONG_SECONDS else 1
