"""A rule through byzfl, byzpy or flwr; runs in their environment, on the same updates as float32."""

from __future__ import annotations

import gc
import importlib.util
import os
import resource
import statistics
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from scripts.benchmarks.process import Figures, peak_bytes, serve
from scripts.benchmarks.rules.updates import CLIPPING_RADIUS, SMOOTHING, byzantine_of, dequantised

Aggregate = Callable[[], Any]
Make = Callable[[Any, int], Aggregate]
"""From updates (n, d) and f to what is timed; conversions that a user would not do again are done before."""
_SHORT_SECONDS, _LONG_SECONDS = 0.5, 5.0


def measure(asked: Figures) -> Figures:
    """Aggregate again and again."""
    if asked.get("memory_limit_bytes"):
        resource.setrlimit(resource.RLIMIT_AS, (asked["memory_limit_bytes"],) * 2)
    torch.set_num_threads(asked["threads"])
    n = asked["n"]
    updates = dequantised(asked["updates"], n, asked["d"])
    run = _LIBRARIES[asked["library"]](asked["rule"], updates, byzantine_of(n))
    gc.collect()
    baseline = peak_bytes()
    seconds = [_seconds(run, asked["output"])]
    peak = peak_bytes()
    for _ in range(asked["repeat"] or _repetitions(seconds[0][0])):
        seconds.append(_seconds(run, ""))
    timed = seconds[1:] or seconds
    return {
        "median_ms": statistics.median(wall for wall, _ in timed) * 1e3,
        "median_cpu_ms": statistics.median(cpu for _, cpu in timed) * 1e3,
        "least_ms": min(wall for wall, _ in timed) * 1e3,
        "peak_bytes": peak,
        "extra_bytes": max(0, peak - baseline - updates[0].nbytes),
        "load": os.getloadavg()[0],
    }


def _seconds(run: Aggregate, path: str) -> tuple[float, float]:
    """Return wall and CPU seconds; the output goes to ``path``, if there is one."""
    start, cpu = time.perf_counter(), time.process_time()
    output = run()
    seconds = time.perf_counter() - start, time.process_time() - cpu
    if path:
        np.save(path, np.asarray(output[0] if isinstance(output, list) else output, dtype=np.float32))
    return seconds


def _repetitions(first_seconds: float) -> int:
    if first_seconds < _SHORT_SECONDS:
        return 5
    return 2 if first_seconds < _LONG_SECONDS else 0


def _byzfl(rule: str, updates: Any, f: int) -> Aggregate:
    """byzfl on one torch tensor; a new object for each call, as centred clipping remembers its last output."""
    found = importlib.util.find_spec("byzfl")
    package = types.ModuleType("byzfl")  # its own __init__ imports torchvision, which aggregation does not use
    package.__path__ = list(found.submodule_search_locations or []) if found else []
    sys.modules["byzfl"] = package
    from byzfl.aggregators import aggregators as a  # type: ignore[import-not-found] # of the peers' environment
    from byzfl.aggregators.preaggregators import NNM  # type: ignore[import-not-found]

    rules: dict[str, Callable[[], Any]] = {
        "krum": lambda: a.Krum(f),
        "multi-krum": lambda: a.MultiKrum(f),
        "geometric-median": lambda: a.GeometricMedian(nu=SMOOTHING, T=3),
        "centred-clipping": lambda: a.CenteredClipping(L=1, tau=CLIPPING_RADIUS),
        "mda": lambda: a.MDA(f),
        "caf": lambda: a.CAF(f),
        "mean": a.Average,
        "coordinate-median": a.Median,
        "trimmed-mean": lambda: a.TrMean(f),
    }
    tensor, inner = torch.from_numpy(updates), rule.removeprefix("nnm+")
    if inner == rule:
        return lambda: rules[rule]()(tensor)
    return lambda: rules[inner]()(NNM(f)(tensor))


