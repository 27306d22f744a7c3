"""What is new in the index: one thread looks, and tells those who listen which rounds changed and by what events."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aggregator.errors import GramercyError
from market.domain import Address
from market.indexer.cursors import LARGEST_PAGE
from market.indexer.queries import Reader
from market.indexer.views import Change, EventView, Market

POLL_SECONDS = 0.5
HEAD_SECONDS = 5.0
"""New blocks without events are told at most this often: all that they change is the time."""
_REMEMBERED = 1_000
_REORGANISED_BLOCKS = 64
"""How far below the newest event that was told the next one may be, where none of those told is there any more."""
_LOG = logging.getLogger("gramercy.api")
Place = tuple[int, int, str]
"""Block, place in the block and transaction of an event."""


@dataclass(frozen=True, slots=True)
class News:
    """What one look at a market found: what changed, the new events, oldest first, and the newest event's place."""

    chain_id: int
    market: Address
    changes: tuple[Change, ...]
    events: tuple[EventView, ...]
    place: Place | None


Listener = Callable[[list[News]], None]


@dataclass
class Watcher:
    """Looks at the index every half second; listeners are called in its thread."""

    reader: Reader
    listeners: list[Listener] = field(default_factory=list)
    resume: Callable[[int, Address], Place | None] = field(default=lambda _chain_id, _market: None)
    _version: int | None = None
    _seen: dict[tuple[int, Address], tuple[Place, ...]] = field(default_factory=dict)
    _told: float = -math.inf
    _untold: dict[int, list[News]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last look."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> list[News]:
        """Return what is new since the look before; at the first one, what is new since ``resume``."""
        version = self.reader.version()
        if version == self._version:
            return []
        changes = () if self._version is None else self._changes(self._version, version)
        now, first = time.monotonic(), self._version is None
        if not first and not changes and now - self._told < HEAD_SECONDS:
            return []  # and is looked at again
        self._version, self._told = version, now
        return [
            self._of_market(one, version, [change for change in changes if _is_of(change, one)], first)
            for one in self.reader.markets()
        ]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.spread(self.look())
            except GramercyError as error:
                _LOG.warning("the index cannot be read: %s", error.message)
            except Exception:
                _LOG.exception("a look at the index failed")
            self._stop.wait(POLL_SECONDS)

    def spread(self, news: list[News]) -> None:
        """Tell the listeners; one that fails does not keep it from the others, and is told again the next time."""
        for place, listener in enumerate(self.listeners):
            waiting = [*self._untold.pop(place, []), *news]
            try:
                if waiting:
                    listener(waiting)
            except Exception:
                _LOG.exception("news could not be told")
                self._untold[place] = waiting

    def _of_market(self, market: Market, version: int, changes: list[Change], quiet: bool) -> News:
        key = (market.chain_id, market.address)
        told = self._seen.get(key)
        if told is None and (resumed := self.resume(*key)) is not None:
            told = (resumed,)
        fresh, newest = self._newer(key, told)
        here = tuple(_place(event) for event in fresh)
        self._seen[key] = (*here, *(place for place in told or () if place not in here))[:_REMEMBERED]
        if not changes and not quiet:
            everything = {"chain_id": market.chain_id, "market": market.address, "job_id": None, "round": None}
            changes = [Change.model_validate({**everything, "version": version})]
        return News(*key, tuple(changes), () if told is None else tuple(reversed(fresh)), newest)

    def _newer(self, key: tuple[int, Address], told: tuple[Place, ...] | None) -> tuple[list[EventView], Place | None]:
        """Return the events above the newest that was told and still is there, and the newest of all; a page at first.

        The newest may have been taken back with its block: then an older one tells where to stop, or, where none of
        those is known, how far down blocks are reorganised; what is told twice by that, hooks queue once.
        """
        known = set(told or ())
        lowest = max((block for block, _, _ in known), default=0) - _REORGANISED_BLOCKS
        fresh: list[EventView] = []
        page = self.reader.events(*key, limit=LARGEST_PAGE)
        newest = _place(page.items[0]) if page.items else None
        while True:
            for event in page.items:
                if _place(event) in known or event.block < lowest:
                    return fresh, newest
                fresh.append(event)
            if page.next is None or told is None:
                return fresh, newest
            page = self.reader.events(*key, cursor=page.next, limit=LARGEST_PAGE)

    def _changes(self, since: int, version: int) -> tuple[Change, ...]:
        found: list[Change] = []
        while since < version and (more := self.reader.changes(since)):
            found += more
            since = more[-1].version
        return tuple(found)


def _place(event: EventView) -> Place:
    return (event.block, event.log_index, event.tx)


def _is_of(change: Change, market: Market) -> bool:
    return (change.chain_id, change.market) == (market.chain_id, market.address)
