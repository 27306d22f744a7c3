"""Who may do what at which chain time: the custom error with which the contract would revert, or None."""

from __future__ import annotations

from market.domain import NATIVE_COIN, REFERENCE_BIT, Address, Phase
from market.rounds.state import JobState, RoundState

MAX_DEADLINE_SECONDS = 3_650 * 86_400
"""A deadline is at most so far ahead when it is set."""


def refusal_to_open(state: JobState, now: int) -> str | None:
    """Say why no round can open at ``now``."""
    if state.closed:
        return "Market_JobClosed"
    if not state.phase(now).terminal:
        return "Market_WrongPhase"
    if state.used_by(now) == state.terms.rounds:
        return "Market_AllRoundsUsed"
    if now >= state.terms.deadline:
        return "Market_DeadlinePassed"
    if len(state.stakes) < state.terms.min_trainers:
        return "Market_TooFewTrainers"
    return "Market_NoReference" if state.terms.reference and state.reference is None else None


def refusal_to_commit_reference(state: JobState, caller: Address, now: int) -> str | None:
    """Say why ``caller`` cannot commit the next round's reference row at ``now``."""
    if caller != state.owner:
        return "Market_NotOwner"
    if not state.terms.reference:
        return "Market_NoReferenceAsked"
    if state.closed:
        return "Market_JobClosed"
    return "Market_WrongPhase" if state.phase(now) in (Phase.OPEN, Phase.SETTLING) else None


def refusal_to_extend(
    state: JobState, caller: Address, rounds: int, round_budget: int, deadline: int, now: int
) -> str | None:
    """Say why ``caller`` cannot give the job these rounds, budget and deadline at ``now``; the deposit aside."""
    terms = state.terms
    if caller != state.owner:
        return "Market_NotOwner"
    if state.closed:
        return "Market_JobClosed"
    if not state.phase(now).terminal:
        return "Market_WrongPhase"
    if rounds < terms.rounds or round_budget < terms.round_budget or deadline < terms.deadline:
        return "Market_InvalidTerms"
    if deadline != terms.deadline and not now < deadline <= now + MAX_DEADLINE_SECONDS:
        return "Market_InvalidTerms"
    same = (rounds, round_budget, deadline) == (terms.rounds, terms.round_budget, terms.deadline)
    return "Market_NothingToExtend" if same else None


def refusal_to_stop(state: JobState, caller: Address, now: int) -> str | None:
    """Say why ``caller`` cannot stop the job at ``now``."""
    if caller != state.owner:
        return "Market_NotOwner"
    if state.closed:
        return "Market_JobClosed"
    return "Market_DeadlinePassed" if now >= state.terms.deadline else None


def refusal_to_close(state: JobState, caller: Address, now: int) -> str | None:
    """Say why ``caller`` cannot close the job at ``now``."""
    if state.closed:
        return "Market_JobClosed"
    if not state.phase(now).terminal:
        return "Market_WrongPhase"
    finished = state.used_by(now) == state.terms.rounds or now >= state.terms.deadline
    return None if finished or caller == state.owner else "Market_JobRunning"


def refusal_to_join(state: JobState, trainer: Address, stake: int) -> str | None:
    """Say why ``trainer`` cannot join with ``stake``; the deposit aside."""
    if state.closed:
        return "Market_JobClosed"
    if trainer in state.stakes:
        return "Market_AlreadyJoined"
    if len(state.stakes) >= state.terms.max_trainers:
        return "Market_JobFull"
    in_range = state.terms.stake_min <= stake <= state.terms.stake_max
    return None if in_range else "Market_StakeOutOfRange"


def refusal_to_leave(state: JobState, trainer: Address, now: int, recipient: Address | None = None) -> str | None:
    """Say why ``trainer`` cannot take its stake back at ``now``; to itself, where no recipient is given."""
    if trainer not in state.stakes:
        return "Market_NotTrainer"
    if recipient == NATIVE_COIN:
        return "Market_ZeroRecipient"
    locked = (
        state.latest is not None
        and state.latest.commit_of(trainer) is not None
        and not state.latest.phase(now).terminal
    )
    return "Market_StakeLocked" if locked else None


def refusal_to_name(state: JobState, trainer: Address) -> str | None:
    """Say why ``trainer`` cannot name an aggregator."""
    return None if trainer in state.stakes else "Market_NotTrainer"


