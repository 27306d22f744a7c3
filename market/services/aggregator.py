"""The aggregator: opens the payloads of a round, computes and proves what follows from them, publishes and settles.

It keeps three things: its encryption keys, what it deposited for bonds, and a settlement with its aggregate from when
it is proven until the one is on chain and the other in storage, which may be half a challenge window later. Killed at
any point and started again, it does what is still due, and sends again what it had prepared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_account.signers.local import LocalAccount

from aggregator.errors import RuleNotApplicable
from market import rounds
from market.domain import REFERENCE_BIT, Address, Phase, RoundOpened, RoundSettled
from market.errors import ContractRefused, StorageUnavailable
from market.rounds import RoundState
from market.services.challenge import challenge_update
from market.services.deposits import Deposits
from market.services.encryption import EncryptionKey, EncryptionKeys, publish
from market.services.gathering import Gathered, Gatherer
from market.services.job import Job
from market.services.journal import Journal
from market.services.publishing import Aggregates, completion_begins, middle_of_window, was_completed
from market.services.report import Report, silent
from market.services.settling import PreparedSettlement, prepare_settlement
from market.services.updates import pack_aggregate

LOOKS = 64
"""How often, in a challenge window, an aggregator looks whether it has by now what a settlement leaves out."""
_TAKEN = ("Market_WrongPhase", "Market_NotSuperset")
"""How the market refuses a settlement that comes after another."""


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
    approve
        Called with an amount before it is deposited; raises to refuse.

    """

    job: Job
    account: LocalAccount
    keys: EncryptionKeys
    journal: Journal
    open_at: int = 0
    report: Report = field(default=silent)
    approve: Callable[[int], None] = field(default=lambda _: None)
    _given_up: set[RoundOpened | RoundSettled] = field(default_factory=set)
    _next_look: dict[RoundSettled, int] = field(default_factory=dict)
    gatherer: Gatherer = field(init=False)
    deposits: Deposits = field(init=False)
    aggregates: Aggregates = field(init=False)

    def __post_init__(self) -> None:
        self.deposits = Deposits(self.job, self.address, self.journal, self.report, self.approve)
        self.gatherer = Gatherer(self.job, self.keys, self.report)
        self.aggregates = Aggregates(self.job, self.journal, self.report)

    @property
    def address(self) -> Address:
        """The aggregator's address."""
        return Address(self.account.address)

    @property
    def finished(self) -> bool:
        """Whether the job needs this aggregator no more, what it settled is published, and its money is back."""
        if not self._over or self.deposits.held or self.deposits.withdrawable:
            return False
        return not self.aggregates.unpublished

    @property
    def shortage(self) -> int:
        """What it has yet to deposit before it can settle."""
        return 0 if self._over else self.deposits.shortage

    @property
    def _entitled(self) -> bool:
        return self.address in self.job.state.aggregators

    @property
    def _over(self) -> bool:
        return not self._entitled or self.job.state.finished(self.job.now)

    def publish_key(self) -> EncryptionKey:
        """Make sure that trainers can encrypt to us; see :func:`market.services.encryption.publish`."""
        return publish(self.job.market, self.keys, report=self.report)

    def deposit_shortage(self) -> int:
        """Deposit what it needs to settle, unless the job is over; see :meth:`Deposits.deposit_shortage`."""
        return 0 if self._over else self.deposits.deposit_shortage()

    def prepare(self) -> None:
        """Do what has to be done before the first round: check the verifier, publish a key, deposit for the bond.

        Raises
        ------
        WrongChain, InvalidSrs
            If the job's verifier or reference string is not to be trusted; found out before money moves.

        """
        self.job.require_srs()
        self.publish_key()
        self.deposit_shortage()

    def step(self) -> bool:
        """Open, settle, complete or challenge what is due, or take the money back at the end; return whether it did."""
        state = self.job.state
        self.publish_aggregates()
        if self._over:
            return self._settle_up()
        if rounds.refusal_to_open(state, self.job.now) is None:
            if state.latest is None and len(state.stakes) < self.open_at:
                return False
            return self._open()
        latest = state.latest
        phase = Phase.NONE if latest is None else latest.phase(self.job.now)
        if latest is None or phase not in (Phase.SETTLING, Phase.CHALLENGEABLE):
            return False
        if phase is Phase.CHALLENGEABLE:
            return self.settle_anew(latest)
        return latest.opened not in self._given_up and self.settle(latest)

    def settle(self, state: RoundState, *, patient: bool = True) -> bool:
        """Settle one round; return whether something was done: it was settled, by whomever, or a trainer was slashed.

        A settlement that was prepared before, by this process or one that was killed, is sent as it was. Returns
        False, and does not try again, when so many payloads are unusable that the contract would refuse: another
        aggregator may settle the round, or it becomes void and its budget stays in escrow. Nor, where only trainers
        have named us, without a reference that the job has: the owner seals it to its own aggregators.

        Raises
        ------
        StorageError
            If content cannot be had that may still come. Once `PATIENCE` is over, or without ``patient``, it is left
            out instead, unless the contract would then refuse.

        """
        prepared = self._recorded(state)
        if prepared is None:
            deferring = self.address not in self.job.state.created.aggregators
            gathered = self.gatherer.gather(state, patient=patient, deferring=deferring)
            if self._challenge_faulty(state):
                return True
            refusal = self._refusal(state, gathered)
            if refusal is None:
                prepared = self._prepare(state, gathered)
            else:
                self._give_up(state, state.opened, refusal)
        if prepared is None:
            return False
        self.job.refresh()  # opening and proving took their time
        current = self.job.state.round(state.number) or state
        stands = current.settled is not None and self._stands(current, current.settled)
        return not stands and self._send(state, prepared)

    def settle_anew(self, state: RoundState) -> bool:
        """Take the place of a settlement that leaves out what we can open, if we open all else of it, too.

        Only before the middle of its window, from which on its aggregate is public: two of one round would tell what
        was added. Another's gives way at once; our own shortly before the middle and once a round, so that trainers
        who hand in one payload a window cannot prolong the round at our expense. Also challenges updates out of range
        that it left out. Returns whether something was done.

        Raises
        ------
        StorageError
            If content that was to be had a moment ago cannot be had now.

        """
        settled = state.settled
        if settled is None or self._challenge_faulty(state):
            return settled is not None
        if not self.gatherer.left_out(state) or self._stands(state, settled) or not self._look_due(settled):
            return False
        prepared = self._recorded(state)
        if prepared is None:
            opening, awaited = self.gatherer.openable(state)
            if self._challenge_faulty(state):
                return True
            if opening:
                gathered = self.gatherer.gather(state, patient=False)
                refusal = self._refusal(state, gathered)
                prepared = self._prepare(state, gathered) if refusal is None else None
                if refusal is not None:
                    self._give_up(state, settled, refusal)
            elif not awaited:
                self._given_up.add(settled)
        if prepared is None:
            return False
        self.deposit_shortage()
        self.job.refresh()  # opening and proving took their time
        return not self._stands(state, settled) and self._send(state, prepared)

    def _stands(self, state: RoundState, settled: RoundSettled) -> bool:
        """Whether we do not replace a settlement any more; told once.

        What was prepared is kept: it may have been sent in time, and not be on chain yet.
        """
        if self.job.now >= middle_of_window(self.job.state.terms, settled):
            reason = "half of its challenge window is over"
        elif settled.aggregator == self.address and was_completed(state, self.address):
            reason = "it is our own, completed once already"
        else:
            return False
        if settled not in self._given_up:
            self._give_up(state, settled, reason)
        return True

    def _look_due(self, settled: RoundSettled) -> bool:
        """Whether to look now for what a settlement leaves out, another's at once, and then again every so often."""
        now, every = self.job.now, max(1, self.job.state.terms.challenge_seconds // LOOKS)
        first = completion_begins(self.job.state.terms, settled) if settled.aggregator == self.address else now
        due = settled not in self._given_up and now >= self._next_look.setdefault(settled, first)
        if due:
            self._next_look[settled] = now + every
        return due

    def _refusal(self, state: RoundState, gathered: Gathered) -> str | None:
        """Say why the market would not take a settlement of what was gathered; the bond will be deposited.

        Raises
        ------
        StorageUnavailable
            If it would not because of payloads that may still come.

        """
        if not gathered.opened:
            return "no payload could be opened"
        bond = self.job.state.terms.aggregator_bond
        refusal = rounds.refusal_to_settle(
            self.job.state, state.number, self.address, gathered.included, self.job.now, bond
        )
        if gathered.awaited and refusal in ("Market_TooManyExcluded", "Market_NotSuperset"):
            raise StorageUnavailable(f"{gathered.awaited} payloads of round {state.number} cannot be had yet")
        if refusal is not None and gathered.sealed_away:
            refusal += f": {gathered.sealed_away} of {len(state.commits)} payloads are not encrypted to us"
        return refusal

    def _prepare(self, state: RoundState, gathered: Gathered) -> PreparedSettlement | None:
        try:
            prepared = prepare_settlement(
                self.gatherer.inputs(state),
                self.job.srs,
                gathered.opened,
                gathered.reasons,
                self.address,
                self.gatherer.extra_rows(state, gathered),
                self.report,
            )
        except RuleNotApplicable as error:
            self._give_up(state, state.settled or state.opened, error.message)
            return None
        self.aggregates.keep(prepared.settlement, prepared.aggregate)
        self.journal.write_record(self._record_name(state), prepared.to_record())
        return prepared

    def _challenge_faulty(self, state: RoundState) -> bool:
        """Challenge an update that opens its commitment and is out of range; return whether one was.

        Where a round has only as many commitments as it needs, it is settled first, without that update: a slashed
        one does not count, and the round would be void.
        """
        sound = len(state.commits) - len(state.slashed)
        spare = state.settled is not None or sound > self.job.state.terms.min_trainers
        for opened in self.gatherer.faulty(state) if spare else ():
            index = opened.commit.index
            if rounds.refusal_to_challenge_update(self.job.state, state.number, index, self.job.now) is not None:
                continue
            try:
                done = challenge_update(self.job, state, opened, self.report)
            except ContractRefused:  # somebody else was faster
                self.job.refresh()
                if rounds.refusal_to_challenge_update(self.job.state, state.number, index, self.job.now) is None:
                    raise
            else:
                self.deposits.add(done.reward)
            return True
        return False

    def _send(self, state: RoundState, prepared: PreparedSettlement) -> bool:
        self.deposit_shortage()
        try:
            receipt = self.job.market.settle_round(self.job.job_id, state.number, prepared.settlement, prepared.proof)
        except ContractRefused as refused:
            self.job.refresh()
            latest = self.job.state.round(state.number)
            if latest is None or latest.settled is None or refused.details.get("error") not in _TAKEN:
                raise
            self.gatherer.forget()
            if latest.settled.settlement.aggregate_commitment != prepared.settlement.aggregate_commitment:
                self.aggregates.drop(prepared.settlement)
            self.publish_aggregates()
            self.report("settled-by-another", {"round": state.number, "error": refused.details.get("error")})
            return True
        self.job.refresh()
        self.gatherer.forget()
        settled = self.job.state.round(state.number)
        if settled is not None:
            self.aggregates.drop_replaced(settled)
        self.publish_aggregates()
        replaced = {} if state.settled is None else {"replaces": state.settled.aggregator}
        self.report(
            "settled",
            {
                "round": state.number,
                "gas": receipt["gasUsed"],
                "included": (prepared.settlement.included & ~(1 << REFERENCE_BIT)).bit_count(),
                "paid_wei": sum(prepared.settlement.payouts),
                "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
                **replaced,
            },
        )
        return True

    def publish_aggregates(self) -> None:
        """Store the aggregates whose time has come; see :meth:`market.services.publishing.Aggregates.publish`."""
        self.aggregates.publish()

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
        """Return what was prepared for this round as it stands, with its aggregate's file."""
        record = self.journal.read_record(self._record_name(state))
        if record is None:
            return None
        prepared = PreparedSettlement.from_record(record, b"")
        aggregate = self.aggregates.read(prepared.settlement)
        return None if aggregate is None else replace(prepared, aggregate=aggregate)

    def _record_name(self, state: RoundState) -> str:
        """Name a record by all that the settlement follows from, so that it never serves a reorganised round.

        The stakes are part of it, which slashed trainers do not have, and so are the round before, whose aggregate is a
        row and whose memory is carried on, and the settlement whose place it takes.
        """
        opened, before = state.opened, self.job.state.settled_before(state.number)
        digest = hashlib.sha256(f"{opened.commit_end} {opened.scale_exponent}".encode())
        if before is not None and before.settled is not None:
            posted = before.settled.settlement
            digest.update(posted.aggregate_commitment + posted.next_memory_digest)
        if state.reference is not None:
            digest.update(state.reference.commitment)
        for commit in state.commits:
            digest.update(f"{commit.trainer} {self.job.state.stakes.get(commit.trainer)}".encode() + commit.commitment)
        if state.settled is not None:
            digest.update(state.settled.settlement.aggregate_cid)
        return f"settle-{self._place}-{self.job.job_id}-{state.number}-{digest.hexdigest()[:16]}.json"

    @property
    def _place(self) -> str:
        return f"{self.job.market.chain_id}-{self.job.market.address}"

    def _settle_up(self) -> bool:
        """Free the bonds of final rounds, then withdraw the deposit: one transaction a call."""
        releasable = self.job.state.releasable(self.address, self.job.now)
        if not releasable:
            return not self.deposits.held and self.deposits.withdraw() > 0
        number, bond = next(iter(releasable.items()))
        self.job.market.release_bond(self.job.job_id, number)
        self.job.refresh()
        self.report("bond-released", {"round": number, "bond_wei": bond})
        return True

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

    def _give_up(self, state: RoundState, what: RoundOpened | RoundSettled, reason: str) -> None:
        """Tell once why a round cannot be settled by us, or a settlement not replaced, and leave it at that."""
        self._given_up.add(what)
        self.gatherer.forget()
        event = "unsettleable" if state.settled is None else "settlement-stands"
        self.report(event, {"round": state.number, "reason": reason})


def aggregator_folder(state_folder: Path, address: Address, job_id: int) -> Path:
    """Return the folder of an aggregator's journal for a job."""
    return state_folder / f"aggregator-{address.lower()}" / f"job-{job_id}"
