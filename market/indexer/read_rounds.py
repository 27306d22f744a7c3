"""Queries about rounds: what was committed and settled, and what that rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from eth_hash.auto import keccak
from sqlalchemy import BigInteger, Select, String, and_, bindparam, select

from aggregator.errors import InvalidInput
from aggregator.products import Layout, Products, unpack_products
from aggregator.proofs import Statement
from market.errors import NotFound
from market.indexer import schema
from market.indexer.cursors import Listing
from market.indexer.decoding import recorded_statement
from market.indexer.read_jobs import terms_of
from market.indexer.reading import LARGEST, ROUND, Scope, of_job, of_round, require_job, require_round
from market.indexer.standing import phase_of
from market.indexer.views import (
    Evidence,
    Page,
    RawLog,
    RoundDetail,
    RoundSummary,
    SettlementView,
    Similarity,
    UpdateView,
)
from market.indexer.wording import cid_text, hexadecimal

_WEIGHT_BITS = 32
_ROUNDS = Listing(select(schema.rounds).where(of_job(schema.rounds)), (schema.rounds.c.number,), descending=True)


def list_rounds(scope: Scope, job_id: int, cursor: str | None, limit: int) -> Page[RoundSummary]:
    """Return a job's rounds, newest first."""

    def make(rows: Sequence[Any]) -> list[RoundSummary]:
        evaluated = _evaluations(scope, job_id, rows)
        return [_summary(scope, row, evaluated.get(row.number)) for row in rows]

    if not 0 < job_id <= LARGEST:
        require_job(scope, job_id)
    found = _ROUNDS.page(scope.connection, make, scope.values({"of_job": job_id}), cursor=cursor, limit=limit)
    if not found.items:
        require_job(scope, job_id)
    return found


_EVALUATIONS = (
    select(schema.evaluations)
    .where(
        of_job(schema.evaluations),
        schema.evaluations.c.round.between(
            bindparam("oldest", type_=BigInteger()), bindparam("newest", type_=BigInteger())
        ),
    )
    .order_by(schema.evaluations.c.by.desc())
)


def _evaluations(scope: Scope, job_id: int, rows: Sequence[Any]) -> dict[int, Any]:
    """Return one evaluation a round, of the aggregate that is on record now."""
    aggregates = {row.number: row.aggregate_commitment for row in rows}
    if not aggregates:
        return {}
    told = scope.all(_EVALUATIONS, of_job=job_id, oldest=min(aggregates), newest=max(aggregates))
    return {each.round: each for each in told if each.aggregate_commitment == aggregates.get(each.round)}


def _summary(scope: Scope, row: Any, evaluated: Any) -> RoundSummary:
    settled, overturned = row.challenge_end is not None, row.overturned_by is not None
    return RoundSummary(
        number=row.number,
        phase=phase_of(row, scope.now, overturned=overturned, settled=settled),
        commit_end=row.commit_end,
        settle_end=row.settle_end,
        challenge_end=row.challenge_end,
        committed=row.committed,
        included=row.included,
        accepted=row.accepted,
        slashed=row.slashed,
        budget=int(row.budget),
        paid=None if row.paid is None else int(row.paid),
        aggregator=row.aggregator,
        gas_used=row.gas,
        accuracy=None if evaluated is None else evaluated.accuracy,
        loss=None if evaluated is None else evaluated.loss,
    )


_UPDATES = select(schema.updates).where(of_round(schema.updates)).order_by(schema.updates.c.place)
_NOTES = select(schema.notes).where(of_round(schema.notes))
_SETTLEMENTS = select(schema.settlements).where(of_round(schema.settlements)).order_by(schema.settlements.c.place)


def round_detail(scope: Scope, job_id: int, number: int) -> RoundDetail:
    """Return a round with every commitment and settlement."""
    row = require_round(scope, job_id, number)
    told = scope.all(_NOTES, of_job=job_id, of_round=number)
    reasons = {note.trainer: note.reason for note in told if note.aggregate_commitment == row.aggregate_commitment}
    everything = scope.all(_SETTLEMENTS, of_job=job_id, of_round=number)
    standing = [_settlement(each) for each in everything if each.stands]
    return RoundDetail(
        summary=_summary(scope, row, _evaluations(scope, job_id, [row]).get(number)),
        scale_exponent=row.scale_exponent,
        reference_cid=None if row.reference_cid is None else cid_text(row.reference_cid),
        reference_commitment=None if row.reference_commitment is None else hexadecimal(row.reference_commitment),
        updates=tuple(
            _update(each, reasons.get(each.trainer)) for each in scope.all(_UPDATES, of_job=job_id, of_round=number)
        ),
        settlement=standing[0] if standing else None,
        replaced=tuple(_settlement(each) for each in everything if not each.stands),
        overturned_by=row.overturned_by,
        overturned_tx=None if row.overturned_tx is None else hexadecimal(row.overturned_tx),
        refunded=row.refunded,
    )


def _update(row: Any, note: str | None) -> UpdateView:
    told = note is not None and row.included is False and not row.slashed
    return UpdateView(
        index=row.place,
        trainer=row.trainer,
        commitment=hexadecimal(row.commitment),
        cid=cid_text(row.cid),
        payload_bytes=row.payload_bytes,
        tx=hexadecimal(row.tx),
        stake=int(row.stake),
        included=row.included,
        accepted=row.accepted,
        slashed=row.slashed,
        weight=row.weight,
        score=None if row.score is None else int(row.score),
        payout=None if row.payout is None else int(row.payout),
        claimed=row.claimed,
        reason=f"left out: {note}" if told else row.reason,
        reason_by=None if row.reason is None else "aggregator" if told else "chain",
    )


