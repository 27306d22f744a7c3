"""The application: paths, errors and guards put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from market.api.answers import Bodies
from market.api.guard import Guard
from market.api.metrics import Metrics
from market.api.openapi import complete, operation_id
from market.api.problems import PROBLEMS, add_problems
from market.api.reader import Reader
from market.api.routes import health, jobs, markets, stream
from market.api.settings import Settings
from market.api.watching import Watcher

PREFIX = "/api/v1"
_GZIP_FROM_BYTES = 1_024
_GZIP_LEVEL = 4


def create_app(settings: Settings, reader: Reader) -> FastAPI:
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
    hub = stream.Hub()
    metrics = Metrics(reader, lambda: hub.streams)
    app.state.settings, app.state.reader, app.state.bodies = settings, reader, Bodies()
    app.state.hub, app.state.metrics, app.state.watcher = hub, metrics, Watcher(reader, [hub.tell])
    add_problems(app)
    api = APIRouter(prefix=PREFIX, responses=PROBLEMS)
    for each in (markets, jobs, stream):
        api.include_router(each.router)
    app.include_router(api)
    app.include_router(health.router)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL)
    app.add_middleware(Guard, settings=settings, observe=metrics.observe)
    complete(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Watch the index while the server runs."""
    app.state.hub.loop = asyncio.get_running_loop()
    app.state.watcher.start()
    try:
        yield
    finally:
        app.state.hub.close()
        await asyncio.to_thread(app.state.watcher.stop)
