"""Commands about free balances, which owners, aggregators and challengers have alike."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import Recipient, parse_address, parse_recipient
from market.cli.session import Session

TokenOption = Annotated[str | None, typer.Option(help="Address of the ERC-20 token; default: the native coin.")]


def add_withdraw(app: typer.Typer) -> None:
    """Add ``withdraw`` to a role's group."""

    @command(app, "withdraw")
    def withdraw(
        session: Session,
        amount: Annotated[str | None, typer.Argument(help="How much, e.g. 1ether, or 1token of a token.")] = None,
        token: TokenOption = None,
        recipient: Recipient = None,
    ) -> dict[str, Any]:
        """Have the free balance paid out, or part of it: bonds, rewards, refunds, whatever no settlement holds."""
        from market.services import balances

        address = _token(token)
        money = session.money(address)
        wanted = None if amount is None else money.parse(amount)
        payee = parse_recipient(recipient) or session.account.address
        paid = balances.withdraw(session.market, address, wanted, payee, session.report)
        session.say(f"{money.format(paid)} paid" if paid else "the free balance is empty")
        return {"token": address, "amount_wei": paid, "recipient": payee}


def add_balance(app: typer.Typer) -> None:
    """Add ``balance`` to a role's group."""

    @command(app, "balance")
    def balance(session: Session, token: TokenOption = None) -> dict[str, Any]:
        """Show the free balance, and what the account holds itself."""
        from market.services.balances import free_balance

        address = _token(token)
        money = session.money(address)
        free = free_balance(session.market, address)
        session.say(f"{session.account.address} has {money.format(free)} free in the market")
        return {"address": session.account.address, "token": address, "free_wei": free}


def add_deposit(app: typer.Typer) -> None:
    """Add ``deposit`` to a role's group."""

    @command(app, "deposit")
    def deposit(
        session: Session,
        amount: Annotated[str, typer.Argument(help="How much, e.g. 1ether, or 1token of a token.")],
        token: TokenOption = None,
    ) -> dict[str, Any]:
        """Add to the free balance, which bonds are taken from in all jobs that pay in this token."""
        from market.services import balances

        address = _token(token)
        money = session.money(address)
        wanted = money.parse(amount)
        session.confirm(f"Deposit {money.format(wanted)} in the market?")
        free = balances.deposit(session.market, address, wanted, session.report)
        session.say(f"{money.format(free)} free in the market")
        return {"token": address, "amount_wei": wanted, "free_wei": free}


def _token(given: str | None) -> str:
    from market.domain import NATIVE_COIN

    return NATIVE_COIN if given is None else parse_address(given, "--token")
