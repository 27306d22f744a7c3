"""Queries about jobs and who is in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from market.domain import Address
from market.indexer import schema
from market.indexer.cursors import page
from market.indexer.reading import Scope, job_query, now_of, require_job, summary_of, token_of
from market.indexer.standing import between_rounds, has_status
from market.indexer.views import (
    Aggregator,
    Contributions,
    JobDetail,
    JobOfTrainer,
    JobStatus,
    JobSummary,
    Page,
    Terms,
    TrainerOfJob,
)
from market.indexer.wording import cid_text, hexadecimal

Sort = Literal["newest", "deadline", "budget"]
OwnerMay = Literal["extend", "stop", "close", "withdraw", "commit_reference"]


_LARGEST, _DIGITS = (1 << 63) - 1, 30


def list_jobs(
    connection: Connection,
    conditions: Sequence[ColumnElement[bool]],
    *,
    status: JobStatus | None,
    sort: Sort,
    now: int | None,
    cursor: str | None,
    limit: int,
) -> Page[JobSummary]:
    """Return jobs that meet all conditions."""
    jobs = schema.jobs.c
    query = job_query().where(*conditions)
    if status is not None:
        query = query.where(has_status(status, now_of(now)))
    first = {"newest": jobs.created, "deadline": jobs.deadline, "budget": jobs.budget_key}[sort]
    return page(
        connection,
        query,
        lambda rows: [summary_of(row, now) for row in rows],
        by=(first, jobs.market_id, jobs.job_id),
        descending=sort != "deadline",
        cursor=cursor,
        limit=limit,
    )


def job_conditions(
    chain_id: int | None,
    market: Address | None,
    owner: Address | None,
    trainer: Address | None,
    query: str | None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of a list of jobs; ``query`` is looked for in names and owners, or is a job's number."""
    jobs, markets, members = schema.jobs.c, schema.markets.c, schema.members.c
    found: list[ColumnElement[bool]] = []
    if chain_id is not None:
        found.append(markets.chain_id == chain_id)
    if market is not None:
        found.append(markets.address == market)
    if owner is not None:
        found.append(jobs.owner == owner)
    if trainer is not None:
        joined = and_(members.market_id == jobs.market_id, members.job_id == jobs.job_id, members.trainer == trainer)
        found.append(exists().where(joined))
    words = (query or "").strip()
    if words:
        named = schema.manifests.c.name.icontains(words, autoescape=True)
        if words.isascii() and words.isdigit():
            numbered = jobs.job_id == min(int(words[:_DIGITS]), _LARGEST)
            found.append(or_(named, numbered))
        else:
            found.append(or_(named, func.lower(jobs.owner).contains(words.lower(), autoescape=True)))
    return found


def job_detail(scope: Scope, job_id: int) -> JobDetail:
    """Return a job with its terms and accounts."""
    row = require_job(scope, job_id)
    settlers, namings, balances = schema.aggregators, schema.namings, schema.balances
    free = and_(
        balances.c.market_id == scope.id, balances.c.token == row.token, balances.c.account == settlers.c.address
    )
    query = (
        select(settlers, balances.c.amount)
        .outerjoin(balances, free)
        .where(scope.of(settlers, job_id))
        .order_by(settlers.c.place)
    )
    named: dict[Address, list[Address]] = defaultdict(list)
    for naming in scope.all(select(namings).where(scope.of(namings, job_id)).order_by(namings.c.trainer)):
        named[naming.aggregator].append(naming.trainer)
    aggregators = tuple(
        Aggregator(
            address=each.address,
            named_by=tuple([row.owner] if each.by_owner else []) + tuple(named[each.address]),
            by_owner=each.by_owner,
            free=int(each.amount or 0),
            held=int(each.held),
            dismissed=each.dismissed,
        )
        for each in scope.all(query)
    )
    of_owner = and_(balances.c.market_id == scope.id, balances.c.token == row.token, balances.c.account == row.owner)
    owner_free = int(getattr(scope.first(select(balances.c.amount).where(of_owner)), "amount", 0))
    return JobDetail(
        summary=summary_of(row, scope.now),
        terms=terms_of(row),
        manifest_cid=cid_text(row.manifest_cid),
        created_tx=hexadecimal(row.created_tx),
        aggregators=aggregators,
        stakes=int(row.stakes),
        bonds=int(row.bonds),
        unclaimed=int(row.unclaimed),
        owner_free=owner_free,
        owner_may=_owner_may(row, scope.now, owner_free),
    )


def terms_of(row: Any, budget: str | None = None) -> Terms:
    """Return a job's terms; with the budget that a round has, where one is given."""
    token = token_of(row.token, row.symbol, row.decimals)
    changes: dict[str, Any] = {"token": token, **({} if budget is None else {"round_budget": budget})}
    return Terms(**{**row.terms, **changes})


def _owner_may(row: Any, now: int, free: int) -> tuple[OwnerMay, ...]:
    between = not row.closed and between_rounds(row, now)
    allowed: dict[OwnerMay, bool] = {
        "extend": between,
        "stop": not row.closed and now < row.deadline,
        "close": between,
        "withdraw": free > 0,
        "commit_reference": between and row.terms["reference"],
    }
    return tuple(name for name, may in allowed.items() if may)


