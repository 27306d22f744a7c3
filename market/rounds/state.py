"""The market's state machine as a pure reducer: (state, event) -> state, and who may do what at which chain time.

It serves the services' loops, the projection of chain events, and the model that stateful tests run the contract
against. Phases are not stored: like the contract, :func:`phase` derives them from chain time. Each ``refusal_to_*``
names the custom error with which the contract would revert, or returns None; the order of checks is the contract's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from aggregator.carried import NOTHING
from market.domain import (
    REFERENCE_BIT,
    WHOLE_BPS,
    Address,
    BondPosted,
    BondWithdrawn,
    Event,
    JobClosed,
    JobCreated,
    JobTerms,
    PayoutClaimed,
    Phase,
    ReferenceCommitted,
    RefundWithdrawn,
    RewardWithdrawn,
    RoundOpened,
    RoundSettled,
    SettlementOverturned,
    TrainerJoined,
    TrainerLeft,
    UpdateCommitted,
)
from market.errors import ForbiddenTransition


def _nothing() -> Mapping[Address, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RoundState:
    """One round: timetable, reference row, commitments in order, settlement, what overturned it and who has claimed.

    ``stakes`` are the trainers' when it was settled; they may have left since.
    """

    opened: RoundOpened
    reference: ReferenceCommitted | None = None
    commits: tuple[UpdateCommitted, ...] = ()
    settled: RoundSettled | None = None
    overturned: SettlementOverturned | None = None
    claimed: frozenset[Address] = frozenset()
    stakes: Mapping[Address, int] = field(default_factory=_nothing)

    @property
    def number(self) -> int:
        """Number of the round, from 1."""
        return self.opened.number

    @property
    def included(self) -> tuple[UpdateCommitted, ...]:
        """Commitments that the settlement includes, in order; none before it."""
        if self.settled is None:
            return ()
        mask = self.settled.settlement.included
        return tuple(commit for commit in self.commits if mask >> commit.index & 1)

    @property
    def payouts(self) -> dict[Address, int]:
        """Payout of each included trainer, zero included; empty before the settlement and once it is overturned."""
        if self.settled is None or self.overturned is not None:
            return {}
        amounts = self.settled.settlement.payouts
        return {commit.trainer: amount for commit, amount in zip(self.included, amounts, strict=True)}

    def commit_of(self, trainer: Address) -> UpdateCommitted | None:
        """Return the trainer's commitment."""
        return next((commit for commit in self.commits if commit.trainer == trainer), None)

    def phase(self, now: int) -> Phase:
        """Return the phase at chain time ``now`` (seconds); a boundary second belongs to the later phase."""
        if self.overturned is not None:
            return Phase.VOID
        if self.settled is not None:
            return Phase.CHALLENGEABLE if now < self.settled.challenge_end else Phase.FINAL
        if now < self.opened.commit_end:
            return Phase.OPEN
        return Phase.SETTLING if now < self.opened.settle_end else Phase.VOID


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as its events tell it. Amounts are in wei or token units.

    Attributes
    ----------
    refund
        Credit of the owner.
    stakes, bonds, rewards
        What trainers, aggregators and challengers have in the job, without those who have nothing.
    slashed
        Aggregators who lost bond and place.
    reference
        The reference row of the round that opens next.

    """

    created: JobCreated
    escrow: int
    refund: int = 0
    closed: bool = False
    stakes: Mapping[Address, int] = field(default_factory=_nothing)
    bonds: Mapping[Address, int] = field(default_factory=_nothing)
    rewards: Mapping[Address, int] = field(default_factory=_nothing)
    slashed: frozenset[Address] = frozenset()
    rounds: tuple[RoundState, ...] = ()
    reference: ReferenceCommitted | None = None

    @property
    def terms(self) -> JobTerms:
        """The job's terms."""
        return self.created.terms

    @property
    def job_id(self) -> int:
        """The job's number on its market."""
        return self.created.job_id

    @property
    def aggregators(self) -> tuple[Address, ...]:
        """Who may settle: the named aggregators but those who were slashed."""
        return tuple(account for account in self.created.aggregators if account not in self.slashed)

    @property
    def settled_rounds(self) -> tuple[RoundState, ...]:
        """Rounds with a settlement that was not overturned, in order."""
        return tuple(state for state in self.rounds if state.settled is not None and state.overturned is None)

    @property
    def latest(self) -> RoundState | None:
        """The latest round, if any has opened."""
        return self.rounds[-1] if self.rounds else None

    @property
    def liabilities(self) -> int:
        """What the contract owes to this job's parties: escrow, refund, stakes, bonds, rewards, unclaimed payouts."""
        unclaimed = sum(
            amount for state in self.rounds for trainer, amount in state.payouts.items() if trainer not in state.claimed
        )
        deposits = sum(sum(held.values()) for held in (self.stakes, self.bonds, self.rewards))
        return self.escrow + self.refund + deposits + unclaimed

    def round(self, number: int) -> RoundState | None:
        """Return a round by number."""
        return self.rounds[number - 1] if 0 < number <= len(self.rounds) else None

    def phase(self, now: int) -> Phase:
        """Return the phase of the latest round."""
        return self.latest.phase(now) if self.latest else Phase.NONE

    def finished(self, now: int) -> bool:
        """Whether no further round can come, and the last one is over."""
        ended = self.closed or len(self.settled_rounds) == self.terms.rounds or now >= self.terms.deadline
        return ended and self.phase(now).terminal

    def claimable(self, trainer: Address, now: int) -> dict[int, int]:
        """Return what the trainer can claim at ``now``: amount by round."""
        return {
            state.number: state.payouts[trainer]
            for state in self.rounds
            if state.phase(now) is Phase.FINAL and state.payouts.get(trainer) and trainer not in state.claimed
        }

    def settled_before(self, number: int) -> RoundState | None:
        """Return the latest round before ``number`` that was settled and not overturned: its aggregate is a row."""
        return next((state for state in reversed(self.settled_rounds) if state.number < number), None)

    def memory_digest(self, number: int) -> bytes:
        """Return the digest of what the job remembers when round ``number`` opens."""
        before = self.settled_before(number)
        return NOTHING if before is None or before.settled is None else before.settled.settlement.next_memory_digest

    def next_scale_exponent(self) -> int:
        """Return the scale exponent with which the next round would open."""
        if self.latest is None:
            return self.terms.scale_exponent
        if self.latest.settled is None or self.latest.overturned is not None:
            return self.latest.opened.scale_exponent
        return self.latest.settled.settlement.next_scale_exponent


