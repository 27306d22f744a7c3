"""What no event tells, read from storage in the background and entered into the index: names of jobs, reasons why
updates were left out (the aggregator's word), and, where that is asked for, what models are worth on held-out data.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from aggregator.errors import GramercyError
from market.api.files import Files
from market.api.watching import News
from market.domain import Address
from market.indexer.cursors import LARGEST_PAGE
from market.indexer.queries import Reader
from market.rounds import RoundState
from market.services.job import Job
from market.services.manifest import MAX_MANIFEST_BYTES, Manifest
from market.services.publishing import withheld_until
from market.storage.base import get_bytes
from market.storage.cid import Cid
from market.trainer.builtin import builtin_task
from market.trainer.local_round import evaluate_vector
from market.trainer.parameters import ModelSchema

POLL_SECONDS = 2.0
RETRY_SECONDS = 300.0
EVALUATOR = "this server"
_LOG = logging.getLogger("gramercy.api")
_Key = tuple[int, Address, int]


class Notebook(Protocol):
    """Where it is entered; see :class:`market.indexer.queries.Notebook`."""

    def unnamed(self, limit: int = ...) -> tuple[tuple[int, Address, int, bytes], ...]:
        """Return jobs whose manifest has not been read, with its CID."""

    def set_name(self, manifest_cid: bytes, name: str) -> None:
        """Say how the jobs with a manifest are named."""

    def record_reasons(
        self, chain_id: int, market: Address, job_id: int, number: int, reasons: Mapping[Address, str]
    ) -> None:
        """Say why trainers' updates were left out."""

    def record_evaluation(
        self,
        chain_id: int,
        market: Address,
        job_id: int,
        number: int,
        *,
        accuracy: float | None,
        loss: float | None,
        by: str,
    ) -> None:
        """Say what the model was worth after a round."""


@dataclass
class Scribe:
    """Reads and enters, in a thread of its own.

    Parameters
    ----------
    reader, notebook
        The index.
    files
        Where jobs are opened.
    evaluate
        Whether models of built-in tasks are evaluated.

    """

    reader: Reader
    notebook: Notebook
    files: Files
    evaluate: bool = False
    _due: dict[_Key, float] = field(default_factory=dict)
    _later: dict[bytes, float] = field(default_factory=dict)
    _done: set[tuple[_Key, str, int, bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def tell(self, news: list[News]) -> None:
        """Note which jobs changed; called in the watcher's thread."""
        with self._lock:
            for one in news:
                for change in one.changes:
                    if change.job_id is not None:
                        self._due[one.chain_id, one.market, change.job_id] = 0.0

    def look_everywhere(self) -> None:
        """Note every job of the index."""
        cursor: str | None = None
        while not self._stop.is_set():
            page = self.reader.jobs(cursor=cursor, limit=LARGEST_PAGE)
            with self._lock:
                self._due |= {(job.chain_id, job.market, job.job_id): 0.0 for job in page.items}
            if page.next is None:
                return
            cursor = page.next

    def work(self) -> None:
        """Do what is due."""
        self._name_jobs()
        now = time.monotonic()
        with self._lock:
            due = [key for key, at in self._due.items() if at <= now]
        for key in due:
            if self._stop.is_set():
                return
            with self._lock:
                self._due.pop(key, None)
            if not self._guarded(key):
                with self._lock:
                    self._due.setdefault(key, now + RETRY_SECONDS)

    def _run(self) -> None:
        begun = False
        while not self._stop.is_set():
            try:
                if not begun:
                    self.look_everywhere()
                    begun = True
                self.work()
            except Exception:
                _LOG.exception("reading from storage failed")
            self._stop.wait(POLL_SECONDS)

    def _name_jobs(self) -> None:
        for _chain_id, _market, job_id, cid in self.notebook.unnamed():
            if self._stop.is_set() or self._later.get(cid, 0) > time.monotonic():
                continue
            try:
                data = get_bytes(self.files.storage, Cid.parse(cid), max_bytes=MAX_MANIFEST_BYTES)
                self.notebook.set_name(cid, Manifest.from_bytes(data).name)
            except Exception as error:  # what others published is kept or left, and the next one's turn comes
                self._later[cid] = time.monotonic() + RETRY_SECONDS
                _LOG.info("the manifest of job %d cannot be read: %s", job_id, _words(error))

    def _guarded(self, key: _Key) -> bool:
        """Work on one job; return whether nothing is left to do."""
        try:
            if not self._wanted(key):
                return True
            with self.files.job(*key) as job:
                return self._of_job(key, job)
        except Exception as error:  # as above: one job's trouble is not the others'
            _LOG.info("job %d cannot be read from storage: %s", key[2], _words(error))
            return False

    def _wanted(self, key: _Key) -> bool:
        """Whether the index lacks something that storage may tell."""
        cursor: str | None = None
        while True:
            page = self.reader.rounds(*key, cursor=cursor, limit=LARGEST_PAGE)
            for one in page.items:
                left_out = one.included is not None and one.included < one.committed
                if left_out or (self.evaluate and one.included is not None and one.accuracy is None):
                    return True
            if page.next is None:
                return False
            cursor = page.next

    def _of_job(self, key: _Key, job: Job) -> bool:
        complete = True
        for place, state in enumerate(job.state.settled_rounds):
            if state.settled is None or self._stop.is_set():
                continue
            if withheld_until(job.state.terms, state, job.now) is not None:
                complete = False
                continue
            commitment = state.settled.settlement.aggregate_commitment
            if len(state.included) < len(state.commits):
                self._once((key, "reasons", state.number, commitment), partial(self._explain, key, job, state))
            if self.evaluate:
                again = (key, "evaluation", state.number, commitment)
                self._once(again, partial(self._evaluate, key, job, state, place + 1))
        return complete

    def _once(self, what: tuple[_Key, str, int, bytes], work: Callable[[], None]) -> None:
        if what not in self._done:
            work()
            self._done.add(what)

    def _explain(self, key: _Key, job: Job, state: RoundState) -> None:
        reasons = self.files.reasons(job, state)
        if reasons:
            self.notebook.record_reasons(*key, state.number, reasons)

    def _evaluate(self, key: _Key, job: Job, state: RoundState, settled: int) -> None:
        manifest = job.manifest
        if manifest.task_sha256 is not None:  # code of the owner's own is not run here
            return
        task = builtin_task(manifest.task)
        schema = ModelSchema(manifest.entries)
        with self.files.deriving(job):
            found = evaluate_vector(task, schema, job.model(settled), task.load_data().validation)
        self.notebook.record_evaluation(*key, state.number, accuracy=found.accuracy, loss=found.loss, by=EVALUATOR)


def _words(error: Exception) -> str:
    return error.message if isinstance(error, GramercyError) else type(error).__name__
