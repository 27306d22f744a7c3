"""Publishing aggregates: no two of one round, as their difference can be a single trainer's update.

A settlement that leaves out what was committed may give way to one that includes more. Weights are public, so whoever
has both aggregates knows what was added: the update of the trainer who was left out first. So the challenge window is
divided: in its first half an incomplete settlement may be replaced and its aggregate stays unpublished, from its middle
on the aggregate is published and nobody replaces it any more. A complete settlement cannot be replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from market.domain import REFERENCE_BIT, Address, JobTerms, RoundSettled, Settlement
from market.rounds import RoundState
from market.services.job import Job
from market.services.journal import Journal
from market.services.report import Report, silent
from market.storage.base import put_bytes
from market.storage.cid import Cid


def middle_of_window(terms: JobTerms, settled: RoundSettled) -> int:
    """Return the chain second from which a settlement is not replaced; it belongs to the second half.

    In a job without a challenge window it is the second of the settlement.
    """
    return settled.challenge_end - terms.challenge_seconds // 2


def completion_begins(terms: JobTerms, settled: RoundSettled) -> int:
    """Return the chain second from which an aggregator completes its own settlement: shortly before the middle.

    Each completion takes a proof and a transaction of its own, and the window begins anew. So it waits for all that
    may turn up, and leaves an eighth of the window for opening and proving.
    """
    return middle_of_window(terms, settled) - max(1, terms.challenge_seconds // 8)


def was_completed(state: RoundState, aggregator: Address) -> bool:
    """Whether one aggregator has replaced a settlement of its own in this round."""
    if state.settled is None:
        return False
    settlers = [one.aggregator for one in (*state.replaced, state.settled)]
    return (aggregator, aggregator) in pairwise(settlers)


def is_complete(state: RoundState) -> bool:
    """Whether the settlement on record includes the reference row and every committed update that was not slashed."""
    if state.settled is None:
        return False
    committed = (1 << len(state.commits)) - 1 | (state.reference is not None) << REFERENCE_BIT
    return not committed & ~state.settled.settlement.included & ~state.slashed_mask


def withheld_until(terms: JobTerms, state: RoundState, now: int) -> int | None:
    """Return when the aggregate of the settlement on record is to be published, or None if that time has come."""
    if state.settled is None or is_complete(state):
        return None
    middle = middle_of_window(terms, state.settled)
    return middle if now < middle else None


def why_withheld(terms: JobTerms, state: RoundState, now: int) -> str | None:
    """Say that the aggregate of the settlement on record need not be published yet, or return None if it must be."""
    until = withheld_until(terms, state, now)
    if until is None:
        return None
    return (
        f"the aggregate of round {state.number} is not published yet: its settlement leaves out what was committed, "
        f"and may be replaced until half of its challenge window is over, in {until - now} s"
    )


@dataclass
class Aggregates:
    """The aggregates that an aggregator of a job has made and not published; they outlast a crash.

    A proof serves whoever sends it first, with a CID that may lead nowhere. So a file is kept under the commitment that
    it opens, beside its CID, and is published whoever settled with that commitment.

    Parameters
    ----------
    job
        The job, opened with the aggregator's account.
    journal
        The aggregator's memory of this job.

    """

    job: Job
    journal: Journal
    report: Report = field(default=silent)
    _told: set[RoundSettled] = field(default_factory=set)

    @property
    def unpublished(self) -> list[RoundState]:
        """Rounds whose settlement on record is ours, or of our aggregate, which is not published."""
        states = (state for state in self.job.state.rounds if state.valid)
        return [state for state in states if state.settled is not None and self._holds(state.settled)]

    def keep(self, settlement: Settlement, file: bytes) -> None:
        """Keep an aggregate's file until its settlement is on chain and it can be published."""
        self.journal.write(_file_name(settlement), file)

    def read(self, settlement: Settlement) -> bytes | None:
        """Return a settlement's file if it is kept, or None."""
        return self.journal.read(_file_name(settlement))

    def drop(self, settlement: Settlement) -> None:
        """Forget a settlement's file, which is not to be published."""
        self.journal.remove(_file_name(settlement))

    def publish(self) -> None:
        """Store the aggregates whose time has come; forget those of settlements that gave way for good.

        Raises
        ------
        StorageError
            If the storage does not take one now; it is kept for the next call.

        """
        for state in self.unpublished:
            if state.settled is not None and not self._withholds(state, state.settled):
                self._publish(state.number, state.settled)
        for state in self.job.state.rounds:
            if state.phase(self.job.now).terminal:
                self.drop_replaced(state)

    def drop_replaced(self, state: RoundState) -> None:
        """Forget the aggregates of settlements of a round that gave way."""
        stands = None if state.settled is None else state.settled.settlement.aggregate_commitment
        for replaced in state.replaced:
            if replaced.settlement.aggregate_commitment != stands:
                self.drop(replaced.settlement)

    def _publish(self, number: int, settled: RoundSettled) -> None:
        for name in self._files(settled):
            data = self.journal.read(name)
            cid = None if data is None else put_bytes(self.job.storage, data).cid
            if name.endswith(f"-{cid}"):
                self.journal.remove(name)
                self.report("aggregate-published", {"round": number, "cid": str(cid)})

    def _withholds(self, state: RoundState, settled: RoundSettled) -> bool:
        """Whether it is too early; told once."""
        until = withheld_until(self.job.state.terms, state, self.job.now)
        if until is not None and settled not in self._told:
            self._told.add(settled)
            self.report("aggregate-withheld", {"round": state.number, "until": until})
        return until is not None

    def _holds(self, settled: RoundSettled) -> bool:
        return bool(self._files(settled))

    def _files(self, settled: RoundSettled) -> list[str]:
        """Return the names of the files that are kept of a settlement's aggregate: they differ in remarks only."""
        found = self.journal.folder.glob(_prefix(settled.settlement) + "*")
        return sorted(path.name for path in found)


def _prefix(settlement: Settlement) -> str:
    return f"aggregate-{settlement.aggregate_commitment.hex()}-"


def _file_name(settlement: Settlement) -> str:
    return _prefix(settlement) + str(Cid.parse(settlement.aggregate_cid))
