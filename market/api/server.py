"""The server as a process: indexers and the API together, until it is told to end."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from market.address_book import AddressBook
from market.api.app import Parts, Worker, create_app
from market.api.connections import Connection
from market.api.files import Files
from market.api.scribe import Scribe
from market.api.settings import LOOPBACK, Settings
from market.chain.market import MarketClient
from market.domain import LOCAL_CHAIN_IDS, Address
from market.errors import ConfigError
from market.indexer.database import open_index
from market.indexer.indexer import Indexer
from market.indexer.queries import Notebook, Reader
from market.storage.base import Storage

_GRACE_SECONDS = 3
SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter while others wait: the loop waits for it after every call that let it go."""


@dataclass
class Following:
    """One market's indexer in a thread."""

    indexer: Indexer
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._thread = threading.Thread(target=self.indexer.run, args=(self._stop,), name="indexer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to :func:`serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def assemble(
    settings: Settings,
    engine: Engine,
    clients: Sequence[MarketClient],
    storage: Storage | None,
    started: Callable[[], None] = lambda: None,
    files: Files | None = None,
) -> FastAPI:
    """Return the server over markets that it indexes itself; ``started`` is called before it answers.

    ``files`` are served where there is no storage to derive them from.

    Raises
    ------
    ChainError
        If a chain does not answer.

    """
    reader = Reader(engine, explorers=settings.explorer_urls)
    followed = [Following(Indexer(engine, client, first_block=client.first_block)) for client in clients]
    markets = {(client.chain_id, Address(client.address)): client for client in clients}
    chains = {client.chain_id: client.w3 for client in clients}
    workers: list[Worker] = [*followed]
    scribe = None
    if storage is not None:
        files = Files(lambda chain_id, market: markets.get((chain_id, market)), storage, Path(settings.state))
        scribe = Scribe(reader, Notebook(engine), files, evaluate=settings.evaluate)
        workers.append(scribe)
    parts = Parts(reader, engine, chains, files, tuple(workers), (scribe.tell,) if scribe else ())
    return create_app(settings, parts, started)


def serve(
    settings: Settings,
    clients: Sequence[MarketClient],
    storage: Storage | None,
    ready: Callable[[str], None],
    *,
    files: Files | None = None,
) -> None:
    """Index and serve until SIGTERM or SIGINT; ``ready`` is told the address once it answers.

    ``files`` are served where there is no storage to derive them from.

    Raises
    ------
    ConfigError
        If the database cannot be used, the port is taken, or the address is open to others without host names.
    ChainError
        If a chain does not answer.

    """
    if settings.host not in LOOPBACK and settings.hosts == LOOPBACK:
        raise ConfigError(
            f"{settings.host} is open to others, and no host name is set",
            hint="name the hosts that browsers use in GRAMERCY_DASHBOARD_HOSTS, and put TLS in front",
        )
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        engine = open_index(settings.database)
        stack.callback(engine.dispose)
        address = f"http://{_shown(settings.host)}:{listener.getsockname()[1]}"
        # The socket listens already: whoever is told now waits for the answer, at most for a moment.
        app = assemble(settings, engine, clients, storage, lambda: ready(address), files)
        server = _Server(
            uvicorn.Config(
                app,
                http=Connection,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        _end_on_signals(app, server)
        sys.setswitchinterval(SWITCH_SECONDS)
        server.run(sockets=[listener])


def published(settings: Settings, clients: Sequence[MarketClient], urls: Sequence[str]) -> Settings:
    """Return settings by which pages may use the development chains among the clients', if none were named."""
    if settings.rpc_urls:
        return settings
    local = {
        client.chain_id: f"{client.chain_id}={url}"
        for client, url in zip(clients, urls, strict=True)
        if client.chain_id in LOCAL_CHAIN_IDS
    }
    return replace(settings, rpc_urls=tuple(local.values()))


def vouched(settings: Settings, books: Iterable[AddressBook]) -> Settings:
    """Return settings by which the address books' verifiers are vouched for, before those that are set otherwise.

    Raises
    ------
    ConfigError
        If what is set otherwise is malformed.

    """
    told = [f"{book.chain_id}:{book.market}={book.verifier}" for book in books]
    after = replace(settings, verifiers=(*told, *settings.verifiers))
    _ = after.vouched_verifiers
    return after


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}", hint="choose another --port"
        ) from None


def _end_on_signals(app: FastAPI, server: uvicorn.Server) -> None:
    def end(*_: object) -> None:
        server.should_exit = True
        loop = app.state.hub.loop
        if loop is not None:  # open streams would keep the server for its whole grace
            loop.call_soon_threadsafe(app.state.hub.close)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
