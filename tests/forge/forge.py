"""Runs forge, the binary of the pinned npm package, on the tests of this folder: quick, deep, or for coverage."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.compile_contracts import install_modules

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
BINARY = FOLDER / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin" / "forge"


def find_forge() -> Path:
    """Return the binary: ``GRAMERCY_FORGE``, or that of ``npm ci`` in this folder, which is run where it is missing."""
    if chosen := os.environ.get("GRAMERCY_FORGE"):
        return Path(chosen)
    if not BINARY.exists():
        subprocess.run(["npm", "ci", "--silent"], cwd=FOLDER, check=True)
    return BINARY


def run_forge(
    arguments: Sequence[str], *, profile: str = "default", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run forge with the tests' configuration from the repository's root; return what it said, whatever it was.

    ``environment`` is added to the process's own. Nothing is downloaded but the npm packages of the lock files.
    """
    forge = find_forge()
    install_modules()
    settings = {
        "FOUNDRY_CONFIG": str(FOLDER / "foundry.toml"),
        "FOUNDRY_PROFILE": profile,
        "NO_COLOR": "1",
        **(environment or {}),
    }
    return subprocess.run(
        [str(forge), *arguments, "--root", str(ROOT)],
        cwd=ROOT,
        env={**os.environ, **settings},
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def main() -> None:
    """Run a profile's tests and say what forge said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", choices=["quick", "deep"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="more arguments of forge test")
    chosen = parser.parse_args()
    done = run_forge(["test", *chosen.arguments], profile={"quick": "default", "deep": "deep"}[chosen.profile])
    print(done.stdout)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
