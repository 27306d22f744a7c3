"""The application: paths, errors and guards put together."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from market.api.answers import Bodies
from market.api.openapi import complete, operation_id
from market.api.problems import PROBLEMS, add_problems
from market.api.reader import Reader
from market.api.routes import jobs, markets
from market.api.settings import Settings

PREFIX = "/api/v1"


def create_app(settings: Settings, reader: Reader) -> FastAPI:
    """Return the dashboard's server over an index."""
    app = FastAPI(
        title="Gramercy",
        version="1",
        summary="A marketplace for collaborative model training, as its contracts' events tell it.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.state.settings, app.state.reader, app.state.bodies = settings, reader, Bodies()
    add_problems(app)
    api = APIRouter(prefix=PREFIX, responses=PROBLEMS)
    for each in (markets, jobs):
        api.include_router(each.router)
    app.include_router(api)
    complete(app)
    return app
