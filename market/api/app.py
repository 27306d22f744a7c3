"""The application: paths, errors and guards put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI
from sqlalchemy import Engine
from starlette.middleware.gzip import GZipMiddleware
from web3 import Web3

from market.api.answers import Bodies
from market.api.delivering import Deliverer
from market.api.drafts import DraftStore
from market.api.guard import Guard
from market.api.hooks import HookStore
from market.api.mail import Mail
from market.api.metrics import Metrics
from market.api.openapi import complete, operation_id
from market.api.outbound import Outbound
from market.api.problems import PROBLEMS, add_problems
from market.api.reader import Reader
from market.api.routes import auth, health, jobs, markets, me, stream
from market.api.settings import Settings
from market.api.signing_in import SignIns
from market.api.watching import Watcher

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

    """

    reader: Reader
    engine: Engine
    chains: Mapping[int, Web3] = field(default_factory=dict)


def create_app(settings: Settings, parts: Parts) -> FastAPI:
    """Return the dashboard's server over an index."""
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
    add_problems(app)
    api = APIRouter(prefix=PREFIX, responses=PROBLEMS)
    for each in (markets, jobs, stream, auth, me):
        api.include_router(each.router)
    app.include_router(api)
    app.include_router(health.router)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL)
    app.add_middleware(Guard, settings=settings, observe=app.state.metrics.observe)
    complete(app)
    return app


def _fill(app: FastAPI, settings: Settings, parts: Parts) -> None:
    """Give an application what its paths use."""
    state, hub = app.state, stream.Hub()
    state.settings, state.reader, state.bodies, state.hub = settings, parts.reader, Bodies(), hub
    state.metrics = Metrics(parts.reader, lambda: hub.streams)
    state.sign_ins, state.drafts = SignIns(parts.engine, parts.chains), DraftStore(parts.engine)
    mail = Mail(settings.smtp_host, settings.smtp_port, settings.smtp_from)
    state.hooks = HookStore(parts.engine, Outbound(settings.local_hooks), mail)
    state.watcher = Watcher(parts.reader, [hub.tell, state.hooks.tell], state.hooks.place)
    state.deliverer = Deliverer(state.hooks, state.metrics.count_delivery)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Watch the index and serve hooks while the server runs."""
    state = app.state
    state.hub.loop = asyncio.get_running_loop()
    workers = (state.watcher, state.deliverer)
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        state.hub.close()
        for worker in workers:
            await asyncio.to_thread(worker.stop)
