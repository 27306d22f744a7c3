"""The Market contract's structs and events as Python types, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, fields
from typing import Any

from web3 import Web3

from aggregator.bn254 import Point
from aggregator.commitments import RoundId
from aggregator.proofs import GramStatement, Statement
from aggregator.proofs.statement import Witness, id_word
from aggregator.settlement import RoundRules
from market.domain import (
    AggregatorNamed,
    BondReleased,
    Deposited,
    Event,
    JobClosed,
    JobCreated,
    JobExtended,
    JobStopped,
    JobTerms,
    MarketEvent,
    PayoutClaimed,
    ReferenceCommitted,
    RoundOpened,
    RoundRefunded,
    RoundSettled,
    Settlement,
    SettlementOverturned,
    SettlementReplaced,
    TrainerJoined,
    TrainerLeft,
    TrainerSlashed,
    UpdateCommitted,
    Withdrawn,
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
        Web3.to_checksum_address(gram.aggregator),
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


def decode_statement(values: Any) -> Statement:
    """Return a statement as IProofVerifier has it; what is a row follows from the job's terms, which it repeats."""
    (gram, weights, scores, payouts, aggregate_commitment, exponent, reference, before, after, witness) = fields_of(
        values
    )
    return Statement(
        gram=_decode_gram(gram, reference=reference),
        weights=tuple(weights),
        scores=tuple(scores),
        payouts=tuple(payouts),
        aggregate_commitment=bytes(aggregate_commitment),
        next_scale_exponent=exponent,
        memory_digest=bytes(before),
        next_memory_digest=bytes(after),
        witness=Witness(*map(bytes, fields_of(witness))),
    )


def _decode_gram(values: Any, *, reference: bool) -> GramStatement:
    (chain_id, market, job_id, number, aggregator, rule, score, byzantine, dimension, bits) = fields_of(values)[:10]
    headroom_bits, exponent, budget, floor_bps, cap_bps, has_reference, previous, history = fields_of(values)[10:18]
    trainers, stakes, commitments, gram = fields_of(values)[18:]
    rules = RoundRules(
        rule=decode_id(rule),
        score=decode_id(score),
        byzantine=byzantine,
        dimension=dimension,
        bits=bits,
        headroom_bits=headroom_bits,
        budget=budget,
        reference=reference,
        floor_bps=floor_bps,
        cap_bps=cap_bps,
    )
    return GramStatement(
        round_id=RoundId(chain_id, bytes.fromhex(market[2:]), job_id, number),
        aggregator=bytes.fromhex(aggregator[2:]),
        rules=rules,
        scale_exponent=exponent,
        trainers=tuple(bytes.fromhex(trainer[2:]) for trainer in trainers),
        stakes=tuple(stakes),
        commitments=tuple(_decode_point(point) for point in commitments),
        gram=bytes(gram),
        reference=has_reference,
        previous=previous,
        history=history,
    )


def _decode_point(values: Any) -> Point:
    x, y = fields_of(values)
    return (x, y) if x or y else None


def decode_settlement(statement: Any, published: Any) -> Settlement:
    """Return the settlement that was posted: the verified statement, and what was said beside it."""
    stated, (included, root, cid, size) = decode_statement(statement), fields_of(published)
    gram = stated.gram
    history = gram.history_commitments
    rows = gram.commitments[: len(gram.commitments) - len(history)]
    return Settlement(
        included=included,
        commitment_ys=tuple(encode_point(point)[1] for point in rows),
        history=tuple(encode_point(point) for point in history),
        gram=gram.gram,
        weights=stated.weights,
        scores=stated.scores,
        payouts=stated.payouts,
        next_scale_exponent=stated.next_scale_exponent,
        next_memory_digest=stated.next_memory_digest,
        aggregate_commitment=stated.aggregate_commitment,
        aggregate_root=bytes(root),
        aggregate_cid=bytes(cid),
        aggregate_bytes=size,
        witness=stated.witness,
    )


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
        decode_settlement(args["statement"], args["published"]),
        args["paid"],
        args["challengeEnd"],
        bytes(args["proof"]),
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


def _decode_slashed(args: Any) -> Event:
    return TrainerSlashed(
        args["jobId"],
        args["round"],
        args["challenger"],
        args["trainer"],
        args["stake"],
        args["reward"],
        args["returned"],
    )


def _decode_extended(args: Any) -> Event:
    return JobExtended(args["jobId"], args["rounds"], args["roundBudget"], args["deadline"], args["deposit"])


DECODERS: dict[str, Callable[[Any], MarketEvent]] = {
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
    "SettlementReplaced": lambda a: SettlementReplaced(a["jobId"], a["round"], a["aggregator"], a["returned"]),
    "TrainerSlashed": _decode_slashed,
    "BondReleased": lambda a: BondReleased(a["jobId"], a["round"], a["aggregator"], a["bond"]),
    "RoundRefunded": lambda a: RoundRefunded(a["jobId"], a["round"], a["amount"]),
    "AggregatorNamed": lambda a: AggregatorNamed(a["jobId"], a["trainer"], a["aggregator"]),
    "JobExtended": _decode_extended,
    "JobStopped": lambda a: JobStopped(a["jobId"], a["deadline"]),
    "JobClosed": lambda a: JobClosed(a["jobId"], a["refund"]),
    "Deposited": lambda a: Deposited(a["token"], a["account"], a["amount"]),
    "Withdrawn": lambda a: Withdrawn(a["token"], a["account"], a["amount"], a["recipient"]),
}
"""The events of jobs and free balances by name, each from what web3 makes of a log."""
