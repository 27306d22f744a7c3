"""What all queries begin with: markets and jobs by name, tokens, and the chain time that phases are told by.

Statements are built once, with parameters: to build one takes several times as long as to run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, String, Table, and_, bindparam, select

from market.chain.tokens import COIN
from market.domain import Address
from market.errors import NotFound
from market.indexer import schema
from market.indexer.standing import latest_times, status_of, used_by
from market.indexer.views import Balance, JobSummary, Token

LARGEST = (1 << 63) - 1
MARKET, JOB, ROUND, NOW = (bindparam(name, type_=BigInteger()) for name in ("in_market", "of_job", "of_round", "now"))
ACCOUNT = bindparam("account", type_=String())
"""Parameters of statements: :class:`Scope` gives the first and NOW, the caller what else there is."""


def in_market(table: Table) -> ColumnElement[bool]:
    """Return the condition that rows are of the market that is read."""
    return table.c.market_id == MARKET


def of_job(table: Table) -> ColumnElement[bool]:
    """Return the condition that rows are of one job."""
    return and_(in_market(table), table.c.job_id == JOB)


def of_round(table: Table) -> ColumnElement[bool]:
    """Return the condition that rows are of one round."""
    return and_(of_job(table), (table.c.number if table is schema.rounds else table.c.round) == ROUND)


@dataclass(frozen=True, slots=True)
class Scope:
    """One market, in one transaction, at one chain time."""

    connection: Connection
    market: Any
    now: int

    @property
    def id(self) -> int:
        """The market's row."""
        return int(self.market.id)

    def values(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return the values of a statement's parameters."""
        return {MARKET.key: self.market.id, NOW.key: self.now, **given}

    def all(self, query: Select[Any], **given: object) -> list[Any]:
        """Return a query's rows."""
        return list(self.connection.execute(query, self.values(given)).all())

    def first(self, query: Select[Any], **given: object) -> Any:
        """Return a query's first row, or None."""
        return self.connection.execute(query, self.values(given)).first()


_MARKET_NAMED = select(schema.markets).where(
    schema.markets.c.chain_id == bindparam("chain", type_=BigInteger()), schema.markets.c.address == ACCOUNT
)


def open_scope(connection: Connection, chain_id: int, market: Address, now: int | None) -> Scope:
    """Return a market to read from.

    Raises
    ------
    NotFound
        If it is not in the index.

    """
    row = None
    if 0 <= chain_id <= LARGEST:
        row = connection.execute(_MARKET_NAMED, {"chain": chain_id, ACCOUNT.key: market}).first()
    if row is None:
        raise NotFound(f"the market {market} on chain {chain_id} is not in this index")
    return Scope(connection, row, (row.head_timestamp or 0) if now is None else now)


def job_query() -> Select[Any]:
    """Return jobs with what their summaries need: market, token and name beside the job's own columns but terms."""
    jobs, markets, tokens, manifests = schema.jobs, schema.markets, schema.tokens, schema.manifests
    return (
        select(
            *(column for column in jobs.c if column is not jobs.c.terms),
            markets.c.chain_id,
            markets.c.address.label("market"),
            markets.c.head_timestamp,
            tokens.c.symbol,
            tokens.c.decimals,
            manifests.c.name,
        )
        .join(markets, markets.c.id == jobs.c.market_id)
        .outerjoin(tokens, and_(tokens.c.chain_id == markets.c.chain_id, tokens.c.address == jobs.c.token))
        .outerjoin(manifests, manifests.c.cid == jobs.c.manifest_cid)
    )


_JOB = job_query().add_columns(schema.jobs.c.terms).where(of_job(schema.jobs))
_ROUND = select(schema.rounds).where(of_round(schema.rounds))


def require_job(scope: Scope, job_id: int) -> Any:
    """Return a job's row, as of :func:`job_query`, with its terms.

    Raises
    ------
    NotFound
        If the market has no such job.

    """
    row = scope.first(_JOB, of_job=job_id) if 0 < job_id <= LARGEST else None
    if row is None:
        raise NotFound(f"the market {scope.market.address} has no job {job_id}")
    return row


def require_round(scope: Scope, job_id: int, number: int) -> Any:
    """Return a round's row.

    Raises
    ------
    NotFound
        If the job has no such round, or the market no such job.

    """
    possible = 0 < number <= LARGEST and 0 < job_id <= LARGEST
    row = scope.first(_ROUND, of_job=job_id, of_round=number) if possible else None
    if row is None:
        require_job(scope, job_id)
        raise NotFound(f"job {job_id} has no round {number}")
    return row


def summary_of(row: Any, now: int | None) -> JobSummary:
    """Return a job in a list; without a time given, as of the newest block that was read of its market."""
    at = (row.head_timestamp or 0) if now is None else now
    return JobSummary(
        chain_id=row.chain_id,
        market=row.market,
        job_id=row.job_id,
        owner=row.owner,
        name=row.name,
        status=status_of(row, at),
        token=token_of(row.token, row.symbol, row.decimals),
        rule=row.rule,
        score=row.score,
        round_budget=int(row.round_budget),
        rounds=row.rounds,
        rounds_used=used_by(row, at),
        escrow=int(row.escrow),
        paid=int(row.unclaimed) + int(row.claimed),
        trainers=row.trainers,
        max_trainers=row.max_trainers,
        deadline=row.deadline,
        created=row.created,
        latest=latest_times(row, at),
        fault=row.fault,
    )


def token_of(address: Address, symbol: str | None, decimals: int | None) -> Token:
    """Return a token; one that was not asked yet is counted in units."""
    if decimals is None:
        return Token(address=address, symbol="units", decimals=0)
    return Token(address=address, symbol=symbol or "units", decimals=decimals)


_TOKENS = select(schema.tokens).where(schema.tokens.c.chain_id == bindparam("chain", type_=BigInteger()))


def tokens_of(connection: Connection, chain_id: int) -> dict[Address, Token]:
    """Return the tokens of a chain."""
    rows = connection.execute(_TOKENS, {"chain": chain_id})
    found = {row.address: token_of(row.address, row.symbol, row.decimals) for row in rows}
    return {COIN.address: Token(address=COIN.address, symbol=COIN.symbol, decimals=COIN.decimals), **found}


def balances_of(sums: Mapping[Address, int], tokens: Mapping[Address, Token]) -> tuple[Balance, ...]:
    """Return amounts by token, those above zero."""
    return tuple(
        Balance(token=tokens.get(address) or token_of(address, None, None), free=amount)
        for address, amount in sorted(sums.items())
        if amount
    )


def sums_by(pairs: Iterable[tuple[Address, int]]) -> dict[Address, int]:
    """Return sums by token."""
    found: dict[Address, int] = {}
    for token, amount in pairs:
        found[token] = found.get(token, 0) + amount
    return found
