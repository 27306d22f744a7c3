"""What is new in the index: one thread looks, and tells those who listen which rounds changed and by what events."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aggregator.errors import GramercyError
from market.api.reader import MAX_PAGE, Reader
from market.domain import Address
from market.indexer.views import Change, EventView, Market

POLL_SECONDS = 0.5
HEAD_SECONDS = 5.0
"""New blocks without events are told at most this often: all that they change is the time."""
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
    _seen: dict[tuple[int, Address], Place | None] = field(default_factory=dict)
    _told: float = -math.inf
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
        changes = () if self._version is None else self.reader.changes(self._version)
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
                if news := self.look():
                    for listener in self.listeners:
                        listener(news)
            except GramercyError as error:
                _LOG.warning("the index cannot be read: %s", error.message)
            except Exception:
                _LOG.exception("a look at the index failed")
            self._stop.wait(POLL_SECONDS)

    def _of_market(self, market: Market, version: int, changes: list[Change], quiet: bool) -> News:
        key = (market.chain_id, market.address)
        seen = self._seen[key] if key in self._seen else self.resume(*key)
        page = self.reader.events(*key, limit=MAX_PAGE if key in self._seen or seen else 1)
        begun = key in self._seen or seen is not None
        places = [(event.block, event.log_index, event.tx) for event in page.items]
        self._seen[key] = newest = places[0] if places else None
        fresh = page.items[: places.index(seen)] if seen in places else page.items
        if not changes and not quiet:
            everything = {"chain_id": market.chain_id, "market": market.address, "job_id": None, "round": None}
            changes = [Change.model_validate({**everything, "version": version})]
        return News(*key, tuple(changes), tuple(reversed(fresh)) if begun else (), newest)


def _is_of(change: Change, market: Market) -> bool:
    return (change.chain_id, change.market) == (market.chain_id, market.address)
