"""Measure what the Gram proof costs: commitments, proofs, verification, gas, and the same through other provers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from aggregator.errors import GramercyError, OutOfRange
from scripts.benchmarks import api_load, dashboard, gas, growth, indexer, peers, report
from scripts.benchmarks.attacks import main as attacks
from scripts.benchmarks.inputs import MAX_UPDATES, Parameters, prepare_srs
from scripts.benchmarks.measuring import envelope
from scripts.benchmarks.process import Figures, MeasurementFailed, restrict_cores, run_fresh
from scripts.benchmarks.rules import main as rules
from scripts.benchmarks.terminal import console, stages
from scripts.benchmarks.valuation import main as valuation

FEWEST_TRAINERS = 3
GAS_UPDATES = (4, 8, 16, 20, 32, 64)
_COMMANDS = {
    "commit": ("a trainer's commitment to one update", 1, 1_000_000),
    "prove": ("an aggregator's proof of a round", 32, 1_000_000),
    "verify": ("verification of a proof in Python, and its gas", 32, 1_000),
    "gas": ("gas of verification and of a whole settlement", 0, 1_000),
    "peers": ("the same statement through groth16py and ezkl", 32, 1_000_000),
}
"""What each measures, and its n and d; n = 0 stands for all of GAS_UPDATES."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.benchmark == "scores":
            return _scores(asked)
        if asked.benchmark == "attacks":
            return _attacks(asked)
        answer = envelope(asked.benchmark, _asked_parameters(asked))
        answer["cores_used"] = restrict_cores(asked.threads)
        answer |= _BENCHMARKS[asked.benchmark](asked)
    except (GramercyError, MeasurementFailed) as error:
        console.print(f"error: {error}", markup=False)
        return 1
    if asked.json:
        json.dump(answer, sys.stdout, indent=1)
        print()
    else:
        report.show(answer)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name, (what, n, d) in _COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"Measure {what}.")
        command.add_argument("--n", type=int, default=n, help=f"updates of the round ({n or 'several'})")
        command.add_argument("--d", type=int, default=d, help=f"entries of an update ({d})")
        command.add_argument("--bits", type=int, default=16, help="bits of an entry, 4 to 16 (16)")
        command.add_argument("--threads", type=int, default=0, help="cores to use (0: all)")
        command.add_argument("--repeat", type=int, default=0, help="times on the clock (0: 1 to 5, by duration)")
        command.add_argument("--json", action="store_true", help="answer with one JSON object")
        if name in ("commit", "prove", "verify"):
            command.add_argument("--growth", action="store_true", help="also measure growth over d and n")
            command.add_argument(
                "--d-max", type=int, default=1_000_000, help="largest d of the growth tables (10^6; 10^7 takes long)"
            )
        if name == "gas":
            command.add_argument("--d-other", type=int, default=100_000, help="second d, to show that gas is flat")
        if name == "peers":
            command.add_argument("--peer-d", type=int, default=125, help="smallest d for the peers; doubled from there")
            command.add_argument("--limit-seconds", type=int, default=120, help="CPU time that a size may take a peer")
    what = "rules beside byzfl, byzpy and flwr, and beside the limit"
    rules.add_arguments(commands.add_parser("rules", help=what, description=f"Measure {what}."))
    what = "how well scores and valuations rank trainers, and what they cost"
    valuation.add_arguments(commands.add_parser("scores", help=what, description=f"Measure {what}."))
    what = "rules under attack: accuracy, attackers' pay, fairness, false rejections"
    attacks.add_arguments(commands.add_parser("attacks", help=what, description=f"Measure {what}."))
    what = "indexing a market's whole history into a database"
    indexer.add_arguments(commands.add_parser("indexer", help=what, description=f"Measure {what}."))
    what = "reads of the dashboard's API at a fixed rate over loopback"
    api_load.add_arguments(commands.add_parser("api", help=what, description=f"Measure {what}."))
    what = "the dashboard's pages in chromium"
    dashboard.add_arguments(commands.add_parser("dashboard", help=what, description=f"Measure {what}."))
    return parser