def list_trainers(scope: Scope, job_id: int, cursor: str | None, limit: int) -> Page[TrainerOfJob]:
    """Return a job's trainers in the order in which they first joined."""
    require_job(scope, job_id)
    members, namings = schema.members, schema.namings
    same = and_(
        namings.c.market_id == members.c.market_id,
        namings.c.job_id == members.c.job_id,
        namings.c.trainer == members.c.trainer,
    )
    query = select(members, namings.c.aggregator).outerjoin(namings, same).where(scope.of(members, job_id))

    def make(rows: Sequence[Any]) -> list[TrainerOfJob]:
        updates = schema.updates.c
        trainers = [row.trainer for row in rows]
        claimable = _claimable(scope, and_(updates.job_id == job_id, updates.trainer.in_(trainers)))
        return [_trainer(row, claimable[row.job_id, row.trainer]) for row in rows]

    return page(scope.connection, query, make, by=(members.c.place,), descending=False, cursor=cursor, limit=limit)


_OF_MEMBER = ("trainer", "stake", "joined", "left", "committed", "accepted", "slashed", "paid")


def list_jobs_of_trainer(scope: Scope, trainer: Address, cursor: str | None, limit: int) -> Page[JobOfTrainer]:
    """Return the jobs that an account trains or trained, newest first."""
    jobs, members, namings = schema.jobs, schema.members, schema.namings
    in_job = and_(members.c.market_id == jobs.c.market_id, members.c.job_id == jobs.c.job_id)
    same = and_(namings.c.market_id == jobs.c.market_id, namings.c.job_id == jobs.c.job_id)
    query = (
        job_query()
        .join(members, in_job)
        .outerjoin(namings, and_(same, namings.c.trainer == members.c.trainer))
        .where(scope.of(members), members.c.trainer == trainer)
        .add_columns(*(members.c[name] for name in _OF_MEMBER), namings.c.aggregator)
    )

    def make(rows: Sequence[Any]) -> list[JobOfTrainer]:
        updates = schema.updates.c
        wanted = and_(updates.trainer == trainer, updates.job_id.in_([row.job_id for row in rows]))
        claimable = _claimable(scope, wanted)
        return [
            JobOfTrainer(job=summary_of(row, scope.now), trainer=_trainer(row, claimable[row.job_id, trainer]))
            for row in rows
        ]

    by = (jobs.c.created, jobs.c.job_id)
    return page(scope.connection, query, make, by=by, descending=True, cursor=cursor, limit=limit)


def _claimable(scope: Scope, wanted: ColumnElement[bool]) -> dict[tuple[int, Address], dict[int, int]]:
    """Return what can be claimed by now: amounts by round, by job and trainer."""
    updates = schema.updates
    columns = updates.c
    query = (
        select(columns.job_id, columns.trainer, columns.round, columns.payout)
        .where(columns.market_id == scope.id, columns.payable_from <= scope.now, wanted)
        .order_by(columns.job_id, columns.round)
    )
    found: dict[tuple[int, Address], dict[int, int]] = defaultdict(dict)
    for row in scope.all(query):
        found[row.job_id, row.trainer][row.round] = int(row.payout)
    return found


def _trainer(row: Any, claimable: dict[int, int]) -> TrainerOfJob:
    return TrainerOfJob(
        address=row.trainer,
        stake=int(row.stake),
        joined=row.joined,
        left=row.left,
        committed=row.committed,
        accepted=row.accepted,
        slashed=row.slashed,
        paid=int(row.paid),
        claimable=sum(claimable.values()),
        claimable_rounds=tuple(claimable),
        named=row.aggregator,
    )


def contributions_of(scope: Scope, job_id: int) -> Contributions:
    """Return scores and payouts by trainer and round, of the rounds whose settlement stands."""
    require_job(scope, job_id)
    rounds, updates, members = schema.rounds, schema.updates, schema.members
    settled = select(rounds.c.number).where(
        scope.of(rounds, job_id), rounds.c.challenge_end.is_not(None), rounds.c.overturned_by.is_(None)
    )
    numbers = tuple(row.number for row in scope.all(settled.order_by(rounds.c.number)))
    everybody = select(members.c.trainer).where(scope.of(members, job_id)).order_by(members.c.place)
    trainers = tuple(row.trainer for row in scope.all(everybody))
    figures = select(updates.c.trainer, updates.c.round, updates.c.score, updates.c.payout).where(
        scope.of(updates, job_id), updates.c.round.in_(settled), updates.c.included.is_(True)
    )
    scores: dict[tuple[Address, int], int] = {}
    payouts: dict[tuple[Address, int], int] = {}
    sums: dict[int, int] = defaultdict(int)
    for row in scope.all(figures):
        payouts[row.trainer, row.round] = int(row.payout)
        if row.score is not None:
            scores[row.trainer, row.round] = int(row.score)
            sums[row.round] += int(row.score)
    return Contributions(
        trainers=trainers,
        rounds=numbers,
        scores=tuple(tuple(_share(scores.get((who, at)), sums[at]) for at in numbers) for who in trainers),
        payouts=tuple(tuple(payouts.get((who, at)) for at in numbers) for who in trainers),
    )


def _share(score: int | None, total: int) -> float | None:
    return None if score is None or total <= 0 else score / total
