"""Queries about jobs and who is in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, String, and_, bindparam, exists, func, or_, select

from market.domain import Address
from market.indexer import schema
from market.indexer.cursors import Listing
from market.indexer.reading import (
    ACCOUNT,
    LARGEST,
    NOW,
    Scope,
    in_market,
    job_query,
    of_job,
    require_job,
    summary_of,
    token_of,
)
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
_DIGITS = 30


def list_jobs(
    connection: Connection,
    *,
    chain_id: int | None,
    market: Address | None,
    owner: Address | None,
    trainer: Address | None,
    status: JobStatus | None,
    query: str | None,
    sort: Sort,
    now: int | None,
    cursor: str | None,
    limit: int,
) -> Page[JobSummary]:
    """Return jobs that meet all conditions; ``query`` is looked for in names and owners, or is a job's number."""
    words = (query or "").strip()
    number = min(int(words[:_DIGITS]), LARGEST) if words.isascii() and words.isdigit() else None
    given = {
        "chain": chain_id,
        "address": market,
        "owner": owner,
        "trainer": trainer,
        "number": number,
        "words": f"%{_escaped(words)}%" if words else None,
    }
    values = {name: value for name, value in given.items() if value is not None}
    listing = _jobs_listed(frozenset(values), status, sort, of_head=now is None)
    values = values if now is None else {**values, NOW.key: now}
    return listing.page(
        connection, lambda rows: [summary_of(row, now) for row in rows], values, cursor=cursor, limit=limit
    )


_ESCAPE = "/"


def _escaped(words: str) -> str:
    for sign in (_ESCAPE, "%", "_"):
        words = words.replace(sign, _ESCAPE + sign)
    return words


@lru_cache(maxsize=512)
def _jobs_listed(given: frozenset[str], status: JobStatus | None, sort: Sort, *, of_head: bool) -> Listing:
    """Return a list of jobs with parameters of the names given."""
    jobs, members, head = schema.jobs.c, schema.members.c, schema.markets.c
    joined = and_(members.market_id == jobs.market_id, members.job_id == jobs.job_id)
    words, number = func.lower(bindparam("words", type_=String())), bindparam("number", type_=BigInteger())
    named = func.lower(schema.manifests.c.name).like(words, escape=_ESCAPE)
    numbered = jobs.job_id == number
    of_owner = func.lower(jobs.owner).like(words, escape=_ESCAPE)
    conditions: dict[str, ColumnElement[bool]] = {
        "chain": head.chain_id == bindparam("chain", type_=BigInteger()),
        "address": head.address == bindparam("address", type_=String()),
        "owner": jobs.owner == bindparam("owner", type_=String()),
        "trainer": exists().where(joined, members.trainer == bindparam("trainer", type_=String())),
        "words": or_(named, numbered if "number" in given else of_owner),
    }
    query = job_query().where(*(condition for name, condition in conditions.items() if name in given))
    if status is not None:
        query = query.where(has_status(status, head.head_timestamp if of_head else NOW))
    first = {"newest": jobs.created, "deadline": jobs.deadline, "budget": jobs.budget_key}[sort]
    return Listing(query, (first, jobs.market_id, jobs.job_id), descending=sort != "deadline")


def _aggregators() -> Select[Any]:
    settlers, balances = schema.aggregators, schema.balances
    free = and_(
        in_market(balances),
        balances.c.token == bindparam("token", type_=String()),
        balances.c.account == settlers.c.address,
    )
    query = select(settlers, balances.c.amount).outerjoin(balances, free)
    return query.where(of_job(settlers)).order_by(settlers.c.place)


_AGGREGATORS = _aggregators()
_NAMINGS = select(schema.namings).where(of_job(schema.namings)).order_by(schema.namings.c.trainer)
_FREE = select(schema.balances.c.amount).where(
    in_market(schema.balances),
    schema.balances.c.token == bindparam("token", type_=String()),
    schema.balances.c.account == ACCOUNT,
)


def job_detail(scope: Scope, job_id: int) -> JobDetail:
    """Return a job with its terms and accounts."""
    row = require_job(scope, job_id)
    named: dict[Address, list[Address]] = defaultdict(list)
    for naming in scope.all(_NAMINGS, of_job=job_id):
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
        for each in scope.all(_AGGREGATORS, of_job=job_id, token=row.token)
    )
    owner_free = int(getattr(scope.first(_FREE, token=row.token, account=row.owner), "amount", 0))
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


_TIMES = select(*(schema.jobs.c[name] for name in ("commit_end", "settle_end", "challenge_end", "deadline"))).where(
    of_job(schema.jobs)
)


def next_time(scope: Scope, job_id: int, after: int) -> int | None:
    """Return the first chain time after a given one at which a job's phases change by themselves."""
    row = scope.first(_TIMES, of_job=job_id)
    return None if row is None else min((time for time in row if time is not None and time > after), default=None)


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


