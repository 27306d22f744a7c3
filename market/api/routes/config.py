"""What pages need to know of the server that they come from."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from market.api.answers import Answer
from market.domain import LOCAL_CHAIN_IDS, Address
from market.indexer.views import View

router = APIRouter(tags=["server"])


class Chain(View):
    """A chain whose JSON-RPC address pages may use."""

    chain_id: int
    rpc_url: str
    local: bool = Field(description="Whether it is a development chain, where a development wallet may be offered")


class Deployment(View):
    """A market whose verifiers the server's operator vouches for."""

    chain_id: int
    market: Address
    verifiers: tuple[Address, ...] = Field(description="The one for new jobs first; a job with any other is suspect")


class Configuration(View):
    """How the server is set up."""

    chains: tuple[Chain, ...]
    deployments: tuple[Deployment, ...] = Field(
        description="Of the address books that the server was started with; never what some job names"
    )
    files: bool = Field(description="Whether models, manifests and reports can be had")
    email: bool = Field(description="Whether hooks can send e-mail")
    evaluates: bool = Field(description="Whether accuracy and loss are measured here")


@router.get("/config", response_model=Configuration)
async def configuration(answer: Answer) -> Response:
    """How this server is set up; nothing of it is secret."""
    state = answer.request.app.state
    told = Configuration(
        chains=tuple(
            Chain(chain_id=number, rpc_url=url, local=number in LOCAL_CHAIN_IDS)
            for number, url in sorted(state.settings.chains.items())
        ),
        deployments=tuple(
            Deployment(chain_id=number, market=market, verifiers=verifiers)
            for (number, market), verifiers in sorted(state.settings.vouched_verifiers.items())
        ),
        files=state.files is not None,
        email=bool(state.settings.smtp_host),
        evaluates=state.settings.evaluate,
    )
    return await answer(lambda _reader: told)
