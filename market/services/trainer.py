"""The trainer: joins with a stake, names an aggregator if it likes, trains, commits, claims its pay, leaves."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_account.signers.local import LocalAccount

from aggregator.bn254 import GENERATOR, Point, R, compress, decode_point, decompress, encode_point
from aggregator.commitments import Blinding, commit, linear_combination
from market import rounds
from market.domain import NATIVE_COIN, Address, Phase
from market.errors import ConfigError, ContractRefused, NoRecipient
from market.rounds import RoundState
from market.services.job import Job, Vector
from market.services.journal import Journal
from market.services.report import Report, silent
from market.services.updates import round_binding, seal_update
from market.storage.base import put_bytes
from market.storage.cid import Cid
from market.storage.sealed import is_usable
from market.trainer.behaviours import Behaviour
from market.trainer.local_round import LocalUpdate, compute_update, estimated_peers
from market.trainer.parameters import ModelSchema
from market.trainer.task import Samples, Task

MAX_CLAIMS = 200


@dataclass(frozen=True, slots=True)
class Submission:
    """What is committed for a round: kept on disk before anything is sent, so that a restart commits the same."""

    point: Point
    cid: bytes
    payload_bytes: int

    @property
    def commitment(self) -> bytes:
        """The commitment as the chain records it: the point, compressed."""
        return compress(self.point)


@dataclass
class Trainer:
    """One trainer in one job.

    Parameters
    ----------
    job
        The job, opened with the trainer's account.
    account
        The trainer's key.
    journal
        Its memory of this job.
    task, samples, behaviour, seed
        What it trains, on what, how, and with which seed; only for :meth:`train`.
    stake
        What :meth:`step` joins with; None: it does not join by itself.
    aggregator
        Whom :meth:`step` names beside the owner's aggregators; None: it leaves that as it is.

    """

    job: Job
    account: LocalAccount
    journal: Journal
    task: Task | None = None
    samples: Samples | None = None
    behaviour: Behaviour | None = None
    seed: int = 0
    stake: int | None = None
    aggregator: Address | None = None
    report: Report = field(default=silent)

    @property
    def address(self) -> Address:
        """The trainer's address."""
        return Address(self.account.address)

    @property
    def joined(self) -> bool:
        """Whether the trainer has a stake in the job."""
        return self.address in self.job.state.stakes

    @property
    def finished(self) -> bool:
        """Whether no further round can come for it, and everything was claimed and taken back."""
        state, now = self.job.state, self.job.now
        over = state.finished(now) or self.slashed
        return over and not self.joined and not state.claimable(self.address, now)

    @property
    def slashed(self) -> bool:
        """Whether an update of the trainer was proved out of range, which cost its stake and its place."""
        commits = ((state, state.commit_of(self.address)) for state in self.job.state.rounds)
        return any(own is not None and own.index in state.slashed for state, own in commits)

    @property
    def named(self) -> Address | None:
        """Whom the trainer names as an aggregator beside the owner's."""
        return self.job.state.named.get(self.address)

    @property
    def paid(self) -> int:
        """What the trainer has claimed so far."""
        return sum(state.payouts[self.address] for state in self.job.state.rounds if self.address in state.claimed)

    def join(self, stake: int | None = None) -> int:
        """Join with ``stake`` (default: the job's smallest); return it. Joining twice changes nothing.

        Raises
        ------
        WrongChain, InvalidSrs
            If the job's verifier or its reference string is not to be trusted; found out before money moves.

        """
        if self.joined:
            return self.job.state.stakes[self.address]
        self.job.require_srs()
        amount = self.job.state.terms.stake_min if stake is None else stake
        self.job.market.join_job(self.job.job_id, amount, self.job.state.terms.token)
        self.job.refresh()
        self.report("joined", {"job": self.job.job_id, "stake_wei": amount})
        return amount

    def name(self, aggregator: Address | None) -> bool:
        """Name one aggregator more, to whom updates are sealed and who may settle; None: nobody any more.

        It counts while the trainer is in the job. Returns whether anything changed.

        Raises
        ------
        ContractRefused
            If the trainer has not joined.

        """
        if aggregator == self.named:
            return False
        self.job.market.name_aggregator(self.job.job_id, aggregator or NATIVE_COIN)
        self.job.refresh()
        self.report("aggregator-named", {"job": self.job.job_id, "aggregator": aggregator})
        return True

    def train(self, state: RoundState) -> LocalUpdate:
        """Train from the round's model; return the update, float32 (d,).

        Raises
        ------
        ConfigError
            If the trainer was opened without a task.

        """
        if self.task is None or self.samples is None or self.behaviour is None:
            raise ConfigError("this trainer has no task to train")
        schema = ModelSchema(self.job.manifest.entries)
        settled_before = sum(1 for earlier in self.job.state.settled_rounds if earlier.number < state.number)
        model = self.job.model(settled_before)
        peers: Iterable[Vector] = ()
        if self.behaviour.needs_peers:
            peers = estimated_peers(self.task, schema, model, self.samples, seed=self.seed, round_index=state.number)
        local = compute_update(
            self.task,
            schema,
            model,
            self.samples,
            self.behaviour,
            seed=self.seed,
            round_index=state.number,
            peers=peers,
            n=len(self.job.state.stakes),
            f=self.job.state.terms.byzantine,
        )
        self.report("trained", {"round": state.number, "loss": local.report.loss})
        return local

    def submit(self, state: RoundState, update: Vector) -> Submission:
        """Quantise an update, commit to it, seal and store it, and send the commitment.

        Raises
        ------
        NonFiniteUpdate, WrongShape
            If the update is not a finite float32 vector (d,).
        NoRecipient
            If no aggregator of the job has published an encryption key.
        WrongChain, InvalidSrs
            If the job's verifier or its reference string is not to be trusted; see :attr:`Job.srs`.
        ContractRefused
            If the round does not take it (late, twice, not joined); found out before anything is stored.

        """
        self._check_open(state)
        return self._commit(state, self._prepare(state, update))

    def claim(self, recipient: Address | None = None, numbers: Sequence[int] | None = None) -> int:
        """Claim ``numbers``, or what is claimable, in one transaction; return the amount, 0 if nothing is owed.

        At most `MAX_CLAIMS` rounds at once: a transaction has a limit of gas. Call again for the rest.

        Raises
        ------
        ContractRefused
            If a round of ``numbers`` is not final, owes nothing, or was claimed before.

        """
        self.job.refresh()
        owed = self.job.state.claimable(self.address, self.job.now)
        for number in numbers or ():
            refusal = rounds.refusal_to_claim(self.job.state, number, self.address, self.job.now)
            if refusal is not None:
                raise ContractRefused(
                    f"round {number} cannot be claimed: {refusal}",
                    hint="`gramercy trainer status` shows what is owed, and when it becomes final",
                    error=refusal,
                )
        claimed = sorted(set(numbers or owed))[:MAX_CLAIMS]
        if not claimed:
            return 0
        self.job.market.claim(self.job.job_id, claimed, recipient or self.address)
        self.job.refresh()
        amount = sum(owed[number] for number in claimed)
        self.report("claimed", {"rounds": claimed, "amount_wei": amount})
        return amount

    def leave(self, recipient: Address | None = None) -> int:
        """Take the stake back; return it."""
        stake = self.job.state.stakes.get(self.address, 0)
        self.job.market.leave_job(self.job.job_id, recipient or self.address)
        self.job.refresh()
        self.report("left", {"stake_wei": stake})
        return stake

    def step(self) -> bool:
        """Do what is due in the job's present state; return whether something was done."""
        if self.job.state.finished(self.job.now) or (self.slashed and not self.joined):
            return self._settle_up()
        if not self.joined:
            return self.stake is not None and self.join(self.stake) > 0
        if self.aggregator is not None and self.name(self.aggregator):
            return True
        state = self.job.state.latest
        if state is None or rounds.refusal_to_commit(self.job.state, state.number, self.address, self.job.now):
            return False
        if self.behaviour is not None and self.behaviour.steals:
            return self._steal(state)
        recorded = self._recorded(state)
        try:
            if recorded is not None:
                self._commit(state, recorded)
            else:
                recipients_of(self.job, self.named)  # training is dear: nobody to send it to shows first
                self.submit(state, self.train(state).update)
        except ContractRefused as refused:
            if refused.details.get("error") != "Market_DuplicateCommitment":
                raise
            # somebody saw the commitment on its way and sent it first; a fresh blinding makes another
            self.journal.remove(self._record_name(state))
            self.report("commitment-taken", {"round": state.number})
        return True

    def _settle_up(self) -> bool:
        """Claim, then leave: one transaction a call."""
        if self.claim():
            return True
        return self.joined and self.leave() > 0

    def _check_open(self, state: RoundState) -> None:
        """Refuse before storing anything when the contract would refuse after it."""
        self.job.refresh()
        refusal = rounds.refusal_to_commit(self.job.state, state.number, self.address, self.job.now)
        if refusal is None:
            return
        phase = state.phase(self.job.now)
        raise ContractRefused(
            f"round {state.number} does not take the update ({refusal}; phase {phase.name.lower()})",
            hint="join the job first" if refusal == "Market_NotTrainer" else "wait for the next round",
            error=refusal,
        )

    def _prepare(self, state: RoundState, update: Vector) -> Submission:
        quantised = self.job.quantiser(state).quantise(update)
        recipients = recipients_of(self.job, self.named)
        if self.named is not None and self.job.market.encryption_key(self.named) is None:
            self.report("key-missing", {"round": state.number, "aggregator": self.named})
        blinding = draw_blinding()
        point = commit(self.job.srs, quantised.entries, blinding)
        bound_to = round_binding(self.job.market.round_id(self.job.job_id, state.number), self.address, compress(point))
        blob = put_bytes(self.job.storage, seal_update(quantised.entries, blinding, recipients, bound_to))
        submission = Submission(point, blob.cid.to_bytes(), blob.size_bytes)
        self.journal.write_record(
            self._record_name(state),
            {
                "point": encode_point(point).hex(),
                "cid": submission.cid.hex(),
                "payload_bytes": submission.payload_bytes,
                "saturated": quantised.saturated,
            },
        )
        self.report(
            "stored",
            {
                "round": state.number,
                "cid": str(blob.cid),
                "saturated": quantised.saturated,
                "recipients": len(recipients),
            },
        )
        return submission

    def _steal(self, state: RoundState) -> bool:
        """Commit another trainer's ciphertext under its commitment plus a known amount: all that is left of copying.

        Payloads are sealed, so no aggregator can open it. For studying attacks.
        """
        victim = next((commit for commit in state.commits if commit.trainer != self.address), None)
        if victim is None:
            return False
        shift = 1 + secrets.randbelow(R - 1)
        point = linear_combination([decompress(victim.commitment), GENERATOR], [1, shift])
        self._commit(state, Submission(point, victim.cid, victim.payload_bytes))
        return True

    def _commit(self, state: RoundState, submission: Submission) -> Submission:
        receipt = self.job.market.commit_update(
            self.job.job_id, state.number, submission.point, submission.cid, submission.payload_bytes
        )
        self.job.refresh()
        self.report(
            "committed",
            {
                "round": state.number,
                "cid": str(Cid.parse(submission.cid)),
                "bytes": submission.payload_bytes,
                "gas": receipt["gasUsed"],
            },
        )
        return submission

    def submission(self, state: RoundState) -> Submission:
        """Return what was prepared for a round.

        Raises
        ------
        ConfigError
            If nothing was.

        """
        found = self._recorded(state)
        if found is None:
            raise ConfigError(f"no update was prepared for round {state.number}")
        return found

    def _recorded(self, state: RoundState) -> Submission | None:
        record = self.journal.read_record(self._record_name(state))
        if record is None:
            return None
        submission = Submission(
            decode_point(bytes.fromhex(record["point"])), bytes.fromhex(record["cid"]), record["payload_bytes"]
        )
        return submission if self.job.storage.has(Cid.parse(submission.cid)) else None

    def _record_name(self, state: RoundState) -> str:
        """Name a record by everything a commitment binds, so that a record never serves another round."""
        job, opened = self.job, state.opened
        return f"commit-{job.market.chain_id}-{job.market.address}-{job.job_id}-{state.number}-{opened.commit_end}.json"


