"""The peers' own environments: they are no part of Gramercy (groth16py is GPL-3.0), and their versions are locked."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.process import ROOT, Figures, MeasurementFailed
from scripts.benchmarks.terminal import waiting

_LAST_WORDS = 300
_TORCH = ROOT / "requirements" / "torch.txt"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in ``folder`` with the packages of ``lock``; versions of ``named`` ones are told.

    ``torch`` says whether the CPU build of torch is installed, too.
    """

    folder: Path
    lock: Path
    named: tuple[str, ...]
    torch: bool = False

    @property
    def python(self) -> Path:
        """Interpreter of the environment."""
        return self.folder / "bin" / "python"

    def prepare(self) -> None:
        """Install the locked peers, once for each state of the lock file.

        Raises
        ------
        MeasurementFailed
            If they cannot be installed.

        """
        stamp = self.folder / ".installed"
        wanted = hashlib.sha256(self.lock.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        with waiting(f"installing the peers into {self.folder.name}"):
            if not self.python.exists():
                _run([sys.executable, "-m", "venv", str(self.folder)])
            for lock in (_TORCH, self.lock) if self.torch else (self.lock,):
                _run(
                    [str(self.python), "-m", "pip", "install", "-qq", "--require-hashes", "--no-deps", "-r", str(lock)]
                )
        stamp.write_text(wanted)

    def versions(self) -> Figures:
        """Return the peers' versions as installed."""
        code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {self.named!r}}}))"
        found: Figures = json.loads(_run([str(self.python), "-c", code]))
        return found


PROVERS = Environment(ROOT / ".venv-peers", ROOT / "requirements" / "peers.txt", ("groth16py", "ezkl"))
PYDVL = Environment(ROOT / ".venv-peers-pydvl", ROOT / "requirements" / "peers-pydvl.txt", ("pydvl",))
"""pyDVL needs numpy < 2."""

AGGREGATION = Environment(
    ROOT / ".venv-peers-aggregation",
    ROOT / "requirements" / "peers-aggregation.txt",
    ("byzfl", "byzpy", "flwr", "torch"),
    torch=True,
)

PYTHON = PROVERS.python


def prepare() -> None:
    """Install the provers; errors as in :meth:`Environment.prepare`."""
    PROVERS.prepare()


def versions() -> Figures:
    """Return the provers' versions."""
    return PROVERS.versions()


def _run(command: list[str]) -> bytes:
    done = subprocess.run(command, check=False, capture_output=True, cwd=Path(ROOT))
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-_LAST_WORDS:]
        raise MeasurementFailed(f"the peers' environment: {words}")
    return done.stdout
