"""Queries about markets, accounts, events, and the state of the index itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Select, and_, bindparam, distinct, func, or_, select

from market.domain import Address
from market.indexer import schema
from market.indexer.book import CHANGES
from market.indexer.cursors import Listing
from market.indexer.reading import (
    ACCOUNT,
    JOB,
    LARGEST,
    NOW,
    ROUND,
    Scope,
    balances_of,
    in_market,
    of_job,
    require_job,
    sums_by,
    token_of,
    tokens_of,
)
from market.indexer.standing import has_status
from market.indexer.views import (
    Account,
    Amounts,
    Change,
    EventView,
    Head,
    IndexStatus,
    JobStatus,
    Market,
    MarketStatus,
    Page,
)
from market.indexer.wording import hexadecimal, words_of

CHAIN_NAMES: Mapping[int, str] = {
    1: "Ethereum",
    11155111: "Sepolia",
    17000: "Holesky",
    560048: "Hoodi",
    10: "OP Mainnet",
    8453: "Base",
    84532: "Base Sepolia",
    42161: "Arbitrum One",
    421614: "Arbitrum Sepolia",
    137: "Polygon",
    100: "Gnosis",
    1337: "Development chain",
    31337: "Development chain",
    131277322940537: "Development chain",
}
_NOTHING: Mapping[str, object] = {}


_MARKETS = (
    select(schema.markets, schema.polls)
    .join(schema.polls, schema.polls.c.market_id == schema.markets.c.id)
    .order_by(schema.markets.c.id)
)
_TOTALS = select(schema.totals).order_by(schema.totals.c.token)


def _figures(figure: Any, table: Any) -> Select[Any]:
    return select(table.c.market_id, figure.label("found")).group_by(table.c.market_id)


_JOBS, _EVENTS = _figures(func.count(), schema.jobs), _figures(func.count(), schema.events)
_TRAINERS = _figures(func.count(distinct(schema.members.c.trainer)), schema.members)
_ROUNDS_SETTLED = _figures(func.sum(schema.jobs.c.rounds_settled), schema.jobs)


@cache
def _running(*, of_head: bool) -> Select[Any]:
    now = schema.markets.c.head_timestamp if of_head else NOW
    query = _JOBS.join(schema.markets, schema.markets.c.id == schema.jobs.c.market_id)
    return query.where(has_status(JobStatus.RUNNING, now))


def _by_market(connection: Connection, query: Select[Any], values: Mapping[str, object] = _NOTHING) -> dict[int, Any]:
    return {row.market_id: row.found for row in connection.execute(query, values)}


def list_markets(
    connection: Connection, explorers: Mapping[int, str], clock: float, now: int | None, market_id: int | None = None
) -> tuple[Market, ...]:
    """Return all markets, or one."""
    rows = connection.execute(_MARKETS).all()
    if market_id is not None:
        rows = [row for row in rows if row.id == market_id]
    jobs = _by_market(connection, _JOBS)
    running = _by_market(connection, _running(of_head=now is None), {} if now is None else {NOW.key: now})
    trainers, settled = _by_market(connection, _TRAINERS), _by_market(connection, _ROUNDS_SETTLED)
    totals = connection.execute(_TOTALS).all()
    tokens = {chain_id: tokens_of(connection, chain_id) for chain_id in {row.chain_id for row in rows}}
    return tuple(
        Market(
            chain_id=row.chain_id,
            chain_name=CHAIN_NAMES.get(row.chain_id, f"Chain {row.chain_id}"),
            address=row.address,
            forwarder=row.forwarder,
            explorer=explorers.get(row.chain_id),
            head=_head(row, clock) or _NO_HEAD,
            jobs=jobs.get(row.id, 0),
            running=running.get(row.id, 0),
            trainers=trainers.get(row.id, 0),
            rounds_settled=int(settled.get(row.id, 0)),
            amounts=tuple(
                _amounts(total, tokens[row.chain_id].get(total.token) or token_of(total.token, None, None))
                for total in totals
                if total.market_id == row.id
            ),
        )
        for row in rows
    )


_NO_HEAD = Head(block=0, hash="0x" + 64 * "0", timestamp=0, chain_block=0, lag_seconds=0.0)


def _head(row: Any, clock: float) -> Head | None:
    if row.head is None:
        return None
    return Head(
        block=row.head,
        hash=hexadecimal(row.head_hash),
        timestamp=row.head_timestamp,
        chain_block=max(row.head, row.chain_block or 0),
        lag_seconds=max(0.0, clock - (row.asked_at or clock)),
    )


def _amounts(row: Any, token: Any) -> Amounts:
    names = ("escrow", "stakes", "bonds", "unclaimed", "claimed", "free", "volume")
    return Amounts(token=token, **{name: int(getattr(row, name)) for name in names})


def _payouts() -> Select[Any]:
    jobs, updates = schema.jobs, schema.updates
    its_job = and_(jobs.c.market_id == updates.c.market_id, jobs.c.job_id == updates.c.job_id)
    final = or_(updates.c.claimed.is_(True), updates.c.payable_from <= NOW)
    query = select(jobs.c.token, updates.c.payout, updates.c.claimed).join(jobs, its_job)
    return query.where(in_market(updates), updates.c.trainer == ACCOUNT, updates.c.payout.is_not(None), final)


def _counted(table: Any, *conditions: Any) -> Any:
    return select(func.count()).select_from(table).where(in_market(table), *conditions).scalar_subquery()


_PAYOUTS = _payouts()
_FREE = select(schema.balances).where(in_market(schema.balances), schema.balances.c.account == ACCOUNT)
_KEY = select(schema.keys.c.key).where(in_market(schema.keys), schema.keys.c.account == ACCOUNT)
_PARTS = select(
    _counted(schema.jobs, schema.jobs.c.owner == ACCOUNT).label("owns"),
    _counted(schema.members, schema.members.c.trainer == ACCOUNT).label("trains"),
    _counted(
        schema.settlements, schema.settlements.c.aggregator == ACCOUNT, schema.settlements.c.stands.is_(True)
    ).label("aggregates"),
)


def account_of(scope: Scope, address: Address) -> Account:
    """Return an account; one that never did anything here has nothing."""
    tokens = tokens_of(scope.connection, scope.market.chain_id)
    payouts = scope.all(_PAYOUTS, account=address)
    parts, key = scope.first(_PARTS, account=address), scope.first(_KEY, account=address)
    return Account(
        chain_id=scope.market.chain_id,
        market=scope.market.address,
        address=address,
        balances=balances_of({row.token: int(row.amount) for row in scope.all(_FREE, account=address)}, tokens),
        owns=parts.owns,
        trains=parts.trains,
        aggregates=parts.aggregates,
        earned=balances_of(sums_by((row.token, int(row.payout)) for row in payouts), tokens),
        claimable=balances_of(sums_by((row.token, int(row.payout)) for row in payouts if not row.claimed), tokens),
        encryption_key=None if key is None else hexadecimal(key.key),
    )


@cache
def _events_listed(*, job: bool, account: bool, number: bool) -> Listing:
    """Return a list of a market's events; of a job, an account, a round where that is asked for."""
    events, blocks, jobs, tokens = schema.events, schema.blocks, schema.jobs, schema.tokens
    conditions = [in_market(events)]
    if job:
        conditions.append(of_job(events))
    if account:
        conditions.append(or_(events.c.account == ACCOUNT, events.c.other == ACCOUNT))
    if number:
        conditions.append(events.c.round == ROUND)
    in_block = and_(blocks.c.market_id == events.c.market_id, blocks.c.number == events.c.block)
    its_job = and_(jobs.c.market_id == events.c.market_id, jobs.c.job_id == events.c.job_id)
    token = and_(
        tokens.c.chain_id == bindparam("chain", type_=BigInteger()),
        tokens.c.address == func.coalesce(events.c.token, jobs.c.token),
    )
    columns = ("block", "log_index", "tx", "name", "job_id", "round", "account", "other", "amount")
    query = (
        select(*(events.c[name] for name in columns), blocks.c.timestamp, tokens.c.symbol, tokens.c.decimals)
        .join(blocks, in_block)
        .outerjoin(jobs, its_job)
        .outerjoin(tokens, token)
        .where(*conditions)
    )
    counted = select(events.c.block).where(*conditions)
    return Listing(query, (events.c.block, events.c.log_index), descending=True, counted=counted)


