"""One market's rows: chunks are entered and reorganised ones taken back, in a database transaction each."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, and_, bindparam, delete, func, insert, or_, select, update

from market.domain import Address, Event, JobCreated, KeyPublished
from market.errors import ForbiddenTransition
from market.indexer import schema
from market.indexer.chunk import Chunk, Entry, read_entry
from market.indexer.database import writing
from market.indexer.decoding import Log
from market.indexer.facts import MOVES, moves
from market.indexer.history import JobHistory, Place
from market.indexer.projection import MONEY, Row, money, project
from market.indexer.source import BlockMark

HEADS = 256
"""Blocks without events that are remembered, to find where a reorganised chain parted."""
LIVE_JOBS = 512
"""Histories that are kept in memory."""
CHANGES = 10_000
"""Changes that are remembered."""
_NO_KEY = bytes(32)


class Overtaken(Exception):
    """Another indexer of this market has written since this one last did."""


class Book:
    """What one market has in the index.

    Everything in memory follows from the rows up to a block that is known; it is forgotten when a transaction fails, or
    another process has written.

    Parameters
    ----------
    engine
        See :func:`market.indexer.database.open_index`.
    market_id
        Row of the market.

    """

    def __init__(self, engine: Engine, market_id: int) -> None:
        self.market_id = market_id
        self._engine = writing(engine)
        self._of_market = {"market_id": market_id}
        self._forget()

    def _forget(self) -> None:
        self._known: BlockMark | None = None
        self._histories: OrderedDict[int, JobHistory] = OrderedDict()
        self._free: dict[tuple[Address, Address], int] | None = None
        self._jobs = -1
        self._faults: list[tuple[Place, str]] = []

    # -- reading ----------------------------------------------------------------------------------------------------

    def head(self) -> BlockMark | None:
        """Return the block up to which the market has been read."""
        with self._engine.connect() as connection:
            return self._head(connection)

    def blocks_below(self, number: int, count: int) -> list[BlockMark]:
        """Return the newest blocks on record up to ``number``, newest first."""
        blocks = schema.blocks
        query = (
            select(blocks.c.number, blocks.c.hash, blocks.c.timestamp)
            .where(blocks.c.market_id == self.market_id, blocks.c.number <= number)
            .order_by(blocks.c.number.desc())
            .limit(count)
        )
        with self._engine.connect() as connection:
            return [BlockMark(*row) for row in connection.execute(query)]

    def _head(self, connection: Connection) -> BlockMark | None:
        columns = schema.markets.c
        query = select(columns.head, columns.head_hash, columns.head_timestamp).where(columns.id == self.market_id)
        number, block_hash, timestamp = connection.execute(query).one()
        return None if number is None else BlockMark(number, block_hash, timestamp)

    # -- writing ----------------------------------------------------------------------------------------------------

    def enter(self, chunk: Chunk, after: BlockMark | None, poll: Row) -> None:
        """Write a chunk that follows the block ``after``.

        Raises
        ------
        Overtaken
            If that is not the block up to which the market has been read.

        """
        with self._transaction(after) as (connection, version):
            self._enter_blocks(connection, chunk)
            if chunk.entries:
                self._enter_events(connection, chunk.entries)
                self._enter_jobs(connection, chunk.entries, version)
                self._enter_moves(connection, chunk.entries)
                self._enter_keys(connection, chunk.entries)
                self._enter_fault(connection)
            self._set_head(connection, chunk.last)
            self.set_poll(connection, poll)

    def rewind(self, common: BlockMark | None, after: BlockMark) -> None:
        """Take back everything above the block that the chain still has; None takes back everything."""
        floor = -1 if common is None else common.number
        with self._transaction(after) as (connection, version):
            events, ledger = schema.events, schema.ledger
            undone = and_(events.c.market_id == self.market_id, events.c.block > floor)
            rows = connection.execute(
                select(events.c.name, events.c.job_id, events.c.account).where(undone).distinct()
            ).all()
            jobs = sorted({row.job_id for row in rows if row.job_id is not None})
            connection.execute(delete(events).where(undone))
            self._histories.clear()
            for job_id in jobs:
                self._project_anew(connection, job_id, version)
            moved = connection.execute(
                select(ledger.c.token, ledger.c.account, ledger.c.change).where(
                    ledger.c.market_id == self.market_id, ledger.c.block > floor
                )
            ).all()
            connection.execute(delete(ledger).where(ledger.c.market_id == self.market_id, ledger.c.block > floor))
            self._move(connection, [(row.token, row.account, -int(row.change)) for row in moved])
            self._keys_anew(connection, {row.account for row in rows if row.name == KeyPublished.__name__})
            blocks, markets = schema.blocks, schema.markets
            connection.execute(delete(blocks).where(blocks.c.market_id == self.market_id, blocks.c.number > floor))
            connection.execute(
                update(markets)
                .where(markets.c.id == self.market_id, markets.c.fault_block > floor)
                .values(fault=None, fault_block=None)
            )
            self._set_head(connection, common)
            self._jobs = -1

    def set_poll(self, connection: Connection, poll: Row) -> None:
        """Write what the chain said when it was last asked."""
        polls = schema.polls
        connection.execute(update(polls).where(polls.c.market_id == self.market_id).values(**poll))

    def polled(self, poll: Row) -> None:
        """Write what the chain said, when nothing else is to be written."""
        with self._engine.begin() as connection:
            self.set_poll(connection, poll)

    @contextmanager
    def _transaction(self, after: BlockMark | None) -> Iterator[tuple[Connection, int]]:
        try:
            with self._engine.begin() as connection:
                # First of all, as it makes writers wait for each other on PostgreSQL, too: versions commit in order.
                connection.execute(update(schema.meta).values(version=schema.meta.c.version + 1))
                version = connection.execute(select(schema.meta.c.version)).scalar_one()
                if self._head(connection) != after:
                    raise Overtaken  # noqa: TRY301 - nothing of this transaction may stay
                if self._known != after:  # another process went on from where this one was
                    self._forget()
                yield connection, version
        except BaseException:
            self._forget()
            raise

    def _set_head(self, connection: Connection, mark: BlockMark | None) -> None:
        self._known = mark
        number, block_hash, timestamp = (mark.number, mark.hash, mark.timestamp) if mark else (None, None, None)
        markets = schema.markets
        values = {"head": number, "head_hash": block_hash, "head_timestamp": timestamp}
        connection.execute(update(markets).where(markets.c.id == self.market_id).values(values))

    def _enter_blocks(self, connection: Connection, chunk: Chunk) -> None:
        blocks = schema.blocks
        eventful = {mark.number: mark for mark in chunk.blocks}
        marks = {chunk.last.number: chunk.last, **eventful}
        rows = [
            {"number": mark.number, "hash": mark.hash, "timestamp": mark.timestamp, "eventful": mark.number in eventful}
            for mark in marks.values()
        ]
        self._insert(connection, blocks, rows)
        of_market = and_(blocks.c.market_id == self.market_id, blocks.c.eventful.is_(False))
        heads = select(blocks.c.number).where(of_market).order_by(blocks.c.number.desc()).offset(HEADS).limit(1)
        oldest = connection.execute(heads).scalar()
        if oldest is not None:
            connection.execute(delete(blocks).where(of_market, blocks.c.number <= oldest))

    def _enter_events(self, connection: Connection, entries: Sequence[Entry]) -> None:
        self._insert(connection, schema.events, [_event_row(entry) for entry in entries])

    def _insert(self, connection: Connection, table: Table, rows: list[Row]) -> None:
        if rows:
            connection.execute(insert(table), [{**self._of_market, **row} for row in rows])

    # -- jobs -------------------------------------------------------------------------------------------------------

    def _enter_jobs(self, connection: Connection, entries: Sequence[Entry], version: int) -> None:
        self._count_jobs(connection)
        by_job: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.job_id is not None:
                by_job[entry.job_id].append(entry)
            if entry.fault is not None:
                self._faults.append((entry.place, entry.fault))
        gains: dict[Address, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        rows: dict[Table, list[Row]] = {table: [] for table in schema.JOB_TABLES}
        stale: list[tuple[int, int]] = []
        for job_id, happened in by_job.items():
            self._follow(connection, job_id, happened, gains, rows, stale)
        self._clear(connection, stale)
        for table in schema.JOB_TABLES:
            self._insert(connection, table, rows[table])
        self._gain(connection, gains)
        changed = dict.fromkeys((entry.job_id, entry.round) for entry in entries)
        self._tell(connection, version, changed)

    def _follow(
        self,
        connection: Connection,
        job_id: int,
        happened: Sequence[Entry],
        gains: dict[Address, dict[str, int]],
        rows: dict[Table, list[Row]],
        stale: list[tuple[int, int]],
    ) -> None:
        """Bring one job on by what happened; its new rows come to the others, and what they take the place of."""
        history = self._history(connection, job_id, happened[0].place)
        known = None if history is None else len(history.state.rounds)
        before = {} if history is None else money(history)
        if history is None:
            first, *happened = happened
            if not isinstance(first.event, JobCreated):
                self._faults.append((first.place, f"job {job_id} was created before the first block that was read"))
                return
            self._check_order(first)
            history = JobHistory.start(first.event, first.place)
            self._keep(job_id, history)
        changed = history.follow((cast(Event, entry.event), entry.place) for entry in happened)
        if known is not None:
            stale.append((job_id, 0))
            stale.extend((job_id, state.number) for state in changed if state.number <= known)
        for table, made in zip(schema.JOB_TABLES, project(history, changed).tables(), strict=True):
            rows[table].extend(made)
        gained = gains[history.state.terms.token]
        for name, amount in money(history).items():
            gained[name] += amount - before.get(name, 0)

    def _check_order(self, first: Entry) -> None:
        self._jobs += 1
        if first.job_id != self._jobs:
            self._faults.append((first.place, f"job {first.job_id} was created, where job {self._jobs} should be"))

    def _count_jobs(self, connection: Connection) -> None:
        if self._jobs < 0:
            jobs = schema.jobs
            query = select(func.count()).select_from(jobs).where(jobs.c.market_id == self.market_id)
            self._jobs = connection.execute(query).scalar_one()

    def _history(self, connection: Connection, job_id: int, before: Place | None) -> JobHistory | None:
        """Return a job's history up to a place; None for a job that is not known."""
        found = self._histories.get(job_id)
        if found is not None:
            self._histories.move_to_end(job_id)
            return found
        entries = self._entries_of(connection, job_id, before)
        if not entries or not isinstance(entries[0].event, JobCreated):
            return None
        history = JobHistory.start(entries[0].event, entries[0].place)
        history.follow((cast(Event, entry.event), entry.place) for entry in entries[1:])
        self._keep(job_id, history)
        return history

    def _keep(self, job_id: int, history: JobHistory) -> None:
        self._histories[job_id] = history
        while len(self._histories) > LIVE_JOBS:
            self._histories.popitem(last=False)

    def _entries_of(self, connection: Connection, job_id: int, before: Place | None) -> list[Entry]:
        events, blocks = schema.events, schema.blocks
        query = (
            select(events, blocks.c.timestamp)
            .join(blocks, and_(blocks.c.market_id == events.c.market_id, blocks.c.number == events.c.block))
            .where(events.c.market_id == self.market_id, events.c.job_id == job_id)
            .order_by(events.c.block, events.c.log_index)
        )
        if before is not None:
            earlier = and_(events.c.block == before.block, events.c.log_index < before.index)
            query = query.where(or_(events.c.block < before.block, earlier))
        found = (_entry_of(row) for row in connection.execute(query))
        return [entry for entry in found if entry is not None]

    def _clear(self, connection: Connection, stale: Sequence[tuple[int, int]]) -> None:
        """Delete rows that are written anew, by job and round; round 0 stands for those of the job as a whole."""
        jobs = [{"m": self.market_id, "j": job_id} for job_id, number in stale if not number]
        numbers = [{"m": self.market_id, "j": job_id, "r": number} for job_id, number in stale if number]
        for table in schema.JOB_TABLES:
            of_job = and_(table.c.market_id == bindparam("m"), table.c.job_id == bindparam("j"))
            if table in (schema.rounds, schema.updates, schema.settlements):
                column = table.c.number if table is schema.rounds else table.c.round
                query, wanted = delete(table).where(of_job, column == bindparam("r")), numbers
            else:
                query, wanted = delete(table).where(of_job), jobs
            if wanted:
                connection.execute(query, wanted)

    def _project_anew(self, connection: Connection, job_id: int, version: int) -> None:
        jobs = schema.jobs
        columns = [jobs.c.token, *(jobs.c[name] for name in MONEY)]
        of_job = and_(jobs.c.market_id == self.market_id, jobs.c.job_id == job_id)
        gains: dict[Address, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in connection.execute(select(*columns).where(of_job)):
            for name in MONEY:
                gains[row.token][name] -= int(getattr(row, name))
        for table in schema.JOB_TABLES:
            connection.execute(delete(table).where(table.c.market_id == self.market_id, table.c.job_id == job_id))
        history = self._history(connection, job_id, None)
        if history is not None:
            made = project(history, history.state.rounds).tables()
            for table, rows in zip(schema.JOB_TABLES, made, strict=True):
                self._insert(connection, table, rows)
            for name, amount in money(history).items():
                gains[history.state.terms.token][name] += amount
        self._gain(connection, gains)
        self._tell(connection, version, [(job_id, None)])

    def _tell(self, connection: Connection, version: int, changed: Iterable[tuple[int | None, int | None]]) -> None:
        rows = [{"version": version, "job_id": job_id, "round": number} for job_id, number in changed]
        self._insert(connection, schema.changes, rows)
        old = schema.changes.c.version <= version - CHANGES
        connection.execute(delete(schema.changes).where(old))

    def _enter_fault(self, connection: Connection) -> None:
        """Keep the first thing that shows that the market's events are not what its contract emits."""
        if not self._faults:
            return
        place, words = min(self._faults, key=lambda fault: (fault[0].block, fault[0].index))
        self._faults.clear()
        markets = schema.markets
        where = f"{words} (block {place.block}, log {place.index})"
        connection.execute(
            update(markets)
            .where(markets.c.id == self.market_id, markets.c.fault.is_(None))
            .values(fault=where, fault_block=place.block)
        )

    # -- free balances, totals, keys --------------------------------------------------------------------------------

    def _enter_moves(self, connection: Connection, entries: Sequence[Entry]) -> None:
        free = self._balances(connection)
        now: dict[tuple[Address, Address], int] = {}
        rows: list[Row] = []
        moved: list[tuple[Address, Address, int]] = []
        for entry in entries:
            if not isinstance(entry.event, MOVES):
                continue
            created = None if entry.job_id is None else self._created(connection, entry.job_id)
            try:
                found = moves(entry.event, created, lambda *key: now.get(key, free.get(key, 0)))
            except ForbiddenTransition as error:
                self._faults.append((entry.place, error.message))
                continue
            for part, (token, account, change) in enumerate(found):
                now[token, account] = now.get((token, account), free.get((token, account), 0)) + change
                place = {"block": entry.place.block, "log_index": entry.place.index, "part": part}
                rows.append({**place, "token": token, "account": account, "change": str(change)})
            moved.extend(found)
        self._insert(connection, schema.ledger, rows)
        self._move(connection, moved)

    def _created(self, connection: Connection, job_id: int) -> JobCreated | None:
        history = self._history(connection, job_id, None)
        return None if history is None else history.state.created

    def _balances(self, connection: Connection) -> dict[tuple[Address, Address], int]:
        if self._free is None:
            table = schema.balances
            query = select(table.c.token, table.c.account, table.c.amount).where(table.c.market_id == self.market_id)
            self._free = {(row.token, row.account): int(row.amount) for row in connection.execute(query)}
        return self._free

    def _move(self, connection: Connection, moved: Iterable[tuple[Address, Address, int]]) -> None:
        """Change free balances, and what they add to the totals."""
        free, table = self._balances(connection), schema.balances
        touched: dict[tuple[Address, Address], None] = {}
        gains: dict[Address, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for token, account, change in moved:
            touched[token, account] = None
            free[token, account] = free.get((token, account), 0) + change
            gains[token]["free"] += change
        for token, account in touched:
            of_account = and_(table.c.token == token, table.c.account == account)
            connection.execute(delete(table).where(table.c.market_id == self.market_id, of_account))
        rows = [{"token": key[0], "account": key[1], "amount": str(free[key])} for key in touched if free[key]]
        self._insert(connection, table, rows)
        for key in touched:
            if not free[key]:
                del free[key]
        self._gain(connection, gains)

    def _gain(self, connection: Connection, gains: dict[Address, dict[str, int]]) -> None:
        """Add to the market's totals; a token with nothing in any of them has no row."""
        totals = schema.totals
        names = (*MONEY, "free")
        for token, gained in gains.items():
            of_token = and_(totals.c.market_id == self.market_id, totals.c.token == token)
            row = connection.execute(select(totals).where(of_token)).mappings().first()
            sums = {name: int(row[name] if row else 0) + gained.get(name, 0) for name in names}
            connection.execute(delete(totals).where(of_token))
            if any(sums.values()):
                self._insert(connection, totals, [{"token": token, **{name: str(sums[name]) for name in names}}])

    def _enter_keys(self, connection: Connection, entries: Sequence[Entry]) -> None:
        published = {e.event.account: e.event.key for e in entries if isinstance(e.event, KeyPublished)}
        self._set_keys(connection, published)

    def _set_keys(self, connection: Connection, published: dict[Address, bytes]) -> None:
        keys = schema.keys
        for account in published:
            connection.execute(delete(keys).where(keys.c.market_id == self.market_id, keys.c.account == account))
        rows = [{"account": account, "key": key} for account, key in published.items() if key != _NO_KEY]
        self._insert(connection, keys, rows)

    def _keys_anew(self, connection: Connection, accounts: Iterable[Address]) -> None:
        events = schema.events
        published = {}
        for account in sorted(accounts):
            query = (
                select(events.c.data)
                .where(
                    events.c.market_id == self.market_id,
                    events.c.account == account,
                    events.c.name == KeyPublished.__name__,
                )
                .order_by(events.c.block.desc(), events.c.log_index.desc())
                .limit(1)
            )
            published[account] = connection.execute(query).scalar() or _NO_KEY
        self._set_keys(connection, published)


def _event_row(entry: Entry) -> Row:
    place, found = entry.place, entry.facts
    return {
        "block": place.block,
        "log_index": place.index,
        "tx": place.tx,
        "topics": entry.topics,
        "data": entry.data,
        "name": entry.name,
        "job_id": entry.job_id,
        "round": entry.round,
        "account": found.account,
        "other": found.other,
        "token": found.token,
        "amount": None if found.amount is None else str(found.amount),
        "gas": place.gas or None,
    }


def _entry_of(row: Any) -> Entry | None:
    log = Log(row.block, b"", row.log_index, row.tx, row.topics, row.data)
    return read_entry(log, row.timestamp, row.gas or 0)
