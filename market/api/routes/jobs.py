"""Jobs, their rounds and their trainers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from market.api.answers import Answer
from market.api.parameters import (
    ChainId,
    Cursor,
    JobId,
    Limit,
    MarketAddress,
    Number,
    OfAddress,
    OfChain,
    OfRound,
)
from market.indexer.queries import PAGE
from market.indexer.read_jobs import Sort
from market.indexer.views import (
    Contributions,
    EventView,
    Evidence,
    JobDetail,
    JobStatus,
    JobSummary,
    Page,
    RoundDetail,
    RoundSummary,
    Similarity,
    TrainerOfJob,
)

router = APIRouter(tags=["jobs"])
JOB = "/markets/{chain_id}/{market}/jobs/{job_id}"
_ROUND = JOB + "/rounds/{number}"


@router.get("/jobs", response_model=Page[JobSummary])
async def jobs(
    answer: Answer,
    chain_id: OfChain = None,
    market: OfAddress = None,
    owner: OfAddress = None,
    trainer: OfAddress = None,
    status: JobStatus | None = None,
    query: Annotated[
        str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="Number, name or owner")
    ] = None,
    sort: Sort = "newest",
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """Jobs of all markets, or of those asked for."""
    return await answer(
        lambda reader: reader.jobs(
            chain_id=chain_id,
            market=market,
            owner=owner,
            trainer=trainer,
            status=status,
            query=query,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
    )


@router.get(JOB, response_model=JobDetail)
async def job(answer: Answer, chain_id: ChainId, market: MarketAddress, job_id: JobId) -> Response:
    """A job with its terms and accounts."""
    return await answer(lambda reader: reader.job(chain_id, market, job_id))


@router.get(JOB + "/rounds", response_model=Page[RoundSummary])
async def rounds(
    answer: Answer,
    chain_id: ChainId,
    market: MarketAddress,
    job_id: JobId,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """A job's rounds, newest first."""
    return await answer(
        lambda reader: reader.rounds(chain_id, market, job_id, cursor=cursor, limit=limit),
        job=(chain_id, market, job_id),
    )


@router.get(_ROUND, response_model=RoundDetail)
async def round_(answer: Answer, chain_id: ChainId, market: MarketAddress, job_id: JobId, number: Number) -> Response:
    """A round with every commitment and settlement."""
    return await answer(lambda reader: reader.round(chain_id, market, job_id, number), job=(chain_id, market, job_id))


@router.get(_ROUND + "/evidence", response_model=Evidence)
async def evidence(answer: Answer, chain_id: ChainId, market: MarketAddress, job_id: JobId, number: Number) -> Response:
    """The settlement as the chain logged it, with all that is needed to check it oneself."""
    return await answer(
        lambda reader: reader.evidence(chain_id, market, job_id, number), job=(chain_id, market, job_id)
    )


@router.get(_ROUND + "/similarity", response_model=Similarity)
async def similarity(
    answer: Answer, chain_id: ChainId, market: MarketAddress, job_id: JobId, number: Number
) -> Response:
    """How much a settled round's updates resemble each other: cosines from the proven Gram matrix."""
    return await answer(
        lambda reader: reader.similarity(chain_id, market, job_id, number), job=(chain_id, market, job_id)
    )


@router.get(JOB + "/trainers", response_model=Page[TrainerOfJob])
async def trainers(
    answer: Answer,
    chain_id: ChainId,
    market: MarketAddress,
    job_id: JobId,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """Who ever joined a job."""
    return await answer(
        lambda reader: reader.trainers(chain_id, market, job_id, cursor=cursor, limit=limit),
        job=(chain_id, market, job_id),
    )


@router.get(JOB + "/contributions", response_model=Contributions)
async def contributions(answer: Answer, chain_id: ChainId, market: MarketAddress, job_id: JobId) -> Response:
    """Scores and payouts by trainer and round."""
    return await answer(lambda reader: reader.contributions(chain_id, market, job_id), job=(chain_id, market, job_id))


@router.get(JOB + "/events", response_model=Page[EventView])
async def events(
    answer: Answer,
    chain_id: ChainId,
    market: MarketAddress,
    job_id: JobId,
    round: OfRound = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """A job's events, newest first."""
    return await answer(
        lambda reader: reader.events(chain_id, market, job_id=job_id, round=round, cursor=cursor, limit=limit),
        job=(chain_id, market, job_id),
    )
