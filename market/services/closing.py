"""The end of a job for its owner: close it, and take what is left of the escrow."""

from __future__ import annotations

from market import rounds
from market.domain import Address
from market.errors import ContractRefused
from market.services.balances import withdraw
from market.services.job import Job
from market.services.report import Report, silent

_REFUSED = {
    "Market_WrongPhase": "a round is live: it ends by itself; `gramercy owner stop` lets none follow it",
    "Market_JobRunning": "before its deadline, and with rounds left, only its owner can close a job",
}


def close_job(job: Job, recipient: Address, report: Report = silent) -> int:
    """Close the job if it is still open, and withdraw the account's free balance of its token; return the amount.

    The refund is part of that balance, and so are refunds of void rounds and what slashes brought. Safe to repeat.

    Raises
    ------
    ContractRefused
        If a round is live, or rounds are left and the account is not the owner's.

    """
    job.refresh()
    if not job.state.closed:
        account = Address(job.market.account.address) if job.market.account else Address("")
        refusal = rounds.refusal_to_close(job.state, account, job.now)
        if refusal in _REFUSED:
            raise ContractRefused(
                f"job {job.job_id} cannot be closed now ({refusal})", hint=_REFUSED[refusal], error=refusal
            )
        job.market.close_job(job.job_id)
        job.refresh()
        report("job-closed", {"job": job.job_id})
    return withdraw(job.market, job.state.terms.token, None, recipient, report)
