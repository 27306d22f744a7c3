"""The aggregator: opens the payloads of a round, computes and proves what follows from them, publishes and settles.

It keeps two things: its encryption keys, and a settlement with its aggregate from when it is proven until the one is on
chain and the other in storage. Killed at any point and started again, it does what is still due, and sends again what
it had prepared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from eth_account.signers.local import LocalAccount

from aggregator.errors import RuleNotApplicable
from market import rounds
from market.domain import Address, Phase, RoundOpened
from market.errors import ContractRefused, StorageUnavailable
from market.rounds import RoundState
from market.services.encryption import EncryptionKey, EncryptionKeys, publish
from market.services.gathering import Gathered, Gatherer
from market.services.job import Job
from market.services.journal import Journal
from market.services.report import Report, silent
from market.services.settling import PreparedSettlement, prepare_settlement
from market.services.updates import pack_aggregate
from market.storage.base import put_bytes
from market.storage.cid import Cid


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
    gatherer: Gatherer = field(init=False)

    def __post_init__(self) -> None:
        self.gatherer = Gatherer(self.job, self.keys, self.report)

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
            gathered = self.gatherer.gather(state, patient=patient)
            if not self._may_settle(state, gathered):
                return False
            try:
                prepared = prepare_settlement(
                    self.gatherer.inputs(state),
                    self.job.srs,
                    gathered.opened,
                    gathered.reasons,
                    self.gatherer.extra_rows(state, gathered),
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
            self.gatherer.forget()
            if latest.settled.settlement.aggregate_cid != prepared.settlement.aggregate_cid:
                self.journal.remove(_file_name(prepared.settlement.aggregate_cid))
            self.publish_aggregates()
            self.report("settled-by-another", {"round": state.number, "error": refused.details.get("error")})
            return True
        self.job.refresh()
        self.gatherer.forget()
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
        aggregate, blinding = self.gatherer.recomputed(state)
        return pack_aggregate(aggregate, blinding, {})

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
        self.gatherer.forget()
        self.report("unsettleable", {"round": state.number, "reason": reason})


def _file_name(cid: bytes) -> str:
    return f"aggregate-{Cid.parse(cid)}"


def aggregator_folder(state_folder: Path, address: Address, job_id: int) -> Path:
    """Return the folder of an aggregator's journal for a job."""
    return state_folder / f"aggregator-{address.lower()}" / f"job-{job_id}"
