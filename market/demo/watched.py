"""The dashboard beside a run: a process that indexes and serves it, and what the run itself enters into the index."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

from sqlalchemy import Engine

from market.api.files import Files
from market.api.settings import Settings
from market.demo.kept import MANIFEST, REPORT, KeptRun, index_url
from market.demo.stage import CommandProcess, Stage
from market.errors import NotFound, RoleFailed
from market.indexer.database import open_index
from market.indexer.queries import Notebook, Reader
from market.services.job import Job
from market.trainer.task import Evaluation

EVALUATOR = "the demo"
_START_SECONDS = 120.0
_CATCH_UP_SECONDS = 60.0
_POLL_SECONDS = 0.1


def choose_port(wanted: int | None) -> int:
    """Return the port that was asked for, else the dashboard's usual one where it is free, else 0 for any."""
    if wanted is not None:
        return wanted
    usual = Settings()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((usual.host, usual.port))
        except OSError:
            return 0
    return usual.port


class Dashboard:
    """``gramercy dashboard`` over the run's market, its index in the run's folder; it holds no key.

    Parameters
    ----------
    stage
        The running market.
    folder
        Of the run.
    port
        Where to serve; 0 takes a free one, None chooses.

    """

    def __init__(self, stage: Stage, folder: Path, port: int | None) -> None:
        self.url = ""
        self._stage, self._folder = stage, folder
        self._asked = port is not None
        self._process = self._start(choose_port(port))

    def await_address(self) -> str:
        """Wait until pages are served, and return their address; RoleFailed if that does not happen."""
        try:
            ready = self._process.wait_for("dashboard-ready", _START_SECONDS)
        except RoleFailed:
            if self._asked:
                raise
            with self._stage.signals.held():  # somebody else was faster to take the usual port
                self._process.stop()
                self._process = self._start(0)
            ready = self._process.wait_for("dashboard-ready", _START_SECONDS)
        self.url = str(ready["url"])
        return self.url

    def wait(self) -> None:
        """Let it serve until Ctrl-C, SIGTERM or SIGHUP; RoleFailed if it ends with an error before."""
        with contextlib.suppress(KeyboardInterrupt), self._stage.signals.allowed():
            self._process.result()

    def stop(self) -> None:
        """End the process if it still runs."""
        self._process.stop()

    def _start(self, port: int) -> CommandProcess:
        url = index_url(self._folder)
        arguments = ["dashboard", "--port", str(port), "--database", url, "--no-evaluate"]
        stage = self._stage
        deployed = {"GRAMERCY_DASHBOARD_VERIFIERS": f"{stage.chain_id}:{stage.market}={stage.verifier}"}
        settings = {**stage.settings, **deployed, "GRAMERCY_STATE": str(self._folder)}
        return CommandProcess("the dashboard", arguments, settings, self._folder / "logs" / "dashboard.jsonl")


class Record:
    """What a run enters into the index beside its events, and keeps for when its chain is gone.

    Parameters
    ----------
    folder
        Of the run.
    job
        The run's job.

    """

    def __init__(self, folder: Path, job: Job) -> None:
        self._folder = folder
        self._job = job
        self._engine: Engine = open_index(index_url(folder))
        self._notebook, self._reader = Notebook(self._engine), Reader(self._engine)
        self._found: dict[int, Evaluation] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add(self, number: int, found: Evaluation) -> None:
        """Take what the model was worth after a round; it is entered once the index has the settlement."""
        self._found[number] = found
        self.enter()

    def enter(self) -> None:
        """Enter what the index is ready for."""
        market = self._job.market
        for number, found in list(self._found.items()):
            try:
                self._notebook.record_evaluation(
                    market.chain_id,
                    market.address,
                    self._job.job_id,
                    number,
                    accuracy=found.accuracy,
                    loss=found.loss,
                    by=EVALUATOR,
                )
            except NotFound:
                continue
            del self._found[number]

    def complete(self) -> None:
        """Wait until the index has the whole run, and keep what files are served from when its chain is gone.

        Raises
        ------
        RoleFailed
            If the index does not come to the chain's end.

        """
        market = self._job.market
        head = market.head().number
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while not self._has(head):
            if time.monotonic() > deadline:
                raise RoleFailed("the dashboard's index did not come to the chain's end")
            time.sleep(_POLL_SECONDS)
        files = Files(lambda _chain_id, _market: market, self._job.storage, self._folder / "observer")
        place = (market.chain_id, market.address, self._job.job_id)
        (self._folder / MANIFEST).write_bytes(files.manifest(*place))
        (self._folder / REPORT).write_bytes(files.report(*place))
        # The run deployed it itself, and opened no other job.
        run = KeptRun(*place, len(self._job.state.settled_rounds), self._job.state.terms.verifier)
        run.write(self._folder)

    def _has(self, block: int) -> bool:
        """Whether the index has read a block, the job's name, and every evaluation."""
        self.enter()
        market = self._job.market
        known = self._reader.market(market.chain_id, market.address)
        named = self._reader.job(market.chain_id, market.address, self._job.job_id).summary.name is not None
        return known.head.block >= block and named and not self._found
