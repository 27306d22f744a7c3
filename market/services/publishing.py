"""Publishing aggregates: no two of one round, as their difference can be a single trainer's update.

A settlement that leaves out what was committed may give way to one that includes more. Weights are public, so whoever
has both aggregates knows what was added: the update of the trainer who was left out first. So the challenge window is
divided: in its first half an incomplete settlement may be replaced and its aggregate stays unpublished, from its middle
on the aggregate is published and nobody replaces it any more. A complete settlement cannot be replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from market.domain import REFERENCE_BIT, JobTerms, RoundSettled
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
        """Rounds whose settlement on record is ours, or the same as ours, and whose aggregate is not published."""
        states = (state for state in self.job.state.rounds if state.valid)
        return [state for state in states if state.settled is not None and self._holds(state.settled)]

    def keep(self, cid: bytes, file: bytes) -> None:
        """Keep an aggregate's file until its settlement is on chain and it can be published."""
        self.journal.write(_file_name(cid), file)

    def read(self, cid: bytes) -> bytes | None:
        """Return a file that is kept, or None."""
        return self.journal.read(_file_name(cid))

    def drop(self, cid: bytes) -> None:
        """Forget a file that is not to be published."""
        self.journal.remove(_file_name(cid))

    def publish(self) -> None:
        """Store the aggregates whose time has come; forget those of settlements that gave way for good.

        Raises
        ------
        StorageError
            If the storage does not take one now; it is kept for the next call.

        """
        for state in self.unpublished:
            if state.settled is not None and not self._withholds(state, state.settled):
                self._publish(state.number, state.settled.settlement.aggregate_cid)
        for state in self.job.state.rounds:
            if state.phase(self.job.now).terminal:
                self.drop_replaced(state)

    def drop_replaced(self, state: RoundState) -> None:
        """Forget the aggregates of settlements of a round that gave way."""
        for replaced in state.replaced:
            self.drop(replaced.settlement.aggregate_cid)

    def _publish(self, number: int, cid: bytes) -> None:
        data = self.read(cid)
        if data is not None and put_bytes(self.job.storage, data).cid == Cid.parse(cid):
            self.drop(cid)
            self.report("aggregate-published", {"round": number, "cid": str(Cid.parse(cid))})

    def _withholds(self, state: RoundState, settled: RoundSettled) -> bool:
        """Whether it is too early; told once."""
        until = withheld_until(self.job.state.terms, state, self.job.now)
        if until is not None and settled not in self._told:
            self._told.add(settled)
            self.report("aggregate-withheld", {"round": state.number, "until": until})
        return until is not None

    def _holds(self, settled: RoundSettled) -> bool:
        return (self.journal.folder / _file_name(settled.settlement.aggregate_cid)).is_file()


def _file_name(cid: bytes) -> str:
    return f"aggregate-{Cid.parse(cid)}"
