"""What every command shares: settings, connections, and output for people or for programs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aggregator.errors import GramercyError
from market.config import Settings
from market.errors import ConfigError, KeystoreError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3

    from aggregator.srs import Progress
    from market.address_book import AddressBook
    from market.chain.market import MarketClient
    from market.cli.money import Money
    from market.services.job import Job
    from market.srs.files import Stages
    from market.storage.base import Storage

SCHEMA = "gramercy/1"
STORAGE_TOKEN_VARIABLE = "GRAMERCY_STORAGE_TOKEN"  # noqa: S105 - a name; the token is never an option or a setting
_PIPE_WIDTH = 140
"""Columns where there is no terminal to ask: addresses fit."""


@dataclass
class Session:
    """One run of one command. Connections open when first used."""

    settings: Settings
    command: str
    json: bool = False
    yes: bool = False
    console: Console = field(default_factory=lambda: Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH))
    _opened: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def account(self) -> LocalAccount:
        """The role's unlocked key.

        Raises
        ------
        KeystoreError, WrongPassword
            If there is none, or the password does not open it.

        """
        from market.chain.keys import load, read_password

        path = self.settings.keystore
        if path is None:
            raise KeystoreError(
                "no key file is set",
                hint="make one with `gramercy wallet new FILE`, then pass --keystore FILE or set GRAMERCY_KEYSTORE",
            )
        prompt = self._prompt_password if self.interactive else None
        return load(path, read_password(file=self.settings.password_file, prompt=prompt))

    @cached_property
    def book(self) -> AddressBook | None:
        """The address book in force, its checksum verified.

        Raises
        ------
        ConfigError
            If it is damaged, or of another chain than the settings ask for.

        """
        from market.address_book import read_address_book

        if self.settings.address_book is None:
            return None
        book, wanted = read_address_book(self.settings.address_book), self.settings.chain_id
        if wanted is not None and wanted != book.chain_id:
            raise ConfigError(
                f"the address book {self.settings.address_book} is of chain {book.chain_id}, not of {wanted}",
                hint="leave the chain id to the address book, or take the book of the right chain",
            )
        return book

    @cached_property
    def w3(self) -> Web3:
        """Connection to the chain, its id checked."""
        from market.chain.rpc import connect

        expected = self.settings.chain_id
        if expected is None and self.book is not None:
            expected = self.book.chain_id
        return connect(self.settings.rpc_url, expected_chain_id=expected)

    @cached_property
    def market(self) -> MarketClient:
        """The market, acted on by the role's account."""
        return self._market(self.account)

    @cached_property
    def reader(self) -> MarketClient:
        """The market, for reading: needs no key."""
        return self._market(None)

    @cached_property
    def signer(self) -> MarketClient:
        """The market, whose calls the role's account signs for a relayer."""
        from market.chain.relays import SigningClient

        plain = self.reader
        return SigningClient(self.w3, plain.address, self.account, first_block=self.settings.first_block)

    @cached_property
    def storage(self) -> Storage:
        """Content-addressed storage."""
        from market.storage.base import open_storage

        storage = open_storage(self.settings.storage, token=os.environ.get(STORAGE_TOKEN_VARIABLE))
        self._opened.append(storage.close)
        return storage

    def job(self, job_id: int, *, reading: bool = False, signing: bool = False) -> Job:
        """Open a job; with ``signing``, calls of its market are signed for a relayer instead of sent."""
        from market.services.job import Job

        market = self.reader if reading else self.signer if signing else self.market
        folder = f"cache-{market.chain_id}-{market.address.lower()}-job-{job_id}"
        return Job(market, self.storage, job_id, self.settings.state / folder, stages=self._announce)

    def money(self, token: str | None = None) -> Money:
        """Return how amounts of a token are read and written; None is the native coin."""
        from market.chain.tokens import COIN, describe
        from market.cli.money import Money
        from market.domain import NATIVE_COIN

        return Money(COIN if token in (None, NATIVE_COIN) else describe(self.w3, str(token)))

    @property
    def interactive(self) -> bool:
        """Whether a person can answer: a terminal on both ends, and no ``--json``."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.json

    def confirm(self, question: str) -> None:
        """Ask before money moves; ``--yes`` answers.

        Raises
        ------
        ConfigError
            If the answer is no, or nobody is there to answer.

        """
        if self.yes:
            return
        if not self.interactive:
            raise ConfigError(f"{question} needs a confirmation", hint="pass --yes")
        import typer

        if not typer.confirm(question):
            raise ConfigError("not confirmed; nothing was done")

    @contextlib.contextmanager
    def reading(self, path: Path, what: str) -> Iterator[BinaryIO]:
        """Open a file for reading, with a progress bar where a person watches."""
        if self.json or not self.console.is_terminal:
            with path.open("rb") as source:
                yield source
            return
        from rich.progress import open as open_with_progress

        with open_with_progress(path, "rb", description=what, console=self.console, transient=True) as source:
            yield source

    @contextlib.contextmanager
    def stages(self) -> Iterator[Stages]:
        """Show a bar for each stage of work on a reference string, where a person watches."""
        from market.srs.files import no_stages

        if self.json or not self.console.is_terminal:
            yield no_stages
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:

            def stages(name: str, points: int) -> Any:
                task = progress.add_task(name, total=points)
                return lambda done: progress.advance(task, done)

            yield stages

    @contextlib.contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Show a bar for so many steps, where a person watches; the value is called after each."""
        if self.json or not self.console.is_terminal:
            yield lambda: None
            return
        from rich.progress import Progress as Bar

        with Bar(console=self.console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)

    def say(self, text: str) -> None:
        """Print for a person; silent with ``--json``."""
        if not self.json:
            self.console.print(_printable(text), soft_wrap=True)

    def table(self, title: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Print a table for a person; silent with ``--json``."""
        if self.json:
            return
        table = Table(title=title, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(_printable(str(cell)) for cell in row))
        self.console.print(table)

    def report(self, event: str, fields: dict[str, Any]) -> None:
        """Tell one event of a service: a line for a person, a JSON line with ``--json``."""
        if self.json:
            line = {"schema": SCHEMA, "event": event, "time": round(time.time(), 3), **fields}
            print(json.dumps(line), flush=True)
        else:
            told = Text(event, "bold")
            for key, value in fields.items():
                told.append(f"  {key} ", "dim").append_text(_printable(str(value)))
            self.console.print(told, soft_wrap=True)

    def finish(self, data: dict[str, Any]) -> None:
        """Print the envelope of a command that succeeded."""
        if self.json:
            envelope = {"schema": SCHEMA, "command": self.command, "ok": True, "data": data}
            print(json.dumps(envelope), flush=True)

    def fail(self, error: GramercyError) -> None:
        """Print the error: the envelope with ``--json``, words on standard error otherwise."""
        if self.json:
            told = {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}
            envelope = {"schema": SCHEMA, "command": self.command, "ok": False, "error": told}
            print(json.dumps(envelope, default=str), flush=True)
            return
        console = Console(stderr=True)
        console.print(Text("error: ", "bold red").append_text(_printable(error.message)), soft_wrap=True)
        if error.hint:
            console.print(_printable(f"  {error.hint}", "dim"), soft_wrap=True)

    def close(self) -> None:
        """Close what was opened."""
        for close in self._opened:
            close()

    def _market(self, account: LocalAccount | None) -> MarketClient:
        from market.chain.market import MarketClient
        from market.cli.options import parse_address

        named, first_block = self.settings.market, self.settings.first_block
        if self.book is not None and named in (None, self.book.market):
            named, first_block = self.book.market, first_block or self.book.first_block
        address = parse_address(named or self.settings.require_market(), "the market")
        return MarketClient(self.w3, address, account, first_block=first_block)

    def _announce(self, name: str, amount: int) -> Progress:
        """Tell a stage of work on a job's reference string: it happens once, and may take a while."""
        from aggregator.srs import no_progress

        self.report("srs", {"stage": name, "amount": amount})
        return no_progress

    def _prompt_password(self) -> str:
        import typer

        return str(typer.prompt(f"Password of {self.settings.keystore}", hide_input=True))


def _printable(text: str, style: str = "") -> Text:
    """Return text as it is, not as markup, and without control characters: much of it was written by others."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in text), style)
