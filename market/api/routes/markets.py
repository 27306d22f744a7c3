"""Markets, their accounts and their events."""

from __future__ import annotations

from fastapi import APIRouter, Response

from market.api.answers import LAGGING_SECONDS, Answer, whole
from market.api.parameters import AccountAddress, ChainId, Cursor, Limit, MarketAddress, OfAddress, OfRound
from market.indexer.queries import PAGE
from market.indexer.views import Account, EventView, JobOfTrainer, Market, Page

router = APIRouter(tags=["markets"])
_MARKET = "/markets/{chain_id}/{market}"
_ACCOUNT = _MARKET + "/accounts/{address}"


@router.get("/markets", response_model=Page[Market])
async def markets(answer: Answer) -> Response:
    """All markets, with their money by token."""
    return await answer(lambda reader: whole(reader.markets()), seconds=LAGGING_SECONDS)


@router.get(_MARKET, response_model=Market)
async def market(answer: Answer, chain_id: ChainId, market: MarketAddress) -> Response:
    """One market."""
    return await answer(lambda reader: reader.market(chain_id, market), seconds=LAGGING_SECONDS)


@router.get(_MARKET + "/events", response_model=Page[EventView])
async def events(
    answer: Answer,
    chain_id: ChainId,
    market: MarketAddress,
    job_id: OfRound = None,
    round: OfRound = None,
    account: OfAddress = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """A market's events, newest first; of a job, a round or an account where one is named."""
    return await answer(
        lambda reader: reader.events(
            chain_id, market, job_id=job_id, account=account, round=round, cursor=cursor, limit=limit
        )
    )


@router.get(_ACCOUNT, response_model=Account)
async def account(answer: Answer, chain_id: ChainId, market: MarketAddress, address: AccountAddress) -> Response:
    """An account on a market: free balances, earnings, and what it can claim."""
    return await answer(lambda reader: reader.account(chain_id, market, address))


@router.get(_ACCOUNT + "/jobs", response_model=Page[JobOfTrainer])
async def jobs_of_trainer(
    answer: Answer,
    chain_id: ChainId,
    market: MarketAddress,
    address: AccountAddress,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """The jobs that an account trains or trained, newest first."""
    return await answer(lambda reader: reader.jobs_of_trainer(chain_id, market, address, cursor=cursor, limit=limit))


@router.get(_ACCOUNT + "/events", response_model=Page[EventView])
async def events_of_account(
    answer: Answer,
    chain_id: ChainId,
    market: MarketAddress,
    address: AccountAddress,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """An account's events on a market, newest first."""
    return await answer(lambda reader: reader.events(chain_id, market, account=address, cursor=cursor, limit=limit))
