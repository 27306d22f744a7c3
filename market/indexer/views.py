"""What can be read about markets: the answers of the index, and of the API that serves them. No behaviour.

Amounts are integers in wei or token units; in JSON they are decimal strings, as JavaScript's numbers end at 2^53. Times
are Unix seconds of chain time. Addresses are EIP-55 checksummed; hashes, commitments and raw data hexadecimal with 0x.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

Amount = Annotated[
    int,
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^-?[0-9]+$", "examples": ["1000000000000000000"]}),
]
"""Wei or token units, and other integers beyond 2^53 (scores)."""
Address = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$", examples=["0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"])]
Hex = Annotated[str, Field(pattern="^0x([0-9a-f]{2})*$")]
Cid = Annotated[str, Field(examples=["bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"])]
Seconds = Annotated[int, Field(description="Unix seconds, chain time")]


class View(BaseModel):
    """An answer: immutable, and nothing but its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Item = TypeVar("Item", bound=View)


class Page(View, Generic[Item]):
    """Part of a list, and where it goes on."""

    items: tuple[Item, ...]
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")
    total: int = Field(description="Entries of the whole list")


class RoundPhase(StrEnum):
    """Phase of a round by chain time; see docs/protocol.md, 5."""

    NONE = "none"
    OPEN = "open"
    SETTLING = "settling"
    CHALLENGEABLE = "challengeable"
    FINAL = "final"
    VOID = "void"


class JobStatus(StrEnum):
    """What a job waits for: trainers, a round that is live, its owner's closing; or nothing any more."""

    JOINING = "joining"
    RUNNING = "running"
    FINISHED = "finished"
    CLOSED = "closed"


class Token(View):
    """What a job pays in; the native coin has the zero address and 18 decimals."""

    address: Address
    symbol: str
    decimals: int


class Amounts(View):
    """A market's money in one token."""

    token: Token
    escrow: Amount = Field(description="Held for rounds to come")
    stakes: Amount
    bonds: Amount = Field(description="Held behind settlements")
    unclaimed: Amount = Field(description="Payouts of settled rounds that nobody has claimed")
    claimed: Amount = Field(description="Paid out so far")
    free: Amount = Field(description="Free balances")
    volume: Amount = Field(description="All that owners ever paid in for rounds")


class Head(View):
    """How far a chain has been read."""

    block: int
    hash: Hex
    timestamp: Seconds
    chain_block: int = Field(description="The chain's newest block")
    lag_seconds: float = Field(description="Since the chain was last asked")


class Market(View):
    """A market contract on a chain."""

    chain_id: int
    chain_name: str
    address: Address
    forwarder: Address
    explorer: str | None = Field(description="URL of a block explorer; null where none is configured")
    head: Head
    jobs: int
    running: int = Field(description="Jobs with a live round, or that can open one")
    trainers: int = Field(description="Distinct trainers who ever joined")
    rounds_settled: int
    amounts: tuple[Amounts, ...]


class Terms(View):
    """What a job promises, extensions included; see IMarket.JobTerms."""

    token: Token
    verifier: Address
    round_budget: Amount
    rounds: int
    stake_min: Amount
    stake_max: Amount
    aggregator_bond: Amount
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
    deadline: Seconds
    refund_void: bool
    rule: str
    score: str
    reference: bool
    floor_bps: int
    cap_bps: int


class RoundTimes(View):
    """Where a round stands: phase and the second at which it ends by time alone, if one does."""

    number: int
    phase: RoundPhase
    ends: Seconds | None


class JobSummary(View):
    """A job in a list."""

    chain_id: int
    market: Address
    job_id: int
    owner: Address
    name: str | None = Field(description="From the manifest; null while that cannot be had")
    status: JobStatus
    token: Token
    rule: str
    score: str
    round_budget: Amount
    rounds: int
    rounds_used: int
    escrow: Amount
    paid: Amount = Field(description="Payouts of settled rounds, claimed or not")
    trainers: int = Field(description="With a stake now")
    max_trainers: int
    deadline: Seconds
    created: Seconds
    latest: RoundTimes | None
    fault: str | None = Field(default=None, description="Why its events contradict the contract's rules, if they do")


class Aggregator(View):
    """Who may settle a job."""

    address: Address
    named_by: tuple[Address, ...]
    by_owner: bool
    free: Amount = Field(description="Free balance in the job's token")
    held: Amount = Field(description="Bonds behind its settlements of this job")
    dismissed: bool


class JobDetail(View):
    """A job with its terms and accounts."""

    summary: JobSummary
    terms: Terms
    manifest_cid: Cid
    created_tx: Hex
    aggregators: tuple[Aggregator, ...]
    stakes: Amount
    bonds: Amount
    unclaimed: Amount
    owner_free: Amount = Field(description="The owner's free balance in the job's token")
    owner_may: tuple[Literal["extend", "stop", "close", "withdraw", "commit_reference"], ...] = Field(
        description="What the contract would let the owner do now"
    )


