"""The aggregator: opens the payloads of a round, computes and proves what follows from them, publishes and settles.

It keeps two things: its encryption keys, and a settlement with its aggregate from when it is proven until the one is on
chain and the other in storage. Killed at any point and started again, it does what is still due, and sends again what
it had prepared.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from eth_account.signers.local import LocalAccount

from aggregator.bn254 import decompress
from aggregator.commitments import Blinding, check_commitments, combine_blindings
from aggregator.errors import GramercyError, InvalidInput, RuleNotApplicable
from aggregator.gram import weighted_sum
from aggregator.randomness import SEED_BYTES
from aggregator.rules import get_rule
from market import rounds
from market.domain import REFERENCE_BIT, Address, Phase, RoundOpened, UpdateCommitted
from market.errors import ContractRefused, IntegrityError, PayloadError, StorageError, StorageUnavailable, UnknownCid
from market.rounds import RoundState
from market.services.encryption import EncryptionKey, EncryptionKeys, publish
from market.services.history import SumKeeper
from market.services.job import Job
from market.services.journal import Journal
from market.services.report import Report, silent
from market.services.round_inputs import RoundInputs, round_inputs
from market.services.settling import ExtraRows, PreparedSettlement, prepare_settlement
from market.services.updates import OpenedUpdate, open_update, pack_aggregate
from market.storage.base import put_bytes
from market.storage.cid import Cid

PATIENCE = 0.5
"""Part of the Settling phase for which content that cannot be had is waited for before its trainer is left out."""
_AWAITED = (UnknownCid, IntegrityError, StorageUnavailable)
"""Not, or not surely, the trainer's fault: missing content may be on its way, wrong bytes a store's."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A committed update that could not be opened, or does not open its commitment, and why."""

    commit: UpdateCommitted
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """A round's payloads after every check; ``awaited`` of the ``excluded`` may still become available.

    ``reference`` is the owner's row; None in a job without one, or where it cannot be used: it is ``excluded`` then.
    """

    opened: tuple[OpenedUpdate, ...]
    excluded: tuple[Exclusion, ...]
    awaited: int = 0
    reference: OpenedUpdate | None = None

    @property
    def included(self) -> int:
        """Bit i set: the i-th commitment was opened; the highest bit is the reference's."""
        mask = 0 if self.reference is None else 1 << REFERENCE_BIT
        for update in self.opened:
            mask |= 1 << update.commit.index
        return mask

    @property
    def reasons(self) -> dict[Address, str]:
        """Why each trainer that is left out is."""
        return {exclusion.commit.trainer: exclusion.reason for exclusion in self.excluded}