def start(event: JobCreated) -> JobState:
    """Return the state of a job that was just created."""
    return JobState(created=event, escrow=event.terms.escrow)


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
            _demand(state.stakes.get(event.trainer) == event.stake, event)
            return replace(state, stakes=_without(state.stakes, event.trainer))
        case ReferenceCommitted():
            _demand(event.number == len(state.rounds) + 1 and state.terms.reference and not state.closed, event)
            return replace(state, reference=event)
        case RoundOpened():
            _demand(event.number == len(state.rounds) + 1, event)
            _demand(event.scale_exponent == state.next_scale_exponent(), event)
            _demand(event.settle_end == event.commit_end + state.terms.settle_seconds, event)
            _demand(refusal_to_open(state, event.commit_end - state.terms.commit_seconds) is None, event)
            opened = RoundState(opened=event, reference=state.reference)
            return replace(state, rounds=(*state.rounds, opened), reference=None)
        case UpdateCommitted():
            _demand(event.trainer in state.stakes, event)
            return _replace_round(state, event.number, _committed(_live(state, event), event))
        case RoundSettled():
            target, included = _live(state, event), event.settlement.included
            now = event.challenge_end - state.terms.challenge_seconds
            _demand(refusal_to_settle(state, event.number, event.aggregator, included, now) is None, event)
            _demand(event.paid == sum(event.settlement.payouts), event)
            _demand(event.paid <= min(state.terms.round_budget, state.escrow), event)
            settled = replace(target, settled=event, stakes=state.stakes)
            _demand(len(settled.included) == len(event.settlement.payouts), event)
            return replace(_replace_round(state, event.number, settled), escrow=state.escrow - event.paid)
        case SettlementOverturned():
            return _overturned(state, event)
        case PayoutClaimed():
            return _replace_round(state, event.number, _claimed(state, event))
        case JobClosed():
            _demand(not state.closed and event.refund == state.escrow, event)
            return replace(state, closed=True, escrow=0, refund=state.refund + event.refund)
        case RefundWithdrawn():
            _demand(event.amount == state.refund > 0, event)
            return replace(state, refund=0)
        case RewardWithdrawn():
            _demand(event.amount == state.rewards.get(event.challenger), event)
            return replace(state, rewards=_without(state.rewards, event.challenger))
        case BondPosted():
            _demand(refusal_to_post_bond(state, event.aggregator) is None, event)
            _demand(event.bond == state.terms.aggregator_bond, event)
            return replace(state, bonds=_with(state.bonds, event.aggregator, event.bond))
        case BondWithdrawn():
            _demand(event.bond == state.bonds.get(event.aggregator), event)
            return replace(state, bonds=_without(state.bonds, event.aggregator))
        case JobCreated():
            raise ForbiddenTransition("a job is created once", event=type(event).__name__)


