"""The Gram matrix through groth16py (arkworks' Groth16, circuits in circom); runs in the peers' environment.

Two circuits: ``unbound`` proves the matrix of vectors that nothing ties to a commitment, which is less than Gramercy
proves; ``bound`` ties them to Poseidon digests.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import time
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import groth16py  # type: ignore[import-not-found] # of the peers' environment

from scripts.benchmarks.poseidon import Poseidon, R, read_constants
from scripts.benchmarks.process import Figures, MeasurementFailed, peak_bytes, serve

CIRCUITS = Path(__file__).parent / "circuits"
_LAMBDA_BYTES = 16


def measure(asked: Figures) -> Figures:
    """Set up, prove and verify one round of ``n`` updates of ``d`` entries of ``bits`` bits by ``variant``."""
    n, d, bits, variant = asked["n"], asked["d"], asked["bits"], asked["variant"]
    library = groth16py.circomlib_path(2)
    drawn = random.Random(1)  # noqa: S311 - inputs of a benchmark
    limit = (1 << (bits - 1)) - 1
    updates = [[drawn.randint(-limit, limit) for _ in range(d)] for _ in range(n)]
    gram = [sum(map(int.__mul__, a, b)) for a, b in combinations_with_replacement(updates, 2)]
    inputs: dict[str, Any] = {"updates": [[entry % R for entry in update] for update in updates]}
    public = [entry % R for entry in gram]
    size = f"{n}, {d}"
    if variant == "bound":
        poseidon = Poseidon(read_constants(library))
        digests = [poseidon.digest(update, bits) for update in updates]
        lambdas = _challenges(digests)
        inputs["lambda"] = lambdas
        public = [_square(gram, lambdas), *digests, *lambdas]
        size += f", {bits}"

    with tempfile.TemporaryDirectory() as folder:
        circuit = Path(folder) / "main.circom"
        public_inputs = "{public [lambda]} " if variant == "bound" else ""
        source = (CIRCUITS / f"{variant}.circom").read_text()
        circuit.write_text(f"{source}\ncomponent main {public_inputs}= Gram({size});\n")
        setup = _Clock()
        proving_key, verifying_key = groth16py.setup_circom(str(circuit), [library])
        setup_figures = setup.read("setup")
    prove = _Clock()
    proof = groth16py.prove(proving_key, inputs)
    prove_figures = prove.read("prove")
    verifier = groth16py.Verifier(verifying_key)
    if not verifier.verify(proof, public):
        raise MeasurementFailed("groth16py's proof does not verify")
    if verifier.verify(proof, [(public[0] + 1) % R, *public[1:]]):
        raise MeasurementFailed("groth16py's proof verifies another matrix")
    return {**setup_figures, **prove_figures, "proof_bytes": len(proof), "peak_bytes": peak_bytes()}


class _Clock:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self, what: str) -> Figures:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {f"{what}_seconds": wall, f"{what}_cpu_seconds": cpu}


def _challenges(digests: list[int]) -> list[int]:
    seed = hashlib.sha256(b"".join(digest.to_bytes(32, "big") for digest in digests)).digest()
    return [
        int.from_bytes(hashlib.sha256(seed + bytes([i])).digest()[:_LAMBDA_BYTES], "big") for i in range(len(digests))
    ]


def _square(gram: list[int], lambdas: list[int]) -> int:
    pairs = combinations_with_replacement(range(len(lambdas)), 2)
    return sum((1 + (i != j)) * lambdas[i] * lambdas[j] * g for (i, j), g in zip(pairs, gram, strict=True)) % R


if __name__ == "__main__":
    serve(measure)
