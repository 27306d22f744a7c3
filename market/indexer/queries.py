"""What can be asked of an index, and what can be added that no event tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, Engine, Table, and_, delete, insert, select, update

from market.domain import Address
from market.errors import NotFound
from market.indexer import read_jobs, read_markets, read_rounds, schema
from market.indexer.database import reading, writing
from market.indexer.learning import tell_jobs
from market.indexer.read_jobs import Sort
from market.indexer.reading import JOB, MARKET, ROUND, Scope, of_round, open_scope, require_job, require_round
from market.indexer.verifiers import names_words
from market.indexer.views import (
    Account,
    Change,
    Contributions,
    EventView,
    Evidence,
    IndexStatus,
    JobDetail,
    JobOfTrainer,
    JobStatus,
    JobSummary,
    Market,
    Page,
    RoundDetail,
    RoundSummary,
    Similarity,
    TrainerOfJob,
)

PAGE = 50
LONGEST_NAME = 200
_NO_EXPLORERS: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Since:
    """What is new since a version of the index.

    Attributes
    ----------
    version
        The version now.
    times
        Chain time of each market's newest block; 0 before the first.
    changes
        What changed, oldest first; None where that is not on record any more.

    """

    version: int
    times: Mapping[tuple[int, Address], int]
    changes: tuple[Change, ...] | None


class Reader:
    """Queries of the index, each in a transaction of its own that sees one state.

    Every method raises :class:`market.errors.NotFound` for what is not there, and
    :class:`aggregator.errors.InvalidInput` for a cursor of another list and a limit that is not 1 to 200.

    Parameters
    ----------
    engine
        See :func:`market.indexer.database.open_index`.
    explorers
        URLs of block explorers by chain.
    now
        Chain time by which phases are told; None takes that of the newest block that was read of each market.
    clock
        Wall clock, in seconds.

    """

    def __init__(
        self,
        engine: Engine,
        *,
        explorers: Mapping[int, str] = _NO_EXPLORERS,
        now: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = reading(engine)
        self._explorers = explorers
        self._now = now
        self._clock = clock

    @contextmanager
    def _scope(self, chain_id: int, market: Address) -> Iterator[Scope]:
        with self._engine.connect() as connection:
            yield open_scope(connection, chain_id, market, self._now)

    def version(self) -> int:
        """Return a number that grows with every committed change."""
        with self._engine.connect() as connection:
            return read_markets.index_version(connection)

    def status(self) -> IndexStatus:
        """Return how far the index is, and whether its chains answer."""
        with self._engine.connect() as connection:
            return read_markets.index_status(connection, self._clock())

    def changes(self, since: int, limit: int = 500) -> tuple[Change, ...]:
        """Return what changed after a version, oldest first; a version's changes come together."""
        with self._engine.connect() as connection:
            return read_markets.list_changes(connection, since, limit)

    def since(self, version: int) -> Since:
        """Return what is new since a version."""
        with self._engine.connect() as connection:
            return Since(
                version=read_markets.index_version(connection),
                times=read_markets.chain_times(connection),
                changes=read_markets.all_changes(connection, version),
            )

    def next_time(self, chain_id: int, market: Address, job_id: int, after: int) -> int | None:
        """Return the first chain time after a given one at which a job's phases change by themselves."""
        with self._scope(chain_id, market) as scope:
            return read_jobs.next_time(scope, job_id, after)

    def markets(self) -> tuple[Market, ...]:
        """Return all markets."""
        with self._engine.connect() as connection:
            return read_markets.list_markets(connection, self._explorers, self._clock(), self._now)

    def market(self, chain_id: int, address: Address) -> Market:
        """Return one market."""
        with self._scope(chain_id, address) as scope:
            clock = self._clock()
            return read_markets.list_markets(scope.connection, self._explorers, clock, self._now, scope.id)[0]

    def jobs(
        self,
        chain_id: int | None = None,
        market: Address | None = None,
        owner: Address | None = None,
        trainer: Address | None = None,
        status: JobStatus | None = None,
        query: str | None = None,
        sort: Sort = "newest",
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> Page[JobSummary]:
        """Return jobs, of all markets unless one is named."""
        with self._engine.connect() as connection:
            return read_jobs.list_jobs(
                connection,
                chain_id=chain_id,
                market=market,
                owner=owner,
                trainer=trainer,
                status=status,
                query=query,
                sort=sort,
                now=self._now,
                cursor=cursor,
                limit=limit,
            )

    def job(self, chain_id: int, market: Address, job_id: int) -> JobDetail:
        """Return a job."""
        with self._scope(chain_id, market) as scope:
            return read_jobs.job_detail(scope, job_id)

    def rounds(
        self, chain_id: int, market: Address, job_id: int, cursor: str | None = None, limit: int = PAGE
    ) -> Page[RoundSummary]:
        """Return a job's rounds, newest first."""
        with self._scope(chain_id, market) as scope:
            return read_rounds.list_rounds(scope, job_id, cursor, limit)

    def round(self, chain_id: int, market: Address, job_id: int, number: int) -> RoundDetail:
        """Return a round."""
        with self._scope(chain_id, market) as scope:
            return read_rounds.round_detail(scope, job_id, number)

    def evidence(self, chain_id: int, market: Address, job_id: int, number: int) -> Evidence:
        """Return all that a round's settlement follows from."""
        with self._scope(chain_id, market) as scope:
            return read_rounds.evidence_of(scope, job_id, number)

    def similarity(self, chain_id: int, market: Address, job_id: int, number: int) -> Similarity:
        """Return the cosines of a settled round's rows."""
        with self._scope(chain_id, market) as scope:
            return read_rounds.similarity_of(scope, job_id, number)

    def contributions(self, chain_id: int, market: Address, job_id: int) -> Contributions:
        """Return scores and payouts by trainer and round."""
        with self._scope(chain_id, market) as scope:
            return read_jobs.contributions_of(scope, job_id)

    def trainers(
        self, chain_id: int, market: Address, job_id: int, cursor: str | None = None, limit: int = PAGE
    ) -> Page[TrainerOfJob]:
        """Return a job's trainers, in the order in which they joined."""
        with self._scope(chain_id, market) as scope:
            return read_jobs.list_trainers(scope, job_id, cursor, limit)

    def account(self, chain_id: int, market: Address, address: Address) -> Account:
        """Return an account; one that never did anything here has nothing."""
        with self._scope(chain_id, market) as scope:
            return read_markets.account_of(scope, address)

    def jobs_of_trainer(
        self, chain_id: int, market: Address, address: Address, cursor: str | None = None, limit: int = PAGE
    ) -> Page[JobOfTrainer]:
        """Return the jobs that an account trains or trained, newest first."""
        with self._scope(chain_id, market) as scope:
            return read_jobs.list_jobs_of_trainer(scope, address, cursor, limit)

    def events(
        self,
        chain_id: int,
        market: Address,
        job_id: int | None = None,
        account: Address | None = None,
        round: int | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> Page[EventView]:
        """Return a market's events, newest first."""
        with self._scope(chain_id, market) as scope:
            return read_markets.list_events(
                scope, job_id=job_id, account=account, number=round, cursor=cursor, limit=limit
            )


class Notebook:
    """What no event tells, entered by who read manifests and aggregates, or evaluated models.

    What is said of a round holds for the settlement that was on record, and is forgotten with it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = writing(engine)

    def unnamed(self, limit: int = PAGE) -> tuple[tuple[int, Address, int, bytes], ...]:
        """Return jobs whose manifest has not been read: chain, market, job and the manifest's CID, newest first."""
        jobs, markets, manifests = schema.jobs, schema.markets, schema.manifests
        query = (
            select(markets.c.chain_id, markets.c.address, jobs.c.job_id, jobs.c.manifest_cid)
            .join(markets, markets.c.id == jobs.c.market_id)
            .outerjoin(manifests, manifests.c.cid == jobs.c.manifest_cid)
            .where(manifests.c.cid.is_(None))
            .order_by(jobs.c.created.desc(), jobs.c.market_id, jobs.c.job_id)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return tuple((row[0], row[1], row[2], bytes(row[3])) for row in connection.execute(query))

    def set_name(self, manifest_cid: bytes, name: str) -> None:
        """Say how the jobs with a manifest are named."""
        manifests = schema.manifests
        plain = "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME]
        with self._engine.begin() as connection:
            connection.execute(delete(manifests).where(manifests.c.cid == manifest_cid))
            connection.execute(insert(manifests).values(cid=manifest_cid, name=plain))
            tell_jobs(connection, schema.jobs.c.manifest_cid == manifest_cid)

    def record_evaluation(
        self,
        chain_id: int,
        market: Address,
        job_id: int,
        number: int,
        *,
        accuracy: float | None,
        loss: float | None,
        by: str,
    ) -> None:
        """Say what the model was worth after a round, by whose evaluation.

        Raises
        ------
        NotFound
            If the round is not settled, or not in the index.

        """
        figures = {"by": by, "accuracy": accuracy, "loss": loss}
        table = schema.evaluations
        self._of_round(chain_id, market, job_id, number, table, [figures], and_(table.c.by == by))

    def record_reasons(
        self, chain_id: int, market: Address, job_id: int, number: int, reasons: Mapping[Address, str]
    ) -> None:
        """Say why the aggregator of a round left trainers' updates out, by its own word.

        Raises
        ------
        NotFound
            If the round is not settled, or not in the index.

        """
        rows = [{"trainer": trainer, "reason": reason} for trainer, reason in reasons.items()]
        self._of_round(chain_id, market, job_id, number, schema.notes, rows)

    def set_verifier_words(self, chain_id: int, verifier: Address, words: bytes) -> bool:
        """Say what the words of a verifier's reference string are; return whether they are those that it names."""
        verifiers = schema.verifiers
        of_verifier = and_(verifiers.c.chain_id == chain_id, verifiers.c.address == verifier)
        with self._engine.begin() as connection:
            digest = connection.execute(select(verifiers.c.digest).where(of_verifier)).scalar()
            if digest is None or not names_words(bytes(digest), words):
                return False
            connection.execute(update(verifiers).where(of_verifier).values(words=words))
            of_chain = schema.jobs.c.market_id.in_(
                select(schema.markets.c.id).where(schema.markets.c.chain_id == chain_id)
            )
            tell_jobs(connection, and_(of_chain, schema.jobs.c.terms["verifier"].as_string() == verifier))
        return True

    def _of_round(
        self,
        chain_id: int,
        market: Address,
        job_id: int,
        number: int,
        table: Table,
        rows: Sequence[Mapping[str, object]],
        condition: object = None,
    ) -> None:
        with self._engine.begin() as connection:
            self._changed(connection)
            scope = open_scope(connection, chain_id, market, None)
            require_job(scope, job_id)
            commitment = require_round(scope, job_id, number).aggregate_commitment
            if commitment is None:
                raise NotFound(f"round {number} of job {job_id} is not settled")
            stale = delete(table).where(of_round(table))
            stale = stale if condition is None else stale.where(condition)  # type: ignore[arg-type]
            connection.execute(stale, {MARKET.key: scope.id, JOB.key: job_id, ROUND.key: number})
            place = {"market_id": scope.id, "job_id": job_id, "round": number, "aggregate_commitment": commitment}
            if rows:
                connection.execute(insert(table), [{**place, **row} for row in rows])
            told = {"market_id": scope.id, "job_id": job_id, "round": number}
            connection.execute(insert(schema.changes).values(**told, version=read_markets.index_version(connection)))

    def _changed(self, connection: Connection) -> None:
        connection.execute(update(schema.meta).values(version=schema.meta.c.version + 1))