@dataclass
class Aggregator:
    """One aggregator of one job.

    Parameters
    ----------
    job
        The job, opened with the aggregator's account.
    account
        Its key.
    keys
        Its encryption keys.
    journal
        Its memory of this job.
    open_at
        Open the first round when so many trainers have joined; at least the job's smallest number.

    """

    job: Job
    account: LocalAccount
    keys: EncryptionKeys
    journal: Journal
    open_at: int = 0
    report: Report = field(default=silent)
    _given_up: set[RoundOpened] = field(default_factory=set)
    # By the whole event: another round, or another chain of blocks, may hold the same commitment.
    _opened: dict[UpdateCommitted, OpenedUpdate] = field(default_factory=dict)
    _wrong: dict[UpdateCommitted, str] = field(default_factory=dict)
    _sums: SumKeeper = field(init=False)

    def __post_init__(self) -> None:
        self._sums = SumKeeper(self.job, self._open_update)

    @property
    def address(self) -> Address:
        """The aggregator's address."""
        return Address(self.account.address)

    @property
    def finished(self) -> bool:
        """Whether the job needs this aggregator no more, what it settled is published, and its bond is back."""
        return self._over and self.bond == 0 and not self._unpublished()

    @property
    def bond(self) -> int:
        """What the aggregator has deposited in the job."""
        return self.job.state.bonds.get(self.address, 0)

    @property
    def missing_bond(self) -> int:
        """What it has yet to deposit before it can settle."""
        return 0 if self.bond or not self._entitled else self.job.state.terms.aggregator_bond

    @property
    def _entitled(self) -> bool:
        return self.address in self.job.state.aggregators

    @property
    def _over(self) -> bool:
        state, now = self.job.state, self.job.now
        if state.closed or not self._entitled:
            return True
        last = len(state.settled_rounds) == state.terms.rounds or now >= state.terms.deadline
        return last and state.phase(now).terminal

    def publish_key(self) -> EncryptionKey:
        """Make sure that trainers can encrypt to us; see :func:`market.services.encryption.publish`."""
        return publish(self.job.market, self.keys, report=self.report)

    def post_bond(self) -> int:
        """Deposit the bond that the job asks for, unless that was done; return it."""
        missing = self.missing_bond
        if missing:
            self.job.market.post_bond(self.job.job_id, missing, self.job.state.terms.token)
            self.job.refresh()
            self.report("bond-posted", {"job": self.job.job_id, "bond_wei": missing})
        return self.bond

    def withdraw_bond(self, recipient: Address | None = None) -> int:
        """Take the bond back; return it, 0 if there is none.

        Raises
        ------
        ContractRefused
            If a round that this aggregator settled can still be challenged.

        """
        bond = self.bond
        if bond:
            self.job.market.withdraw_bond(self.job.job_id, recipient or self.address)
            self.job.refresh()
            self.report("bond-withdrawn", {"job": self.job.job_id, "bond_wei": bond})
        return bond

    def prepare(self) -> None:
        """Do what has to be done before the first round: check the verifier, publish a key, post the bond.

        Raises
        ------
        WrongChain, InvalidSrs
            If the job's verifier or reference string is not to be trusted; found out before money moves.

        """
        self.job.require_srs()
        self.publish_key()
        self.post_bond()

    def step(self) -> bool:
        """Open or settle what is due, or take the bond back at the end; return whether something was done."""
        state = self.job.state
        self.publish_aggregates()
        if self._over:
            return self.withdraw_bond() > 0
        if rounds.refusal_to_open(state, self.job.now) is None:
            if state.latest is None and len(state.stakes) < self.open_at:
                return False
            return self._open()
        latest = state.latest
        if latest is None or latest.phase(self.job.now) is not Phase.SETTLING or latest.opened in self._given_up:
            return False
        return self.settle(latest)

    def settle(self, state: RoundState, *, patient: bool = True) -> bool:
        """Settle one round; return whether it was settled, by whomever.

        A settlement that was prepared before, by this process or one that was killed, is sent as it was. Returns
        False, and does not try again, when so many payloads are unusable that the contract would refuse: such a round
        becomes void and its budget stays in escrow.

        Raises
        ------
        StorageError
            If content cannot be had that may still come. Once `PATIENCE` is over, or without ``patient``, it is left
            out instead, unless the contract would then refuse.

        """
        prepared = self._recorded(state)
        if prepared is None:
            gathered = self.gather(state, patient=patient)
            if not self._may_settle(state, gathered):
                return False
            try:
                prepared = prepare_settlement(
                    self._inputs(state),
                    self.job.srs,
                    gathered.opened,
                    gathered.reasons,
                    self._extra_rows(state, gathered),
                    self.report,
                )
            except RuleNotApplicable as error:
                self._give_up(state, error.message)
                return False
            self.journal.write(_file_name(prepared.settlement.aggregate_cid), prepared.aggregate)
            self.journal.write_record(self._record_name(state), prepared.to_record())
        return self._send(state, prepared)

    def _may_settle(self, state: RoundState, gathered: Gathered) -> bool:
        refusal = rounds.refusal_to_settle(self.job.state, state.number, self.address, gathered.included, self.job.now)
        if refusal == "Market_TooManyExcluded" and gathered.awaited:
            raise StorageUnavailable(f"{gathered.awaited} payloads of round {state.number} cannot be had yet")
        if refusal is None and not gathered.opened:
            refusal = "no payload could be opened"
        if refusal is not None:
            self._give_up(state, refusal)
        return refusal is None

    def _send(self, state: RoundState, prepared: PreparedSettlement) -> bool:
        try:
            receipt = self.job.market.settle_round(self.job.job_id, state.number, prepared.settlement, prepared.proof)
        except ContractRefused as refused:
            self.job.refresh()
            latest = self.job.state.round(state.number)
            if latest is None or latest.settled is None:
                raise
            self._forget()
            if latest.settled.settlement.aggregate_cid != prepared.settlement.aggregate_cid:
                self.journal.remove(_file_name(prepared.settlement.aggregate_cid))
            self.publish_aggregates()
            self.report("settled-by-another", {"round": state.number, "error": refused.details.get("error")})
            return True
        self.job.refresh()
        self._forget()
        self.publish_aggregates()
        self.report(
            "settled",
            {
                "round": state.number,
                "gas": receipt["gasUsed"],
                "paid_wei": sum(prepared.settlement.payouts),
                "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
            },
        )
        return True

    def publish_aggregates(self) -> None:
        """Store the aggregates of rounds that were settled with them and are not stored yet.

        Raises
        ------
        StorageError
            If the storage does not take one now; it is kept for the next call.

        """
        for cid in self._unpublished():
            name = _file_name(cid)
            data = self.journal.read(name)
            if data is not None and put_bytes(self.job.storage, data).cid == Cid.parse(cid):
                self.journal.remove(name)

    def _unpublished(self) -> list[bytes]:
        settled = (state.settled.settlement.aggregate_cid for state in self.job.state.rounds if state.settled)
        return [cid for cid in settled if (self.journal.folder / _file_name(cid)).is_file()]

    def recompute(self, state: RoundState) -> bytes:
        """Return the file of a settled round's true aggregate, recomputed from the payloads of the included trainers.

        What a challenge needs where the published file is another.

        Raises
        ------
        ContractRefused
            If the round is not settled.
        InvalidInput
            If an included payload cannot be opened with our keys, or does not open its commitment.

        """
        aggregate, blinding = self._recomputed(state)
        return pack_aggregate(aggregate, blinding, {})

    def _recomputed(self, state: RoundState) -> tuple[npt.NDArray[np.int64], Blinding]:
        if state.settled is None:
            raise ContractRefused(f"round {state.number} is not settled", error="Market_WrongPhase")
        opened = [self._open_update(state, commit) for commit in state.included]
        if len(self._matching(opened)) != len(opened):
            raise InvalidInput("an included payload does not match its commitment on chain")
        weights = state.settled.settlement.weights
        aggregate = weighted_sum([update.entries for update in opened], weights)
        return aggregate, combine_blindings(weights, [update.blinding for update in opened])

    def gather(self, state: RoundState, *, patient: bool = True) -> Gathered:
        """Fetch and check every committed payload; what is wrong with one excludes that one, with the reason.

        The owner's reference row is checked like an update, and left out like one. What was opened is kept for the
        next call. All commitments are checked at once, with fresh randomness.

        Raises
        ------
        StorageError
            If content cannot be had and there is time to wait for it, or no payload at all can be fetched.

        """
        excluded: list[Exclusion] = []
        awaited: list[StorageError] = []
        wanted = (*state.commits, *self._reference_commit(state))
        self._keep(wanted)
        for commit in wanted:
            if commit in self._opened or commit in self._wrong:
                continue
            try:
                self._opened[commit] = self._open_update(state, commit)
            except _AWAITED as error:
                awaited.append(error)
                excluded.append(Exclusion(commit, error.message))
            except GramercyError as error:
                self._wrong[commit] = error.message
        opened = [self._opened[commit] for commit in wanted if commit in self._opened]
        if awaited and (not any(map(_is_update, opened)) or (patient and self.job.now < self._patience_ends(state))):
            raise awaited[0]
        opened, missing = self._with_past(state, self._matching(opened), patient=patient)
        excluded += missing
        excluded += [Exclusion(commit, self._wrong[commit]) for commit in wanted if commit in self._wrong]
        for exclusion in excluded:
            self.report(
                "excluded",
                {"round": state.number, "trainer": exclusion.commit.trainer, "reason": exclusion.reason},
            )
        self.report("gathered", {"round": state.number, "opened": len(opened), "excluded": len(excluded)})
        updates = tuple(update for update in opened if update.commit.index != REFERENCE_BIT)
        reference = next((update for update in opened if update.commit.index == REFERENCE_BIT), None)
        return Gathered(updates, tuple(excluded), len(awaited) + len(missing), reference)

    def _reference_commit(self, state: RoundState) -> tuple[UpdateCommitted, ...]:
        """Return the owner's reference as a commitment in the place that its bit names; none in a job without one."""
        row, created = state.reference, self.job.state.created
        if row is None:
            return ()
        return (
            UpdateCommitted(
                created.job_id, state.number, created.owner, REFERENCE_BIT, row.commitment, row.cid, row.payload_bytes
            ),
        )

    def _open_update(self, state: RoundState, commit: UpdateCommitted) -> OpenedUpdate:
        return open_update(
            self.job.storage,
            self.job.market.round_id(self.job.job_id, state.number),
            commit,
            [key.private for key in self.keys.all()],
            dimension=self.job.state.terms.dimension,
            bits=self.job.state.terms.bits,
            workdir=self.job.workdir,
        )

    def _matching(self, opened: list[OpenedUpdate]) -> list[OpenedUpdate]:
        """Return the updates that open their commitments; remember the others as wrong."""
        culprits = check_commitments(
            self.job.srs,
            [decompress(update.commit.commitment) for update in opened],
            [update.entries for update in opened],
            [update.blinding for update in opened],
            secrets.token_bytes(SEED_BYTES),
        )
        for place in culprits:
            commit = opened[place].commit
            self._wrong[commit] = "the payload does not match the commitment on chain"
            self._opened.pop(commit, None)
        return [update for place, update in enumerate(opened) if place not in culprits]

    def _with_past(
        self, state: RoundState, opened: list[OpenedUpdate], *, patient: bool
    ) -> tuple[list[OpenedUpdate], list[Exclusion]]:
        """Tell apart the updates whose trainers' running sums are at hand and those for which content is awaited.

        Nothing is left out in jobs whose rule does not compare running sums.
        """
        if not self._compares_sums:
            return opened, []
        carried, waiting = self._inputs(state).carried, patient and self.job.now < self._patience_ends(state)
        found, missing = [], []
        for update in opened:
            try:
                if update.commit.index != REFERENCE_BIT:
                    self._sums.row(state, carried, update)
            except _AWAITED as error:
                if waiting:
                    raise
                missing.append(Exclusion(update.commit, f"an earlier update cannot be had: {error.message}"))
            except (InvalidInput, StorageError) as error:
                self._wrong[update.commit] = f"an earlier update cannot be used: {error.message}"
                self._opened.pop(update.commit, None)
            else:
                found.append(update)
        return found, missing

    @property
    def _compares_sums(self) -> bool:
        return get_rule(self.job.state.terms.rule).needs_history

    def _patience_ends(self, state: RoundState) -> int:
        return state.opened.commit_end + int(PATIENCE * self.job.state.terms.settle_seconds)

    def _inputs(self, state: RoundState) -> RoundInputs:
        return round_inputs(self.job.state, self.job.market.round_id(self.job.job_id, state.number), state)

    def _extra_rows(self, state: RoundState, gathered: Gathered) -> ExtraRows:
        inputs, before, row = self._inputs(state), self.job.state.settled_before(state.number), gathered.reference
        previous = None
        if before is not None and inputs.previous is not None:
            previous = self._aggregate_of(before)
        compared = gathered.opened if self._compares_sums else ()
        return ExtraRows(
            reference=None if row is None else (row.entries, row.blinding),
            previous=previous,
            history=tuple(self._sums.row(state, inputs.carried, update) for update in compared),
        )

    def _aggregate_of(self, before: RoundState) -> tuple[npt.NDArray[np.int64], Blinding]:
        """Return a settled round's aggregate, recomputed where who settled it published none, or a false one."""
        try:
            found = self.job.aggregate(before)
        except (StorageError, PayloadError) as error:
            self.report("recomputing", {"round": before.number, "reason": error.message})
            return self._recomputed(before)
        return found.entries, found.blinding

    def _recorded(self, state: RoundState) -> PreparedSettlement | None:
        """Return what was prepared for this round before, with its aggregate's file."""
        record = self.journal.read_record(self._record_name(state))
        if record is None:
            return None
        aggregate = self.journal.read(_file_name(bytes.fromhex(record["settlement"]["aggregate_cid"])))
        return None if aggregate is None else PreparedSettlement.from_record(record, aggregate)

    def _record_name(self, state: RoundState) -> str:
        """Name a record by all that the settlement follows from, so that it never serves a reorganised round."""
        market, opened = self.job.market, state.opened
        digest = hashlib.sha256(f"{opened.commit_end} {opened.scale_exponent}".encode())
        if state.reference is not None:
            digest.update(state.reference.commitment)
        for commit in state.commits:
            digest.update(f"{commit.trainer} {self.job.state.stakes.get(commit.trainer)}".encode() + commit.commitment)
        place = f"{market.chain_id}-{market.address}-{self.job.job_id}-{state.number}"
        return f"settle-{place}-{digest.hexdigest()[:16]}.json"

    def _forget(self) -> None:
        self._keep(())

    def _keep(self, commits: tuple[UpdateCommitted, ...]) -> None:
        """Forget what was opened of other rounds, or of commitments that a reorganisation took back."""
        for stale in self._opened.keys() - set(commits):
            del self._opened[stale]
        for stale in self._wrong.keys() - set(commits):
            del self._wrong[stale]

    def _open(self) -> bool:
        try:
            self.job.market.open_round(self.job.job_id)
        except ContractRefused:  # somebody else was faster
            self.job.refresh()
            if rounds.refusal_to_open(self.job.state, self.job.now) is None:
                raise
            return False
        self.job.refresh()
        self.report("opened", {"round": self.job.state.latest.number if self.job.state.latest else 0})
        return True

    def _give_up(self, state: RoundState, reason: str) -> None:
        self._given_up.add(state.opened)
        self._forget()
        self.report("unsettleable", {"round": state.number, "reason": reason})


def _is_update(opened: OpenedUpdate) -> bool:
    """Whether it is a trainer's update, not the owner's reference row."""
    return opened.commit.index != REFERENCE_BIT


def _file_name(cid: bytes) -> str:
    return f"aggregate-{Cid.parse(cid)}"


def aggregator_folder(state_folder: Path, address: Address, job_id: int) -> Path:
    """Return the folder of an aggregator's journal for a job."""
    return state_folder / f"aggregator-{address.lower()}" / f"job-{job_id}"
