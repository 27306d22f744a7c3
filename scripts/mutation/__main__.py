"""Change the contracts, one small fault at a time, and run the forge tests on each: which faults go unnoticed?

``python -m scripts.mutation --sample 200 --seed 1``; what was found is kept in build/mutation and not run again while
the mutated file stays as it is (a survivor is, once the tests change). A mutant that the compiler refuses, or that
makes the same code, does not count.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.compile_contracts import ROOT
from scripts.mutation.compiler import Compiler, Sources
from scripts.mutation.mutants import Mutant, mutants_of
from tests.forge.forge import FOLDER, run_forge

_PARTS = ("Accounts", "Books", "Challenges", "Jobs", "Settlements", "TermsCheck", "Trainers")
MARKET = (
    *(f"contracts/market/{part}.sol" for part in _PARTS),
    "contracts/libraries/Assets.sol",
    "contracts/libraries/Cids.sol",
    "contracts/Forwarder.sol",
)
PAYOUTS = ("contracts/libraries/Payouts.sol", "contracts/libraries/StakeWeights.sol")
BUILD = ROOT / "build" / "mutation"
RESULTS = BUILD / "results.jsonl"


class Target:
    """A contract to mutate: its sources, the files that are changed, and the variable by which tests find it."""

    def __init__(self, entry: str, contract: str, files: Iterable[str], variable: str) -> None:
        self.sources, self.files, self.variable = Sources(entry, contract), tuple(files), variable


def main() -> None:
    """Run a sample of the mutants, or all, and say the score and the survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many mutants to run; all if not said")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--files", nargs="*", help="only mutants of these")
    parser.add_argument("--report", action="store_true", help="run nothing; say what is kept of the sample")
    chosen = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    targets = [
        Target("contracts/Market.sol", "Market", MARKET, "GRAMERCY_FORGE_MARKET"),
        Target("tests/contracts/doubles/PayoutsProbe.sol", "PayoutsProbe", PAYOUTS, "GRAMERCY_FORGE_PAYOUTS"),
    ]
    with Compiler() as compiler:
        work = [(target, mutant) for target in targets for mutant in _mutants(compiler, target)]
        if chosen.files:
            work = [(target, mutant) for target, mutant in work if mutant.file in chosen.files]
        every = len(work)
        if chosen.sample is not None and chosen.sample < every:
            work = random.Random(chosen.seed).sample(work, chosen.sample)  # noqa: S311
        known = _known(targets)
        outcomes = {}
        for number, (target, mutant) in enumerate(work, 1):
            outcome = known.get(mutant.name)
            if outcome is None and not chosen.report:
                outcome = _try(compiler, target, mutant)
                _keep(target, mutant, outcome)
                print(f"{number}/{len(work)} {outcome}: {_where(mutant)}", flush=True)
            if outcome is not None:
                outcomes[mutant] = outcome
    _report(outcomes, every)


def _mutants(compiler: Compiler, target: Target) -> list[Mutant]:
    trees = compiler.trees(target.sources)
    return [m for file in target.files for m in mutants_of(file, target.sources.texts[file], trees[file])]


def _try(compiler: Compiler, target: Target, mutant: Mutant) -> str:
    text = mutant.apply(target.sources.texts[mutant.file])
    try:
        code = compiler.bytecode(target.sources, target.sources.with_change(mutant.file, text))
    except ValueError:
        code = None
    if code is None:
        return "invalid"
    if code == _original(compiler, target):
        return "equivalent"
    return "killed" if _fails(target, code) else "survived"


_ORIGINALS: dict[str, str] = {}


def _original(compiler: Compiler, target: Target) -> str:
    """Return the unchanged contract's code, on which the tests have to pass."""
    if target.variable not in _ORIGINALS:
        file = target.files[0]
        code = compiler.bytecode(target.sources, target.sources.with_change(file, target.sources.texts[file]))
        if code is None or _fails(target, code):
            sys.exit(f"the tests fail on {target.sources.contract} as it is")
        _ORIGINALS[target.variable] = code
    return _ORIGINALS[target.variable]


def _fails(target: Target, code: str) -> bool:
    """Whether a test fails on the code; invariants, which take longest, are asked only about what passes the rest."""
    path = BUILD / f"{target.sources.contract}.json"
    path.write_text(json.dumps({"bytecode": code}))
    for tests in ("--no-match-contract", "--match-contract"):
        done = run_forge(
            ["test", "--fail-fast", tests, "Invariants"],
            profile="mutation",
            environment={target.variable: str(path.relative_to(ROOT))},
        )
        if done.returncode and "[FAIL" not in done.stdout:
            sys.exit(done.stdout)
        if done.returncode:
            return True
    return False


def _digest(paths: Iterable[Path]) -> str:
    state = hashlib.sha256()
    for path in sorted(paths):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def _tests() -> str:
    return _digest([*FOLDER.glob("test/*.sol"), *FOLDER.glob("support/*.sol")])


def _file(target: Target, file: str) -> str:
    return hashlib.sha256(target.sources.texts[file].encode()).hexdigest()[:16]


def _keep(target: Target, mutant: Mutant, outcome: str) -> None:
    record = {**asdict(mutant), "name": mutant.name, "outcome": outcome}
    record |= {"source": _file(target, mutant.file), "tests": _tests()}
    with RESULTS.open("a") as file:
        file.write(json.dumps(record) + "\n")


def _known(targets: Iterable[Target]) -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    now = {file: _file(target, file) for target in targets for file in target.files}
    tests = _tests()
    known: dict[str, str] = {}
    for line in RESULTS.read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        if record["source"] != now.get(record["file"]):
            continue
        if record["outcome"] != "survived" or record["tests"] == tests:
            known[record["name"]] = record["outcome"]
        else:
            known.pop(record["name"], None)
    return known


def _where(mutant: Mutant) -> str:
    old = " ".join(mutant.old.split())
    return f"{mutant.file}:{mutant.line} {mutant.kind} `{old[:70]}` -> `{mutant.new}` ({mutant.name})"


def _report(outcomes: dict[Mutant, str], every: int) -> None:
    counts = Counter(outcomes.values())
    tried = counts["killed"] + counts["survived"]
    print(f"{len(outcomes)} of {every} mutants: {dict(counts)}")
    if tried:
        print(f"score: {counts['killed']}/{tried} = {counts['killed'] / tried:.1%}")
    for mutant, outcome in outcomes.items():
        if outcome == "survived":
            print("survived:", _where(mutant))


if __name__ == "__main__":
    main()
