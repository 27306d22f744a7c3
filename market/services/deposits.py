"""An aggregator's money in one job: what it deposits for bonds, what is held behind settlements, what it takes back.

Free balances are the market's: a deposit serves all jobs that pay in its token, but each live settlement takes a bond
of its own. So that several jobs can share a balance, each remembers what it put there, and takes no more out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from market.domain import Address
from market.services.balances import deposit, free_balance, withdraw
from market.services.job import Job
from market.services.journal import Journal
from market.services.report import Report, silent


@dataclass
class Deposits:
    """What one aggregator has in the market for one job.

    Parameters
    ----------
    job
        The job, opened with the aggregator's account.
    address
        The aggregator.
    journal
        Its memory of this job.
    approve
        Called with an amount before it is deposited; raises to refuse.

    """

    job: Job
    address: Address
    journal: Journal
    report: Report = field(default=silent)
    approve: Callable[[int], None] = field(default=lambda _: None)

    @property
    def held(self) -> int:
        """What is held behind its settlements in this job."""
        mine = (state for state in self.job.state.rounds if state.settled and state.settled.aggregator == self.address)
        return sum(state.bond for state in mine)

    @property
    def shortage(self) -> int:
        """What the free balance lacks of a bond; what is held here will be free before the job's next settlement."""
        bond = self.job.state.terms.aggregator_bond
        return max(0, bond - self.held - self._free) if bond else 0

    @property
    def withdrawable(self) -> int:
        """What of the free balance was put there for this job, or earned in it."""
        kept = sum(self._kept)
        return min(kept, self._free) if kept else 0

    def deposit_shortage(self) -> int:
        """Deposit what is missing for the next bond, once `approve` agrees; return it.

        Raises
        ------
        InsufficientFunds
            If the account cannot pay it.

        """
        missing, (kept, pending) = self.shortage, self._kept
        if missing:
            self.approve(missing)
            # First on record, so that a crash leaves nothing behind in the market.
            self._keep(kept, missing)
            deposit(self.job.market, self.job.state.terms.token, missing, self.report)
            pending = missing
        self._keep(kept + pending)
        return missing

    def add(self, reward: int) -> None:
        """Remember what was earned in this job."""
        self._keep(sum(self._kept) + reward)

    def withdraw(self) -> int:
        """Have paid out what is withdrawable; return it."""
        amount = self.withdrawable
        if amount:
            withdraw(self.job.market, self.job.state.terms.token, amount, self.address, self.report)
        self._keep(0)
        return amount

    @property
    def _free(self) -> int:
        return free_balance(self.job.market, self.job.state.terms.token)

    @property
    def _name(self) -> str:
        return f"deposit-{self.job.market.chain_id}-{self.job.market.address}.json"

    @property
    def _kept(self) -> tuple[int, int]:
        """What was put there for this job, or earned in it; and what may have been, before a crash."""
        record = self.journal.read_record(self._name)
        return (0, 0) if record is None else (int(record["amount_wei"]), int(record["pending_wei"]))

    def _keep(self, amount: int, pending: int = 0) -> None:
        if (amount, pending) != self._kept:
            self.journal.write_record(self._name, {"amount_wei": amount, "pending_wei": pending})
