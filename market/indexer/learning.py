"""What tokens and verifiers are: asked of the chain beside the events, which never wait for what a contract answers.

A contract, or a node that has no time, may fail each time it is asked. It is asked again after longer and longer
pauses; until then a token's amounts are counted in its units, and a verifier's words are not known.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Engine, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from market.domain import Address
from market.indexer import schema
from market.indexer.source import Source

Kind = Literal["token", "verifier"]
TOKEN: Kind = "token"  # noqa: S105 - a kind of contract
VERIFIER: Kind = "verifier"
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 3_600.0
_LOG = logging.getLogger("gramercy.indexer")


@dataclass
class _Wanted:
    """A contract that has not told yet."""

    block: int
    tries: int = 0
    due: float = 0.0


class Facts:
    """What the contracts beside one market tell of themselves.

    Parameters
    ----------
    engine
        For transactions that write (:func:`market.indexer.database.writing`).
    source
        Where to ask.
    market_id
        Row of the market.

    """

    def __init__(self, engine: Engine, source: Source, market_id: int) -> None:
        self._engine, self._source, self._market_id = engine, source, market_id
        self._known: set[tuple[Kind, Address]] = set()
        self._wanted: dict[tuple[Kind, Address], _Wanted] = {}
        self._resume()

    def want(self, kind: Kind, address: Address, block: int) -> None:
        """Have a contract asked that was there by a block, unless it has told already."""
        key = (kind, address)
        if key not in self._known and key not in self._wanted:
            with self._engine.begin() as connection:
                self._load(connection)
            if key not in self._known:
                self._wanted[key] = _Wanted(block)

    def ask(self, now: float) -> None:
        """Ask those whose turn it is, by the wall clock in seconds."""
        for key, wanted in list(self._wanted.items()):
            if wanted.due > now:
                continue
            try:
                values = self._told(*key, wanted.block)
            except Exception as error:  # a contract's answers are anybody's: none may stop the index
                _LOG.warning("the %s at %s does not tell what it is: %s", *key, type(error).__name__)
                pause = min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2**wanted.tries)
                wanted.tries, wanted.due = min(wanted.tries + 1, 16), now + pause
                continue
            del self._wanted[key]
            self._write(*key, values, late=wanted.tries > 0)

    def _told(self, kind: Kind, address: Address, block: int) -> dict[str, Any]:
        if kind == TOKEN:
            token = self._source.token(address)
            return {"symbol": token.symbol, "decimals": token.decimals}
        facts = self._source.verifier(address, block)
        return {"digest": facts.digest, "words": facts.words}

    def _write(self, kind: Kind, address: Address, values: dict[str, Any], *, late: bool) -> None:
        table, jobs = schema.tokens if kind == TOKEN else schema.verifiers, schema.jobs.c
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:  # another market's was first
            connection.execute(insert(table).values(chain_id=self._source.chain_id, address=address, **values))
        self._known.add((kind, address))
        if late:
            of_job = jobs.token == address if kind == TOKEN else jobs.terms["verifier"].as_string() == address
            with self._engine.begin() as connection:
                tell_jobs(connection, (jobs.market_id == self._market_id) & of_job)

    def _load(self, connection: Connection) -> None:
        for kind, table in ((TOKEN, schema.tokens), (VERIFIER, schema.verifiers)):
            found = select(table.c.address).where(table.c.chain_id == self._source.chain_id)
            self._known |= {(kind, address) for address in connection.execute(found).scalars()}

    def _resume(self) -> None:
        """Want what an earlier process did not get to know."""
        jobs, balances = schema.jobs.c, schema.balances.c
        with self._engine.begin() as connection:
            self._load(connection)
            head = select(schema.markets.c.head).where(schema.markets.c.id == self._market_id)
            block = connection.execute(head).scalar() or 0
            verifier = jobs.terms["verifier"].as_string()
            for kind, column, market in (
                (TOKEN, jobs.token, jobs.market_id),
                (TOKEN, balances.token, balances.market_id),
                (VERIFIER, verifier, jobs.market_id),
            ):
                used = connection.execute(select(column).where(market == self._market_id).distinct()).scalars()
                for address in used:
                    if (kind, address) not in self._known:
                        self._wanted[kind, address] = _Wanted(block, tries=1)


def tell_jobs(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Say that the jobs that meet a condition are told differently from now on."""
    meta, jobs = schema.meta, schema.jobs.c
    connection.execute(update(meta).values(version=meta.c.version + 1))
    version = literal(connection.execute(select(meta.c.version)).scalar_one())
    rows = select(jobs.market_id, version, jobs.job_id).where(condition)
    connection.execute(insert(schema.changes).from_select(["market_id", "version", "job_id"], rows))
