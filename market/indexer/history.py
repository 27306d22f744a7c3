"""A job as its events tell it, by the reducer, and beside it where and when each of them was logged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from market import rounds
from market.domain import (
    Address,
    Event,
    JobCreated,
    JobExtended,
    RoundOpened,
    RoundSettled,
    SettlementOverturned,
    TrainerJoined,
    TrainerLeft,
    TrainerSlashed,
    UpdateCommitted,
)
from market.errors import ForbiddenTransition
from market.rounds import JobState, RoundState


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event was logged, at which chain time, and what the transaction took if it is a settlement's."""

    block: int
    index: int
    tx: bytes
    timestamp: int
    gas: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What one round means to one trainer."""

    accepted: bool = False
    slashed: bool = False
    paid: int = 0
    claimed: int = 0


@dataclass(slots=True)
class Member:
    """A trainer in the job: its place in the order of joining, when it came and went, and what rounds meant to it."""

    place: int
    joined: int
    left: int | None = None
    committed: int = 0
    accepted: int = 0
    slashed: int = 0
    paid: int = 0
    claimed: int = 0

    def count(self, share: Share, sign: int) -> None:
        """Add a round's share, or take it away."""
        self.committed += sign
        self.accepted += sign * share.accepted
        self.slashed += sign * share.slashed
        self.paid += sign * share.paid
        self.claimed += sign * share.claimed


@dataclass(slots=True)
class JobHistory:
    """One job, event by event.

    Attributes
    ----------
    commits
        By round and place: the transaction of each commitment, and its trainer's stake then.
    settled
        By round: where each of its settlements was logged, in order.
    fault
        Why an event contradicts the contract's rules; the state is the one before it, and stays.

    """

    state: JobState
    created: Place
    volume: int
    opened: dict[int, Place] = field(default_factory=dict)
    commits: dict[tuple[int, int], tuple[bytes, int]] = field(default_factory=dict)
    settled: dict[int, list[Place]] = field(default_factory=lambda: defaultdict(list))
    overturned: dict[int, bytes] = field(default_factory=dict)
    members: dict[Address, Member] = field(default_factory=dict)
    shares: dict[int, dict[Address, Share]] = field(default_factory=dict)
    fault: str | None = None

    @classmethod
    def start(cls, event: JobCreated, place: Place) -> JobHistory:
        """Return the history of a job that was just created."""
        return cls(rounds.start(event), place, event.terms.escrow)

    def follow(self, events: Iterable[tuple[Event, Place]]) -> tuple[RoundState, ...]:
        """Take what happened next; return the rounds that changed. What the reducer forbids ends the history."""
        before = self.state.rounds
        for event, place in events:
            if self.fault is None:
                self._take(event, place)
        changed = tuple(
            after for at, after in enumerate(self.state.rounds) if at >= len(before) or after is not before[at]
        )
        for after in changed:
            self._count(after)
        return changed

    @property
    def paid(self) -> int:
        """Payouts of settled rounds, claimed or not."""
        return sum(member.paid for member in self.members.values())

    @property
    def claimed(self) -> int:
        """Payouts that were claimed."""
        return sum(member.claimed for member in self.members.values())

    def _take(self, event: Event, place: Place) -> None:
        try:
            self.state = rounds.apply(self.state, event)
        except ForbiddenTransition as error:
            self.fault = f"{error.message} (block {place.block}, log {place.index})"
            return
        match event:
            case UpdateCommitted():
                self.commits[event.number, event.index] = place.tx, self.state.stakes[event.trainer]
            case RoundOpened():
                self.opened[event.number] = place
            case RoundSettled():
                self.settled[event.number].append(place)
            case SettlementOverturned():
                self.overturned[event.number] = place.tx
            case TrainerJoined():
                known = self.members.setdefault(event.trainer, Member(len(self.members), place.timestamp))
                known.joined, known.left = place.timestamp, None
            case TrainerLeft() | TrainerSlashed():
                self.members[event.trainer].left = place.timestamp
            case JobExtended():
                self.volume += event.deposit

    def _count(self, state: RoundState) -> None:
        for trainer, share in self.shares.get(state.number, {}).items():
            self.members[trainer].count(share, -1)
        self.shares[state.number] = counted = shares_of(state)
        for trainer, share in counted.items():
            self.members[trainer].count(share, 1)


def shares_of(state: RoundState) -> dict[Address, Share]:
    """Return what a round means to everybody who committed to it."""
    if state.settled is None:
        return {commit.trainer: Share(slashed=commit.index in state.slashed) for commit in state.commits}
    payouts = state.payouts
    accepted = accepted_places(state)
    return {
        commit.trainer: Share(
            commit.index in accepted,
            commit.index in state.slashed,
            payouts.get(commit.trainer, 0),
            payouts.get(commit.trainer, 0) if commit.trainer in state.claimed else 0,
        )
        for commit in state.commits
    }


def accepted_places(state: RoundState) -> frozenset[int]:
    """Return the places of commitments with a weight above zero that still counts."""
    if state.settled is None or state.overturned is not None:
        return frozenset()
    weights = state.settled.settlement.weights
    if len(weights) != len(state.included):  # whatever a verifier lets pass
        return frozenset()
    pairs = zip(state.included, weights, strict=True)
    return frozenset(commit.index for commit, weight in pairs if weight and commit.index not in state.slashed)
