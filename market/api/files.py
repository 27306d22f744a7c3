"""Files of jobs: the manifest, the latest model, and a report; each is checked against the chain."""

from __future__ import annotations

import json
import math
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from market.api.errors import TooLarge, Unavailable
from market.chain.market import MarketClient
from market.domain import Address
from market.errors import ChainError, NotFound
from market.rounds import RoundState
from market.services.job import Job
from market.services.owner import download_model
from market.services.publishing import withheld_until
from market.services.view import exclusions_of, job_summary, round_summary, verdicts
from market.srs import cache
from market.storage.base import Storage

MAX_ENTRIES = 1 << 24
"""Of a model that is derived here: it takes some twelve bytes of memory for each."""
MAX_KEPT_BYTES = 2 << 30
"""On disk, over all jobs; beyond, those that were used the longest ago are fetched again when they are asked for."""
MAX_REASON = 300
_LIGHT_ENTRIES = 1 << 20
_MAX_JOBS = 32
_FOLDER_BYTES = 4_096
_WAIT_SECONDS = 10.0
_RETRY_SECONDS = 300.0
REPORT_FORMAT = "gramercy/report/1"
Markets = Callable[[int, Address], MarketClient | None]
"""Chain and address to a client for reading."""


@dataclass
class _Opened:
    """A job that is followed, one user at a time.

    ``reasons`` are those of rounds by number and aggregate, each with when it is worth asking again.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    job: Job | None = None
    reasons: dict[tuple[int, bytes], tuple[float, dict[Address, str]]] = field(default_factory=dict)


@dataclass
class Files:
    """Derives files of jobs, and keeps what it fetched.

    Parameters
    ----------
    clients
        The markets that are followed.
    storage
        Where jobs keep their files.
    folder
        For fetched and derived files; safe to delete.

    """

    clients: Markets
    storage: Storage
    folder: Path
    _jobs: OrderedDict[str, _Opened] = field(default_factory=OrderedDict)
    _sizes: OrderedDict[str, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _heavy: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def job(self, chain_id: int, market: Address, job_id: int) -> Iterator[Job]:
        """Give a job as it now stands, to one user at a time.

        Raises
        ------
        NotFound
            If the market is not followed here.
        Unavailable
            If somebody else has it for long.
        ContractRefused, ChainError
            If the market has no such job, or the chain does not answer.

        """
        client = self.clients(chain_id, market)
        if client is None:
            raise NotFound(f"market {market} on chain {chain_id} is not followed here")
        name = _folder_name(chain_id, market, job_id)
        opened = self._open(name)
        try:
            with _held(opened.lock, "the job's files are being made already"):
                if opened.job is None:
                    opened.job = Job(client, self.storage, job_id, self.folder / name)
                else:
                    opened.job.refresh()
                yield opened.job
        finally:
            self._close(name, opened)

    @contextmanager
    def deriving(self, job: Job) -> Iterator[None]:
        """Hold the memory that a job's model or aggregate needs: of large ones, one is derived at a time.

        Raises
        ------
        TooLarge
            If the model, or the reference string of its commitments, is larger than any that is derived here.
        Unavailable
            If another large one takes long.

        """
        entries = job.state.terms.dimension
        if entries > MAX_ENTRIES or not _has_reference(job):
            raise TooLarge(
                f"job {job.job_id} has {entries} entries: too much to be derived here",
                hint="gramercy owner download derives it on a machine of your own",
            )
        with _held(self._heavy, "another large model is being made") if entries > _LIGHT_ENTRIES else nullcontext():
            yield

    def reasons(self, job: Job, state: RoundState) -> dict[Address, str]:
        """Return the aggregator's reasons for leaving updates out of a round of a job that is held, as short lines."""
        opened = self._jobs[job.workdir.name]
        key = (state.number, state.settled.settlement.aggregate_commitment if state.settled else b"")
        until, found = opened.reasons.get(key, (0.0, {}))
        if until > time.monotonic():
            return found
        with self.deriving(job):
            found = plain_reasons(exclusions_of(job, state), state)
        if withheld_until(job.state.terms, state, job.now) is None:
            opened.reasons[key] = (math.inf if found else time.monotonic() + _RETRY_SECONDS, found)
        return found

    def manifest(self, chain_id: int, market: Address, job_id: int) -> bytes:
        """Return the manifest, canonical JSON; errors as for :meth:`job`, and those of storage."""
        with self.job(chain_id, market, job_id) as job:
            return job.manifest.to_bytes()

    def model(self, chain_id: int, market: Address, job_id: int) -> tuple[Path, int]:
        """Return the latest model as a safetensors file, and after how many rounds it is; errors as for a manifest."""
        with self.job(chain_id, market, job_id) as job:
            path = job.workdir / f"model-after-{_state_name(job)}.safetensors"
            settled = len(job.state.settled_rounds)
            if not path.is_file():
                for old in job.workdir.glob("model-after-*.safetensors"):
                    old.unlink(missing_ok=True)
                partial = path.with_suffix(f".{secrets.token_hex(8)}.part")
                try:
                    with self.deriving(job):
                        settled = download_model(job, partial)
                    partial.replace(path)
                finally:
                    partial.unlink(missing_ok=True)
            return path, settled

    def report(self, chain_id: int, market: Address, job_id: int) -> bytes:
        """Return terms, rounds, and what became of each update and why, as JSON; errors as for :meth:`job`."""
        with self.job(chain_id, market, job_id) as job:
            terms = job.state.terms
            rounds = []
            for state in job.state.rounds:
                found = verdicts(state, terms.rule, terms.byzantine, self.reasons(job, state))
                rounds.append({**round_summary(job, state), "updates": [asdict(one) for one in found]})
            told = {
                "format": REPORT_FORMAT,
                "chain_id": chain_id,
                "market": market,
                "chain_time": job.now,
                "name": job.manifest.name,
                "task": job.manifest.task,
                **job_summary(job),
                "terms": asdict(terms),
                "rounds": rounds,
            }
            return json.dumps(_plain(told), indent=1).encode()

    def _open(self, name: str) -> _Opened:
        with self._lock:
            opened = self._jobs.setdefault(name, _Opened())
            opened.users += 1
            self._jobs.move_to_end(name)
            idle = [other for other, one in self._jobs.items() if not one.users]
            for other in idle[: max(0, len(self._jobs) - _MAX_JOBS)]:
                del self._jobs[other]
            return opened

    def _close(self, name: str, opened: _Opened) -> None:
        """Let go of a job, and of the files used the longest ago if there are too many."""
        with self._lock:
            opened.users -= 1
            if self._sizes is None:
                found = sorted(self.folder.glob("cache-*"), key=lambda folder: folder.stat().st_mtime)
                self._sizes = OrderedDict((folder.name, _size(folder)) for folder in found)
            self._sizes[name] = _size(self.folder / name)
            self._sizes.move_to_end(name)
            total = sum(self._sizes.values())
            for other in list(self._sizes):
                if total <= MAX_KEPT_BYTES:
                    break
                held = self._jobs.get(other)
                if held is None or not held.users:
                    self._jobs.pop(other, None)
                    shutil.rmtree(self.folder / other, ignore_errors=True)
                    total -= self._sizes.pop(other)


