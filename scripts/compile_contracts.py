"""Compile the contracts with py-solc-x; ``--check`` proves that the committed artifacts match the sources.

One code path on and off line: py-solc-x installs solc by itself where it can reach its download server; elsewhere a
wrapper around the npm package ``solc`` (``contracts/solc-wasm``) is laid where py-solc-x looks for installed compilers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
ARTIFACTS = CONTRACTS / "artifacts"
SOLC_VERSION = "0.8.37"
SOLC_BUILD = f"v{SOLC_VERSION}+commit.f401782d"
EVM_VERSION = "prague"  # the newest rules that py-evm knows
RULES_AND_SCORES = {
    f"contracts/{kind}/{path.name}": path.stem
    for kind in ("rules", "scores")
    for path in sorted((CONTRACTS / kind).glob("*.sol"))
}
"""Every file of these folders is one contract of the file's name."""
PUBLISHED = {
    "contracts/Market.sol": "Market",
    "contracts/Forwarder.sol": "Forwarder",
    "contracts/market/TermsCheck.sol": "TermsCheck",
    "contracts/GramVerifier.sol": "GramVerifier",
    **RULES_AND_SCORES,
}
RUNS = {"Market": 1, "Forwarder": 1, "TermsCheck": 1, "GramVerifier": 1_000}
"""How often solc is told that code runs: more makes it faster and larger. Market and verifier are near 24 576 bytes;
the forwarder and the check of terms are made by the constructor of the market, and compiled as they are there."""
USUAL_RUNS = 1_000_000
_OUTPUTS = [
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
]
_TRANSIENT_STORAGE_NOTE = "2394"  # solc notes any tstore; OpenZeppelin's guard clears its slot, as the note asks
_IMPORT = re.compile(r'^import\s+(?:\{[^}]*\}\s+from\s+)?"([^"]+)";', re.MULTILINE)


def install_modules() -> Path:
    """Install solc and OpenZeppelin's sources from the lockfile; return ``node_modules``."""
    modules = CONTRACTS / "node_modules"
    if not (modules / "solc").is_dir() or not (modules / "@openzeppelin").is_dir():
        subprocess.run(["npm", "ci", "--silent"], cwd=CONTRACTS, check=True)
    return modules


def use_wasm_compiler(modules: Path) -> None:
    """Lay the WASM wrapper where py-solc-x finds it as installed version 0.8.37."""
    folder = Path(os.environ.setdefault("SOLCX_BINARY_PATH", str(modules / ".solcx")))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"solc-v{SOLC_VERSION}"
    if not target.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as wrapper:
            wrapper.write(f'#!/bin/sh\nexec "{CONTRACTS / "solc-wasm"}" "$@"\n')
        Path(wrapper.name).chmod(0o755)
        Path(wrapper.name).replace(target)


def gather_sources(entries: Iterable[str], modules: Path) -> dict[str, dict[str, str]]:
    """Return the entry files and everything they import, by source-unit name."""
    sources: dict[str, dict[str, str]] = {}
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        path = modules / name if name.startswith("@") else ROOT / name
        text = path.read_text()
        sources[name] = {"content": text}
        for target in _IMPORT.findall(text):
            waiting.append(target if target.startswith("@") else os.path.normpath(f"{Path(name).parent}/{target}"))
    return dict(sorted(sources.items()))


def compile_sources(entries: Iterable[str], runs: int = USUAL_RUNS) -> dict[str, Any]:
    """Compile through py-solc-x; return solc's ``contracts`` output by file and name.

    Raises
    ------
    SystemExit
        If solc reports an error or a warning: the contracts compile without either.

    """
    return compile_input(standard_input(entries, runs))


def standard_input(entries: Iterable[str], runs: int = USUAL_RUNS) -> dict[str, Any]:
    """Return solc's standard-JSON input: every source and setting that the code depends on."""
    return {
        "language": "Solidity",
        "sources": gather_sources(entries, install_modules()),
        "settings": {
            "optimizer": {"enabled": True, "runs": runs},
            "viaIR": True,
            "evmVersion": EVM_VERSION,
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
            "outputSelection": {"*": {"*": _OUTPUTS}},
        },
    }


def compile_input(given: dict[str, Any]) -> dict[str, Any]:
    """Compile a standard-JSON input; as :func:`compile_sources`."""
    use_wasm_compiler(install_modules())
    import solcx

    solcx.install_solc(SOLC_VERSION)
    output = solcx.compile_standard(given, solc_version=SOLC_VERSION, allow_empty=True)
    for message in output.get("errors", []):
        if message.get("errorCode") != _TRANSIENT_STORAGE_NOTE:
            sys.exit(message["formattedMessage"])
    contracts: dict[str, Any] = output["contracts"]
    return contracts