def _byzpy(rule: str, updates: Any, f: int) -> Aggregate:
    """byzpy on a list of torch tensors, in this process; its defaults, but for constants that are compared."""
    from byzpy.aggregators.coordinate_wise.median import CoordinateWiseMedian  # type: ignore[import-not-found]
    from byzpy.aggregators.coordinate_wise.trimmed_mean import (  # type: ignore[import-not-found]
        CoordinateWiseTrimmedMean,
    )
    from byzpy.aggregators.geometric_wise.geometric_median import GeometricMedian  # type: ignore[import-not-found]
    from byzpy.aggregators.geometric_wise.krum import Krum, MultiKrum  # type: ignore[import-not-found]
    from byzpy.aggregators.geometric_wise.minimum_diameter_average import (  # type: ignore[import-not-found]
        MinimumDiameterAveraging,
    )
    from byzpy.aggregators.norm_wise.caf import CAF  # type: ignore[import-not-found]
    from byzpy.aggregators.norm_wise.center_clipping import CenteredClipping  # type: ignore[import-not-found]
    from byzpy.configs.backend import set_backend  # type: ignore[import-not-found]
    from byzpy.pre_aggregators.nnm import NearestNeighborMixing  # type: ignore[import-not-found]

    set_backend("torch")
    rules: dict[str, Callable[[], Any]] = {
        "krum": lambda: Krum(f),
        "multi-krum": lambda: MultiKrum(f, len(updates) - f),
        "geometric-median": GeometricMedian,
        "centred-clipping": lambda: CenteredClipping(c_tau=CLIPPING_RADIUS, M=1, init="zero"),
        "mda": lambda: MinimumDiameterAveraging(f),
        "caf": lambda: CAF(f),
        "coordinate-median": CoordinateWiseMedian,
        "trimmed-mean": lambda: CoordinateWiseTrimmedMean(f),
    }
    tensors, inner = list(torch.from_numpy(updates)), rule.removeprefix("nnm+")
    if inner == rule:
        return lambda: rules[rule]().aggregate(tensors)
    return lambda: rules[inner]().aggregate(NearestNeighborMixing(f).pre_aggregate(tensors))


def _flwr(rule: str, updates: Any, f: int) -> Aggregate:
    """flwr's functions over lists of arrays."""
    from flwr.server.strategy import aggregate as a  # type: ignore[import-not-found]

    n = len(updates)

    def results() -> list[tuple[list[Any], int]]:  # Bulyan takes the list apart
        return [([row], 1) for row in updates]

    rules: dict[str, Aggregate] = {
        "krum": lambda: a.aggregate_krum(results(), f, 0),
        "multi-krum": lambda: a.aggregate_krum(results(), f, n - f),
        "mean": lambda: a.aggregate(results()),
        "coordinate-median": lambda: a.aggregate_median(results()),
        "trimmed-mean": lambda: a.aggregate_trimmed_avg(results(), (f + 0.5) / n),
        "bulyan": lambda: a.aggregate_bulyan(results(), f, a.aggregate_krum, to_keep=0),
    }
    return rules[rule]


def _flwr_messages(rule: str, updates: Any, f: int) -> Aggregate:
    """flwr's message API, whose Multi-Krum multiplies matrices; messages are made before."""
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict  # type: ignore[import-not-found]
    from flwr.serverapp.strategy.multikrum import select_multikrum  # type: ignore[import-not-found]
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords  # type: ignore[import-not-found]

    records = [
        RecordDict({"arrays": ArrayRecord({"0": Array(row)}), "metrics": MetricRecord({"num-examples": 1})})
        for row in updates
    ]
    keep = {"krum": 1, "multi-krum": len(updates) - f}[rule]

    def run() -> Any:
        chosen = select_multikrum(records, f, keep)
        return aggregate_arrayrecords(chosen, "num-examples").to_numpy_ndarrays()

    return run


_LIBRARIES: dict[str, Callable[[str, Any, int], Aggregate]] = {
    "byzfl": _byzfl,
    "byzpy": _byzpy,
    "flwr": _flwr,
    "flwr messages": _flwr_messages,
}

if __name__ == "__main__":
    serve(measure)
