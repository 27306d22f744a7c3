"""What the API reads from: the index's queries as a protocol, so that anything with these methods can be served."""

from __future__ import annotations

from typing import Literal, Protocol

from market.domain import Address
from market.indexer.queries import Since
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

Sort = Literal["newest", "deadline", "budget"]
PAGE = 50
MAX_PAGE = 200


class Reader(Protocol):
    """Queries of the index; every method raises :class:`market.errors.NotFound` for what is not there.

    ``cursor`` is what a page gave as ``next``; a malformed one is an :class:`aggregator.errors.InvalidInput`.
    """

    def version(self) -> int:
        """Return a number that grows with every committed change."""

    def status(self) -> IndexStatus:
        """Return how far the index is, and whether its chains answer."""

    def changes(self, since: int, limit: int = 500) -> tuple[Change, ...]:
        """Return what changed after a version, oldest first; a version's changes come together."""

    def since(self, version: int) -> Since:
        """Return what is new since a version."""

    def next_time(self, chain_id: int, market: Address, job_id: int, after: int) -> int | None:
        """Return the first chain time after a given one at which a job's phases change by themselves."""

    def markets(self) -> tuple[Market, ...]:
        """Return all markets."""

    def market(self, chain_id: int, address: Address) -> Market:
        """Return one market."""

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

    def job(self, chain_id: int, market: Address, job_id: int) -> JobDetail:
        """Return a job."""

    def rounds(
        self, chain_id: int, market: Address, job_id: int, cursor: str | None = None, limit: int = PAGE
    ) -> Page[RoundSummary]:
        """Return a job's rounds, newest first."""

    def round(self, chain_id: int, market: Address, job_id: int, number: int) -> RoundDetail:
        """Return a round."""

    def evidence(self, chain_id: int, market: Address, job_id: int, number: int) -> Evidence:
        """Return all that a round's settlement follows from."""

    def similarity(self, chain_id: int, market: Address, job_id: int, number: int) -> Similarity:
        """Return the cosines of a settled round's rows."""

    def contributions(self, chain_id: int, market: Address, job_id: int) -> Contributions:
        """Return scores and payouts by trainer and round."""

    def trainers(
        self, chain_id: int, market: Address, job_id: int, cursor: str | None = None, limit: int = PAGE
    ) -> Page[TrainerOfJob]:
        """Return a job's trainers."""

    def account(self, chain_id: int, market: Address, address: Address) -> Account:
        """Return an account."""

    def jobs_of_trainer(
        self, chain_id: int, market: Address, address: Address, cursor: str | None = None, limit: int = PAGE
    ) -> Page[JobOfTrainer]:
        """Return the jobs that an account trains or trained."""

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
