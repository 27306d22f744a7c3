"""A server of the API on a free loopback port, as users have it, and clients of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from market.api.connections import Connection

PATIENCE = 60.0
"""Seconds: what takes longer never comes."""


class Counted:
    """An application that counts the requests that have arrived."""

    def __init__(self, app: FastAPI) -> None:
        self.app, self.state = app, app.state
        self._arrived = threading.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request, and serve it."""
        if scope["type"] == "http":
            self._arrived.release()
        await self.app(scope, receive, send)

    def wait_for(self, requests: int) -> None:
        """Wait until so many more have arrived."""
        for _ in range(requests):
            assert self._arrived.acquire(timeout=PATIENCE), "requests did not arrive"


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """Give a socket that listens on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@contextlib.contextmanager
def serving(app: FastAPI | Counted) -> Iterator[str]:
    """Serve an application in a thread that looks at the index for every answer; the value is its address."""
    if (bodies := getattr(app.state, "bodies", None)) is not None:
        bodies.fresh.seconds = 0.0
    with listening() as made:
        config = uvicorn.Config(app, http=Connection, log_config=None, lifespan="on", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [made]})
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started:
                assert thread.is_alive(), "the server ended"
                assert time.monotonic() < deadline
                time.sleep(0.002)
            yield f"http://127.0.0.1:{made.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def client_of(app: FastAPI | Counted) -> Iterator[httpx.Client]:
    """Serve an application and give a client of it."""
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client
