"""Symbolic proofs of the contracts' arithmetic by halmos, in its own environment: `python -m tests.halmos.prove`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.benchmarks.peers_environment import Environment
from scripts.compile_contracts import ROOT, install_modules
from tests.forge.forge import find_forge

_FOLDER = Path(__file__).resolve().parent
_LOCK = ROOT / "requirements" / "halmos.txt"
_HALMOS = Environment(ROOT / "build" / "halmos-environment", _LOCK, ("halmos", "cvc5"))
_SOLVER_MILLISECONDS = "60000"
_BITS = "^(Caps|Rows|Weights|Words)Proof$"
_INTEGERS = "^(Money|Payouts|Products|Splits)Proof$"


def main() -> None:
    """Prove everything, or what halmos's own options name; fail where something is refuted or not decided in time.

    Proofs about bits go to yices, halmos's usual solver; those about products and quotients go to integers.py.
    """
    _HALMOS.prepare()
    install_modules()
    solver = f"{_HALMOS.python} {_FOLDER / 'integers.py'} --produce-models=true --solve-bv-as-int=sum"
    runs = [("--match-contract", _BITS), ("--match-contract", _INTEGERS, "--solver-command", solver)]
    sys.exit(max([_prove(*run, *sys.argv[1:]) for run in runs]))


def _prove(*options: str) -> int:
    settings = {
        "FOUNDRY_CONFIG": str(_FOLDER / "foundry.toml"),
        "PATH": f"{find_forge().parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [
            *(str(_HALMOS.python.parent / "halmos"), "--root", str(ROOT), "--loop", "4", "--no-status"),
            *("--forge-build-out", "build/halmos/out", "--solver-timeout-assertion", _SOLVER_MILLISECONDS),
            *("--solver-threads", "1", *options),
        ],
        cwd=ROOT,
        env={**os.environ, **settings},
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    main()
