"""A running job in its owner's hands: more rounds, budget or time, or an end to further rounds."""

from __future__ import annotations

from dataclasses import dataclass

from market import rounds
from market.domain import Address
from market.errors import ContractRefused
from market.services.job import Job
from market.services.report import Report, silent

_HINTS = {
    "Market_NotOwner": "only who opened a job can change it",
    "Market_JobClosed": "open another job",
    "Market_WrongPhase": "between rounds only: wait until the live one is over",
    "Market_InvalidTerms": "rounds, budget and deadline can only become more, a deadline at most ten years ahead",
    "Market_NothingToExtend": "name more rounds, a larger budget or a later deadline",
    "Market_DeadlinePassed": "no further round can open anyway",
}


@dataclass(frozen=True, slots=True)
class Extension:
    """A job's rounds in all, budget of each round to come, and deadline in chain time, as they are to be."""

    rounds: int
    round_budget: int
    deadline: int

    def deposit(self, job: Job) -> int:
        """Return what the owner has to pay.

        Raises
        ------
        ContractRefused
            If the market would refuse.

        """
        account = job.market.account
        caller = Address(account.address) if account else Address("")
        asked = (self.rounds, self.round_budget, self.deadline)
        _require(job, "extended", rounds.refusal_to_extend(job.state, caller, *asked, job.now))
        return job.state.extension_deposit(self.rounds, self.round_budget, job.now)


def extend_job(job: Job, extension: Extension, report: Report = silent) -> int:
    """Extend a job and pay the difference; return that. Repeated, it is refused: nothing is paid twice.

    Raises
    ------
    ContractRefused
        If a round is live, something would become less, or the account is not the owner's.
    InsufficientFunds
        If the owner cannot pay.

    """
    job.refresh()
    deposit = extension.deposit(job)
    job.market.extend_job(
        job.job_id,
        extension.rounds,
        extension.round_budget,
        extension.deadline,
        deposit=deposit,
        token=job.state.terms.token,
    )
    job.refresh()
    report("job-extended", {"job": job.job_id, "deposit_wei": deposit, "rounds": extension.rounds})
    return deposit


def stop_job(job: Job, report: Report = silent) -> None:
    """Let no further round open; ContractRefused if none could, or the account is not the owner's."""
    account = job.market.account
    caller = Address(account.address) if account else Address("")
    _require(job, "stopped", rounds.refusal_to_stop(job.state, caller, job.now))
    job.market.stop_job(job.job_id)
    job.refresh()
    report("job-stopped", {"job": job.job_id, "deadline": job.state.terms.deadline})


def _require(job: Job, done: str, refusal: str | None) -> None:
    if refusal is not None:
        raise ContractRefused(
            f"job {job.job_id} cannot be {done} now ({refusal})", hint=_HINTS.get(refusal, ""), error=refusal
        )
