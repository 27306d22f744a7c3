"""Symbolic proofs of the contracts' arithmetic by halmos, in its own environment: `python -m tests.halmos.prove`."""

from __future__ import annotations

import os
import subprocess
import sys

from scripts.benchmarks.peers_environment import Environment
from scripts.compile_contracts import ROOT, install_modules
from tests.forge.forge import find_forge

_LOCK = ROOT / "requirements" / "halmos.txt"
_HALMOS = Environment(ROOT / "build" / "halmos-environment", _LOCK, ("halmos",))
_SOLVER_MILLISECONDS = "60000"


def main() -> None:
    """Prove everything, or what halmos's own options name; fail where something is refuted or not decided in time."""
    _HALMOS.prepare()
    install_modules()
    settings = {
        "FOUNDRY_CONFIG": str(ROOT / "tests" / "halmos" / "foundry.toml"),
        "PATH": f"{find_forge().parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        [
            *(str(_HALMOS.python.parent / "halmos"), "--root", str(ROOT)),
            *("--forge-build-out", "build/halmos/out", "--solver-timeout-assertion", _SOLVER_MILLISECONDS),
            *sys.argv[1:],
        ],
        cwd=ROOT,
        env={**os.environ, **settings},
        check=False,
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