def list_events(
    scope: Scope,
    *,
    job_id: int | None,
    account: Address | None,
    number: int | None,
    cursor: str | None,
    limit: int,
) -> Page[EventView]:
    """Return events, newest first."""
    if job_id is not None and not 0 < job_id <= LARGEST:
        require_job(scope, job_id)
    given = {JOB.key: job_id, ACCOUNT.key: account, ROUND.key: number, "chain": scope.market.chain_id}
    values = scope.values({name: value for name, value in given.items() if value is not None})
    listing = _events_listed(job=job_id is not None, account=account is not None, number=number is not None)
    found = listing.page(scope.connection, _events, values, cursor=cursor, limit=limit)
    if job_id is not None and not found.items:
        require_job(scope, job_id)
    return found


def _events(rows: Sequence[Any]) -> list[EventView]:
    return [
        EventView(
            block=row.block,
            log_index=row.log_index,
            timestamp=row.timestamp,
            tx=hexadecimal(row.tx),
            name=row.name,
            job_id=row.job_id,
            round=row.round,
            account=row.account,
            amount=None if row.amount is None else int(row.amount),
            text=words_of(row),
        )
        for row in rows
    ]


def index_status(connection: Connection, clock: float) -> IndexStatus:
    """Return how far the index is."""
    rows = connection.execute(_MARKETS).all()
    events: dict[int, int] = defaultdict(int, _by_market(connection, _EVENTS))
    return IndexStatus(
        version=index_version(connection),
        ready=bool(rows) and all(row.ready for row in rows),
        markets=tuple(
            MarketStatus(
                chain_id=row.chain_id,
                market=row.address,
                first_block=row.first_block,
                head=_head(row, clock),
                events=events[row.id],
                caught_up=row.caught_up,
                failure=row.failure,
                failing_since=None if row.failing_since is None else int(row.failing_since),
                fault=row.fault,
            )
            for row in rows
        ),
    )