def _scores(asked: argparse.Namespace) -> int:
    parameters = {key: str(value) for key, value in _asked_parameters(asked).items() if value is not None}
    valuation.answer(asked, envelope("scores", parameters) | valuation.run(asked))
    return 0


def _attacks(asked: argparse.Namespace) -> int:
    parameters = {key: str(value) for key, value in _asked_parameters(asked).items() if value is not None}
    attacks.answer(asked, envelope("attacks", parameters) | attacks.run(asked))
    return 0


def _asked_parameters(asked: argparse.Namespace) -> Figures:
    return {key: value for key, value in vars(asked).items() if key not in ("benchmark", "json")}


def _parameters(asked: argparse.Namespace, n: int | None = None) -> Parameters:
    n = asked.n if n is None else n
    if asked.benchmark in ("verify", "gas") and n < FEWEST_TRAINERS:
        raise OutOfRange(f"a settlement by Multi-Krum takes {FEWEST_TRAINERS} updates or more, not {n}")
    return Parameters(n=n, d=asked.d, bits=asked.bits, repeat=asked.repeat)


def _measure(name: str, parameters: Parameters) -> Figures:
    with stages() as shown:
        prepare_srs(parameters.d, stages=shown)
    console.print(f"{name}: n = {parameters.n}, d = {parameters.d}, {parameters.bits} bits", highlight=False)
    return run_fresh(f"scripts.benchmarks.{name}", asdict(parameters))


def _timed(name: str) -> Callable[[argparse.Namespace], Figures]:
    def run(asked: argparse.Namespace) -> Figures:
        parameters = _parameters(asked)
        done: dict[Parameters, Figures] = {}

        def measure(size: Parameters) -> Figures:
            if size not in done:
                done[size] = _measure(name, size)
            return done[size]

        figures = measure(parameters)
        if name == "verify":
            figures = figures | _measure("gas", parameters)
        return figures | ({"growth": _growth(name, parameters, asked.d_max, measure)} if asked.growth else {})

    return run


def _growth(
    name: str, parameters: Parameters, largest: int, measure: Callable[[Parameters], Figures]
) -> dict[str, Figures]:
    found = {}
    if name != "verify":
        dimensions = growth.dimensions(largest)
        found["d"] = growth.series("d", dimensions, lambda d: measure(replace(parameters, d=d)), against=growth.d_log_d)
    if name != "commit":
        updates = [n for n in growth.UPDATES if n <= MAX_UPDATES]
        found["n"] = growth.series("n", updates, lambda n: measure(replace(parameters, n=n)))
    return found


def _gas(asked: argparse.Namespace) -> Figures:
    rows = []
    for n in (asked.n,) if asked.n else GAS_UPDATES:
        size = _parameters(asked, n)
        other = _measure("gas", replace(size, d=asked.d_other))
        rows.append(
            {
                "n": n,
                "d": size.d,
                **_measure("gas", size),
                "verify_limit": gas.VERIFY_LIMITS.get(n),
                "settle_limit": gas.SETTLE_LIMITS.get(n),
                "d_other": asked.d_other,
                "verify_gas_other": other["verify_gas"],
                "settle_gas_other": other["settle_gas"],
            }
        )
    headline = {key: rows[0][key] for key in ("verify_gas", "settle_gas", "proof_bytes")} if len(rows) == 1 else {}
    return {**headline, "rows": rows, "contracts": gas.recorded_contracts()}


def _peers(asked: argparse.Namespace) -> Figures:
    if asked.limit_seconds < 1 or asked.peer_d < 1:
        raise OutOfRange("--limit-seconds and --peer-d are at least 1")
    return peers.compare(_parameters(asked), first=asked.peer_d, limit_seconds=asked.limit_seconds)


_BENCHMARKS: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "commit": _timed("commit"),
    "prove": _timed("prove"),
    "verify": _timed("verify"),
    "gas": _gas,
    "peers": _peers,
    "rules": rules.run,
    "api": api_load.run,
    "dashboard": dashboard.run,
    "indexer": lambda asked: indexer.run(asked, run_fresh),
}

if __name__ == "__main__":
    sys.exit(main())
