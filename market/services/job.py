"""A job as a role sees it: its state from chain events, its manifest and its model from storage."""

from __future__ import annotations

import hashlib
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aggregator.errors import OutOfRange
from aggregator.fixedpoint import Quantiser
from aggregator.srs import Srs
from market import rounds
from market.chain.market import Head, MarketClient
from market.domain import JobCreated
from market.errors import ContractRefused, ForbiddenTransition, PayloadError
from market.rounds import JobState, RoundState
from market.services.journal import Journal
from market.services.manifest import MAX_MANIFEST_BYTES, Manifest
from market.services.reference import job_reference
from market.services.updates import OpenedAggregate, fetch_aggregate, fetch_payload, open_aggregate, payload_limit
from market.srs.files import Stages, no_stages
from market.storage.base import Storage
from market.storage.cid import Cid
from market.storage.payload import TensorSpec

Vector = npt.NDArray[np.float32]


class Job:
    """One job, followed through chain events; :meth:`refresh` reads what is new.

    Parameters
    ----------
    market, storage
        Where the job lives.
    job_id
        Its number.
    workdir
        Folder for fetched and derived files; safe to delete.
    stages
        Told of the stages of fetching and verifying the reference string, where it is not in the user's cache.

    Raises
    ------
    ContractRefused
        If the market has no such job.

    """

    def __init__(
        self, market: MarketClient, storage: Storage, job_id: int, workdir: Path, *, stages: Stages = no_stages
    ) -> None:
        self.market = market
        self.storage = storage
        self.job_id = job_id
        self.workdir = workdir
        self.stages = stages
        self.now = 0
        self._read: Head | None = None
        self._state: JobState | None = None
        self._files = Journal(workdir)
        if not 0 < job_id <= market.job_count():
            raise ContractRefused(
                f"there is no job {job_id} on this market",
                hint="`gramercy job list` shows the jobs",
                error="Market_UnknownJob",
            )
        self.refresh()

    @property
    def state(self) -> JobState:
        """The job's state as of the last :meth:`refresh`."""
        if self._state is None:
            raise self._uncreated()
        return self._state

    def require_round(self, number: int) -> RoundState:
        """Return a round; ContractRefused if it has not opened."""
        state = self.state.round(number)
        if state is None:
            raise ContractRefused(
                f"job {self.job_id} has no round {number}",
                hint="`gramercy job show` lists the rounds",
                error="Market_WrongPhase",
            )
        return state

    def refresh(self) -> bool:
        """Read new blocks; return whether there were any. ``now`` becomes chain time.

        When the chain was reorganised below what was read, everything is read again.

        Raises
        ------
        ForbiddenTransition
            If the chain's events contradict the market's state machine even then.

        """
        head = self.market.head()
        self.now = head.next_timestamp
        if self._read is not None and head.number == self._read.number and head.hash == self._read.hash:
            return False
        if self._read is not None and not self.market.has_block(self._read):
            self._forget()
        try:
            self._read_to(head)
        except ForbiddenTransition:
            if self._read is None:
                raise
            self._forget()  # the node changed its mind between two answers, or left events out
            self._read_to(head)
        return True

    def _uncreated(self) -> PayloadError:
        return PayloadError(
            f"the chain tells nothing of the creation of job {self.job_id} from block {self.market.first_block} on",
            hint="if the job is older, lower GRAMERCY_FIRST_BLOCK or unset it",
        )

    def _forget(self) -> None:
        self._state, self._read = None, None

    def _read_to(self, head: Head) -> None:
        state = self._state
        start = self.market.first_block if self._read is None else self._read.number + 1
        for event in self.market.events(start, head.number, self.job_id):
            if isinstance(event, JobCreated):
                state = rounds.start(event)
            elif state is None:
                raise self._uncreated()
            else:
                state = rounds.apply(state, event)
        self._state, self._read = state, head

    @cached_property
    def manifest(self) -> Manifest:
        """The job's manifest, fetched once.

        Raises
        ------
        PayloadError
            If it is malformed or contradicts the job's terms.

        """
        sink = BytesIO()
        self.storage.fetch(Cid.parse(self.state.created.manifest_cid), sink, max_bytes=MAX_MANIFEST_BYTES)
        manifest = Manifest.from_bytes(sink.getvalue())
        if manifest.dimension != self.state.terms.dimension:
            raise PayloadError(
                f"the manifest's model has {manifest.dimension} entries, the job's terms say "
                f"{self.state.terms.dimension}",
                hint="ask the job's owner",
            )
        return manifest

    @cached_property
    def srs(self) -> Srs:
        """The reference string of the job's commitments, after every check of it and of the job's verifier.

        Raises
        ------
        WrongChain
            If the verifier is not the published contract, with exactly this reference string in it.
        InvalidSrs
            If the string is not what the verifier names, is none, or its secrets are known to everybody and the chain
            is none for development.
        WrongShape
            If it is too short for the job's model.
        StorageError
            If it is not in the cache and cannot be fetched.

        """
        terms = self.state.terms
        return job_reference(
            self.market,
            self.storage,
            terms.verifier,
            self.manifest.srs,
            dimension=terms.dimension,
            workdir=self.workdir,
            stages=self.stages,
        ).srs

    def require_srs(self) -> None:
        """Check verifier and reference string now; errors as for :attr:`srs`."""
        self.srs.key  # noqa: B018 - cached: later uses do not check again

    def quantiser(self, state: RoundState) -> Quantiser:
        """Return the quantiser of a round."""
        return self.manifest.quantiser_for(bits=self.state.terms.bits, scale_exponent=state.opened.scale_exponent)

    def model(self, rounds_settled: int) -> Vector:
        """Return the model, float32 (d,), after so many settled rounds; 0 is the initial model.

        Derived from the initial model and the settled aggregates, each checked against the chain. The latest models
        are kept in ``workdir``, so that a round is fetched once.
        """
        start = next((k for k in range(rounds_settled, 0, -1) if self._kept(k) is not None), 0)
        vector = self._kept(start)
        if vector is None:
            vector = self._keep(0, self._initial_model())
        for done in range(start + 1, rounds_settled + 1):
            vector = self._keep(done, self._advance(vector, done))
        return vector

    def aggregate_metadata(self, state: RoundState) -> dict[str, str]:
        """Return the notes that the aggregator published with a settled round's aggregate (exclusions)."""
        if state.settled is None:
            return {}
        opened = fetch_aggregate(self.storage, state.settled, dimension=self.manifest.dimension, workdir=self.workdir)
        return dict(opened.notes)

    def aggregate(self, state: RoundState) -> OpenedAggregate:
        """Return a settled round's aggregate, checked against the chain; see :func:`open_aggregate`."""
        if state.settled is None:
            raise PayloadError(f"round {state.number} is not settled")
        return open_aggregate(
            self.storage,
            self.srs,
            state.settled,
            dimension=self.manifest.dimension,
            bits=self.state.terms.bits,
            workdir=self.workdir,
        )

    def _kept(self, rounds_settled: int) -> Vector | None:
        try:
            vector: Vector = np.load(self._model_path(rounds_settled), allow_pickle=False)
        except (OSError, ValueError, EOFError):  # absent, or not a whole file: derive it again
            return None
        fits = vector.shape == (self.manifest.dimension,) and vector.dtype == np.float32
        return vector if fits else None

    def _keep(self, rounds_settled: int, vector: Vector) -> Vector:
        buffer = BytesIO()
        np.save(buffer, vector, allow_pickle=False)
        self._files.write(self._model_path(rounds_settled).name, buffer.getvalue())
        for old in self.workdir.glob(f"model-{rounds_settled - 2}-*.npy"):
            old.unlink(missing_ok=True)
        return vector

    def _model_path(self, rounds_settled: int) -> Path:
        """Name a model by all that it follows from: neither a reorganised nor a restarted chain finds a wrong one."""
        digest = hashlib.sha256(self.state.created.manifest_cid)
        for state in self.state.settled_rounds[:rounds_settled]:
            if state.settled is not None:
                digest.update(state.settled.settlement.aggregate_commitment)
        return self.workdir / f"model-{rounds_settled}-{digest.hexdigest()[:32]}.npy"

    def _advance(self, before: Vector, rounds_settled: int) -> Vector:
        state = self.state.settled_rounds[rounds_settled - 1]
        opened = self.aggregate(state)
        try:
            return self.quantiser(state).apply(before, opened.entries)
        except OutOfRange as error:
            raise PayloadError(f"the aggregate of round {state.number} cannot be applied: {error.message}") from None

    def _initial_model(self) -> Vector:
        payload = fetch_payload(
            self.storage,
            Cid.parse(self.manifest.initial_model_cid),
            declared_bytes=self.manifest.initial_model_bytes,
            limit=payload_limit(self.manifest.dimension, 4),
            expected={"model": TensorSpec("F32", (self.manifest.dimension,))},
            workdir=self.workdir,
        )
        vector = np.array(payload.arrays["model"])
        if not np.isfinite(vector).all():
            raise PayloadError("the job's initial model has entries that are not finite", hint="ask the job's owner")
        return vector