def artifact(contract: dict[str, Any]) -> dict[str, Any]:
    """Return what Gramercy keeps of one compiled contract.

    ``immutables`` are the places (first byte, length) of ``deployedBytecode`` that the constructor fills in.
    """
    deployed = contract["evm"]["deployedBytecode"]
    places = [place for found in deployed.get("immutableReferences", {}).values() for place in found]
    return {
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutables": sorted([place["start"], place["length"]] for place in places),
        "compiler": {"solc": SOLC_VERSION, "evmVersion": EVM_VERSION},
    }


def build(names: Collection[str] = ()) -> dict[str, str]:
    """Compile the published contracts, or those named; return the artifacts' texts by file name."""
    texts = {}
    for source, name in PUBLISHED.items():
        if not names or name in names:  # one run each: what else is compiled beside a contract can change its bytecode
            contracts = compile_sources([source], RUNS.get(name, USUAL_RUNS))
            texts[f"{name}.json"] = json.dumps(artifact(contracts[source][name]), indent=1) + "\n"
    return texts


def write_standard_json(folder: Path, names: Collection[str] = (), book: Path | None = None) -> list[Path]:
    """Write what explorers verify sources from; return the files.

    ``NAME.json`` is the exact input of solc. ``contracts.json`` says for each contract which of the input's contracts
    it is, with which compiler, and what its constructor takes; of a deployment, if its address book is given, also the
    address and the encoded arguments, in hexadecimal without 0x, as explorers ask for them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deployed = _deployed(book) if book else {}
    written, described = [], {}
    for source, name in PUBLISHED.items():
        if names and name not in names:
            continue
        path = folder / f"{name}.json"
        path.write_text(json.dumps(standard_input([source], RUNS.get(name, USUAL_RUNS)), indent=1) + "\n")
        written.append(path)
        abi = json.loads((ARTIFACTS / f"{name}.json").read_text())["abi"]
        inputs: list[dict[str, str]] = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
        described[name] = {
            "contract": f"{source}:{name}",
            "compiler": SOLC_BUILD,
            "input": path.name,
            "constructor": [f"{one['type']} {one['name']}" for one in inputs],
            "arguments": None if inputs else "",
            **deployed.get(name, {}),
        }
    index = folder / "contracts.json"
    index.write_text(json.dumps(described, indent=1) + "\n")
    return [*written, index]


def _deployed(path: Path) -> dict[str, dict[str, str]]:
    """Return addresses and constructors' arguments of the deployment that an address book names."""
    from market.address_book import read_address_book
    from market.chain.deployment_book import key_of
    from market.chain.deployment_plan import plan_deployment

    book = read_address_book(path)
    plan = plan_deployment(key_of(book.srs_words), book.salt)
    arguments = {contract.name: contract.arguments.hex() for contract in plan.contracts}
    return {
        name: {"address": str(entry.address), "arguments": arguments.get(name, "")}
        for name, entry in book.contracts.items()
    }


def main() -> None:
    """Write the artifacts, or compare them with the sources."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if an artifact is out of date")
    parser.add_argument("names", nargs="*", choices=[[], *PUBLISHED.values()], help="contracts; all if none is named")
    parser.add_argument(
        "--standard-json", type=Path, metavar="FOLDER", help="write solc's inputs there, for explorers; compile nothing"
    )
    parser.add_argument("--address-book", type=Path, metavar="FILE", help="with --standard-json: of which deployment")
    arguments = parser.parse_args()
    if shutil.which("npm") is None:
        sys.exit("npm is needed to compile the contracts: install node, or use the committed artifacts as they are")
    if arguments.standard_json:
        for path in write_standard_json(arguments.standard_json, arguments.names, arguments.address_book):
            print(path)
        return
    texts = build(arguments.names)
    stale = [name for name, text in texts.items() if _read(ARTIFACTS / name) != text]
    if arguments.check:
        sys.exit(f"out of date: {', '.join(stale)}; run scripts/compile_contracts.py" if stale else 0)
    ARTIFACTS.mkdir(exist_ok=True)
    for name in stale:
        (ARTIFACTS / name).write_text(texts[name])
    for name, text in texts.items():
        size = (len(json.loads(text)["deployedBytecode"]) - 2) // 2
        print(f"{name}: {size} bytes of code{' (written)' if name in stale else ''}")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    main()