def refusal_to_commit(state: JobState, number: int, trainer: Address, now: int) -> str | None:
    """Say why ``trainer`` cannot commit to round ``number`` at ``now``."""
    if trainer not in state.stakes:
        return "Market_NotTrainer"
    target = state.round(number)
    if target is None or target.phase(now) is not Phase.OPEN:
        return "Market_WrongPhase"
    return "Market_AlreadyCommitted" if target.commit_of(trainer) else None


def refusal_to_settle(
    state: JobState, number: int, aggregator: Address, included: int, now: int, free: int
) -> str | None:
    """Say why ``aggregator`` cannot settle round ``number`` with these trainers at ``now``, figures aside.

    Parameters
    ----------
    included
        See :attr:`market.domain.Settlement.included`.
    free
        The aggregator's free balance of the job's token, which the bond is taken from.

    """
    if aggregator not in state.aggregators:
        return "Market_NotAggregator"
    target = state.round(number)
    phase = Phase.NONE if target is None else target.phase(now)
    if target is None or phase not in (Phase.SETTLING, Phase.CHALLENGEABLE):
        return "Market_WrongPhase"
    without = state.terms.reference and not included >> REFERENCE_BIT
    if phase is Phase.SETTLING and without and aggregator not in state.created.aggregators:
        return "Market_NoReference"
    if phase is Phase.CHALLENGEABLE and not includes_more(target, included):
        return "Market_NotSuperset"
    refusal = _refusal_of_included(state, target, included)
    if refusal is not None:
        return refusal
    if target.settled is not None and target.settled.aggregator == aggregator:
        free += target.bond  # of the settlement that gives way
    return None if free >= state.terms.aggregator_bond else "Market_InsufficientBalance"


def includes_more(target: RoundState, included: int) -> bool:
    """Whether these are all that the settlement on record includes, those since slashed aside, and more."""
    if target.settled is None:
        return True
    before = target.settled.settlement.included
    return not before & ~target.slashed_mask & ~included and bool(included & ~before)


def _refusal_of_included(state: JobState, target: RoundState, included: int) -> str | None:
    total = len(target.commits)
    if state.terms.reference:
        included &= ~(1 << REFERENCE_BIT)
    if included >> total:
        return "Market_UnknownTrainers"
    if included & target.slashed_mask:
        return "Market_SlashedTrainers"
    sound = total - len(target.slashed)
    if target.settled is None and sound < state.terms.min_trainers:
        return "Market_TooFewTrainers"
    return "Market_TooManyExcluded" if sound - included.bit_count() > state.terms.byzantine else None


def refusal_to_release_bond(state: JobState, number: int, now: int) -> str | None:
    """Say why the bond behind the settlement of round ``number`` cannot be released at ``now``."""
    target = state.round(number)
    if target is None or target.phase(now) is not Phase.FINAL:
        return "Market_WrongPhase"
    return None if target.bond else "Market_NotBonded"


def refusal_to_challenge(state: JobState, number: int, now: int) -> str | None:
    """Say why nobody can challenge the settlement of round ``number`` at ``now``, evidence aside."""
    target = state.round(number)
    return None if target is not None and target.phase(now) is Phase.CHALLENGEABLE else "Market_WrongPhase"


def refusal_to_challenge_update(state: JobState, number: int, index: int, now: int) -> str | None:
    """Say why nobody can challenge the ``index``-th update of round ``number`` at ``now``, evidence aside."""
    target = state.round(number)
    if target is None or target.phase(now) not in (Phase.SETTLING, Phase.CHALLENGEABLE):
        return "Market_WrongPhase"
    if not 0 <= index < len(target.commits):
        return "Market_UnknownTrainers"
    return "Market_SlashedTrainers" if index in target.slashed else None


def refusal_to_claim(
    state: JobState, number: int, trainer: Address, now: int, recipient: Address | None = None
) -> str | None:
    """Say why ``trainer`` cannot claim round ``number`` at ``now``; to itself, where no recipient is given."""
    if recipient == NATIVE_COIN:
        return "Market_ZeroRecipient"
    target = state.round(number)
    if target is None or target.phase(now) is not Phase.FINAL:
        return "Market_WrongPhase"
    if not target.payouts.get(trainer):
        return "Market_NothingToClaim"
    return "Market_AlreadyClaimed" if trainer in target.claimed else None
