"""The market's words as types: terms, events and phases, exactly as the contract emits them. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from aggregator.proofs.statement import Witness
from aggregator.settlement import RoundRules

Address = str
"""EIP-55 checksummed address."""

NATIVE_COIN: Address = "0x0000000000000000000000000000000000000000"
WHOLE_BPS = 10_000
"""The whole in basis points."""
LOCAL_CHAIN_IDS = frozenset({1337, 31337, 131277322940537})
"""Chains that last no longer than a test: only there may a reference string serve whose secrets are known."""


class Phase(IntEnum):
    """Phase of a round; the numbers are those of IMarket.Phase."""

    NONE = 0
    OPEN = 1
    SETTLING = 2
    CHALLENGEABLE = 3
    FINAL = 4
    VOID = 5

    @property
    def terminal(self) -> bool:
        """Whether the next round may open; a round that never opened counts."""
        return self in (Phase.NONE, Phase.FINAL, Phase.VOID)


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What a job promises; fields and order are those of IMarket.JobTerms, ids as text."""

    token: Address
    verifier: Address
    round_budget: int
    rounds: int
    stake_min: int
    stake_max: int
    aggregator_bond: int
    challenger_share_bps: int
    min_trainers: int
    max_trainers: int
    byzantine: int
    dimension: int
    bits: int
    headroom_bits: int
    scale_exponent: int
    commit_seconds: int
    settle_seconds: int
    challenge_seconds: int
    deadline: int
    rule: str
    score: str
    reference: bool = False
    floor_bps: int = 5_000
    cap_bps: int = 3 * WHOLE_BPS

    @property
    def escrow(self) -> int:
        """What the owner pays in up front."""
        return self.round_budget * self.rounds

    @property
    def round_rules(self) -> RoundRules:
        """The arithmetic of a round, for the core."""
        return RoundRules(
            rule=self.rule,
            score=self.score,
            byzantine=self.byzantine,
            dimension=self.dimension,
            bits=self.bits,
            headroom_bits=self.headroom_bits,
            budget=self.round_budget,
            reference=self.reference,
            floor_bps=self.floor_bps,
            cap_bps=self.cap_bps,
        )


REFERENCE_BIT = 255
"""Bit of :attr:`Settlement.included` that says that the reference row is part of the matrix."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an aggregator posts for a round; see IMarket.Settlement."""

    included: int
    commitment_ys: tuple[int, ...]
    history: tuple[tuple[int, int], ...]
    gram: bytes
    weights: tuple[int, ...]
    scores: tuple[int, ...]
    payouts: tuple[int, ...]
    next_scale_exponent: int
    next_memory_digest: bytes
    aggregate_commitment: bytes
    aggregate_root: bytes
    aggregate_cid: bytes
    aggregate_bytes: int
    witness: Witness

    @property
    def reference(self) -> bool:
        """Whether the reference row is part of the matrix."""
        return bool(self.included >> REFERENCE_BIT & 1)


@dataclass(frozen=True, slots=True)
class JobCreated:
    """An owner opened and funded a job."""

    job_id: int
    owner: Address
    terms: JobTerms
    aggregators: tuple[Address, ...]
    manifest_cid: bytes


@dataclass(frozen=True, slots=True)
class TrainerJoined:
    """A trainer put its stake in."""

    job_id: int
    trainer: Address
    stake: int


@dataclass(frozen=True, slots=True)
class TrainerLeft:
    """A trainer took its stake out."""

    job_id: int
    trainer: Address
    stake: int
    recipient: Address


@dataclass(frozen=True, slots=True)
class RoundOpened:
    """A round opened for commitments."""

    job_id: int
    number: int
    scale_exponent: int
    commit_end: int
    settle_end: int


@dataclass(frozen=True, slots=True)
class ReferenceCommitted:
    """The owner committed the reference row of a round that has not opened; the latest one counts."""

    job_id: int
    number: int
    commitment: bytes
    cid: bytes
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class UpdateCommitted:
    """A trainer committed its update; ``index`` is its place in the round's order."""

    job_id: int
    number: int
    trainer: Address
    index: int
    commitment: bytes
    cid: bytes
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class RoundSettled:
    """An aggregator settled a round."""

    job_id: int
    number: int
    aggregator: Address
    settlement: Settlement
    paid: int
    challenge_end: int


@dataclass(frozen=True, slots=True)
class SettlementOverturned:
    """A challenger proved a round's aggregate false: the round is void, and who settled it lost its bond and place."""

    job_id: int
    number: int
    challenger: Address
    aggregator: Address
    bond: int
    reward: int
    returned: int


@dataclass(frozen=True, slots=True)
class PayoutClaimed:
    """A trainer was paid for a round."""

    job_id: int
    number: int
    trainer: Address
    amount: int
    recipient: Address


@dataclass(frozen=True, slots=True)
class JobClosed:
    """A job ended; what was left of its escrow became the owner's credit."""

    job_id: int
    refund: int


@dataclass(frozen=True, slots=True)
class RefundWithdrawn:
    """The owner took its credit."""

    job_id: int
    owner: Address
    amount: int
    recipient: Address


@dataclass(frozen=True, slots=True)
class RewardWithdrawn:
    """A challenger took its rewards."""

    job_id: int
    challenger: Address
    amount: int
    recipient: Address


@dataclass(frozen=True, slots=True)
class BondPosted:
    """An aggregator deposited the bond that its job asks for."""

    job_id: int
    aggregator: Address
    bond: int


@dataclass(frozen=True, slots=True)
class BondWithdrawn:
    """An aggregator took its bond back."""

    job_id: int
    aggregator: Address
    bond: int
    recipient: Address


Event = (
    JobCreated
    | TrainerJoined
    | TrainerLeft
    | ReferenceCommitted
    | RoundOpened
    | UpdateCommitted
    | RoundSettled
    | SettlementOverturned
    | PayoutClaimed
    | JobClosed
    | RefundWithdrawn
    | RewardWithdrawn
    | BondPosted
    | BondWithdrawn
)
"""What happens to one job; every one has its ``job_id``."""


@dataclass(frozen=True, slots=True)
class KeyPublished:
    """An account published the X25519 key to which payloads for it are sealed; zeros withdraw it. Of no one job."""

    account: Address
    key: bytes