@contextmanager
def _held(lock: threading.Lock, why_not: str) -> Iterator[None]:
    if not lock.acquire(timeout=_WAIT_SECONDS):
        raise Unavailable(why_not, hint="ask again in a minute", headers={"Retry-After": "60"})
    try:
        yield
    finally:
        lock.release()


def plain_reasons(reasons: Mapping[Address, str], state: RoundState) -> dict[Address, str]:
    """Return an aggregator's words as they may be kept and shown: of the round's trainers, printable, and short."""
    found = {commit.trainer: reasons.get(commit.trainer, "") for commit in state.commits}
    plain = {
        trainer: "".join(filter(str.isprintable, told[: 4 * MAX_REASON]))[:MAX_REASON]
        for trainer, told in found.items()
    }
    return {trainer: told for trainer, told in plain.items() if told}


def _has_reference(job: Job) -> bool:
    """Whether a job's reference string is here, or short enough to be fetched; what has none is refused where used."""
    verifier = job.state.terms.verifier
    try:
        if job.market.srs_size(verifier) <= 2 * MAX_ENTRIES:
            return True
        return cache.srs_path(job.market.srs_digest(verifier)).exists()
    except ChainError:
        return True


def _folder_name(chain_id: int, market: Address, job_id: int) -> str:
    return f"cache-{chain_id}-{market.lower()}-job-{job_id}"


def _size(folder: Path) -> int:
    """Return what a folder takes on disk, about; what goes away meanwhile counts as nothing."""
    total = _FOLDER_BYTES
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _plain(value: Any) -> Any:
    """Write integers beyond 2^53 as decimal strings, as the API does."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, int) and abs(value) > 1 << 53 else value


def _state_name(job: Job) -> str:
    """Name what the latest model follows from."""
    rounds = job.state.settled_rounds
    last = rounds[-1].settled if rounds else None
    tail = "" if last is None else "-" + last.settlement.aggregate_commitment.hex()[:32]
    return f"{len(rounds)}{tail}"