def refusal_to_open(state: JobState, now: int) -> str | None:
    """Say why no round can open at ``now``."""
    if state.closed:
        return "Market_JobClosed"
    if not state.phase(now).terminal:
        return "Market_WrongPhase"
    if len(state.settled_rounds) == state.terms.rounds:
        return "Market_AllRoundsSettled"
    if now >= state.terms.deadline:
        return "Market_DeadlinePassed"
    if len(state.stakes) < state.terms.min_trainers:
        return "Market_TooFewTrainers"
    return "Market_NoReference" if state.terms.reference and state.reference is None else None


def refusal_to_commit_reference(state: JobState, caller: Address, now: int) -> str | None:
    """Say why ``caller`` cannot commit the next round's reference row at ``now``."""
    if caller != state.created.owner:
        return "Market_NotOwner"
    if not state.terms.reference:
        return "Market_NoReferenceAsked"
    if state.closed:
        return "Market_JobClosed"
    return "Market_WrongPhase" if state.phase(now) in (Phase.OPEN, Phase.SETTLING) else None


def refusal_to_join(state: JobState, trainer: Address, stake: int) -> str | None:
    """Say why ``trainer`` cannot join with ``stake``."""
    if state.closed:
        return "Market_JobClosed"
    if trainer in state.stakes:
        return "Market_AlreadyJoined"
    if len(state.stakes) >= state.terms.max_trainers:
        return "Market_JobFull"
    in_range = state.terms.stake_min <= stake <= state.terms.stake_max
    return None if in_range else "Market_StakeOutOfRange"


def refusal_to_leave(state: JobState, trainer: Address, now: int) -> str | None:
    """Say why ``trainer`` cannot take its stake back at ``now``."""
    if trainer not in state.stakes:
        return "Market_NotTrainer"
    locked = (
        state.latest is not None
        and state.latest.commit_of(trainer) is not None
        and not state.latest.phase(now).terminal
    )
    return "Market_StakeLocked" if locked else None


def refusal_to_commit(state: JobState, number: int, trainer: Address, now: int) -> str | None:
    """Say why ``trainer`` cannot commit to round ``number`` at ``now``."""
    if trainer not in state.stakes:
        return "Market_NotTrainer"
    target = state.round(number)
    if target is None or target.phase(now) is not Phase.OPEN:
        return "Market_WrongPhase"
    return "Market_AlreadyCommitted" if target.commit_of(trainer) else None


def refusal_to_settle(state: JobState, number: int, aggregator: Address, included: int, now: int) -> str | None:
    """Say why ``aggregator`` cannot settle round ``number`` with these trainers at ``now``, figures aside."""
    if aggregator not in state.aggregators:
        return "Market_NotAggregator"
    if state.bonds.get(aggregator, 0) != state.terms.aggregator_bond:
        return "Market_NotBonded"
    target = state.round(number)
    if target is None or target.phase(now) is not Phase.SETTLING:
        return "Market_WrongPhase"
    total = len(target.commits)
    if total < state.terms.min_trainers:
        return "Market_TooFewTrainers"
    if state.terms.reference:
        included &= ~(1 << REFERENCE_BIT)
    if included >> total:
        return "Market_UnknownTrainers"
    return "Market_TooManyExcluded" if total - included.bit_count() > state.terms.byzantine else None


def refusal_to_challenge(state: JobState, number: int, now: int) -> str | None:
    """Say why nobody can challenge the settlement of round ``number`` at ``now``, evidence aside."""
    target = state.round(number)
    return None if target is not None and target.phase(now) is Phase.CHALLENGEABLE else "Market_WrongPhase"


def refusal_to_post_bond(state: JobState, aggregator: Address) -> str | None:
    """Say why ``aggregator`` cannot post a bond."""
    if aggregator not in state.aggregators:
        return "Market_NotAggregator"
    if state.closed:
        return "Market_JobClosed"
    if state.terms.aggregator_bond == 0:
        return "Market_NoBondAsked"
    return "Market_AlreadyBonded" if aggregator in state.bonds else None


