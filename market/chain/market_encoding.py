"""The Market contract's structs and events as Python types, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, fields
from typing import Any

from web3 import Web3

from aggregator.bn254 import Point
from aggregator.proofs import GramStatement
from aggregator.proofs.statement import Witness, id_word
from market.domain import (
    BondPosted,
    BondWithdrawn,
    Event,
    JobClosed,
    JobCreated,
    JobTerms,
    PayoutClaimed,
    ReferenceCommitted,
    RefundWithdrawn,
    RewardWithdrawn,
    RoundOpened,
    RoundSettled,
    Settlement,
    SettlementOverturned,
    TrainerJoined,
    TrainerLeft,
    UpdateCommitted,
)


def encode_id(text: str) -> bytes:
    """Return a rule or score id as bytes32: ASCII, left-aligned."""
    return text.encode("ascii").ljust(32, b"\0")


def encode_terms(terms: JobTerms) -> tuple[Any, ...]:
    """Return the terms as the contract takes them."""
    return tuple(encode_id(value) if name in _IDS else value for name, value in _named(terms))


def decode_terms(values: Any) -> JobTerms:
    """Return the terms as the contract gives them."""
    named = dict(zip((field.name for field in fields(JobTerms)), fields_of(values), strict=True))
    return JobTerms(**{**named, "rule": decode_id(named["rule"]), "score": decode_id(named["score"])})


def encode_point(point: Point) -> tuple[int, int]:
    """Return a commitment as the contract takes it; infinity, which it refuses, is (0, 0)."""
    return (0, 0) if point is None else point


def encode_gram_statement(gram: GramStatement) -> tuple[Any, ...]:
    """Return a statement as IProofVerifier takes it."""
    rules, place = gram.rules, gram.round_id
    return (
        place.chain_id,
        Web3.to_checksum_address(place.market),
        place.job_id,
        place.number,
        id_word(rules.rule),
        id_word(rules.score),
        rules.byzantine,
        rules.dimension,
        rules.bits,
        rules.headroom_bits,
        gram.scale_exponent,
        rules.budget,
        rules.floor_bps,
        rules.cap_bps,
        gram.reference,
        gram.previous,
        gram.history,
        [Web3.to_checksum_address(trainer) for trainer in gram.trainers],
        list(gram.stakes),
        [encode_point(point) for point in gram.commitments],
        gram.gram,
    )


def encode_settlement(settlement: Settlement) -> tuple[Any, ...]:
    """Return the settlement as the contract takes it."""
    return astuple(settlement)


def decode_settlement(values: Any) -> Settlement:
    """Return the settlement as the contract gives it."""
    found = dict(zip((field.name for field in fields(Settlement)), fields_of(values), strict=True))
    lists: dict[str, Any] = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    points = tuple(tuple(fields_of(point)) for point in found["history"])
    return Settlement(**{**found, **lists, "history": points, "witness": Witness(*fields_of(found["witness"]))})


_IDS = frozenset({"rule", "score"})


def _named(terms: JobTerms) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(terms, field.name)) for field in fields(JobTerms))


def decode_id(word: bytes) -> str:
    """Return the rule or score id behind a bytes32."""
    return bytes(word).rstrip(b"\0").decode("ascii", errors="replace")


def fields_of(struct: Any) -> tuple[Any, ...]:
    """Return a struct's fields in order; web3 gives structs of events as mappings."""
    return tuple(struct.values()) if hasattr(struct, "values") else tuple(struct)


def _decode_created(args: Any) -> Event:
    return JobCreated(
        args["jobId"], args["owner"], decode_terms(args["terms"]), tuple(args["aggregators"]), args["manifestCid"]
    )


def _decode_settled(args: Any) -> Event:
    return RoundSettled(
        args["jobId"],
        args["round"],
        args["aggregator"],
        decode_settlement(args["settlement"]),
        args["paid"],
        args["challengeEnd"],
    )


def _decode_overturned(args: Any) -> Event:
    return SettlementOverturned(
        args["jobId"],
        args["round"],
        args["challenger"],
        args["aggregator"],
        args["bond"],
        args["reward"],
        args["returned"],
    )


DECODERS: dict[str, Callable[[Any], Event]] = {
    "JobCreated": _decode_created,
    "TrainerJoined": lambda a: TrainerJoined(a["jobId"], a["trainer"], a["stake"]),
    "TrainerLeft": lambda a: TrainerLeft(a["jobId"], a["trainer"], a["stake"], a["recipient"]),
    "ReferenceCommitted": lambda a: ReferenceCommitted(
        a["jobId"], a["round"], a["commitment"], a["cid"], a["payloadBytes"]
    ),
    "RoundOpened": lambda a: RoundOpened(a["jobId"], a["round"], a["scaleExponent"], a["commitEnd"], a["settleEnd"]),
    "UpdateCommitted": lambda a: UpdateCommitted(
        a["jobId"], a["round"], a["trainer"], a["index"], a["commitment"], a["cid"], a["payloadBytes"]
    ),
    "RoundSettled": _decode_settled,
    "SettlementOverturned": _decode_overturned,
    "PayoutClaimed": lambda a: PayoutClaimed(a["jobId"], a["round"], a["trainer"], a["amount"], a["recipient"]),
    "JobClosed": lambda a: JobClosed(a["jobId"], a["refund"]),
    "RefundWithdrawn": lambda a: RefundWithdrawn(a["jobId"], a["owner"], a["amount"], a["recipient"]),
    "RewardWithdrawn": lambda a: RewardWithdrawn(a["jobId"], a["challenger"], a["amount"], a["recipient"]),
    "BondPosted": lambda a: BondPosted(a["jobId"], a["aggregator"], a["bond"]),
    "BondWithdrawn": lambda a: BondWithdrawn(a["jobId"], a["aggregator"], a["bond"], a["recipient"]),
}
"""The events of jobs by name, each from what web3 makes of a log."""
