"""For whoever runs the server: is it alive, is it ready, how does it do."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from aggregator.errors import GramercyError
from market.indexer.views import Address, View

router = APIRouter(tags=["server"])


class Health(View):
    """The process serves requests."""

    status: Literal["ok"] = "ok"


class MarketReadiness(View):
    """Whether one market's index is as new as its chain."""

    chain_id: int
    market: Address
    ready: bool
    block: int
    chain_block: int
    lag_seconds: float


class Readiness(View):
    """Whether answers are current."""

    ready: bool
    reason: str | None
    markets: tuple[MarketReadiness, ...]


@router.get("/healthz", response_model=Health)
def healthz() -> Health:
    """Whether the process answers."""
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
        markets = state.reader.markets()
    except GramercyError as error:
        return Readiness(ready=False, reason=error.message, markets=())
    limit = state.settings.max_lag_seconds
    told = tuple(
        MarketReadiness(
            chain_id=one.chain_id,
            market=one.address,
            ready=one.head.lag_seconds <= limit and one.head.block >= one.head.chain_block - 1,
            block=one.head.block,
            chain_block=one.head.chain_block,
            lag_seconds=one.head.lag_seconds,
        )
        for one in markets
    )
    late = [one for one in told if not one.ready]
    reason = None if told and not late else f"{len(late)} markets are not read to their end" if told else "no market"
    return Readiness(ready=bool(told) and not late, reason=reason, markets=told)
