"""Connections of clients: a request's head has to arrive in time, answers have to be taken, nobody keeps all places.

uvicorn's own protocol waits for ever for the rest of a head, and for who does not read.
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.h11_impl import H11Protocol

from market.api.peers import gives_way, peer_of

HEAD_SECONDS = 10.0
TAKEN_SECONDS = 60.0
"""How long what was sent may wait for a client that reads next to nothing."""
_LEAST_BYTES = 16 << 10
"""What a client has to read in that time: the slowest line, 2 kbit/s."""
MAX_CONNECTIONS = 600
"""Beyond, the oldest ends of whoever has the most, or the newest where all come from one address."""


class Connection(H11Protocol):
    """One client's connection."""

    _head: asyncio.TimerHandle | None = None
    _taken: asyncio.TimerHandle | None = None
    began = 0.0

    @property
    def peer(self) -> str:
        """What the client is counted by."""
        return peer_of(self.client[0]) if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and wait for a request."""
        super().connection_made(transport)
        if (connected := transport.get_extra_info("socket")) is not None and connected.family != socket.AF_UNIX:
            # Heads and bodies are written apart: the second would wait for the client's delayed acknowledgement.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.began = self.loop.time()
        self._watch_head()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch_head()

    def pause_writing(self) -> None:
        """Wait for the client to read, though not for ever."""
        super().pause_writing()
        self._watch_taken()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        self._stop_taken()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._stop_head()
        self._stop_taken()

    def _watch_head(self) -> None:
        """Give a head that is on its way its time; between requests, uvicorn's keep-alive has a shorter one."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head()
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(HEAD_SECONDS, self._end_if_idle)

    def _end_if_idle(self) -> None:
        self._head = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _make_room(self) -> None:
        if len(self.connections) <= MAX_CONNECTIONS:
            return
        others = [one for one in self.connections if isinstance(one, Connection) and not one.transport.is_closing()]
        others.sort(key=lambda one: one.began)
        gives_way([(one.peer, one) for one in others]).transport.abort()

    def _watch_taken(self) -> None:
        """Look after a while whether the client has read anything of what waits."""
        waiting = self.transport.get_write_buffer_size()
        self._taken = self.loop.call_later(TAKEN_SECONDS, self._end_if_untaken, waiting)

    def _end_if_untaken(self, before: int) -> None:
        if self.transport.get_write_buffer_size() > before - _LEAST_BYTES:
            self.transport.abort()
        else:
            self._watch_taken()

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_taken(self) -> None:
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None
