"""The owner's part in rounds with a reference: it trains on root samples of its own and commits the row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from eth_account.signers.local import LocalAccount

from aggregator.bn254 import compress
from aggregator.commitments import commit
from aggregator.errors import OutOfRange
from market import rounds
from market.domain import Address
from market.errors import ContractRefused
from market.services.job import Job, Vector
from market.services.journal import Journal
from market.services.publishing import withheld_until
from market.services.report import Report, silent
from market.services.trainer import draw_blinding, recipients_of
from market.services.updates import round_binding, seal_update
from market.storage.base import put_bytes
from market.trainer.behaviours import make_behaviour
from market.trainer.local_round import compute_update
from market.trainer.parameters import ModelSchema
from market.trainer.randomness import derive_seed
from market.trainer.task import Samples, Task

ROOT_SAMPLES = 250
"""Enough for the scores' correlation with retraining; more changes little (docs/scores.md)."""
_ROOT_STREAM = 7


@dataclass
class ReferenceOwner:
    """An owner that keeps its job supplied with reference rows.

    Parameters
    ----------
    job
        The job, opened with the owner's account.
    account
        The owner's key.
    journal
        Its memory of this job: from which model a reference was made.
    task, samples, seed
        What it trains, on which root samples, and with which seed.

    """

    job: Job
    account: LocalAccount
    journal: Journal
    task: Task
    samples: Samples
    seed: int = 0
    report: Report = field(default=silent)

    @property
    def address(self) -> Address:
        """The owner's address."""
        return Address(self.account.address)

    @property
    def finished(self) -> bool:
        """Whether no further round can come."""
        return self.job.state.finished(self.job.now)

    def prepare(self) -> None:
        """Check, before anything is sent, that the job wants this owner's references.

        Raises
        ------
        ContractRefused
            If the job has no reference, or another owner.
        WrongChain, InvalidSrs
            If the job's verifier or its reference string is not to be trusted.

        """
        refusal = rounds.refusal_to_commit_reference(self.job.state, self.address, self.job.now)
        if refusal in ("Market_NotOwner", "Market_NoReferenceAsked"):
            raise ContractRefused(
                f"job {self.job.job_id} takes no reference rows from {self.address} ({refusal})",
                hint="only the owner of a job created with a reference commits them",
                error=refusal,
            )
        self.job.require_srs()

    def step(self) -> bool:
        """Commit the next round's reference row if it is due; return whether it was."""
        state = self.job.state
        if self.finished or rounds.refusal_to_commit_reference(state, self.address, self.job.now) is not None:
            return False
        if state.used_by(self.job.now) == state.terms.rounds or self._model_withheld:
            return False
        if state.reference is not None:
            record = self.journal.read_record(_record_name(state.reference.commitment))
            if record is None or record["model"] == self._model_key():
                return False  # another than this one knows better, or it is up to date
        self._commit(len(state.settled_rounds))
        return True

    @property
    def _model_withheld(self) -> bool:
        """Whether the latest round's aggregate does not have to be published yet."""
        state = self.job.state
        return state.latest is not None and withheld_until(state.terms, state.latest, self.job.now) is not None

    def _model_key(self) -> str:
        """Name the model so far by what it follows from: a settlement may take another's place."""
        settled = (state.settled for state in self.job.state.settled_rounds)
        return hashlib.sha256(b"".join(one.settlement.aggregate_commitment for one in settled if one)).hexdigest()

    def train(self, settled: int) -> Vector:
        """Train on the root samples from the model after ``settled`` rounds; return the update, float32 (d,)."""
        return compute_update(
            self.task,
            ModelSchema(self.job.manifest.entries),
            self.job.model(settled),
            self.samples,
            make_behaviour("honest"),
            seed=self.seed,
            round_index=len(self.job.state.rounds) + 1,
        ).update

    def _commit(self, settled: int) -> None:
        """Train, commit, seal and store the row, and send the commitment."""
        state, job = self.job.state, self.job
        number = len(state.rounds) + 1
        update = self.train(settled)
        quantiser = job.manifest.quantiser_for(bits=state.terms.bits, scale_exponent=state.next_scale_exponent())
        quantised = quantiser.quantise(update)
        blinding = draw_blinding()
        point = commit(job.srs, quantised.entries, blinding)
        bound_to = round_binding(job.market.round_id(job.job_id, number), self.address, compress(point))
        blob = put_bytes(job.storage, seal_update(quantised.entries, blinding, recipients_of(job), bound_to))
        self.journal.write_record(_record_name(compress(point)), {"model": self._model_key()})
        receipt = job.market.commit_reference(job.job_id, point, blob.cid.to_bytes(), blob.size_bytes)
        job.refresh()
        self.report(
            "reference-committed",
            {
                "round": number,
                "cid": str(blob.cid),
                "samples": len(self.samples),
                "saturated": quantised.saturated,
                "gas": receipt["gasUsed"],
            },
        )


def root_count(held_out: int) -> int:
    """Return how many of an owner's held-out samples train the row where it does not say: at most a third."""
    return min(ROOT_SAMPLES, held_out // 3)


def split_root(samples: Samples, count: int, seed: int) -> tuple[Samples, Samples]:
    """Divide samples at random into ``count`` root samples and the rest, which may then serve for evaluation.

    Raises
    ------
    OutOfRange
        If there are not more than ``count`` samples, or ``count`` is not positive.

    """
    if not 0 < count < len(samples):
        raise OutOfRange(
            f"{count} root samples cannot be taken from {len(samples)}", hint="choose a smaller positive number"
        )
    order = np.random.default_rng(derive_seed(seed, 0, _ROOT_STREAM)).permutation(len(samples))
    return samples.subset(np.sort(order[:count])), samples.subset(np.sort(order[count:]))


def owner_folder(state_folder: Path, address: Address, job_id: int) -> Path:
    """Return the folder of an owner's journal for a job."""
    return state_folder / f"owner-{address.lower()}" / f"job-{job_id}"


def _record_name(commitment: bytes) -> str:
    return f"reference-{commitment.hex()}.json"
