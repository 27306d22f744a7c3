"""Live changes as server-sent events: what to read again, never the data itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from market.api.errors import TooMany
from market.api.origin import require_same_origin
from market.api.watching import News
from market.indexer.views import Change

router = APIRouter(tags=["stream"])
MAX_STREAMS = 256
HEARTBEAT_SECONDS = 15.0
_REMEMBERED = 512
_QUEUE = 256


@dataclass
class Hub:
    """Hands changes from the watcher's thread to all open streams, and remembers the latest for who reconnects."""

    loop: asyncio.AbstractEventLoop | None = None
    closing: bool = False
    _late: deque[Change] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _streams: set[asyncio.Queue[Change | None]] = field(default_factory=set)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def tell(self, news: list[News]) -> None:
        """Take what is new; called in any thread."""
        changes = [change for one in news for change in one.changes]
        if self.loop is not None and changes:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens any more
                self.loop.call_soon_threadsafe(self._spread, changes)

    def close(self) -> None:
        """End all streams."""
        self.closing = True
        for queue in self._streams:
            _put(queue, None)

    async def stream(self, last: int | None, markets: list[Change]) -> AsyncIterator[bytes]:
        """Yield changes since version ``last``; who has missed too many is told that everything changed."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(_QUEUE)
        self._streams.add(queue)
        try:
            yield b"retry: 2000\n\n"
            for change in self._missed(last, markets):
                yield _event(change)
            while not self.closing:
                try:
                    told = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": heartbeat\n\n"
                    continue
                if told is None:
                    return
                yield _event(told)
        finally:
            self._streams.discard(queue)

    def _missed(self, last: int | None, markets: list[Change]) -> list[Change]:
        if last is None or all(change.version <= last for change in markets):
            return []
        if self._late and self._late[0].version <= last:
            return [change for change in self._late if change.version > last]
        return markets

    def _spread(self, changes: list[Change]) -> None:
        self._late.extend(changes)
        for queue in self._streams:
            for change in changes:
                _put(queue, change)


def _put(queue: asyncio.Queue[Change | None], change: Change | None) -> None:
    if queue.full():  # whoever reads this slowly reconnects, and is told what it missed
        while not queue.empty():
            queue.get_nowait()
        change = None
    queue.put_nowait(change)


def _event(change: Change) -> bytes:
    return f"id: {change.version}\nevent: change\ndata: {change.model_dump_json()}\n\n".encode()


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"description": "Events `change` with a Change as data", "content": {"text/event-stream": {}}}},
)
def stream(request: Request) -> StreamingResponse:
    """Changes as they are indexed (server-sent events `change`); `Last-Event-ID` continues where a stream broke."""
    require_same_origin(request)
    hub: Hub = request.app.state.hub
    if hub.streams >= MAX_STREAMS:
        raise TooMany("too many streams are open", hint="close other pages, or try again later")
    given = request.headers.get("last-event-id", "")
    last = int(given) if given.isascii() and given.isdecimal() and len(given) <= len(str(1 << 63)) else None
    reader = request.app.state.reader
    everything = [
        Change(chain_id=one.chain_id, market=one.address, job_id=None, round=None, version=version)
        for version in [reader.version()]
        for one in reader.markets()
    ]
    return StreamingResponse(
        hub.stream(last, everything), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )
