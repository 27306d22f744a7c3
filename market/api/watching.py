"""What is new in the index: one thread looks, and tells those who listen which rounds changed and by what events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from aggregator.errors import GramercyError
from market.api.reader import MAX_PAGE, Reader
from market.domain import Address
from market.indexer.views import Change, EventView

POLL_SECONDS = 0.5
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
        news = [self._of_market(one.chain_id, one.address, version) for one in self.reader.markets()]
        self._version = version
        return news

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

    def _of_market(self, chain_id: int, market: Address, version: int) -> News:
        key = (chain_id, market)
        begun = key in self._seen
        seen = self._seen[key] if begun else self.resume(chain_id, market)
        page = self.reader.events(chain_id, market, limit=MAX_PAGE if begun or seen else 1)
        places = [(event.block, event.log_index, event.tx) for event in page.items]
        self._seen[key] = newest = places[0] if places else None
        if not begun and seen is None:
            return News(chain_id, market, (), (), newest)
        lost = seen is not None and seen not in places
        fresh = page.items[: places.index(seen)] if seen in places else page.items
        touched = {(event.job_id, event.round) for event in fresh}
        if lost or not touched:
            touched = {(None, None)}
        changes = tuple(
            Change(chain_id=chain_id, market=market, job_id=job_id, round=number, version=version)
            for job_id, number in sorted(touched, key=str)
        )
        return News(chain_id, market, changes if begun else (), tuple(reversed(fresh)), newest)
