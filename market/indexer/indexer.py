"""Following one market on one chain: read a range, check that it is still the chain, write it, go on.

Everything that was written and its cursor are in one transaction, so that a process that is killed anywhere resumes
where it was. What a reorganisation took back is found by the hashes of blocks on record.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from market.chain.market import MarketClient
from market.domain import LOCAL_CHAIN_IDS, Deposited, JobCreated
from market.errors import ChainError, ChainUnreachable, NodeRefused
from market.indexer import schema
from market.indexer.book import Book, Overtaken
from market.indexer.chunk import Chunk, Entry, read_entry
from market.indexer.database import writing
from market.indexer.decoding import Log, topic_of
from market.indexer.learning import TOKEN, VERIFIER, Facts
from market.indexer.source import BlockMark, RpcSource, Source

LONGEST_RANGE = 50_000
"""Blocks asked for at once, at most; nodes have limits of their own."""
FIRST_RANGE = 2_000
EVENTS_AT_ONCE = 5_000
"""Events of one transaction, but for those of one block."""
POLL_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
PATIENCE_SECONDS = 60.0
"""How long a node may be behind what was read before its chain is believed to have become shorter."""
LONGEST_FAILURE = 300
"""Characters of a failure that are told: a node's words are anybody's."""
_SEARCH = 32
_LOG = logging.getLogger("gramercy.indexer")


class Indexer:
    """One market's way into the index.

    Parameters
    ----------
    engine
        See :func:`market.indexer.database.open_index`.
    market
        The market, or where else to read it from.
    first_block
        Where to begin: no later than the market's deployment.
    clock
        Wall clock, in seconds.

    Raises
    ------
    ChainError
        If the chain does not answer.

    """

    def __init__(
        self,
        engine: Engine,
        market: MarketClient | Source,
        *,
        first_block: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = writing(engine)
        self._source: Source = RpcSource(market) if isinstance(market, MarketClient) else market
        self.first_block = first_block
        self._clock = clock
        self._range = FIRST_RANGE
        self._behind_since: float | None = None
        self._patience = 0.0 if self._source.chain_id in LOCAL_CHAIN_IDS else PATIENCE_SECONDS
        self._failing_since: float | None = None
        market_id = self._register()
        self._book = Book(engine, market_id)
        self._facts = Facts(self._engine, self._source, market_id)

    def step(self) -> bool:
        """Read and write what comes next; return whether there is more to read at once.

        Raises
        ------
        ChainError
            If the chain does not answer, or not in a way that can be relied on. The index stays as it was, and says so.

        """
        try:
            more = self._step()
        except ChainError as error:
            self._fail(error.message)
            raise
        except Overtaken:
            return True
        self._failing_since = None
        return more

    def run(self, stop: threading.Event, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Follow the market until told to stop; failures are tried again, after longer and longer pauses."""
        pause = poll_seconds
        while not stop.is_set():
            try:
                if self.step():
                    continue
                pause = poll_seconds
            except (ChainError, DBAPIError):  # a database that is locked, full or restarted comes back, too
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            except Exception as error:  # whatever a chain or a contract on it can say, nobody restarts this thread
                _LOG.exception("a step of the index failed")
                with contextlib.suppress(DBAPIError):
                    self._fail(f"the index cannot go on: {type(error).__name__}")
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            stop.wait(pause)

    def catch_up(self) -> None:
        """Read until nothing is left; errors as for :meth:`step`."""
        while self.step():
            pass

    def _fail(self, words: str) -> None:
        self._failing_since = self._failing_since or self._clock()
        told = words[:LONGEST_FAILURE]
        self._book.polled({"failure": told, "failing_since": self._failing_since, "caught_up": False})

    # -- steps ------------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        head, read = self._source.head(), self._book.head()
        if read is not None and not self._still_there(read, head):
            return self._rewind(read, head)
        self._behind_since = None
        first = self.first_block if read is None else read.number + 1
        if first > head.number:
            self._facts.ask(self._clock())
            self._book.polled(self._poll(head, caught_up=True))
            return False
        last, logs = self._read_logs(first, head)
        entries, blocks = self._read_blocks(logs, last, read)
        self._learn(entries, last.number)
        after = read
        for chunk in _parts(entries, blocks, last):
            caught_up = chunk.last.number == head.number
            self._book.enter(chunk, after, self._poll(head, caught_up=caught_up))
            after = chunk.last
        return last.number < head.number

    def _poll(self, head: BlockMark, *, caught_up: bool) -> dict[str, Any]:
        poll: dict[str, Any] = {"asked_at": self._clock(), "chain_block": head.number, "caught_up": caught_up}
        return {**poll, "failure": None, "failing_since": None, **({"ready": True} if caught_up else {})}

    def _still_there(self, read: BlockMark, head: BlockMark) -> bool:
        if read.number == head.number:
            return read.hash == head.hash
        (found,) = self._source.blocks([read.number])
        return found is not None and found.hash == read.hash

    def _rewind(self, read: BlockMark, head: BlockMark) -> bool:
        """Take back what the chain has no more; a node that is only behind is waited for."""
        common = self._common(min(read.number, head.number))
        contradicted = any(
            mark.number <= head.number and (common is None or mark.number > common.number)
            for mark in self._book.blocks_below(read.number, _SEARCH)
        )
        if not contradicted:
            now = self._clock()
            self._behind_since = self._behind_since or now
            if now - self._behind_since < self._patience:
                raise ChainUnreachable(
                    f"the node is at block {head.number}, behind block {read.number} that was read already"
                )
        self._book.rewind(common, read)
        return True

    def _common(self, newest: int) -> BlockMark | None:
        """Return the newest block on record that the chain still has."""
        while marks := self._book.blocks_below(newest, _SEARCH):
            found = self._source.blocks([mark.number for mark in marks])
            for mark, there in zip(marks, found, strict=True):
                if there is not None and there.hash == mark.hash:
                    return mark
            newest = marks[-1].number - 1
        return None

    def _read_logs(self, first: int, head: BlockMark) -> tuple[BlockMark, list[Log]]:
        """Return the logs of as many blocks as the node gives at once, and the last of those blocks."""
        while True:
            last = min(head.number, first + self._range - 1)
            mark = head if last == head.number else self._block(last)
            try:
                logs = self._source.logs(first, last)
            except ChainUnreachable:
                self._range = max(1, self._range // 2)
                raise
            except NodeRefused:
                if last == first:
                    raise
                self._range = max(1, (last - first + 1) // 2)
                continue
            if len(logs) < EVENTS_AT_ONCE:
                self._range = min(LONGEST_RANGE, 2 * self._range)
            elif len(logs) > 4 * EVENTS_AT_ONCE:
                self._range = max(1, self._range // 2)
            return mark, logs

    def _block(self, number: int) -> BlockMark:
        (found,) = self._source.blocks([number])
        if found is None:
            raise ChainUnreachable(f"the node has no block {number} any more")
        return found

    def _read_blocks(
        self, logs: Sequence[Log], last: BlockMark, read: BlockMark | None
    ) -> tuple[list[Entry], list[BlockMark]]:
        """Return the events behind logs, and their blocks, after checking that all of it is one chain."""
        hashes = {log.block: log.block_hash for log in logs}
        again = [last.number] if read is None else [read.number, last.number]
        found = self._source.blocks([*hashes, *again])
        expected = [*hashes.values(), *([] if read is None else [read.hash]), last.hash]
        blocks: list[BlockMark] = []
        for mark, block_hash in zip(found, expected, strict=True):
            if mark is None or mark.hash != block_hash:
                raise ChainUnreachable("the chain was reorganised while it was read", hint="it is read again")
            blocks.append(mark)
        eventful = blocks[: len(hashes)]
        if any(log.block_hash != hashes[log.block] for log in logs):
            raise ChainUnreachable("the node gave logs of two chains", hint="they are read again")
        times = {mark.number: mark.timestamp for mark in eventful}
        settled = list(dict.fromkeys(log.tx for log in logs if log.topics[:32] == topic_of("RoundSettled")))
        gas = dict(zip(settled, self._source.gas_used(settled), strict=True))
        read_logs = (read_entry(log, times[log.block], gas.get(log.tx, 0)) for log in logs)
        return [entry for entry in read_logs if entry is not None], eventful

    # -- facts that do not change -----------------------------------------------------------------------------------

    def _register(self) -> int:
        """Return the row of the market, made where there is none."""
        markets, source = schema.markets, self._source
        of_market = (markets.c.chain_id == source.chain_id) & (markets.c.address == source.address)
        with self._engine.begin() as connection:
            found = connection.execute(select(markets.c.id).where(of_market)).scalar()
        if found is not None:
            return int(found)
        values = {"chain_id": source.chain_id, "address": source.address, "forwarder": source.forwarder()}
        native = self._source.token("0x" + 40 * "0")
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(schema.meta.update().values(version=schema.meta.c.version + 1))
            made = connection.execute(insert(markets).values(**values, first_block=self.first_block))
            (market_id,) = made.inserted_primary_key or (0,)
            connection.execute(insert(schema.polls).values(market_id=market_id, caught_up=False, ready=False))
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            names = {"address": native.address, "symbol": native.symbol, "decimals": native.decimals}
            connection.execute(insert(schema.tokens).values(chain_id=source.chain_id, **names))
        with self._engine.begin() as connection:
            return int(connection.execute(select(markets.c.id).where(of_market)).scalar_one())

    def _learn(self, entries: Sequence[Entry], block: int) -> None:
        """Ask what the tokens and verifiers of events are, once; what does not tell now is asked again later."""
        for entry in entries:
            event = entry.event
            if isinstance(event, JobCreated):
                self._facts.want(TOKEN, event.terms.token, block)
                self._facts.want(VERIFIER, event.terms.verifier, block)
            elif isinstance(event, Deposited):
                self._facts.want(TOKEN, event.token, block)
        self._facts.ask(self._clock())


def _parts(entries: Sequence[Entry], blocks: Sequence[BlockMark], last: BlockMark) -> Iterator[Chunk]:
    """Divide what was read between blocks, so that no transaction becomes too large."""
    start, first = 0, 0
    while True:
        end = start + EVENTS_AT_ONCE
        if end >= len(entries):
            yield Chunk(entries[start:], blocks[first:], last)
            return
        number = entries[end - 1].place.block
        end = next((at for at in range(end, len(entries)) if entries[at].place.block != number), len(entries))
        until = next(at for at, mark in enumerate(blocks) if mark.number == number) + 1
        if end == len(entries):
            yield Chunk(entries[start:], blocks[first:], last)
            return
        yield Chunk(entries[start:end], blocks[first:until], blocks[until - 1])
        start, first = end, until
