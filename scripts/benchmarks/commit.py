"""A trainer's commitment: one multi-scalar multiplication of size d with small scalars."""

from __future__ import annotations

from aggregator.commitments import commit
from scripts.benchmarks.inputs import Parameters, blinding, open_srs, random_update
from scripts.benchmarks.measuring import timed
from scripts.benchmarks.process import Figures, peak_bytes, serve


def measure(asked: Figures) -> Figures:
    """Commit to one random update again and again."""
    parameters = Parameters(**asked)
    srs, update, hiding = open_srs(parameters.d), random_update(0, parameters), blinding(0)
    baseline = peak_bytes()
    timing, _ = timed(lambda: commit(srs, update, hiding), repeat=parameters.repeat)
    return {
        "median_seconds": timing.median_seconds,
        "median_cpu_seconds": timing.median_cpu_seconds,
        "seconds": timing.seconds,
        "ns_per_entry": timing.median_seconds / parameters.d * 1e9,
        "peak_bytes": peak_bytes(),
        "peak_above_baseline_bytes": peak_bytes() - baseline,
    }


if __name__ == "__main__":
    serve(measure)
