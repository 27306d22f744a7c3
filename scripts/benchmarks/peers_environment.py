"""The peers' own environment: they are no part of Gramercy (groth16py is GPL-3.0), and their versions are locked."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from scripts.benchmarks.process import ROOT, Figures, MeasurementFailed
from scripts.benchmarks.terminal import waiting

FOLDER = ROOT / ".venv-peers"
PYTHON = FOLDER / "bin" / "python"
LOCK = ROOT / "requirements" / "peers.txt"
_STAMP = FOLDER / ".installed"
_LAST_WORDS = 300


def prepare() -> None:
    """Install the locked peers, once for each state of the lock file.

    Raises
    ------
    MeasurementFailed
        If they cannot be installed.

    """
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if _STAMP.exists() and _STAMP.read_text() == wanted:
        return
    with waiting(f"installing the peers into {FOLDER.name}"):
        if not PYTHON.exists():
            _run([sys.executable, "-m", "venv", str(FOLDER)])
        _run([str(PYTHON), "-m", "pip", "install", "-qq", "--require-hashes", "--no-deps", "-r", str(LOCK)])
    _STAMP.write_text(wanted)


def versions() -> Figures:
    """Return the peers' versions as installed."""
    code = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in ('groth16py', 'ezkl')}))"
    found: Figures = json.loads(_run([str(PYTHON), "-c", code]))
    return found


def _run(command: list[str]) -> bytes:
    done = subprocess.run(command, check=False, capture_output=True, cwd=Path(ROOT))
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-_LAST_WORDS:]
        raise MeasurementFailed(f"the peers' environment: {words}")
    return done.stdout
