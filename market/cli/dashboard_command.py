"""``gramercy dashboard``: the market in a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.session import Session

if TYPE_CHECKING:
    from market.address_book import AddressBook
    from market.chain.market import MarketClient


def dashboard(
    session: Session,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one; 8420 if not given.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not given.")] = None,
    database: Annotated[
        str | None, typer.Option(help="sqlite:////path/to/index.db or postgresql+psycopg://...; default: in --state.")
    ] = None,
    evaluate: Annotated[
        bool | None, typer.Option("--evaluate/--no-evaluate", help="Measure models of built-in tasks round by round.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Show the market of this address book, too. Can be repeated."),
    ] = None,
) -> dict[str, Any]:
    """Index markets and serve the dashboard until Ctrl-C or SIGTERM. It holds no key: money moves from wallets alone.

    Further settings are environment variables GRAMERCY_DASHBOARD_HOSTS, _ORIGIN, _RPC_URLS, _EXPLORERS, _VERIFIERS,
    _LOCAL_HOOKS, _SMTP_HOST, _SMTP_PORT, _SMTP_FROM and _MAX_LAG_SECONDS.
    """
    from market.api.server import published, serve, vouched
    from market.api.settings import Settings

    folder = session.settings.state / "dashboard"
    settings = Settings.from_environment(port=port, host=host, database=database, evaluate=evaluate, state=str(folder))
    if not settings.database:
        folder.mkdir(parents=True, exist_ok=True)
        settings = replace(settings, database=f"sqlite:///{folder / 'index.db'}")
    books = [_book(path) for path in also or []]
    clients = [session.reader, *(client for _, client, _ in books)]
    urls = [session.settings.rpc_url, *(url for _, _, url in books)]
    settings = vouched(settings, [book for book in (session.book, *(book for book, _, _ in books)) if book is not None])

    def ready(address: str) -> None:
        session.report("dashboard-ready", {"url": address})
        session.say(f"the dashboard is at {address}")

    serve(published(settings, clients, urls), clients, session.storage, ready)
    return {"stopped": True}


def _book(path: Path) -> tuple[AddressBook, MarketClient, str]:
    """Return an address book that names its chain's address, its market, and that address."""
    from market.address_book import read_address_book
    from market.chain.market import MarketClient
    from market.chain.rpc import connect
    from market.errors import ConfigError

    book = read_address_book(path)
    if book.rpc_url is None:
        raise ConfigError(f"{path} does not tell where its chain is", hint="start it with --address-book and --rpc-url")
    w3 = connect(book.rpc_url, expected_chain_id=book.chain_id)
    return book, MarketClient(w3, book.market, first_block=book.first_block), book.rpc_url


def add_dashboard(app: typer.Typer) -> None:
    """Add ``gramercy dashboard``."""
    command(app, "dashboard")(dashboard)
