"""Queries about markets, accounts, events, and the state of the index itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, distinct, func, or_, select

from market.domain import Address
from market.indexer import schema
from market.indexer.cursors import page
from market.indexer.reading import Scope, balances_of, now_of, require_job, sums_by, token_of, tokens_of
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


def list_markets(
    connection: Connection, explorers: Mapping[int, str], clock: float, now: int | None, market_id: int | None = None
) -> tuple[Market, ...]:
    """Return all markets, or one."""
    markets, polls = schema.markets, schema.polls
    query = select(markets, polls).join(polls, polls.c.market_id == markets.c.id).order_by(markets.c.id)
    if market_id is not None:
        query = query.where(markets.c.id == market_id)
    rows = connection.execute(query).all()
    jobs = _by_market(connection, func.count(), schema.jobs)
    running = {
        row.market_id: row.found
        for row in connection.execute(
            select(schema.jobs.c.market_id, func.count().label("found"))
            .join(markets, markets.c.id == schema.jobs.c.market_id)
            .where(has_status(JobStatus.RUNNING, now_of(now)))
            .group_by(schema.jobs.c.market_id)
        )
    }
    trainers = _by_market(connection, func.count(distinct(schema.members.c.trainer)), schema.members)
    settled = _by_market(connection, func.sum(schema.jobs.c.rounds_settled), schema.jobs)
    totals = connection.execute(select(schema.totals).order_by(schema.totals.c.token)).all()
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


def _by_market(connection: Connection, figure: Any, table: Any) -> dict[int, int]:
    query = select(table.c.market_id, figure.label("found")).group_by(table.c.market_id)
    return {row.market_id: row.found for row in connection.execute(query)}


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


def account_of(scope: Scope, address: Address) -> Account:
    """Return an account; one that never did anything here has nothing."""
    jobs, members, settlements, updates = schema.jobs, schema.members, schema.settlements, schema.updates
    balances, keys = schema.balances, schema.keys
    tokens = tokens_of(scope.connection, scope.market.chain_id)
    free = select(balances).where(scope.of(balances), balances.c.account == address)
    of_job = and_(jobs.c.market_id == updates.c.market_id, jobs.c.job_id == updates.c.job_id)
    final = or_(updates.c.claimed.is_(True), updates.c.payable_from <= scope.now)
    payouts = scope.all(
        select(jobs.c.token, updates.c.payout, updates.c.claimed)
        .join(jobs, of_job)
        .where(scope.of(updates), updates.c.trainer == address, updates.c.payout.is_not(None), final)
    )
    settled = and_(settlements.c.aggregator == address, settlements.c.stands.is_(True))
    key = scope.first(select(keys.c.key).where(scope.of(keys), keys.c.account == address))
    return Account(
        chain_id=scope.market.chain_id,
        market=scope.market.address,
        address=address,
        balances=balances_of({row.token: int(row.amount) for row in scope.all(free)}, tokens),
        owns=_count(scope, jobs, jobs.c.owner == address),
        trains=_count(scope, members, members.c.trainer == address),
        aggregates=_count(scope, settlements, settled),
        earned=balances_of(sums_by((row.token, int(row.payout)) for row in payouts), tokens),
        claimable=balances_of(sums_by((row.token, int(row.payout)) for row in payouts if not row.claimed), tokens),
        encryption_key=None if key is None else hexadecimal(key.key),
    )


def _count(scope: Scope, table: Any, condition: Any) -> int:
    query = select(func.count()).select_from(table).where(scope.of(table), condition)
    return int(scope.connection.execute(query).scalar_one())


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
    events, blocks, jobs, tokens = schema.events, schema.blocks, schema.jobs, schema.tokens
    if job_id is not None:
        require_job(scope, job_id)
    in_block = and_(blocks.c.market_id == events.c.market_id, blocks.c.number == events.c.block)
    of_job = and_(jobs.c.market_id == events.c.market_id, jobs.c.job_id == events.c.job_id)
    token = func.coalesce(events.c.token, jobs.c.token)
    columns = ("block", "log_index", "tx", "name", "job_id", "round", "account", "other", "amount")
    query = (
        select(*(events.c[name] for name in columns), blocks.c.timestamp, tokens.c.symbol, tokens.c.decimals)
        .join(blocks, in_block)
        .outerjoin(jobs, of_job)
        .outerjoin(tokens, and_(tokens.c.chain_id == scope.market.chain_id, tokens.c.address == token))
        .where(scope.of(events))
    )
    if job_id is not None:
        query = query.where(events.c.job_id == job_id)
    if account is not None:
        query = query.where(or_(events.c.account == account, events.c.other == account))
    if number is not None:
        query = query.where(events.c.round == number)
    by = (events.c.block, events.c.log_index)
    return page(scope.connection, query, _events, by=by, descending=True, cursor=cursor, limit=limit)


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
    markets, polls = schema.markets, schema.polls
    query = select(markets, polls).join(polls, polls.c.market_id == markets.c.id).order_by(markets.c.id)
    rows = connection.execute(query).all()
    events: dict[int, int] = defaultdict(int, _by_market(connection, func.count(), schema.events))
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


def index_version(connection: Connection) -> int:
    """Return the number that grows with every change."""
    return int(connection.execute(select(schema.meta.c.version)).scalar_one())


def list_changes(connection: Connection, since: int, limit: int) -> tuple[Change, ...]:
    """Return what changed after a version, oldest first; whole versions, so maybe more than ``limit``."""
    changes, markets = schema.changes, schema.markets
    last = select(changes.c.version).where(changes.c.version > since).order_by(changes.c.id).offset(limit - 1).limit(1)
    bound = connection.execute(last).scalar()
    query = (
        select(changes, markets.c.chain_id, markets.c.address)
        .join(markets, markets.c.id == changes.c.market_id)
        .where(changes.c.version > since)
        .order_by(changes.c.id)
    )
    if bound is not None:
        query = query.where(changes.c.version <= bound)
    return tuple(
        Change(version=row.version, chain_id=row.chain_id, market=row.address, job_id=row.job_id, round=row.round)
        for row in connection.execute(query)
    )