def _members() -> Listing:
    members, namings = schema.members, schema.namings
    same = and_(
        namings.c.market_id == members.c.market_id,
        namings.c.job_id == members.c.job_id,
        namings.c.trainer == members.c.trainer,
    )
    query = select(members, namings.c.aggregator).outerjoin(namings, same).where(of_job(members))
    return Listing(query, (members.c.place,), descending=False)


_MEMBERS = _members()


def list_trainers(scope: Scope, job_id: int, cursor: str | None, limit: int) -> Page[TrainerOfJob]:
    """Return a job's trainers in the order in which they first joined."""

    def make(rows: Sequence[Any]) -> list[TrainerOfJob]:
        claimable = _claimable(scope, _CLAIMABLE_OF_JOB, of_job=job_id)
        return [_trainer(row, claimable[row.job_id, row.trainer]) for row in rows]

    if not 0 < job_id <= LARGEST:
        require_job(scope, job_id)
    found = _MEMBERS.page(scope.connection, make, scope.values({"of_job": job_id}), cursor=cursor, limit=limit)
    if not found.items:
        require_job(scope, job_id)
    return found


_OF_MEMBER = ("trainer", "stake", "joined", "left", "committed", "accepted", "slashed", "paid")


def _trained() -> Listing:
    jobs, members, namings = schema.jobs, schema.members, schema.namings
    in_job = and_(members.c.market_id == jobs.c.market_id, members.c.job_id == jobs.c.job_id)
    same = and_(namings.c.market_id == jobs.c.market_id, namings.c.job_id == jobs.c.job_id)
    query = (
        job_query()
        .join(members, in_job)
        .outerjoin(namings, and_(same, namings.c.trainer == members.c.trainer))
        .where(in_market(members), members.c.trainer == ACCOUNT)
        .add_columns(*(members.c[name] for name in _OF_MEMBER), namings.c.aggregator)
    )
    return Listing(query, (jobs.c.created, jobs.c.job_id), descending=True)


_TRAINED = _trained()


def list_jobs_of_trainer(scope: Scope, trainer: Address, cursor: str | None, limit: int) -> Page[JobOfTrainer]:
    """Return the jobs that an account trains or trained, newest first."""

    def make(rows: Sequence[Any]) -> list[JobOfTrainer]:
        claimable = _claimable(scope, _CLAIMABLE_BY, account=trainer)
        return [
            JobOfTrainer(job=summary_of(row, scope.now), trainer=_trainer(row, claimable[row.job_id, trainer]))
            for row in rows
        ]

    return _TRAINED.page(scope.connection, make, scope.values({"account": trainer}), cursor=cursor, limit=limit)


def _claimable_query(condition: ColumnElement[bool]) -> Select[Any]:
    columns = schema.updates.c
    return (
        select(columns.job_id, columns.trainer, columns.round, columns.payout)
        .where(in_market(schema.updates), columns.payable_from <= NOW, condition)
        .order_by(columns.job_id, columns.round)
    )


_CLAIMABLE_OF_JOB = _claimable_query(of_job(schema.updates))
_CLAIMABLE_BY = _claimable_query(schema.updates.c.trainer == ACCOUNT)


def _claimable(scope: Scope, query: Select[Any], **values: object) -> Mapping[tuple[int, Address], dict[int, int]]:
    """Return what can be claimed by now: amounts by round, by job and trainer."""
    found: dict[tuple[int, Address], dict[int, int]] = defaultdict(dict)
    for row in scope.all(query, **values):
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


_SETTLED = select(schema.rounds.c.number).where(
    of_job(schema.rounds), schema.rounds.c.challenge_end.is_not(None), schema.rounds.c.overturned_by.is_(None)
)
_SETTLED_IN_ORDER = _SETTLED.order_by(schema.rounds.c.number)
_EVERYBODY = select(schema.members.c.trainer).where(of_job(schema.members)).order_by(schema.members.c.place)
_FIGURES = select(*(schema.updates.c[name] for name in ("trainer", "round", "score", "payout"))).where(
    of_job(schema.updates), schema.updates.c.round.in_(_SETTLED), schema.updates.c.included.is_(True)
)


def contributions_of(scope: Scope, job_id: int) -> Contributions:
    """Return scores and payouts by trainer and round, of the rounds whose settlement stands."""
    require_job(scope, job_id)
    numbers = tuple(row.number for row in scope.all(_SETTLED_IN_ORDER, of_job=job_id))
    trainers = tuple(row.trainer for row in scope.all(_EVERYBODY, of_job=job_id))
    scores: dict[tuple[Address, int], int] = {}
    payouts: dict[tuple[Address, int], int] = {}
    sums: dict[int, int] = defaultdict(int)
    for row in scope.all(_FIGURES, of_job=job_id):
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
