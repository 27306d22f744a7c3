"""A compiler that stays loaded: mutants are compiled one after the other, without the optimizer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.compile_contracts import EVM_VERSION, gather_sources, install_modules

_SERVER = Path(__file__).with_name("compile.cjs")
_READS_ITS_SLOT = (
    ("            _rounds[jobId][number].challengeEnd\n        );", "            _lastEnd\n        );"),
    ("        r.nextScaleExponent = exponent;", "        r.nextScaleExponent = exponent; _lastEnd = r.challengeEnd;"),
    ("abstract contract Settlements is Books {", "abstract contract Settlements is Books { uint64 private _lastEnd;"),
)
"""What solc's older pipeline, six times as fast as the one by its intermediate form, needs to place all arguments of
RoundSettled: the last of them is read from a slot of its own. It changes nothing that can be observed but gas."""


class Sources:
    """Source texts of a contract and of all it imports, by name.

    Attributes
    ----------
    texts : dict[str, str]
        The sources as they are in the repository.

    """

    def __init__(self, entry: str, contract: str) -> None:
        self.entry, self.contract = entry, contract
        self.texts = {name: s["content"] for name, s in gather_sources([entry], install_modules()).items()}

    def with_change(self, file: str, text: str) -> dict[str, str]:
        """Return the texts with one of them changed, as they are compiled.

        Raises
        ------
        ValueError
            If the settlement's event is not where it is expected.

        """
        changed = {**self.texts, file: text}
        settlements = "contracts/market/Settlements.sol"
        if settlements in changed:
            for before, after in _READS_ITS_SLOT:
                if file != settlements and before not in changed[settlements]:
                    raise ValueError(f"not in {settlements}: {before}")
                changed[settlements] = changed[settlements].replace(before, after)
        return changed


class Compiler:
    """A node process with solc in it; a context manager that ends it."""

    def __enter__(self) -> Self:
        modules = install_modules()
        self._process = subprocess.Popen(
            ["node", str(_SERVER), str(modules)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def bytecode(self, sources: Sources, texts: dict[str, str]) -> str | None:
        """Return a contract's creation code, in hex; None where the sources do not compile."""
        selection = {sources.entry: {sources.contract: ["evm.bytecode.object"]}}
        output = self._ask(texts, selection)
        found = output.get("contracts", {}).get(sources.entry, {}).get(sources.contract)
        return "0x" + found["evm"]["bytecode"]["object"] if found else None

    def trees(self, sources: Sources) -> dict[str, Any]:
        """Return the abstract syntax trees of all sources, by name."""
        output = self._ask(sources.texts, {"*": {"": ["ast"]}})
        return {name: source["ast"] for name, source in output["sources"].items()}

    def _ask(self, texts: dict[str, str], selection: dict[str, Any]) -> dict[str, Any]:
        question = {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in texts.items()},
            "settings": {
                "optimizer": {"enabled": False},
                "evmVersion": EVM_VERSION,
                "metadata": {"bytecodeHash": "none", "appendCBOR": False},
                "outputSelection": selection,
            },
        }
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
