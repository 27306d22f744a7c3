"""Measurements in processes of their own, so that neither memory nor warmth of one leaks into another.

Standard library only: the peers' side runs it in an environment that has nothing else of this project.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Figures = dict[str, Any]
"""What a measurement gives, and what it is asked with: JSON."""
_LAST_WORDS = 300
_WALL_FACTOR = 10
"""On a busy machine a process may take longer than the CPU seconds it is granted, but not for ever."""


class MeasurementFailed(Exception):
    """A measuring process ended without figures; ``out_of_time`` if it used up the CPU seconds it was granted."""

    def __init__(self, reason: str, *, out_of_time: bool = False) -> None:
        super().__init__(reason)
        self.out_of_time = out_of_time


def run_fresh(
    module: str,
    parameters: Figures,
    *,
    python: str = sys.executable,
    cpu_limit_seconds: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Figures:
    """Run ``module`` (which calls :func:`serve`) in a new process and return its figures.

    Parameters
    ----------
    python
        Interpreter, for a module of another environment.
    cpu_limit_seconds
        CPU time after which the system ends the process; its error output is then kept from the terminal.
    variables
        Environment variables to set beside this process's own.

    Raises
    ------
    MeasurementFailed
        If it gives no figures.

    """
    granted = parameters if cpu_limit_seconds is None else parameters | {"cpu_limit_seconds": cpu_limit_seconds}
    try:
        done = subprocess.run(
            [python, "-m", module],
            cwd=ROOT,
            env={**os.environ, **(variables or {})},
            input=json.dumps(granted).encode(),
            stdout=subprocess.PIPE,
            stderr=None if cpu_limit_seconds is None else subprocess.PIPE,
            timeout=None if cpu_limit_seconds is None else _WALL_FACTOR * cpu_limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"not done in {_WALL_FACTOR} x {cpu_limit_seconds} s", out_of_time=True) from None
    if done.returncode:
        if cpu_limit_seconds is not None and -done.returncode in _LIMIT_SIGNALS:
            raise MeasurementFailed(f"not done in {cpu_limit_seconds} CPU seconds", out_of_time=True)
        words = (done.stderr or b"").decode(errors="replace").strip()[-_LAST_WORDS:]
        raise MeasurementFailed(f"{module} ended with status {done.returncode}" + (f": {words}" if words else ""))
    figures: Figures = json.loads(done.stdout)
    return figures


def serve(measure: Callable[[Figures], Figures]) -> None:
    """Answer one request of :func:`run_fresh`. What else is printed meanwhile goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    parameters = json.load(sys.stdin)
    limit = parameters.pop("cpu_limit_seconds", None)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    with answers:
        json.dump(measure(parameters), answers)


def peak_bytes() -> int:
    """Return the most memory that was resident in this process since it started.

    Not ``ru_maxrss`` where there is better: on Linux that begins with what the parent had resident when it forked.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def restrict_cores(threads: int) -> int:
    """Keep this process, and those it starts, on ``threads`` of its cores (0: on all); return on how many it runs.

    Raises
    ------
    MeasurementFailed
        If the system cannot, or there are not as many.

    """
    if not hasattr(os, "sched_setaffinity"):
        if threads:
            raise MeasurementFailed("this system cannot keep a process on some of its cores: leave --threads out")
        return os.cpu_count() or 1
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise MeasurementFailed(f"there are {len(cores)} cores, not {threads}")
    if threads:
        cores = cores[:threads]
        os.sched_setaffinity(0, cores)
    return len(cores)


_LIMIT_SIGNALS = (9, 24)  # SIGKILL at the hard limit, SIGXCPU at the soft one
