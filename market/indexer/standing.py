"""Phases of rounds and what jobs wait for, by chain time: of rows in Python, and as conditions of queries."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, not_, or_

from market.indexer.schema import jobs
from market.indexer.views import JobStatus, RoundPhase, RoundTimes

_TERMINAL = frozenset({RoundPhase.NONE, RoundPhase.FINAL, RoundPhase.VOID})


def phase_of(row: Any, now: int, *, overturned: bool, settled: bool) -> RoundPhase:
    """Return the phase of a round by its times, as the contract does; a boundary second is the later phase's."""
    if overturned:
        return RoundPhase.VOID
    if settled:
        return RoundPhase.CHALLENGEABLE if now < row.challenge_end else RoundPhase.FINAL
    if now < row.commit_end:
        return RoundPhase.OPEN
    return RoundPhase.SETTLING if now < row.settle_end else RoundPhase.VOID


def latest_phase(job: Any, now: int) -> RoundPhase:
    """Return the phase of a job's latest round."""
    if not job.latest:
        return RoundPhase.NONE
    return phase_of(job, now, overturned=job.overturned, settled=job.settled)


def latest_times(job: Any, now: int) -> RoundTimes | None:
    """Return where a job's latest round stands."""
    if not job.latest:
        return None
    phase = latest_phase(job, now)
    ends = {
        RoundPhase.OPEN: job.commit_end,
        RoundPhase.SETTLING: job.settle_end,
        RoundPhase.CHALLENGEABLE: job.challenge_end,
    }
    return RoundTimes(number=job.latest, phase=phase, ends=ends.get(phase))


def used_by(job: Any, now: int) -> int:
    """Return the rounds used up once the latest one, if it is void by now, is on the books."""
    due = job.refund_void and not job.refunded and latest_phase(job, now) is RoundPhase.VOID
    return int(job.used) + bool(due)


def between_rounds(job: Any, now: int) -> bool:
    """Whether the latest round, if any, is over."""
    return latest_phase(job, now) in _TERMINAL


def status_of(job: Any, now: int) -> JobStatus:
    """Return what a job waits for."""
    if job.closed:
        return JobStatus.CLOSED
    if not between_rounds(job, now):
        return JobStatus.RUNNING
    if used_by(job, now) == job.rounds or now >= job.deadline:
        return JobStatus.FINISHED
    return JobStatus.JOINING if job.trainers < job.min_trainers else JobStatus.RUNNING


def has_status(status: JobStatus, now: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a job waits for this; the same as :func:`status_of`."""
    columns = jobs.c
    if status is JobStatus.CLOSED:
        return columns.closed.is_(True)
    unsettled_void = and_(columns.settled.is_(False), columns.settle_end <= now)
    void = and_(columns.latest > 0, or_(columns.overturned.is_(True), unsettled_void))
    final = and_(columns.settled.is_(True), columns.overturned.is_(False), columns.challenge_end <= now)
    over = or_(columns.latest == 0, void, final)
    due = and_(columns.refund_void.is_(True), columns.refunded.is_(False), void)
    ended = or_(columns.used + case((due, 1), else_=0) == columns.rounds, columns.deadline <= now)
    waiting = and_(over, not_(ended), columns.trainers < columns.min_trainers)
    conditions = {
        JobStatus.FINISHED: and_(over, ended),
        JobStatus.JOINING: waiting,
        JobStatus.RUNNING: or_(not_(over), and_(not_(ended), columns.trainers >= columns.min_trainers)),
    }
    return and_(columns.closed.is_(False), conditions.get(status, false()))
