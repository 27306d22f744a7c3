"""The same statement through what a team would otherwise pick: groth16py and ezkl, beside Gramercy, in one run.

Each proof is made in a process of its own. Sizes double until a peer needs more CPU time than it is granted, set-up
included. Compared are CPU seconds for each committed entry, n d of them; machine load bears little on those.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scripts.benchmarks import peers_environment
from scripts.benchmarks.inputs import Parameters, cache_folder, prepare_srs
from scripts.benchmarks.process import Figures, MeasurementFailed, run_fresh
from scripts.benchmarks.terminal import console, stages, waiting

PLAN_SECONDS = 60
OURS = "scripts.benchmarks.prove"
_GROTH16, _EZKL = "scripts.benchmarks.peer_groth16", "scripts.benchmarks.peer_ezkl"


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to prove the statement; ``note`` says what differs from Gramercy's."""

    name: str
    prove: Callable[[Parameters, int], Figures]
    note: str


def compare(parameters: Parameters, *, first: int, limit_seconds: int) -> Figures:
    """Measure Gramercy at its size and at the peers' sizes, and each peer at ``first`` entries, twice that, and so on.

    Parameters
    ----------
    limit_seconds
        CPU time that a peer is granted for one size: set-up, witness, proof and verification.

    """
    peers_environment.prepare()
    ours = _ours(parameters)
    found: list[Figures] = []
    for peer in PEERS:
        rows, stopped = _series(peer, parameters, first, limit_seconds)
        found.append({"name": peer.name, "note": peer.note, "rows": rows, "stopped": stopped})
    largest = sorted({series["rows"][-1]["d"] for series in found if series["rows"]})
    small = {dimension: _ours(replace(parameters, d=dimension)) for dimension in largest}
    for series in found:
        series["times_dearer"] = _ratios(series["rows"], ours, small)
    return {
        "versions": {"gramercy": importlib.metadata.version("gramercy"), **peers_environment.versions()},
        "limit_cpu_seconds": limit_seconds,
        "ours": ours,
        "ours_at_peers_sizes": list(small.values()),
        "peers": found,
    }


def _series(peer: Peer, parameters: Parameters, first: int, limit_seconds: int) -> tuple[list[Figures], str]:
    rows: list[Figures] = []
    for dimension in _doubling(first, parameters.d):
        size = replace(parameters, d=dimension)
        console.print(f"{peer.name}: n = {size.n}, d = {dimension}, {size.bits} bits", highlight=False)
        try:
            with waiting(f"{peer.name}, n = {size.n}, d = {dimension}"):
                figures = peer.prove(size, limit_seconds)
        except MeasurementFailed as error:
            return rows, f"d = {dimension}: {error}"
        entries = size.n * dimension
        per_entry = figures["prove_cpu_seconds"] / entries * 1e6
        rows.append({"n": size.n, "d": dimension, **figures, "cpu_us_per_entry": per_entry})
    return rows, f"reached d = {parameters.d}"


def _doubling(first: int, last: int) -> Iterator[int]:
    while first <= last:
        yield first
        first *= 2


def _ours(parameters: Parameters) -> Figures:
    """Measure everything that an entry costs: its commitment, the batch check, the Gram matrix, the proof."""
    console.print(f"gramercy: n = {parameters.n}, d = {parameters.d}, {parameters.bits} bits", highlight=False)
    with stages() as shown:
        prepare_srs(parameters.d, stages=shown)
    figures = run_fresh(OURS, asdict(parameters))
    entries = parameters.n * parameters.d
    proof = figures["median_cpu_seconds"]
    everything = proof + sum(figures[f"{step}_cpu_seconds"] for step in ("commit", "check", "gram"))
    return {
        "n": parameters.n,
        "d": parameters.d,
        **figures,
        "everything_cpu_seconds": everything,
        "cpu_us_per_entry": everything / entries * 1e6,
        "proof_cpu_us_per_entry": proof / entries * 1e6,
    }


def _ratios(rows: list[Figures], ours: Figures, small: dict[int, Figures]) -> Figures | None:
    """Return how many times more CPU time than Gramercy a peer takes for an entry, at the peer's largest size.

    Gramercy's side is everything (commitments, check, matrix, proof), the peer's its proof, set-up left out.
    """
    if not rows:
        return None
    largest = rows[-1]
    cost, same = largest["cpu_us_per_entry"], small[largest["d"]]
    with_set_up = cost * (1 + largest["setup_cpu_seconds"] / largest["prove_cpu_seconds"])
    return {
        "at_largest": cost / ours["cpu_us_per_entry"],
        "at_largest_proof_alone": cost / ours["proof_cpu_us_per_entry"],
        "at_largest_with_set_up": with_set_up / ours["cpu_us_per_entry"],
        "at_peers_size": cost / same["cpu_us_per_entry"],
    }


def _groth16(variant: str) -> Callable[[Parameters, int], Figures]:
    def prove(size: Parameters, limit_seconds: int) -> Figures:
        asked: Figures = {"n": size.n, "d": size.d, "bits": size.bits, "variant": variant}
        return run_fresh(_GROTH16, asked, python=str(peers_environment.PYTHON), cpu_limit_seconds=limit_seconds)

    return prove


def _ezkl(size: Parameters, limit_seconds: int) -> Figures:
    asked: Figures = {"n": size.n, "d": size.d, "bits": size.bits}
    plan = run_fresh(
        _EZKL, asked | {"step": "plan"}, python=str(peers_environment.PYTHON), cpu_limit_seconds=PLAN_SECONDS
    )
    srs = _ezkl_srs(plan["log_rows"])
    asked |= {"step": "prove", "srs": str(srs)}
    return run_fresh(_EZKL, asked, python=str(peers_environment.PYTHON), cpu_limit_seconds=limit_seconds)


def _ezkl_srs(log_rows: int) -> Path:
    """Return ezkl's own development reference string, made here once; no peer's time is charged for it."""
    path = cache_folder() / f"ezkl-{log_rows}.srs"
    if not path.exists():
        run_fresh(_EZKL, {"step": "srs", "srs": str(path), "log_rows": log_rows}, python=str(peers_environment.PYTHON))
    return path


PEERS = (
    Peer(
        "groth16py unbound",
        _groth16("unbound"),
        "proves the matrix of vectors that no commitment binds: less than the statement",
    ),
    Peer(
        "groth16py Poseidon",
        _groth16("bound"),
        "vectors bound by Poseidon digests; entries in range (more than the statement); digests hide nothing",
    ),
    Peer(
        "ezkl KZG",
        _ezkl,
        "one KZG commitment to all updates together, not one for each trainer",
    ),
)