class UpdateView(View):
    """A committed update and what became of it."""

    index: int
    trainer: Address
    commitment: Hex
    cid: Cid
    payload_bytes: int
    tx: Hex
    stake: Amount
    included: bool | None = Field(description="Null before the settlement")
    accepted: bool | None = Field(description="Whether its weight is above zero")
    slashed: bool
    weight: int | None = Field(description="In units of 2^-32")
    score: Amount | None
    payout: Amount | None
    claimed: bool
    reason: str | None = Field(description="In words: why it was accepted, rejected or left out")
    reason_by: Literal["chain", "aggregator"] | None = Field(description="Whose word the reason is")


class SettlementView(View):
    """A settlement on record, or one whose place another took."""

    aggregator: Address
    tx: Hex
    block: int
    timestamp: Seconds
    gas_used: int
    paid: Amount
    bond: Amount
    included: int = Field(description="How many updates")
    reference: bool
    aggregate_commitment: Hex
    aggregate_root: Hex
    aggregate_cid: Cid
    aggregate_bytes: int
    next_scale_exponent: int
    challenge_end: Seconds
    proof_bytes: int


class RoundSummary(View):
    """A round in a list."""

    number: int
    phase: RoundPhase
    commit_end: Seconds
    settle_end: Seconds
    challenge_end: Seconds | None
    committed: int
    included: int | None
    accepted: int | None
    slashed: int
    budget: Amount
    paid: Amount | None
    aggregator: Address | None
    gas_used: int | None
    accuracy: float | None = Field(description="Of the model after the round, where it was evaluated")
    loss: float | None


class RoundDetail(View):
    """A round with every commitment and settlement."""

    summary: RoundSummary
    scale_exponent: int
    reference_cid: Cid | None
    reference_commitment: Hex | None
    updates: tuple[UpdateView, ...]
    settlement: SettlementView | None
    replaced: tuple[SettlementView, ...]
    overturned_by: Address | None
    overturned_tx: Hex | None
    refunded: bool


class Evidence(View):
    """All that a settlement's claims follow from, as the chain logged it: what a browser checks by itself."""

    chain_id: int
    market: Address
    job_id: int
    round: int
    log: RawLog
    terms: Terms
    verifier: Address
    verifying_key: Hex = Field(description="Words of the verifier's reference string; see docs/protocol.md, 3")
    carried_before: Hex = Field(description="What the settlement before handed on")


class RawLog(View):
    """An event as a node gives it."""

    address: Address
    topics: tuple[Hex, ...]
    data: Hex
    block: int
    block_hash: Hex
    tx: Hex
    log_index: int


class Similarity(View):
    """Cosines between a round's rows, from the proven Gram matrix."""

    labels: tuple[str, ...] = Field(description="Addresses; then 'reference', 'previous' where they are rows")
    cosines: tuple[tuple[float | None, ...], ...]
    norms: tuple[float, ...]


class Contributions(View):
    """Scores and payouts by trainer and round: a heat map."""

    trainers: tuple[Address, ...]
    rounds: tuple[int, ...]
    scores: tuple[tuple[float | None, ...], ...] = Field(description="By trainer, then round; share of the round's sum")
    payouts: tuple[tuple[Amount | None, ...], ...]


class TrainerOfJob(View):
    """A trainer in one job."""

    address: Address
    stake: Amount
    joined: Seconds
    left: Seconds | None
    committed: int
    accepted: int
    slashed: bool
    paid: Amount
    claimable: Amount
    claimable_rounds: tuple[int, ...]
    named: Address | None


class JobOfTrainer(View):
    """A job in one trainer's history."""

    job: JobSummary
    trainer: TrainerOfJob


class Balance(View):
    """A free balance."""

    token: Token
    free: Amount


class Account(View):
    """An account on a market, in whatever roles."""

    chain_id: int
    market: Address
    address: Address
    balances: tuple[Balance, ...]
    owns: int = Field(description="Jobs it opened")
    trains: int = Field(description="Jobs it ever joined")
    aggregates: int = Field(description="Rounds it settled")
    earned: tuple[Balance, ...] = Field(description="Payouts of final rounds, by token")
    claimable: tuple[Balance, ...]
    encryption_key: Hex | None


class EventView(View):
    """Something that happened, newest first in lists."""

    block: int
    log_index: int
    timestamp: Seconds
    tx: Hex
    name: str
    job_id: int | None
    round: int | None
    account: Address | None
    amount: Amount | None
    text: str = Field(description="In words")


class MarketStatus(View):
    """How far one market has been read, and whether its chain answers."""

    chain_id: int
    market: Address
    first_block: int
    head: Head | None = Field(description="Null until a block was read")
    events: int
    caught_up: bool = Field(description="Whether the chain's newest block, as last asked, is the one read last")
    failure: str | None = Field(description="Why the chain could not be read when last tried; null where it could")
    failing_since: Seconds | None = Field(description="Wall clock")
    fault: str | None = Field(description="Why its events contradict the contract's rules, if they do")


class IndexStatus(View):
    """The state of the whole index."""

    version: int = Field(description="Grows with every change")
    ready: bool = Field(description="Whether every market has been read up to its chain's newest block once")
    markets: tuple[MarketStatus, ...]


class Change(View):
    """What changed, for those who watch."""

    version: int
    chain_id: int
    market: Address
    job_id: int | None
    round: int | None


Evidence.model_rebuild()