def recipients_of(job: Job, named: Address | None = None) -> list[bytes]:
    """Return the published encryption keys of the owner's aggregators and of the one that a trainer ``named``.

    What other trainers named does not count: whom one's payload is sealed to nobody else decides. One useless key must
    not stop the others.

    Raises
    ------
    NoRecipient
        If there is none.

    """
    chosen = dict.fromkeys((*job.state.created.aggregators, *([named] if named else ())))
    accounts = [account for account in chosen if account in job.state.aggregators]
    found = [job.market.encryption_key(account) for account in accounts]
    keys = list(dict.fromkeys(key for key in found if key is not None and is_usable(key)))
    if not keys:
        raise NoRecipient(
            f"no aggregator of job {job.job_id} has published a key that one can encrypt updates to",
            hint="an aggregator publishes one with `gramercy aggregator run` or `gramercy aggregator key publish`; "
            "try again once it has",
            aggregators=accounts,
        )
    return keys


def draw_blinding() -> Blinding:
    """Return a fresh uniform blinding: three secret field elements."""
    return secrets.randbelow(R), secrets.randbelow(R), secrets.randbelow(R)


def trainer_folder(state_folder: Path, address: Address, job_id: int) -> Path:
    """Return the folder of a trainer's journal for a job."""
    return state_folder / f"trainer-{address.lower()}" / f"job-{job_id}"


def open_round(job: Job, number: int | None = None) -> RoundState:
    """Return the round that takes commitments, or round ``number``.

    Raises
    ------
    ContractRefused
        If there is no such round.

    """
    state = job.state.latest if number is None else job.state.round(number)
    if state is None:
        raise ContractRefused(
            f"job {job.job_id} has no round {number if number is not None else 'yet'}",
            hint="rounds open once enough trainers have joined",
            error="Market_WrongPhase",
        )
    if number is None and state.phase(job.now) is not Phase.OPEN:
        raise ContractRefused(
            f"round {state.number} is not open but {state.phase(job.now).name.lower()}",
            hint="wait for the next round",
            error="Market_WrongPhase",
        )
    return state
