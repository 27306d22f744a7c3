"""Run slither on the contracts that hold money, in its own locked environment: ``python -m scripts.lint_contracts``.

It fails on any finding that contracts/slither.json does not name with a reason, and on a reason whose finding is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.benchmarks.peers_environment import Environment
from scripts.compile_contracts import EVM_VERSION, ROOT, SOLC_VERSION, gather_sources, install_modules
from tests.forge.forge import find_forge

ENTRIES = ("contracts/Market.sol", "contracts/Forwarder.sol", "contracts/libraries/Payouts.sol")
SETTINGS = ROOT / "contracts" / "slither.json"
_LOCK = ROOT / "requirements" / "slither.txt"
_SLITHER = Environment(ROOT / "build" / "slither-environment", _LOCK, ("slither-analyzer",))
_WORK = ROOT / "build" / "slither"
_NO_CODE = {"object": "", "sourceMap": "", "linkReferences": {}, "opcodes": ""}


def analyse() -> list[tuple[str, str]]:
    """Return slither's findings outside the libraries of others: the detector, and what it says, on one line.

    Slither reads syntax trees, which the compiler makes in a second; no code is made.
    """
    _SLITHER.prepare()
    _write_build_info()
    report = _WORK / "report.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [
            *(str(_SLITHER.python.parent / "slither"), "."),
            *("--compile-force-framework", "foundry", "--ignore-compile"),
            *("--foundry-build-info-directory", "build-info", "--filter-paths", "node_modules|@openzeppelin"),
            *("--json", str(report), "--fail-none"),
        ],
        cwd=_WORK,
        env={**os.environ, "PATH": f"{find_forge().parent}{os.pathsep}{os.environ['PATH']}"},  # slither asks forge
        check=False,
        capture_output=True,
        text=True,
    )
    if not report.exists():
        sys.exit(done.stderr)
    answer: dict[str, Any] = json.loads(report.read_text())
    if not answer["success"] or "analyzed (0 contracts" in done.stderr:
        sys.exit(done.stderr)
    found = answer["results"].get("detectors", [])
    return sorted((item["check"], _place(item)) for item in found)


def main() -> None:
    """Compare what is found with what is argued."""
    argued = {(item["detector"], item["place"]) for item in json.loads(SETTINGS.read_text())}
    found = set(analyse())
    for detector, place in sorted(found - argued):
        print(f"found: {detector}: {place}")
    for detector, place in sorted(argued - found):
        print(f"argued, but not found any more: {detector}: {place}")
    print(f"{len(found)} findings, {len(found & argued)} of them argued")
    sys.exit(1 if found != argued else 0)


def _place(item: dict[str, Any]) -> str:
    """Name the function, or else the first thing, that a finding is about; lines would move."""
    elements = item["elements"]
    for element in elements:
        if element["type"] == "function":
            parent = element["type_specific_fields"]["parent"]["name"]
            return f"{parent}.{element['name']}"
    return str(elements[0]["name"]) if elements else str(item["description"]).split("\n")[0]


def _write_build_info() -> None:
    """Compile to syntax trees, and write what forge would have written of a build."""
    modules = install_modules()
    question = {
        "language": "Solidity",
        "sources": gather_sources(ENTRIES, modules),
        "settings": {
            "optimizer": {"enabled": False},
            "evmVersion": EVM_VERSION,
            "outputSelection": {"*": {"*": ["abi", "userdoc", "devdoc"], "": ["ast"]}},
        },
    }
    done = subprocess.run(
        [str(ROOT / "contracts" / "solc-wasm"), "--standard-json"],
        input=json.dumps(question),
        check=True,
        capture_output=True,
        text=True,
    )
    output = json.loads(done.stdout)
    for contracts in output["contracts"].values():
        for contract in contracts.values():
            contract["evm"] = {"bytecode": _NO_CODE, "deployedBytecode": _NO_CODE, "methodIdentifiers": {}}
    folder = _WORK / "build-info"
    shutil.rmtree(_WORK, ignore_errors=True)
    folder.mkdir(parents=True)
    (_WORK / "foundry.toml").write_text("[profile.default]\n")
    _lay_sources(question["sources"], _WORK)
    build = {"solcVersion": SOLC_VERSION, "input": question, "output": output}
    (folder / "build.json").write_text(json.dumps(build))


def _lay_sources(sources: Any, folder: Path) -> None:
    for name, source in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source["content"])


if __name__ == "__main__":
    main()
