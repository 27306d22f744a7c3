"""An aggregator's proof of one round, and what comes before it: commitments, their batch check, the Gram matrix."""

from __future__ import annotations

from aggregator.bn254 import Point
from aggregator.commitments import check_commitments, commit
from aggregator.errors import InvalidProof
from aggregator.gram import gram_matrix
from aggregator.proofs import GramStatement, prove, verify_gram
from aggregator.srs import Srs
from scripts.benchmarks.inputs import SEED, Parameters, blinding, open_srs, random_update, statement
from scripts.benchmarks.measuring import Stopwatch, timed
from scripts.benchmarks.process import Figures, peak_bytes, serve
from scripts.benchmarks.terminal import counted


class Steps:
    """Wall time of each step of the prover, of its last run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name = ""
        self._watch = Stopwatch()

    def begin(self, name: str) -> None:
        """Note that a step begins; the empty name ends the last."""
        if self._name:
            self.seconds[self._name] = self._watch.read()[0]
        self._name, self._watch = name, Stopwatch()


def measure(asked: Figures) -> Figures:
    """Prove one round again and again; every proof is verified, off the clock."""
    parameters = Parameters(**asked)
    srs = open_srs(parameters.d)
    updates = [random_update(index, parameters) for index in counted("updates", range(parameters.n))]
    blindings = [blinding(index) for index in range(parameters.n)]
    baseline = peak_bytes()

    watch = Stopwatch()
    commitments: tuple[Point, ...] = tuple(
        commit(srs, update, hiding)
        for update, hiding in counted("commitments", list(zip(updates, blindings, strict=True)))
    )
    commit_seconds, commit_cpu_seconds = watch.read()
    gram_timing, gram = timed(lambda: gram_matrix(updates, bits=parameters.bits), repeat=parameters.repeat)
    check_timing, wrong = timed(
        lambda: check_commitments(srs, commitments, updates, blindings, SEED), repeat=parameters.repeat
    )
    if wrong:
        raise InvalidProof(f"commitments {wrong} do not open")
    claim = statement(parameters, commitments, gram)
    steps = Steps()
    proofs: list[bytes] = []

    def once() -> None:
        proofs.append(prove(srs, claim, updates, blindings, seed=SEED, progress=steps.begin))
        steps.begin("")

    timing, _ = timed(once, repeat=parameters.repeat)
    peak = peak_bytes()
    _check(srs, claim, proofs)
    return {
        "median_seconds": timing.median_seconds,
        "median_cpu_seconds": timing.median_cpu_seconds,
        "seconds": timing.seconds,
        "steps_seconds": steps.seconds,
        "gram_seconds": gram_timing.median_seconds,
        "gram_cpu_seconds": gram_timing.median_cpu_seconds,
        "check_seconds": check_timing.median_seconds,
        "check_cpu_seconds": check_timing.median_cpu_seconds,
        "commit_seconds": commit_seconds,
        "commit_cpu_seconds": commit_cpu_seconds,
        "proof_bytes": len(proofs[-1]),
        "proofs_verified": len(proofs),
        "peak_bytes": peak,
        "peak_above_baseline_bytes": peak - baseline,
    }


def _check(srs: Srs, claim: GramStatement, proofs: list[bytes]) -> None:
    if len(set(proofs)) != 1:
        raise InvalidProof("equal inputs gave different proofs")
    for proof in proofs:
        verify_gram(srs.key, claim, proof)


if __name__ == "__main__":
    serve(measure)
