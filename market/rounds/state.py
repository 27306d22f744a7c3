"""A job and its rounds as their events tell them: accounts, phases by chain time, and what follows from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from aggregator.carried import NOTHING
from aggregator.settlement import RoundRules
from market.domain import (
    Address,
    JobCreated,
    JobTerms,
    Phase,
    ReferenceCommitted,
    RoundOpened,
    RoundSettled,
    SettlementOverturned,
    UpdateCommitted,
)


def _no_stakes() -> Mapping[Address, int]:
    return MappingProxyType({})


def _no_names() -> Mapping[Address, Address]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RoundState:
    """One round: timetable, reference row, commitments in order, settlement, what became of it and who has claimed.

    Attributes
    ----------
    budget
        What it pays at most: the job's round budget when it opened.
    settled
        The settlement that counts; the ones whose place it took are in ``replaced``, in order.
    slashed
        Places of the commitments that were proven out of range.
    bond
        What is held behind the settlement.
    refunded
        Whether the budget of this void round went back to the owner.
    stakes
        The trainers' when it was settled; they may have left since.

    """

    opened: RoundOpened
    budget: int
    reference: ReferenceCommitted | None = None
    commits: tuple[UpdateCommitted, ...] = ()
    settled: RoundSettled | None = None
    replaced: tuple[RoundSettled, ...] = ()
    overturned: SettlementOverturned | None = None
    slashed: frozenset[int] = frozenset()
    bond: int = 0
    refunded: bool = False
    claimed: frozenset[Address] = frozenset()
    stakes: Mapping[Address, int] = field(default_factory=_no_stakes)

    @property
    def number(self) -> int:
        """Number of the round, from 1."""
        return self.opened.number

    @property
    def included(self) -> tuple[UpdateCommitted, ...]:
        """Commitments that the settlement includes, in order, those slashed since too; none before it."""
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
        return {
            commit.trainer: 0 if commit.index in self.slashed else amount
            for commit, amount in zip(self.included, amounts, strict=True)
        }

    @property
    def slashed_mask(self) -> int:
        """Bit i set: the i-th commitment was proven out of range."""
        return sum(1 << index for index in self.slashed)

    @property
    def valid(self) -> bool:
        """Whether it has a settlement that was not overturned."""
        return self.settled is not None and self.overturned is None

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
    terms
        What it promises by now: ``created.terms``, extended or stopped.
    stakes
        What trainers have in the job, without those who have nothing.
    named
        Which aggregator more a trainer names.
    dismissed
        Aggregators who lost bond and place.
    reference
        The reference row of the round that opens next.

    """

    created: JobCreated
    terms: JobTerms
    escrow: int
    closed: bool = False
    stakes: Mapping[Address, int] = field(default_factory=_no_stakes)
    named: Mapping[Address, Address] = field(default_factory=_no_names)
    dismissed: frozenset[Address] = frozenset()
    rounds: tuple[RoundState, ...] = ()
    reference: ReferenceCommitted | None = None

    @property
    def job_id(self) -> int:
        """The job's number on its market."""
        return self.created.job_id

    @property
    def owner(self) -> Address:
        """Who opened the job."""
        return self.created.owner

    @property
    def aggregators(self) -> tuple[Address, ...]:
        """Who may settle: whom the owner or a trainer names, but those who were dismissed."""
        everybody = dict.fromkeys((*self.created.aggregators, *self.named.values()))
        return tuple(account for account in everybody if account not in self.dismissed)

    @property
    def settled_rounds(self) -> tuple[RoundState, ...]:
        """Rounds with a settlement that was not overturned, in order."""
        return tuple(state for state in self.rounds if state.valid)

    @property
    def used(self) -> int:
        """Rounds used up: settled and not overturned, and void ones whose budget was returned."""
        return sum(1 for state in self.rounds if state.valid or state.refunded)

    @property
    def latest(self) -> RoundState | None:
        """The latest round, if any has opened."""
        return self.rounds[-1] if self.rounds else None

    @property
    def bonds(self) -> int:
        """What is held behind settlements."""
        return sum(state.bond for state in self.rounds)

    @property
    def liabilities(self) -> int:
        """What the contract owes to this job's parties: escrow, stakes, bonds, unclaimed payouts."""
        unclaimed = sum(
            amount for state in self.rounds for trainer, amount in state.payouts.items() if trainer not in state.claimed
        )
        return self.escrow + sum(self.stakes.values()) + self.bonds + unclaimed

    def round(self, number: int) -> RoundState | None:
        """Return a round by number."""
        return self.rounds[number - 1] if 0 < number <= len(self.rounds) else None

    def phase(self, now: int) -> Phase:
        """Return the phase of the latest round."""
        return self.latest.phase(now) if self.latest else Phase.NONE

    def refund_due(self, now: int) -> int:
        """Return the budget of the latest round if it is void by now and not repeated, and still in escrow."""
        latest = self.latest
        if not self.terms.refund_void or latest is None or latest.refunded or latest.phase(now) is not Phase.VOID:
            return 0
        return self.terms.round_budget

    def used_by(self, now: int) -> int:
        """Return the rounds used up once the latest one, if it is void by now, is on the books."""
        return self.used + bool(self.refund_due(now))

    def extension_deposit(self, rounds: int, round_budget: int, now: int) -> int:
        """Return what the owner pays to have ``rounds`` rounds in all, each not yet used up with ``round_budget``."""
        used = self.used_by(now)
        return round_budget * (rounds - used) - self.terms.round_budget * (self.terms.rounds - used)

    def finished(self, now: int) -> bool:
        """Whether no further round can come, unless the job is extended, and the last one is over."""
        ended = self.closed or self.used_by(now) == self.terms.rounds or now >= self.terms.deadline
        return ended and self.phase(now).terminal

    def claimable(self, trainer: Address, now: int) -> dict[int, int]:
        """Return what the trainer can claim at ``now``: amount by round."""
        return {
            state.number: state.payouts[trainer]
            for state in self.rounds
            if state.phase(now) is Phase.FINAL and state.payouts.get(trainer) and trainer not in state.claimed
        }

    def releasable(self, aggregator: Address, now: int) -> dict[int, int]:
        """Return the bonds behind final settlements of an aggregator that are still held: amount by round."""
        return {
            state.number: state.bond
            for state in self.rounds
            if state.bond and state.settled and state.settled.aggregator == aggregator
            and state.phase(now) is Phase.FINAL
        }  # fmt: skip

    def rules_of(self, state: RoundState) -> RoundRules:
        """Return the arithmetic of a round: the job's, with the budget that the round has."""
        return replace(self.terms.round_rules, budget=state.budget)

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
