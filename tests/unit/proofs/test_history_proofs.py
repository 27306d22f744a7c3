"""Proofs over updates and running sums, round after round: accepted as they are, refused with another past."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aggregator.carried import NOTHING, Carried
from aggregator.commitments import linear_combination
from aggregator.errors import InvalidInput, InvalidProof
from aggregator.history import decode_sums, encode_sums
from aggregator.products import pack_products
from aggregator.proofs import Statement, verify
from aggregator.srs import Srs, development_srs
from tests.sybil_rounds import DIMENSION, HONEST, SYBILS, Settled, SybilRound, settlements, sybil_rounds


@pytest.fixture(scope="module")
def srs() -> Srs:
    return development_srs(DIMENSION + 8)


@pytest.fixture(scope="module")
def played(srs: Srs) -> list[SybilRound]:
    return sybil_rounds(srs)


@pytest.fixture(scope="module")
def settled(srs: Srs, played: list[SybilRound]) -> list[Settled]:
    return settlements(srs, played, chain_id=1)


def test_every_round_verifies_and_carries_on(srs: Srs, settled: list[Settled]) -> None:
    for found in settled:
        verify(srs.key, found.statement, found.proof)
    digests = [found.statement.memory_digest for found in settled]
    assert digests[0] == NOTHING
    assert digests[1:] == [found.statement.next_memory_digest for found in settled[:-1]]


def test_sybils_are_paid_nothing_once_their_sums_betray_them(settled: list[Settled]) -> None:
    assert min(settled[0].statement.payouts) > 0
    last = settled[2].statement.payouts
    assert last[HONEST:] == (0,) * SYBILS
    assert min(last[:HONEST]) > 0


def with_another_past(statement: Statement, trainer: int) -> Statement:
    """Return the statement with another carried sum of one trainer, and digests to match."""
    carried = Carried.decode(statement.witness.carried)
    sums = decode_sums(carried.history)
    moved = linear_combination([sums[trainer].commitment, (1, 2)], [1, 1])
    sums[trainer] = replace(sums[trainer], commitment=moved)
    changed = replace(carried, history=encode_sums(sums))
    return replace(
        statement,
        memory_digest=changed.digest(),
        witness=replace(statement.witness, carried=changed.encode()),
    )


def test_another_carried_sum_is_refused(srs: Srs, settled: list[Settled]) -> None:
    for trainer in (0, HONEST):
        with pytest.raises(InvalidProof, match="running sums"):
            verify(srs.key, with_another_past(settled[1].statement, trainer), settled[1].proof)


def test_bytes_that_are_not_behind_the_digest_are_refused(srs: Srs, settled: list[Settled]) -> None:
    whitewashed = replace(settled[1].statement, witness=replace(settled[1].statement.witness, carried=b""))
    with pytest.raises(InvalidProof, match="memory digest"):
        verify(srs.key, whitewashed, settled[1].proof)


def test_another_next_digest_is_refused(srs: Srs, settled: list[Settled]) -> None:
    with pytest.raises(InvalidProof, match="next memory digest"):
        verify(srs.key, replace(settled[1].statement, next_memory_digest=NOTHING), settled[1].proof)


def test_sums_cannot_be_left_out_or_replaced_by_the_updates(
    srs: Srs, played: list[SybilRound], settled: list[Settled]
) -> None:
    statement, proof = settled[2].statement, settled[2].proof
    n = len(played[2].updates)
    updates = statement.gram.commitments[:n]
    products = pack_products(played[2].products_of_updates)
    replaced = replace(statement.gram, commitments=(*updates, *updates), gram=products)
    with pytest.raises(InvalidProof):
        verify(srs.key, replace(statement, gram=replaced), proof)
    left_out = replace(statement.gram, commitments=updates, gram=products[: 4 * n * (n + 1)], history=False)
    with pytest.raises(InvalidInput):
        verify(srs.key, replace(statement, gram=left_out), proof)
