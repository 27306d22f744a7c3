"""Free balances: what an account has in a market beside its jobs, paid in for bonds and paid out to whom it likes."""

from __future__ import annotations

from market.chain.market import MarketClient
from market.domain import Address
from market.errors import ContractRefused
from market.services.report import Report, silent


def free_balance(market: MarketClient, token: Address) -> int:
    """Return the client's own free balance of a token, as the contract holds it now."""
    return 0 if market.account is None else market.free_balance(token, Address(market.account.address))


def deposit(market: MarketClient, token: Address, amount: int, report: Report = silent) -> int:
    """Add to the free balance; return what it is then.

    Raises
    ------
    InsufficientFunds, ContractRefused
        If the account cannot pay that, or it is nothing.

    """
    market.deposit(token, amount)
    report("deposited", {"token": token, "amount_wei": amount})
    return free_balance(market, token)


def withdraw(
    market: MarketClient, token: Address, amount: int | None, recipient: Address, report: Report = silent
) -> int:
    """Pay ``amount`` of the free balance, or all of it, to ``recipient``; return what was paid, 0 if there is nothing.

    Raises
    ------
    ContractRefused
        If the free balance is less than ``amount``.

    """
    free = free_balance(market, token)
    wanted = free if amount is None else amount
    if not wanted:
        return 0
    if wanted > free:
        raise ContractRefused(
            f"{wanted} is more than the free balance of {free}",
            hint="what backs settlements is free once their rounds are final; `gramercy job show` tells when",
            error="Market_InsufficientBalance",
        )
    market.withdraw(token, wanted, recipient)
    report("withdrawn", {"token": token, "amount_wei": wanted, "recipient": recipient})
    return wanted
