"""Live changes as server-sent events: what to read again, never the data itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from market.api.origin import require_same_origin
from market.api.peers import gives_way, peer_of
from market.api.watching import News
from market.indexer.queries import Reader
from market.indexer.views import Change

router = APIRouter(tags=["stream"])
MAX_STREAMS = 256
"""Where there are more, the oldest ends of whoever has the most, or the newest where all come from one address; its
page asks again, and is told what it missed."""
HEARTBEAT_SECONDS = 15.0
_REMEMBERED = 200
_QUEUE = 256


@dataclass
class Hub:
    """Hands changes from the watcher's thread to all open streams."""

    loop: asyncio.AbstractEventLoop | None = None
    closing: bool = False
    _streams: dict[asyncio.Queue[Change | None], str] = field(default_factory=dict)

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

    async def stream(self, missed: list[Change], peer: str) -> AsyncGenerator[bytes, None]:
        """Yield what was missed, then changes as they come, to a client at an address."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(_QUEUE)
        self._streams[queue] = peer_of(peer)
        self._make_room()
        try:
            yield b"retry: 2000\n\n"
            for change in missed:
                yield _event(change)
            while not self.closing:
                try:
                    told = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b"event: heartbeat\ndata: {}\n\n"
                    continue
                if told is None:
                    return
                yield _event(told)
        finally:
            self._streams.pop(queue, None)

    def _make_room(self) -> None:
        """End streams while there are too many."""
        while len(self._streams) > MAX_STREAMS:
            ended = gives_way([(peer, queue) for queue, peer in self._streams.items()])
            del self._streams[ended]
            _put(ended, None)

    def _spread(self, changes: list[Change]) -> None:
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
    peer = request.client.host if request.client else ""
    missed = missed_since(request.headers.get("last-event-id", ""), request.app.state.reader)
    return StreamingResponse(
        hub.stream(missed, peer), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


def missed_since(event_id: str, reader: Reader) -> list[Change]:
    """Return what changed since the event that a stream had last; if that was much, that everything did."""
    if not (event_id.isascii() and event_id.isdecimal() and len(event_id) < len(str(1 << 63))):
        return []
    last, version = int(event_id), reader.version()
    if version <= last:
        return []
    changes = reader.changes(last, _REMEMBERED) if version - last < _REMEMBERED else ()
    if changes and changes[-1].version <= version and len(changes) < _REMEMBERED:
        return list(changes)
    return [
        Change(chain_id=one.chain_id, market=one.address, job_id=None, round=None, version=version)
        for one in reader.markets()
    ]