def refusal_to_withdraw_bond(state: JobState, aggregator: Address, now: int) -> str | None:
    """Say why ``aggregator`` cannot take its bond back at ``now``."""
    if aggregator not in state.bonds:
        return "Market_NotBonded"
    latest = state.latest
    settled = None if latest is None else latest.settled
    locked = settled is not None and settled.aggregator == aggregator and not state.phase(now).terminal
    return "Market_BondLocked" if locked else None


def refusal_to_claim(state: JobState, number: int, trainer: Address, now: int) -> str | None:
    """Say why ``trainer`` cannot claim round ``number`` at ``now``."""
    target = state.round(number)
    if target is None or target.phase(now) is not Phase.FINAL:
        return "Market_WrongPhase"
    if not target.payouts.get(trainer):
        return "Market_NothingToClaim"
    return "Market_AlreadyClaimed" if trainer in target.claimed else None


def refusal_to_close(state: JobState, caller: Address, now: int) -> str | None:
    """Say why ``caller`` cannot close the job at ``now``."""
    if state.closed:
        return "Market_JobClosed"
    if not state.phase(now).terminal:
        return "Market_WrongPhase"
    finished = len(state.settled_rounds) == state.terms.rounds or now >= state.terms.deadline
    unused = caller == state.created.owner and not state.stakes
    return None if finished or unused else "Market_JobRunning"


def refusal_to_withdraw(state: JobState, caller: Address) -> str | None:
    """Say why ``caller`` cannot withdraw the refund."""
    if caller != state.created.owner:
        return "Market_NotOwner"
    return None if state.refund else "Market_NothingToWithdraw"


def refusal_to_withdraw_reward(state: JobState, challenger: Address) -> str | None:
    """Say why ``challenger`` cannot withdraw a reward."""
    return None if challenger in state.rewards else "Market_NothingToWithdraw"


def _live(state: JobState, event: UpdateCommitted | RoundSettled) -> RoundState:
    """Return the round an event is for: the latest one, unsettled, of a job that is not closed."""
    latest = state.latest
    if state.closed or latest is None or latest.number != event.number or latest.settled is not None:
        raise ForbiddenTransition(
            f"{type(event).__name__} for round {event.number} in a state that forbids it", event=type(event).__name__
        )
    return latest


def _committed(target: RoundState, event: UpdateCommitted) -> RoundState:
    _demand(target.commit_of(event.trainer) is None and event.index == len(target.commits), event)
    _demand(all(commit.commitment != event.commitment for commit in target.commits), event)
    return replace(target, commits=(*target.commits, event))


def _claimed(state: JobState, event: PayoutClaimed) -> RoundState:
    target = state.round(event.number)
    owed = target.payouts.get(event.trainer) if target else None
    if target is None or not owed or owed != event.amount or event.trainer in target.claimed:
        raise ForbiddenTransition(
            f"a claim of {event.amount} in round {event.number} that is not owed", event=type(event).__name__
        )
    return replace(target, claimed=target.claimed | {event.trainer})


def _overturned(state: JobState, event: SettlementOverturned) -> JobState:
    target = state.latest
    if target is None or target.settled is None or target.overturned is not None or target.number != event.number:
        raise ForbiddenTransition(
            f"round {event.number} was overturned in a state that forbids it", event=type(event).__name__
        )
    _demand(not state.closed and not target.claimed and event.returned == target.settled.paid, event)
    _demand(event.aggregator == target.settled.aggregator, event)
    _demand(event.bond == state.bonds.get(event.aggregator, 0), event)
    _demand(event.reward == event.bond * state.terms.challenger_share_bps // WHOLE_BPS, event)
    rewards = state.rewards
    if event.reward:
        rewards = _with(rewards, event.challenger, rewards.get(event.challenger, 0) + event.reward)
    return replace(
        _replace_round(state, event.number, replace(target, overturned=event)),
        escrow=state.escrow + event.returned,
        refund=state.refund + event.bond - event.reward,
        bonds=_without(state.bonds, event.aggregator),
        rewards=rewards,
        slashed=state.slashed | {event.aggregator},
    )


def _replace_round(state: JobState, number: int, new: RoundState) -> JobState:
    return replace(state, rounds=(*state.rounds[: number - 1], new, *state.rounds[number:]))


def _with(held: Mapping[Address, int], account: Address, amount: int) -> Mapping[Address, int]:
    return MappingProxyType({**held, account: amount})


def _without(held: Mapping[Address, int], account: Address) -> Mapping[Address, int]:
    return MappingProxyType({key: value for key, value in held.items() if key != account})


def _demand(condition: bool, event: Event) -> None:
    if not condition:
        raise ForbiddenTransition(f"{type(event).__name__} in a state that forbids it", event=type(event).__name__)
