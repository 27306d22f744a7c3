"""What single events say, as columns of the index, and what they move between free balances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from market import accounts
from market.accounts import Accounts
from market.domain import (
    Address,
    AggregatorNamed,
    BondReleased,
    Deposited,
    JobClosed,
    JobCreated,
    JobExtended,
    KeyPublished,
    PayoutClaimed,
    RoundRefunded,
    RoundSettled,
    SettlementOverturned,
    SettlementReplaced,
    TrainerJoined,
    TrainerLeft,
    TrainerSlashed,
    UpdateCommitted,
    Withdrawn,
)
from market.indexer.decoding import AnyEvent

UNREADABLE = "Unreadable"
"""Name of a log that has the topic of one of the market's events, and not its form."""


class Facts(NamedTuple):
    """Who did what, to whom, with how much."""

    account: Address | None = None
    other: Address | None = None
    amount: int | None = None
    token: Address | None = None


_FACTS: dict[type[Any], Callable[[Any], Facts]] = {
    JobCreated: lambda e: Facts(e.owner, amount=e.terms.escrow),
    TrainerJoined: lambda e: Facts(e.trainer, amount=e.stake),
    TrainerLeft: lambda e: Facts(e.trainer, e.recipient, e.stake),
    UpdateCommitted: lambda e: Facts(e.trainer),
    RoundSettled: lambda e: Facts(e.aggregator, amount=e.paid),
    SettlementReplaced: lambda e: Facts(e.aggregator, amount=e.returned),
    SettlementOverturned: lambda e: Facts(e.challenger, e.aggregator, e.bond),
    TrainerSlashed: lambda e: Facts(e.challenger, e.trainer, e.stake),
    BondReleased: lambda e: Facts(e.aggregator, amount=e.bond),
    RoundRefunded: lambda e: Facts(amount=e.amount),
    PayoutClaimed: lambda e: Facts(e.trainer, e.recipient, e.amount),
    JobExtended: lambda e: Facts(amount=e.deposit),
    JobClosed: lambda e: Facts(amount=e.refund),
    AggregatorNamed: lambda e: Facts(e.trainer, e.aggregator),
    Deposited: lambda e: Facts(e.account, amount=e.amount, token=e.token),
    Withdrawn: lambda e: Facts(e.account, e.recipient, e.amount, e.token),
    KeyPublished: lambda e: Facts(e.account),
}
_NOTHING = Facts()


def facts(event: AnyEvent) -> Facts:
    """Return an event's facts."""
    found = _FACTS.get(type(event))
    return _NOTHING if found is None else found(event)


def job_of(event: AnyEvent) -> int | None:
    """Return the job that an event is of, if it is of one."""
    return getattr(event, "job_id", None)


MOVES = (
    Deposited,
    Withdrawn,
    RoundSettled,
    BondReleased,
    SettlementOverturned,
    TrainerSlashed,
    RoundRefunded,
    JobClosed,
)
"""Events that move free balances."""
Move = tuple[Address, Address, int]
"""Token, account, change."""


def moves(event: Any, created: JobCreated | None, free: Callable[[Address, Address], int]) -> list[Move]:
    """Return what one of `MOVES` adds to free balances, or takes from them.

    Parameters
    ----------
    event
        What happened.
    created
        Its job's creation, if it is of a job that is known.
    free
        Free balances before it.

    Raises
    ------
    ForbiddenTransition
        As :func:`market.accounts.apply`, which sees those balances alone that the event can change.

    """
    token = event.token if created is None and hasattr(event, "token") else None
    jobs = {}
    touched = {getattr(event, name) for name in ("account", "aggregator", "challenger") if hasattr(event, name)}
    if created is not None:
        token = created.terms.token
        jobs = {created.job_id: created}
        touched.add(created.owner)
    keys = [] if token is None else [(token, account) for account in sorted(touched)]
    before = {key: amount for key in keys if (amount := free(*key))}
    after = accounts.apply(Accounts(before, jobs), event).balances
    changes = ((*key, after.get(key, 0) - before.get(key, 0)) for key in keys)
    return [change for change in changes if change[2]]
