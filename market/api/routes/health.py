"""For whoever runs the server: is it alive, is it ready, how does it do."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from aggregator.errors import GramercyError
from market.indexer.views import IndexStatus, View

router = APIRouter(tags=["server"])


class Health(View):
    """The process serves requests."""

    status: Literal["ok"] = "ok"


class Readiness(View):
    """Whether answers are current, and why not."""

    ready: bool
    reason: str | None
    index: IndexStatus | None


@router.get("/healthz", response_model=Health)
async def healthz() -> Health:
    """Whether the process answers; also while all threads are busy."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
def readyz(request: Request, response: Response) -> Readiness:
    """Whether the database answers and every chain was asked lately; 503 otherwise."""
    found = _readiness(request)
    response.status_code = 200 if found.ready else 503
    response.headers["Cache-Control"] = "no-store"
    return found


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Metrics in Prometheus's text format."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _readiness(request: Request) -> Readiness:
    state = request.app.state
    try:
        index: IndexStatus = state.reader.status()
    except (GramercyError, SQLAlchemyError) as error:
        reason = error.message if isinstance(error, GramercyError) else "the database does not answer"
        return Readiness(ready=False, reason=reason, index=None)
    late = [one for one in index.markets if one.head is None or one.head.lag_seconds > state.settings.max_lag_seconds]
    if not index.ready:
        return Readiness(ready=False, reason="a market has not been read to its end", index=index)
    return Readiness(ready=not late, reason="a chain does not answer" if late else None, index=index)
