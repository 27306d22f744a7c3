"""Free balances of a whole market as a pure reducer over the events of all its jobs.

A free balance is what an account can withdraw, and what the bonds of its settlements are taken from, in every job that
pays in that token. What a job holds itself (escrow, stakes, bonds, unclaimed payouts) is in :mod:`market.rounds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from market.domain import (
    NATIVE_COIN,
    Address,
    BondReleased,
    Deposited,
    JobClosed,
    JobCreated,
    MarketEvent,
    RoundRefunded,
    RoundSettled,
    SettlementOverturned,
    TrainerSlashed,
    Withdrawn,
)
from market.errors import ForbiddenTransition

Balances = Mapping[tuple[Address, Address], int]
"""Amounts by token and account, without those who have nothing."""


def _nothing() -> Balances:
    return MappingProxyType({})


def _no_jobs() -> Mapping[int, JobCreated]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Accounts:
    """Free balances, and the jobs that credit and charge them."""

    balances: Balances = field(default_factory=_nothing)
    jobs: Mapping[int, JobCreated] = field(default_factory=_no_jobs)

    def free(self, token: Address, account: Address) -> int:
        """Return an account's free balance of a token."""
        return self.balances.get((token, account), 0)

    def owed(self, token: Address) -> int:
        """Return all free balances of a token together."""
        return sum(amount for (held, _), amount in self.balances.items() if held == token)


def apply(accounts: Accounts, event: MarketEvent) -> Accounts:  # noqa: PLR0911 - one branch an event
    """Return the free balances after ``event``; most events of jobs change none.

    Raises
    ------
    ForbiddenTransition
        If a balance would be overdrawn, or the event's job is unknown: the chain data are incomplete or out of order.

    """
    match event:
        case Deposited():
            _demand(event.amount > 0, event)
            return _moved(accounts, event, event.token, (event.account, event.amount))
        case Withdrawn():
            _demand(event.amount > 0, event)
            return _moved(accounts, event, event.token, (event.account, -event.amount))
        case JobCreated():
            _demand(event.job_id == len(accounts.jobs) + 1, event)
            return replace(accounts, jobs=MappingProxyType({**accounts.jobs, event.job_id: event}))
        case RoundSettled():
            job = _job(accounts, event)
            return _moved(accounts, event, job.terms.token, (event.aggregator, -job.terms.aggregator_bond))
        case BondReleased():
            return _moved(accounts, event, _job(accounts, event).terms.token, (event.aggregator, event.bond))
        case SettlementOverturned():
            return _split(accounts, event, event.bond)
        case TrainerSlashed():
            return _split(accounts, event, event.stake)
        case RoundRefunded():
            job = _job(accounts, event)
            return _moved(accounts, event, job.terms.token, (job.owner, event.amount))
        case JobClosed():
            job = _job(accounts, event)
            return _moved(accounts, event, job.terms.token, (job.owner, event.refund))
        case _:
            return accounts


def refusal_to_deposit(amount: int) -> str | None:
    """Say why an amount cannot be deposited; the transfer aside."""
    return None if amount else "Market_ZeroAmount"


def refusal_to_withdraw(
    accounts: Accounts, token: Address, account: Address, amount: int, recipient: Address
) -> str | None:
    """Say why ``account`` cannot have an amount of its free balance paid to ``recipient``; the transfer aside."""
    if amount == 0:
        return "Market_ZeroAmount"
    if recipient == NATIVE_COIN:
        return "Market_ZeroRecipient"
    return None if accounts.free(token, account) >= amount else "Market_InsufficientBalance"


JobEvent = RoundSettled | BondReleased | SettlementOverturned | TrainerSlashed | RoundRefunded | JobClosed


def _job(accounts: Accounts, event: JobEvent) -> JobCreated:
    job = accounts.jobs.get(event.job_id)
    if job is None:
        raise _forbidden(event)
    return job


def _split(accounts: Accounts, event: SettlementOverturned | TrainerSlashed, amount: int) -> Accounts:
    """Credit what a fault cost to the challenger and the owner."""
    job = _job(accounts, event)
    _demand(0 <= event.reward <= amount, event)
    shares = ((event.challenger, event.reward), (job.owner, amount - event.reward))
    return _moved(accounts, event, job.terms.token, *shares)


def _moved(accounts: Accounts, event: MarketEvent, token: Address, *changes: tuple[Address, int]) -> Accounts:
    balances = dict(accounts.balances)
    for account, change in changes:
        amount = balances.pop((token, account), 0) + change
        _demand(amount >= 0, event)
        if amount:
            balances[token, account] = amount
    return replace(accounts, balances=MappingProxyType(balances))


def _demand(condition: bool, event: MarketEvent) -> None:
    if not condition:
        raise _forbidden(event)


def _forbidden(event: MarketEvent) -> ForbiddenTransition:
    kind = type(event).__name__
    return ForbiddenTransition(f"{kind} that the free balances do not allow", event=kind)
