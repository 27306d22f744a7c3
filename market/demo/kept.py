"""A finished run opened again: its kept index and files, served without its chain."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from market.api.files import Files
from market.api.server import serve
from market.api.settings import Settings
from market.domain import Address
from market.errors import ConfigError, NotFound
from market.safe_json import parse_json
from market.storage.local import LocalStorage

INDEX, MANIFEST, REPORT = "dashboard/index.db", "dashboard/manifest.json", "dashboard/report.json"
MODEL = "model.safetensors"
_RUN = "dashboard/run.json"
_FORMAT = "gramercy/demo/1"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """Where a finished run's job is, how many of its rounds settled, and the deployment's verifier."""

    chain_id: int
    market: Address
    job: int
    settled: int
    verifier: Address

    @property
    def page(self) -> str:
        """The path of the job's page."""
        return f"/markets/{self.chain_id}/{self.market}/jobs/{self.job}"

    def write(self, folder: Path) -> None:
        """Keep it in a run's folder."""
        (folder / _RUN).write_text(json.dumps({"format": _FORMAT, **asdict(self)}) + "\n")

    @classmethod
    def read(cls, folder: Path) -> KeptRun:
        """Read it from a run's folder; ConfigError if there is no finished run in it."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            told = parse_json((folder / _RUN).read_bytes())
            if told.pop("format") == _FORMAT:
                return cls(**told)
        raise ConfigError(
            f"{folder} holds no finished run of the demo", hint="give the folder that `gramercy demo` named"
        )


class _KeptFiles(Files):
    """The files of one job as they were kept: there is no chain to check them against any more."""

    def __init__(self, folder: Path, run: KeptRun) -> None:
        super().__init__(lambda _chain_id, _market: None, LocalStorage(folder / "blocks"), folder)
        self._run = run

    def manifest(self, chain_id: int, market: Address, job_id: int) -> bytes:
        return self._kept(MANIFEST, chain_id, market, job_id).read_bytes()

    def model(self, chain_id: int, market: Address, job_id: int) -> tuple[Path, int]:
        return self._kept(MODEL, chain_id, market, job_id), self._run.settled

    def report(self, chain_id: int, market: Address, job_id: int) -> bytes:
        return self._kept(REPORT, chain_id, market, job_id).read_bytes()

    def _kept(self, name: str, chain_id: int, market: Address, job_id: int) -> Path:
        path = self.folder / name
        if (chain_id, market, job_id) != (self._run.chain_id, self._run.market, self._run.job) or not path.is_file():
            raise NotFound(f"the run kept no {Path(name).stem} of this job")
        return path


def index_url(folder: Path) -> str:
    """Return the address of a run's index."""
    return f"sqlite:///{(folder / INDEX).absolute()}"


def show_run(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve a finished run until SIGTERM or SIGINT; ``ready`` is told the address of its job's page.

    Nothing is followed: pages say since when the chain has not been reached.

    Raises
    ------
    ConfigError
        If there is no finished run in the folder, or the port is taken.

    """
    run = KeptRun.read(folder)
    deployed = f"{run.chain_id}:{run.market}={run.verifier}"
    settings = Settings.from_environment(database=index_url(folder), port=port, evaluate=False, verifiers=(deployed,))
    serve(settings, [], None, lambda url: ready(url + run.page), files=_KeptFiles(folder, run))
