"""Files of jobs: the manifest, the latest model, and a report; each is checked against the chain."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from market.api.errors import Unavailable
from market.chain.market import MarketClient
from market.domain import Address
from market.errors import NotFound
from market.services.job import Job
from market.services.owner import download_model
from market.services.view import exclusions_of, job_summary, round_summary, verdicts
from market.storage.base import Storage

_MAX_JOBS = 32
_WAIT_SECONDS = 60.0
REPORT_FORMAT = "gramercy/report/1"
Markets = Callable[[int, Address], MarketClient | None]
"""Chain and address to a client for reading."""


@dataclass
class _Opened:
    """A job that is followed, one user at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    job: Job | None = None


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
    _jobs: OrderedDict[tuple[int, Address, int], _Opened] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        with self._lock:
            opened = self._jobs.setdefault((chain_id, market, job_id), _Opened())
            self._jobs.move_to_end((chain_id, market, job_id))
            while len(self._jobs) > _MAX_JOBS:
                self._jobs.popitem(last=False)
        if not opened.lock.acquire(timeout=_WAIT_SECONDS):
            raise Unavailable("the job's files are being made already", hint="ask again in a minute")
        try:
            if opened.job is None:
                folder = self.folder / f"cache-{chain_id}-{market.lower()}-job-{job_id}"
                opened.job = Job(client, self.storage, job_id, folder)
            else:
                opened.job.refresh()
            yield opened.job
        finally:
            opened.lock.release()

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
                partial = path.with_suffix(".part")
                settled = download_model(job, partial)
                partial.replace(path)
            return path, settled

    def report(self, chain_id: int, market: Address, job_id: int) -> bytes:
        """Return terms, rounds, and what became of each update and why, as JSON; errors as for :meth:`job`."""
        with self.job(chain_id, market, job_id) as job:
            terms = job.state.terms
            rounds = []
            for state in job.state.rounds:
                found = verdicts(state, terms.rule, terms.byzantine, exclusions_of(job, state))
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