_VERSION = select(schema.meta.c.version)


def index_version(connection: Connection) -> int:
    """Return the number that grows with every change."""
    return int(connection.execute(_VERSION).scalar_one())


_TIMES = select(schema.markets.c.chain_id, schema.markets.c.address, schema.markets.c.head_timestamp)


def chain_times(connection: Connection) -> dict[tuple[int, Address], int]:
    """Return the chain time of each market's newest block; 0 before the first."""
    return {(row.chain_id, row.address): row.head_timestamp or 0 for row in connection.execute(_TIMES)}


_SINCE = schema.changes.c.version > bindparam("since", type_=BigInteger())
_LAST_CHANGE = (
    select(schema.changes.c.version)
    .where(_SINCE)
    .order_by(schema.changes.c.id)
    .offset(bindparam("before", type_=Integer()))
    .limit(1)
)
_CHANGES = (
    select(schema.changes, schema.markets.c.chain_id, schema.markets.c.address)
    .join(schema.markets, schema.markets.c.id == schema.changes.c.market_id)
    .where(_SINCE, schema.changes.c.version <= bindparam("until", type_=BigInteger()))
    .order_by(schema.changes.c.id)
)


def list_changes(connection: Connection, since: int, limit: int) -> tuple[Change, ...]:
    """Return what changed after a version, oldest first; whole versions, so maybe more than ``limit``."""
    bound = connection.execute(_LAST_CHANGE, {"since": since, "before": limit - 1}).scalar()
    return _changes(connection, since, LARGEST if bound is None else bound)


def all_changes(connection: Connection, since: int) -> tuple[Change, ...] | None:
    """Return all that changed after a version, oldest first; None where some of it is not on record any more."""
    if since < max(0, index_version(connection) - CHANGES):
        return None
    return _changes(connection, since, LARGEST)


def _changes(connection: Connection, since: int, until: int) -> tuple[Change, ...]:
    values = {"since": since, "until": until}
    return tuple(
        Change(version=row.version, chain_id=row.chain_id, market=row.address, job_id=row.job_id, round=row.round)
        for row in connection.execute(_CHANGES, values)
    )
