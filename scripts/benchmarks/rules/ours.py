"""One rule of ours in a process of its own: Gram matrix, decision, weighted sum; and the limit between the runs."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from aggregator.coordinatewise import bulyan, coordinate_median, trimmed_mean
from aggregator.gram import extend_gram, gram_matrix, weighted_sum
from aggregator.products import Layout, Products
from aggregator.rules import RULES, WEIGHT_ONE, Rule
from aggregator.rules.centred_clipping import CentredClipping
from aggregator.rules.geometric_median import GeometricMedian
from aggregator.rules.nnm import NearestNeighbourMixing
from aggregator.rules.weighing import LENGTH_BITS
from scripts.benchmarks.process import Figures, peak_bytes, serve
from scripts.benchmarks.rules.limit import Limit
from scripts.benchmarks.rules.updates import (
    CLIPPING_RADIUS,
    SCALE_EXPONENT,
    SMOOTHING,
    byzantine_of,
    dequantised,
    load,
)

Rows = Sequence[npt.NDArray[np.int16]]
STEPS = ("gram", "decide", "sum")
COORDINATEWISE: dict[str, Callable[[Rows, int], npt.NDArray[np.float32]]] = {
    "coordinate-median": lambda rows, _: coordinate_median(rows),
    "trimmed-mean": trimmed_mean,
    "bulyan": bulyan,
}
"""Rules for comparison, which no job can settle by."""
_STAKE = 10**18
_LONG_SECONDS = 1.0


def measure(asked: Figures) -> Figures:
    """Aggregate again and again, with the limit's kernel in between where there is one."""
    n, d, name = asked["n"], asked["d"], asked["rule"]
    whole = load(asked["updates"], n, d)
    updates, reference = list(whole[:n]), whole[n]
    baseline = peak_bytes()
    output, steps, accepted = _aggregate(RULES.get(name, name), updates, reference)
    peak = peak_bytes()
    found: Figures = {
        "peak_bytes": peak,
        "extra_bytes": max(0, peak - baseline - output.nbytes),
        "accepted": accepted,
        "byzantine": byzantine_of(n),
    }
    comparable = _with_constants(name, n)
    if comparable:
        output = _aggregate(comparable, updates, reference)[0]
    _save(output, asked["output"])
    del output
    runs, limits, cpu = _runs(asked, name, updates, reference, sum(steps))
    if limits:
        found |= {
            "limit_ms": statistics.median(gram + total for gram, total in limits) * 1e3,
            "limit_gram_ms": statistics.median(gram for gram, _ in limits) * 1e3,
            "limit_sum_ms": statistics.median(total for _, total in limits) * 1e3,
            "limit_cpu_ms": statistics.median(theirs for _, theirs in cpu) * 1e3,
        }
    seconds = [sum(run) for run in runs]
    return found | {
        "median_ms": statistics.median(seconds) * 1e3,
        "median_cpu_ms": statistics.median(mine for mine, _ in cpu) * 1e3,
        "least_ms": min(seconds) * 1e3,
        "steps_ms": {step: statistics.median(run[i] for run in runs) * 1e3 for i, step in enumerate(STEPS)},
        "load": os.getloadavg()[0],
    }


def _runs(
    asked: Figures, name: str, updates: Rows, reference: npt.NDArray[np.int16], first_seconds: float
) -> tuple[list[tuple[float, float, float]], list[tuple[float, float]], list[tuple[float, float]]]:
    """Return seconds of each step, of the limit's two, and CPU seconds of both sides, from runs that take turns."""
    limit = None
    if asked.get("limit"):
        limit = Limit(asked["limit"], dequantised(asked["updates"], len(updates), len(updates[0])), asked["threads"])
        limit.seconds()
    times = asked["repeat"] or (9 if first_seconds < _LONG_SECONDS else 3)
    runs, limits, cpu = [], [], []
    for _ in range(times):
        start = time.process_time()
        runs.append(_aggregate(RULES.get(name, name), updates, reference)[1])
        middle = time.process_time()
        if limit:
            limits.append(limit.seconds())
        cpu.append((middle - start, time.process_time() - middle))
    return runs, limits, cpu


def _aggregate(
    rule: Rule | str, updates: Rows, reference: npt.NDArray[np.int16]
) -> tuple[npt.NDArray[np.int64] | npt.NDArray[np.float32], tuple[float, float, float], list[int] | None]:
    """Return the output, the seconds of each step, and which updates count, where the rule says so."""
    f = byzantine_of(len(updates))
    start = time.perf_counter()
    if isinstance(rule, str):
        whole = COORDINATEWISE[rule](updates, f)
        return whole, (0.0, 0.0, time.perf_counter() - start), None
    products = _products(rule, updates, reference)
    multiplied = time.perf_counter()
    trainers = [bytes([i]) * 20 for i in range(len(updates))]
    decision = rule.decide(products, f, [_STAKE] * len(updates), trainers=trainers)
    decided = time.perf_counter()
    output = weighted_sum(updates, decision.weights)
    done = time.perf_counter()
    accepted = [i for i, ok in enumerate(decision.accepted) if ok]
    return output, (multiplied - start, decided - multiplied, done - decided), accepted


def _products(rule: Rule, updates: Rows, reference: npt.NDArray[np.int16]) -> Products:
    gram = gram_matrix(updates, bits=16)
    if rule.needs_reference:
        rows: list[list[int]] = extend_gram(gram, updates, reference).tolist()
        return Products(Layout(len(updates), reference=True), tuple(map(tuple, rows)))
    if rule.needs_history:  # of a job's first round: the running sums are the updates
        rows = np.tile(gram, (2, 2)).tolist()
        return Products(Layout(len(updates), history=True), tuple(map(tuple, rows)))
    return Products.of_updates(gram.tolist())


def _with_constants(name: str, n: int) -> Rule | None:
    """Return the rule with the constants that peers have, where ours takes them from the data.

    Mixed rows are scaled by the number of updates in each, and the constants with them.
    """
    mixed = n - byzantine_of(n) if name.startswith("nnm+") else 1
    unit = mixed / 2**SCALE_EXPONENT
    rules: dict[str, Rule] = {
        "centred-clipping": CentredClipping(squared_radius=round((CLIPPING_RADIUS * unit) ** 2)),
        "geometric-median": GeometricMedian(smoothing=round(SMOOTHING * unit * 2**LENGTH_BITS)),
    }
    inner = rules.get(name.removeprefix("nnm+"))
    return NearestNeighbourMixing(inner) if inner and mixed > 1 else inner


def _save(output: npt.NDArray[np.int64] | npt.NDArray[np.float32], path: str) -> None:
    """Write what the output stands for, as float32."""
    scale = 2.0**SCALE_EXPONENT / (WEIGHT_ONE if output.dtype == np.int64 else 1)
    np.save(path, (output * scale).astype(np.float32))


if __name__ == "__main__":
    serve(measure)
