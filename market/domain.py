"""The market's words as types: terms, events and phases, exactly as the contract emits them. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """What a job promises; fields and order are those of IMarket.JobTerms, ids as text.

    Rounds, round budget and deadline are those in force: extensions and a stop change them.
    """

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
    refund_void: bool = field(default=False, kw_only=True)
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
    """An aggregator settled a round; ``proof`` is what the job's verifier accepted."""

    job_id: int
    number: int
    aggregator: Address
    settlement: Settlement
    paid: int
    challenge_end: int
    proof: bytes = b""


@dataclass(frozen=True, slots=True)
class SettlementReplaced:
    """The settlement of ``aggregator`` gave way to one with more of the trainers; RoundSettled follows."""

    job_id: int
    number: int
    aggregator: Address
    returned: int


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
class TrainerSlashed:
    """A challenger proved a committed update out of range: its trainer lost stake, place and pay of the round."""

    job_id: int
    number: int
    challenger: Address
    trainer: Address
    stake: int
    reward: int
    returned: int


@dataclass(frozen=True, slots=True)
class BondReleased:
    """The bond behind a settlement became its aggregator's free balance again."""

    job_id: int
    number: int
    aggregator: Address
    bond: int


@dataclass(frozen=True, slots=True)
class RoundRefunded:
    """The budget of a void round became the owner's free balance, in a job that does not repeat such rounds."""

    job_id: int
    number: int
    amount: int


@dataclass(frozen=True, slots=True)
class PayoutClaimed:
    """A trainer was paid for a round."""

    job_id: int
    number: int
    trainer: Address
    amount: int
    recipient: Address


@dataclass(frozen=True, slots=True)
class JobExtended:
    """The owner added rounds, budget or time; all three are given as they are from now on."""

    job_id: int
    rounds: int
    round_budget: int
    deadline: int
    deposit: int


@dataclass(frozen=True, slots=True)
class JobStopped:
    """The owner let no further round open: the deadline is now."""

    job_id: int
    deadline: int


@dataclass(frozen=True, slots=True)
class AggregatorNamed:
    """A trainer named one aggregator more, in place of the one it named before; the zero address names nobody."""

    job_id: int
    trainer: Address
    aggregator: Address


@dataclass(frozen=True, slots=True)
class JobClosed:
    """A job ended; what was left of its escrow became the owner's free balance."""

    job_id: int
    refund: int


Event = (
    JobCreated
    | TrainerJoined
    | TrainerLeft
    | AggregatorNamed
    | ReferenceCommitted
    | RoundOpened
    | UpdateCommitted
    | RoundSettled
    | SettlementReplaced
    | SettlementOverturned
    | TrainerSlashed
    | BondReleased
    | RoundRefunded
    | PayoutClaimed
    | JobExtended
    | JobStopped
    | JobClosed
)
"""What happens to one job; every one has its ``job_id``."""


@dataclass(frozen=True, slots=True)
class Deposited:
    """An account added to its free balance of a token. Of no one job."""

    token: Address
    account: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An account was paid from its free balance of a token. Of no one job."""

    token: Address
    account: Address
    amount: int
    recipient: Address


MarketEvent = Event | Deposited | Withdrawn
"""What moves money on a market, or changes a job."""


@dataclass(frozen=True, slots=True)
class KeyPublished:
    """An account published the X25519 key to which payloads for it are sealed; zeros withdraw it. Of no one job."""

    account: Address
    key: bytes