def _settlement(row: Any) -> SettlementView:
    return SettlementView(
        aggregator=row.aggregator,
        tx=hexadecimal(row.tx),
        block=row.block,
        timestamp=row.timestamp,
        gas_used=row.gas,
        paid=int(row.paid),
        bond=int(row.bond),
        included=row.included,
        reference=row.reference,
        aggregate_commitment=hexadecimal(row.aggregate_commitment),
        aggregate_root=hexadecimal(row.aggregate_root),
        aggregate_cid=cid_text(row.aggregate_cid),
        aggregate_bytes=row.aggregate_bytes,
        next_scale_exponent=row.next_scale_exponent,
        challenge_end=row.challenge_end,
        proof_bytes=row.proof_bytes,
    )


_WORDS = select(schema.verifiers.c.words).where(
    schema.verifiers.c.chain_id == bindparam("chain", type_=BigInteger()),
    schema.verifiers.c.address == bindparam("verifier", type_=String()),
)


def evidence_of(scope: Scope, job_id: int, number: int) -> Evidence:
    """Return the log of the settlement on record, and what its claims follow from."""
    row, job = require_round(scope, job_id, number), require_job(scope, job_id)
    log, statement = _recorded(scope, job_id, number)
    verifier = job.terms["verifier"]
    known = scope.first(_WORDS, chain=scope.market.chain_id, verifier=verifier)
    carried = statement.witness.carried
    if any(statement.memory_digest) and keccak(carried) != statement.memory_digest:
        carried = b""  # whatever a verifier lets pass
    return Evidence(
        chain_id=scope.market.chain_id,
        market=scope.market.address,
        job_id=job_id,
        round=number,
        log=log,
        terms=terms_of(job, row.budget),
        verifier=verifier,
        verifying_key=hexadecimal(b"" if known is None or known.words is None else known.words),
        carried_before=hexadecimal(carried),
    )


def _recorded_query() -> Select[Any]:
    settlements, events, blocks = schema.settlements, schema.events, schema.blocks
    same = and_(
        events.c.market_id == settlements.c.market_id,
        events.c.block == settlements.c.block,
        events.c.log_index == settlements.c.log_index,
    )
    return (
        select(events, blocks.c.hash)
        .join(settlements, same)
        .join(blocks, and_(blocks.c.market_id == events.c.market_id, blocks.c.number == events.c.block))
        .where(of_round(settlements), settlements.c.stands.is_(True))
    )


_RECORDED = _recorded_query()


def _recorded(scope: Scope, job_id: int, number: int) -> tuple[RawLog, Statement]:
    row = scope.first(_RECORDED, of_job=job_id, of_round=number)
    if row is None:
        raise NotFound(f"round {number} of job {job_id} is not settled")
    words = [bytes(row.topics[start : start + 32]) for start in range(0, len(row.topics), 32)]
    log = RawLog(
        address=scope.market.address,
        topics=tuple(map(hexadecimal, words)),
        data=hexadecimal(row.data),
        block=row.block,
        block_hash=hexadecimal(row.hash),
        tx=hexadecimal(row.tx),
        log_index=row.log_index,
    )
    return log, recorded_statement(row.data)


_INCLUDED = (
    select(schema.updates.c.trainer)
    .where(of_round(schema.updates), schema.updates.c.included.is_(True))
    .order_by(schema.updates.c.place)
)


def similarity_of(scope: Scope, job_id: int, number: int) -> Similarity:
    """Return the cosines of a settled round's rows, and their norms in the model's units.

    Raises
    ------
    NotFound
        If the round is not settled, or its verifier let a matrix pass that is none.

    """
    row = require_round(scope, job_id, number)
    _, statement = _recorded(scope, job_id, number)
    gram = statement.gram
    layout = Layout(len(gram.trainers), gram.reference, gram.previous, gram.history)
    try:
        products = unpack_products(gram.gram, layout)
    except InvalidInput as error:
        raise NotFound(f"round {number} of job {job_id} has no matrix: {error.message}") from None
    rows = layout.updates + layout.reference + layout.previous
    labels = [each.trainer for each in scope.all(_INCLUDED, of_job=job_id, of_round=number)]
    labels += ["reference"] * layout.reference + ["previous"] * layout.previous
    scales = [math.ldexp(1.0, row.scale_exponent)] * rows
    if layout.previous:
        scales[-1] = math.ldexp(1.0, _previous_exponent(scope, job_id, number) - _WEIGHT_BITS)
    return Similarity(
        labels=tuple(labels),
        cosines=tuple(tuple(_cosine(products, i, j) for j in range(rows)) for i in range(rows)),
        norms=tuple(_root(products.matrix[i][i]) * scales[i] for i in range(rows)),
    )


_EARLIER = (
    select(schema.rounds.c.scale_exponent)
    .where(
        of_job(schema.rounds),
        schema.rounds.c.number < ROUND,
        schema.rounds.c.challenge_end.is_not(None),
        schema.rounds.c.overturned_by.is_(None),
    )
    .order_by(schema.rounds.c.number.desc())
    .limit(1)
)


def _previous_exponent(scope: Scope, job_id: int, number: int) -> int:
    """Return the scale exponent of the round whose aggregate is a row of this one."""
    found = scope.first(_EARLIER, of_job=job_id, of_round=number)
    return 0 if found is None else int(found.scale_exponent)


def _root(square: int) -> float:
    return math.sqrt(square) if square > 0 else 0.0


def _cosine(products: Products, i: int, j: int) -> float | None:
    matrix = products.matrix
    lengths = _root(matrix[i][i]) * _root(matrix[j][j])
    return None if not lengths else max(-1.0, min(1.0, matrix[i][j] / lengths))
