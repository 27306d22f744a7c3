"""The application: paths, errors and guards put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import APIRouter, FastAPI
from sqlalchemy import Engine
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from web3 import Web3

from market.api.answers import Bodies, Freshness, Replays
from market.api.delivering import Deliverer
from market.api.drafts import DraftStore
from market.api.files import Files
from market.api.guard import Guard
from market.api.hooks import HookStore
from market.api.mail import Mail
from market.api.making import Making
from market.api.metrics import Metrics
from market.api.openapi import complete, operation_id
from market.api.outbound import Outbound
from market.api.problems import PROBLEMS, add_problems
from market.api.routes import auth, config, files, health, jobs, markets, me, pages, stream
from market.api.settings import Settings
from market.api.signing_in import SignIns
from market.api.watching import Listener, Watcher
from market.indexer.queries import Reader

PREFIX = "/api/v1"
_GZIP_FROM_BYTES = 1_024
_GZIP_LEVEL = 4


@dataclass(frozen=True)
class Parts:
    """What a server is made of.

    Attributes
    ----------
    reader
        Queries of the index.
    engine
        The database, for what is private.
    chains
        Connections by chain id; only accounts that are contracts need them to sign in.
    files
        Files of jobs; None where there is no storage.
    workers
        What else runs while the server does.
    listeners
        Whom the watcher tells what is new, beside streams and hooks.

    """

    reader: Reader
    engine: Engine
    chains: Mapping[int, Web3] = field(default_factory=dict)
    files: Files | None = None
    workers: tuple[Worker, ...] = ()
    listeners: tuple[Listener, ...] = ()


class Worker(Protocol):
    """Something that runs while the server does."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and wait until it has ended."""


def create_app(settings: Settings, parts: Parts, started: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the dashboard's server over an index; ``started`` is called before it answers."""
    app = FastAPI(
        title="Gramercy",
        version="1",
        summary="A marketplace for collaborative model training, as its contracts' events tell it.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        lifespan=_lifespan,
    )
    _fill(app, settings, parts)
    app.state.started = started
    add_problems(app)
    api = APIRouter(prefix=PREFIX, responses=PROBLEMS)
    for each in (config, markets, jobs, files, stream, auth, me):
        api.include_router(each.router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(pages.router)
    app.add_middleware(Replays, bodies=app.state.bodies)
    app.add_middleware(
        GZipMiddleware,
        minimum_size=_GZIP_FROM_BYTES,
        compresslevel=_GZIP_LEVEL,
        exclude_content_types=(
            *DEFAULT_EXCLUDED_CONTENT_TYPES,
            "application/octet-stream",
        ),  # models: seconds for little
    )
    app.add_middleware(Guard, settings=settings, observe=app.state.metrics.observe)
    complete(app)
    return app


def _fill(app: FastAPI, settings: Settings, parts: Parts) -> None:
    """Give an application what its paths use."""
    state, hub = app.state, stream.Hub()
    state.settings, state.reader, state.hub = settings, parts.reader, hub
    fresh = Freshness(parts.reader)
    state.bodies = Bodies(fresh)
    state.metrics = Metrics(parts.reader, lambda: hub.streams)
    state.sign_ins, state.drafts = SignIns(parts.engine, parts.chains), DraftStore(parts.engine)
    mail = Mail(settings.smtp_host, settings.smtp_port, settings.smtp_from)
    state.hooks = HookStore(parts.engine, Outbound(settings.local_hooks), mail)
    state.watcher = Watcher(parts.reader, [fresh.hear, hub.tell, state.hooks.tell, *parts.listeners], state.hooks.place)
    state.files, state.making, state.bundle = parts.files, Making(), pages.read_bundle()
    state.workers = (*parts.workers, state.watcher, Deliverer(state.hooks, state.metrics.count_delivery))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Let the workers run while the server does."""
    state = app.state
    state.hub.loop = asyncio.get_running_loop()
    for worker in state.workers:
        worker.start()
    state.started()
    try:
        yield
    finally:
        state.hub.close()
        for worker in reversed(state.workers):
            await asyncio.to_thread(worker.stop)
