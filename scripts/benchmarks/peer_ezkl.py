"""The Gram matrix through ezkl (Halo2 from an ONNX graph, KZG); runs in the peers' environment.

The graph is one product of a matrix with its own transpose. ezkl checks such a product with one random combination
(Freivalds), as Gramercy does. What ties the input to a commitment is the cheapest that ezkl offers, one KZG commitment
to all updates together ("polycommit"); "hashed" (Poseidon) takes five times the rows. Range checks of the
decomposition are sized for the entries' products.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import ezkl  # type: ignore[import-not-found] # of the peers' environment, as is onnx
import numpy as np
import onnx  # type: ignore[import-not-found]
from onnx import TensorProto, helper

from scripts.benchmarks.process import Figures, MeasurementFailed, peak_bytes, serve

_DECOMPOSITION_BITS = 14
_MAX_LOG_ROWS = 22


def measure(asked: Figures) -> Figures:
    """Take one step: ``plan`` a circuit, make its ``srs``, or ``prove`` and verify (set-up included)."""
    if asked["step"] == "srs":
        partial = Path(asked["srs"]).with_suffix(".partial")
        ezkl.gen_srs(str(partial), asked["log_rows"])
        partial.rename(asked["srs"])
        return {}
    with tempfile.TemporaryDirectory() as folder:
        circuit = _Circuit(Path(folder), asked["n"], asked["d"], asked["bits"])
        log_rows = circuit.plan()
        if asked["step"] == "plan":
            return {"log_rows": log_rows}
        return {"log_rows": log_rows, **circuit.prove(asked["srs"])}


class _Circuit:
    def __init__(self, folder: Path, n: int, d: int, bits: int) -> None:
        self._folder = folder
        self._updates = np.random.default_rng(1).integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (n, d))
        self._legs = math.ceil((2 * (bits - 1) + math.log2(d) + 1) / _DECOMPOSITION_BITS)

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def plan(self) -> int:
        """Write graph, input, settings and compiled circuit; return the logarithm of its number of rows."""
        _write_graph(self._path("gram.onnx"), *self._updates.shape)
        Path(self._path("input.json")).write_text(json.dumps({"input_data": [self._updates.ravel().tolist()]}))
        arguments = ezkl.PyRunArgs()
        arguments.input_visibility, arguments.output_visibility = "polycommit", "public"
        arguments.param_visibility = "fixed"
        arguments.input_scale = arguments.param_scale = 0  # the entries are integers already
        arguments.decomp_base, arguments.decomp_legs = 1 << _DECOMPOSITION_BITS, self._legs
        graph, settings = self._path("gram.onnx"), self._path("settings.json")
        ezkl.gen_settings(graph, settings, py_run_args=arguments)
        ezkl.calibrate_settings(self._path("input.json"), graph, settings, "resources", 2, [0], [1], _MAX_LOG_ROWS)
        ezkl.compile_circuit(graph, self._path("circuit"), settings)
        return int(json.loads(Path(settings).read_text())["run_args"]["logrows"])

    def prove(self, srs: str) -> Figures:
        """Set up, prove and verify; the matrix that is proven is compared with NumPy's."""
        circuit, witness, proof = self._path("circuit"), self._path("witness.json"), self._path("proof.json")
        proving_key, verifying_key = self._path("pk"), self._path("vk")
        set_up = _timed("setup", lambda: ezkl.setup(circuit, verifying_key, proving_key, srs))

        def witness_and_proof() -> None:
            ezkl.gen_witness(self._path("input.json"), circuit, witness, None, srs)
            ezkl.prove(witness, circuit, proving_key, proof, srs)

        proven = _timed("prove", witness_and_proof)
        if not ezkl.verify(proof, self._path("settings.json"), verifying_key, srs):
            raise MeasurementFailed("ezkl's proof does not verify")
        outputs = [ezkl.felt_to_int(felt) for felt in json.loads(Path(witness).read_text())["outputs"][0]]
        if outputs != (self._updates @ self._updates.T).ravel().tolist():
            raise MeasurementFailed("ezkl proved another matrix")
        length = len(json.loads(Path(proof).read_text())["proof"])
        return {**set_up, **proven, "proof_bytes": length, "peak_bytes": peak_bytes()}


def _write_graph(path: str, n: int, d: int) -> None:
    nodes = [
        helper.make_node("Transpose", ["updates"], ["transposed"], perm=[1, 0]),
        helper.make_node("MatMul", ["updates", "transposed"], ["gram"]),
    ]
    graph = helper.make_graph(
        nodes,
        "gram",
        [helper.make_tensor_value_info("updates", TensorProto.FLOAT, [n, d])],
        [helper.make_tensor_value_info("gram", TensorProto.FLOAT, [n, n])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def _timed(what: str, run: Any) -> Figures:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return {f"{what}_seconds": time.perf_counter() - wall, f"{what}_cpu_seconds": time.process_time() - cpu}


if __name__ == "__main__":
    serve(measure)
