"""Openings of chunks: true entries are shown, false ones cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aggregator.bn254 import R, vector_from_ints
from aggregator.commitments import RoundId, commit
from aggregator.errors import GramercyError, InvalidProof, OutOfRange, WrongShape
from aggregator.proofs import open_chunk, opening, verify_opening
from aggregator.proofs.opening import OPENING_BYTES
from aggregator.srs import development_srs

ROUND = RoundId(chain_id=31337, market=b"\x11" * 20, job_id=7, number=3)
SRS = development_srs(16)
VECTOR = np.array([5, -3, 2**46, 0, 0, -(2**40), 1, 9, -1], dtype=np.int64)
BLINDING = (17, R - 2, 23)


@pytest.mark.parametrize(("start", "count"), [(0, 1), (8, 1), (0, 9), (2, 4), (4, 12), (9, 2), (15, 1)])
def test_the_true_entries_are_shown(start: int, count: int) -> None:
    """Also beyond the vector's end, where they are 0, and at both ends, where a cross polynomial is 0."""
    statement, proof = open_chunk(SRS, ROUND, VECTOR, BLINDING, start=start, count=count)
    expected = [int(VECTOR[k]) % R if k < len(VECTOR) else 0 for k in range(start, start + count)]
    assert list(statement.values) == expected
    assert statement.commitment == commit(SRS, VECTOR, BLINDING)
    assert len(proof) == OPENING_BYTES
    verify_opening(SRS.key, statement, proof)


def test_field_elements_open_like_integers() -> None:
    vector = vector_from_ints([R - 1, 2**200, 7])
    statement, proof = open_chunk(SRS, ROUND, vector, BLINDING, start=1, count=2)
    assert statement.values == (2**200, 7)
    verify_opening(SRS.key, statement, proof)


def test_the_zero_vector_opens_to_zeros() -> None:
    statement, proof = open_chunk(SRS, ROUND, np.zeros(4, dtype=np.int64), (0, 0, 0), start=0, count=4)
    assert statement.commitment is None
    verify_opening(SRS.key, statement, proof)


def test_equal_inputs_give_equal_bytes() -> None:
    first = open_chunk(SRS, ROUND, VECTOR, BLINDING, start=2, count=3)
    assert first == open_chunk(SRS, ROUND, VECTOR, BLINDING, start=2, count=3)


def test_nothing_else_is_shown() -> None:
    statement, proof = open_chunk(SRS, ROUND, VECTOR, BLINDING, start=2, count=3)
    values = statement.values
    false = [
        replace(statement, values=((values[0] + 1) % R, *values[1:])),
        replace(statement, values=(values[1], values[0], values[2])),
        replace(statement, values=(*values, 0)),
        replace(statement, values=values[:2]),
        replace(statement, values=(values[0] + R, *values[1:])),
        replace(statement, values=()),
        replace(statement, start=1),
        replace(statement, start=3),
        replace(statement, start=2 - (R - 1)),
        replace(statement, commitment=commit(SRS, -VECTOR, BLINDING)),
        replace(statement, commitment=None),
        replace(statement, round_id=replace(ROUND, number=4)),
        replace(statement, round_id=replace(ROUND, job_id=8)),
        replace(statement, round_id=replace(ROUND, chain_id=1)),
        replace(statement, round_id=replace(ROUND, market=b"\x12" * 20)),
    ]
    for claim in false:
        with pytest.raises(GramercyError):
            verify_opening(SRS.key, claim, proof)


@pytest.mark.parametrize("word", range(11))
def test_every_word_of_the_proof_counts(word: int) -> None:
    statement, proof = open_chunk(SRS, ROUND, VECTOR, BLINDING, start=2, count=3)
    for bit in (0, 255):
        tampered = bytearray(proof)
        tampered[32 * word + (31 if bit == 0 else 0)] ^= 1 if bit == 0 else 0x80
        with pytest.raises(InvalidProof):
            verify_opening(SRS.key, statement, bytes(tampered))


def test_lengths_are_checked() -> None:
    statement, proof = open_chunk(SRS, ROUND, VECTOR, BLINDING, start=2, count=3)
    for wrong in (proof[:-1], proof + b"\0", b""):
        with pytest.raises(InvalidProof):
            verify_opening(SRS.key, statement, wrong)
    for start, count in ((-1, 1), (0, 0), (0, 129)):
        with pytest.raises(OutOfRange):
            open_chunk(SRS, ROUND, VECTOR, BLINDING, start=start, count=count)
    with pytest.raises(WrongShape):
        open_chunk(SRS, ROUND, VECTOR, BLINDING, start=10, count=7)


def test_an_entry_cannot_pass_for_one_far_beyond_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """``z^start`` is ``z^(start + r - 1)``: such a start gets every equation right but the bound."""
    far = 2 + R - 1
    honest_powers = opening.OpeningStatement.encode
    monkeypatch.setattr(
        opening.OpeningStatement, "encode", lambda self, digest: honest_powers(replace(self, start=far), digest)
    )
    statement, proof = open_chunk(SRS, ROUND, VECTOR, BLINDING, start=2, count=3)
    verify_opening(SRS.key, statement, proof)  # the same bytes, stated with the true start
    monkeypatch.undo()
    with pytest.raises(OutOfRange):
        verify_opening(SRS.key, replace(statement, start=far), proof)
