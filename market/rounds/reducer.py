"""What an event makes of a job: the reducer, which refuses what no sound contract emits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from market.domain import (
    NATIVE_COIN,
    WHOLE_BPS,
    Address,
    AggregatorNamed,
    BondReleased,
    Event,
    JobClosed,
    JobCreated,
    JobExtended,
    JobStopped,
    PayoutClaimed,
    ReferenceCommitted,
    RoundOpened,
    RoundRefunded,
    RoundSettled,
    SettlementOverturned,
    SettlementReplaced,
    TrainerJoined,
    TrainerLeft,
    TrainerSlashed,
    UpdateCommitted,
)
from market.errors import ForbiddenTransition
from market.rounds.refusals import (
    refusal_to_challenge_update,
    refusal_to_commit,
    refusal_to_join,
    refusal_to_name,
    refusal_to_open,
    refusal_to_settle,
)
from market.rounds.state import JobState, RoundState


def start(event: JobCreated) -> JobState:
    """Return the state of a job that was just created."""
    return JobState(created=event, terms=event.terms, escrow=event.terms.escrow)


def apply(state: JobState, event: Event) -> JobState:  # noqa: PLR0911, PLR0912 - one branch an event
    """Return the state after ``event``.

    Raises
    ------
    ForbiddenTransition
        If no contract that keeps its invariants could have emitted the event in this state: the chain data are
        incomplete, out of order, or not of this market.

    """
    match event:
        case TrainerJoined():
            _demand(refusal_to_join(state, event.trainer, event.stake) is None, event)
            return replace(state, stakes=_with(state.stakes, event.trainer, event.stake))
        case TrainerLeft():
            _demand(event.stake == state.stakes.get(event.trainer) and event.trainer not in state.named, event)
            return replace(state, stakes=_without(state.stakes, event.trainer))
        case AggregatorNamed():
            return _named(state, event)
        case ReferenceCommitted():
            _demand(state.terms.reference and not state.closed and event.number == len(state.rounds) + 1, event)
            return replace(state, reference=event)
        case RoundOpened():
            return _opened(state, event)
        case UpdateCommitted():
            return _committed(state, event)
        case RoundSettled():
            return _settled(state, event)
        case SettlementReplaced():
            return _replaced(state, event)
        case SettlementOverturned():
            return _overturned(state, event)
        case TrainerSlashed():
            return _slashed(state, event)
        case BondReleased():
            return _released(state, event)
        case RoundRefunded():
            return _refunded(state, event)
        case PayoutClaimed():
            return _claimed(state, event)
        case JobExtended():
            return _extended(state, event)
        case JobStopped():
            _demand(not state.closed and event.deadline < state.terms.deadline, event)
            return replace(state, terms=replace(state.terms, deadline=event.deadline))
        case JobClosed():
            _demand(not state.closed and _concluded(state) and event.refund == state.escrow, event)
            return replace(state, closed=True, escrow=0)
        case JobCreated():
            raise ForbiddenTransition("a job is created once", event=type(event).__name__)


def _named(state: JobState, event: AggregatorNamed) -> JobState:
    _demand(refusal_to_name(state, event.trainer) is None, event)
    named = {trainer: chosen for trainer, chosen in state.named.items() if trainer != event.trainer}
    if event.aggregator != NATIVE_COIN:
        named[event.trainer] = event.aggregator
    return replace(state, named=MappingProxyType(named))


def _opened(state: JobState, event: RoundOpened) -> JobState:
    now = event.commit_end - state.terms.commit_seconds
    _demand(refusal_to_open(state, now) is None and _concluded(state), event)
    _demand(event.number == len(state.rounds) + 1, event)
    _demand(event.scale_exponent == state.next_scale_exponent(), event)
    _demand(event.settle_end == event.commit_end + state.terms.settle_seconds, event)
    opened = RoundState(event, budget=state.terms.round_budget, reference=state.reference)
    return replace(state, rounds=(*state.rounds, opened), reference=None)


def _concluded(state: JobState) -> bool:
    """Whether the books of the latest round are in order, as they are before the next opens."""
    latest = state.latest
    return latest is None or not (latest.bond or (state.terms.refund_void and not latest.valid and not latest.refunded))


def _committed(state: JobState, event: UpdateCommitted) -> JobState:
    target = _latest(state, event)
    _demand(target.settled is None and not target.refunded, event)
    # That the round is still open the event does not tell; the opening second is the earliest that it can be.
    _demand(refusal_to_commit(state, event.number, event.trainer, target.opened.commit_end - 1) is None, event)
    _demand(event.index == len(target.commits) and not target.slashed, event)
    _demand(all(commit.commitment != event.commitment for commit in target.commits), event)
    return _with_round(state, replace(target, commits=(*target.commits, event)))


def _settled(state: JobState, event: RoundSettled) -> JobState:
    target, included = _latest(state, event), event.settlement.included
    _demand(target.settled is None and target.bond == 0 and not target.refunded, event)
    now, bond = event.challenge_end - state.terms.challenge_seconds, state.terms.aggregator_bond
    seen = _with_round(state, replace(target, settled=target.replaced[-1])) if target.replaced else state
    _demand(refusal_to_settle(seen, event.number, event.aggregator, included, now, free=bond) is None, event)
    _demand(event.paid == sum(event.settlement.payouts), event)
    _demand(event.paid <= min(target.budget, state.escrow), event)
    settled = replace(target, settled=event, bond=bond, stakes=state.stakes)
    _demand(len(settled.included) == len(event.settlement.payouts), event)
    return replace(_with_round(state, settled), escrow=state.escrow - event.paid)


def _replaced(state: JobState, event: SettlementReplaced) -> JobState:
    target = _latest(state, event)
    _demand(not target.claimed, event)
    if target.settled is None or target.overturned is not None or target.settled.aggregator != event.aggregator:
        raise _forbidden(event)
    _demand(event.returned == sum(target.payouts.values()), event)
    opened_anew = replace(target, settled=None, replaced=(*target.replaced, target.settled))
    return replace(_with_round(state, opened_anew), escrow=state.escrow + event.returned)


def _overturned(state: JobState, event: SettlementOverturned) -> JobState:
    target = _latest(state, event)
    if target.settled is None or target.overturned is not None or target.settled.aggregator != event.aggregator:
        raise _forbidden(event)
    _demand(not target.claimed and event.returned == sum(target.payouts.values()), event)
    _demand(event.bond == target.bond and event.reward == _share(state, event.bond), event)
    return replace(
        _with_round(state, replace(target, overturned=event, bond=0)),
        escrow=state.escrow + event.returned,
        dismissed=state.dismissed | {event.aggregator},
    )


def _slashed(state: JobState, event: TrainerSlashed) -> JobState:
    target = _latest(state, event)
    commit = target.commit_of(event.trainer)
    if commit is None or event.trainer in state.named or target.overturned is not None:
        raise _forbidden(event)
    now = target.opened.commit_end if target.settled is None else target.settled.challenge_end - 1
    _demand(refusal_to_challenge_update(state, event.number, commit.index, now) is None, event)
    _demand(event.stake == state.stakes.get(event.trainer) and event.reward == _share(state, event.stake), event)
    _demand(not target.claimed and event.returned == target.payouts.get(event.trainer, 0), event)
    return replace(
        _with_round(state, replace(target, slashed=target.slashed | {commit.index})),
        escrow=state.escrow + event.returned,
        stakes=_without(state.stakes, event.trainer),
    )


def _released(state: JobState, event: BondReleased) -> JobState:
    target = state.round(event.number)
    settled = None
    if target is not None:
        settled = target.settled or (target.replaced[-1] if target.replaced else None)
    if target is None or settled is None or target.overturned is not None:
        raise _forbidden(event)
    _demand(event.bond == target.bond > 0 and event.aggregator == settled.aggregator, event)
    return _with_round(state, replace(target, bond=0))


def _refunded(state: JobState, event: RoundRefunded) -> JobState:
    target = _latest(state, event)
    _demand(state.terms.refund_void and not target.valid and not target.refunded, event)
    _demand(event.amount == target.budget, event)
    return replace(_with_round(state, replace(target, refunded=True)), escrow=state.escrow - event.amount)


def _claimed(state: JobState, event: PayoutClaimed) -> JobState:
    target = state.round(event.number)
    owed = target.payouts.get(event.trainer) if target else None
    if target is None or not owed or owed != event.amount or event.trainer in target.claimed:
        raise ForbiddenTransition(
            f"a claim of {event.amount} in round {event.number} that is not owed", event=type(event).__name__
        )
    return _with_round(state, replace(target, claimed=target.claimed | {event.trainer}))


def _extended(state: JobState, event: JobExtended) -> JobState:
    terms, used = state.terms, state.used
    _demand(not state.closed and _concluded(state), event)
    _demand(event.rounds >= terms.rounds and event.round_budget >= terms.round_budget, event)
    _demand(event.deadline >= terms.deadline, event)
    expected = event.round_budget * (event.rounds - used) - terms.round_budget * (terms.rounds - used)
    _demand(event.deposit == expected, event)
    extended = replace(terms, rounds=event.rounds, round_budget=event.round_budget, deadline=event.deadline)
    return replace(state, terms=extended, escrow=state.escrow + event.deposit)


RoundEvent = UpdateCommitted | RoundSettled | SettlementReplaced | SettlementOverturned | TrainerSlashed | RoundRefunded


def _latest(state: JobState, event: RoundEvent) -> RoundState:
    """Return the round an event is for: the latest one, of a job that is not closed."""
    latest = state.latest
    if state.closed or latest is None or latest.number != event.number:
        raise _forbidden(event)
    return latest


def _share(state: JobState, amount: int) -> int:
    """Return what the challenger gets of a slash."""
    return amount * state.terms.challenger_share_bps // WHOLE_BPS


def _with_round(state: JobState, new: RoundState) -> JobState:
    number = new.number
    return replace(state, rounds=(*state.rounds[: number - 1], new, *state.rounds[number:]))


def _with(held: Mapping[Address, int], account: Address, amount: int) -> Mapping[Address, int]:
    return MappingProxyType({**held, account: amount})


def _without(held: Mapping[Address, int], account: Address) -> Mapping[Address, int]:
    return MappingProxyType({key: value for key, value in held.items() if key != account})


def _demand(condition: bool, event: Event) -> None:
    if not condition:
        raise _forbidden(event)


def _forbidden(event: Event) -> ForbiddenTransition:
    job_id, kind = event.job_id, type(event).__name__
    return ForbiddenTransition(f"{kind} of job {job_id} in a state that forbids it", event=kind)
