"""The Gram argument: honest proofs pass, dishonest provers fail, equal inputs give equal bytes."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import ANY

import numpy as np
import pytest

from aggregator.bn254 import R
from aggregator.carried import NOTHING
from aggregator.errors import InvalidInput, InvalidPoint, InvalidProof, OutOfRange, WrongShape
from aggregator.products import Layout, Products, pack_products
from aggregator.proofs import prove, prover, verify, verify_gram
from aggregator.proofs.gram_proof import PROOF_BYTES, GramProof
from aggregator.proofs.prover import combined_square
from aggregator.proofs.verifier import is_valid
from aggregator.rows import products_of_rows
from tests.unit.proofs.scene import Scene, scene

KEY = scene().srs.key


@pytest.mark.parametrize(("n", "d", "bits"), [(1, 1, 8), (2, 8, 16), (3, 5, 8), (5, 3, 4)])
def test_an_honest_proof_is_accepted(n: int, d: int, bits: int) -> None:
    honest = scene(n, d, bits)
    proof = honest.prove()
    assert len(proof) == PROOF_BYTES
    verify_gram(honest.srs.key, honest.statement, proof)


EXTRA = {
    "reference": scene(4, 5, reference=True),
    "previous": scene(4, 5, previous=True),
    "running sums": scene(4, 5, rule="foolsgold"),
    "all": scene(4, 5, rule="foolsgold", reference=True, previous=True),
}


@pytest.mark.parametrize("honest", EXTRA.values(), ids=EXTRA)
def test_extra_rows_are_proven_like_updates(honest: Scene) -> None:
    proof = honest.prove()
    assert len(proof) == PROOF_BYTES
    verify_gram(KEY, honest.statement, proof)
    verify(KEY, honest.settled(), proof)


@pytest.mark.parametrize(("name", "honest"), EXTRA.items())
def test_a_false_product_of_an_extra_row_is_refused(name: str, honest: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    total = honest.statement.layout.total
    for i, j in ((0, 4), (4, 4), (total - 2, total - 1), (total - 1, total - 1)):
        false = with_entry(honest, i, j, 1)
        with pytest.raises(InvalidProof):
            false.prove()
        with monkeypatch.context() as patch:
            patch.setattr(prover, "combined_square", lambda *_: ANY)
            proof = false.prove()
        with pytest.raises(InvalidProof):
            verify_gram(KEY, false.statement, proof)


def test_a_swapped_or_left_out_row_is_refused() -> None:
    honest = EXTRA["all"]
    statement, proof = honest.statement, honest.prove()
    points = statement.commitments
    swapped = (*points[:4], points[5], points[4], *points[6:])
    assert not is_valid(KEY, replace(statement, commitments=swapped), proof)
    products = statement.products
    kept = [place for place in range(products.layout.total) if place != 4]
    matrix = tuple(tuple(products.matrix[i][j] for j in kept) for i in kept)
    left = pack_products(Products(Layout(4, previous=True, history=True), matrix))
    without = replace(statement, commitments=(*points[:4], *points[5:]), gram=left, reference=False)
    assert not is_valid(KEY, without, proof)
    renamed = replace(without, reference=True, previous=False)
    assert not is_valid(KEY, renamed, proof)


@pytest.mark.parametrize("flag", ["reference", "previous"])
def test_which_extra_row_it_is_is_bound(flag: str) -> None:
    """A reference passed off as the previous aggregate: the same points, the same products."""
    honest = EXTRA[flag]
    passed_off = replace(honest.statement, reference=flag != "reference", previous=flag != "previous")
    assert not is_valid(KEY, passed_off, honest.prove())


def test_an_extra_row_may_be_infinity() -> None:
    """An unblinded row of zeros: a trainer may cancel its own running sum, which must not stop a round."""
    honest = scene(3, 5, reference=True)
    zeros = (np.zeros(5, dtype=np.int8),)
    statement = replace(
        honest.statement,
        commitments=(*honest.statement.commitments[:3], None),
        gram=pack_products(products_of_rows(honest.statement.layout, honest.updates, zeros, bits=8)),
    )
    silent = replace(honest, extras=zeros, blindings=(*honest.blindings[:3], (0, 0, 0)), statement=statement)
    verify_gram(KEY, statement, silent.prove())


def test_a_settlement_may_only_use_a_reference_that_its_job_has() -> None:
    honest = EXTRA["reference"]
    none = replace(honest.statement, rules=replace(honest.statement.rules, reference=False))
    with pytest.raises(InvalidProof, match="no reference"):
        verify(KEY, replace(honest.settled(), gram=none), replace(honest, statement=none).prove())


@pytest.mark.parametrize("figure", ["memory_digest", "next_memory_digest"])
def test_other_memory_is_refused(figure: str) -> None:
    honest = scene(4, 5, score="reputation")
    settled = honest.settled()
    assert settled.next_memory_digest != settled.memory_digest == NOTHING
    with pytest.raises(InvalidProof) as refused:
        verify(KEY, replace(settled, **{figure: b"\7" * 32}), honest.prove())  # type: ignore[arg-type]
    assert refused.value.details["field"] == figure.replace("_", " ")


def test_a_comparison_rule_settles_nothing() -> None:
    honest = scene(4, 5, rule="plain-mean")
    with pytest.raises(InvalidProof, match="plain-mean"):
        verify(KEY, honest.settled(), honest.prove())


def test_updates_of_zeros_can_be_proven() -> None:
    zeros = scene(3, 5, zero=True)
    verify_gram(KEY, zeros.statement, zeros.prove())


def test_a_whole_settlement_is_accepted() -> None:
    honest = scene(4, 5)
    verify(KEY, honest.settled(), honest.prove())


def test_equal_inputs_give_equal_bytes_and_another_seed_others() -> None:
    honest = scene()
    assert honest.prove() == honest.prove()
    other = honest.prove(b"\x2b" * 32)
    verify_gram(KEY, honest.statement, other)
    words = [(honest.prove()[at : at + 32], other[at : at + 32]) for at in range(0, PROOF_BYTES, 32)]
    assert all(mine != theirs for mine, theirs in words), "some message does not depend on the seed"


def test_one_seed_never_masks_two_statements_alike() -> None:
    """Two proofs with one mask would reveal differences of evaluations of the updates."""
    honest = scene()
    later = replace(honest, statement=replace(honest.statement, stakes=(9, 9, 9)))
    first, second = GramProof.decode(honest.prove()), GramProof.decode(later.prove())
    assert first.mask != second.mask
    assert first.mask_square != second.mask_square


@pytest.mark.parametrize(("i", "j"), [(0, 0), (0, 2), (1, 2), (2, 2)])
def test_an_honest_prover_refuses_another_matrix(i: int, j: int) -> None:
    false = with_entry(scene(), i, j, 1)
    with pytest.raises(InvalidProof):
        false.prove()


@pytest.mark.parametrize(("i", "j", "by"), [(0, 0, 1), (0, 2, -1), (1, 2, 7), (2, 2, 2**40)])
def test_a_dishonest_prover_is_refused(i: int, j: int, by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It follows the protocol to the letter but for a false entry of the matrix."""
    false = with_entry(scene(), i, j, by)
    with monkeypatch.context() as patch:
        patch.setattr(prover, "combined_square", lambda *_: ANY)
        proof = false.prove()
    with pytest.raises(InvalidProof):
        verify_gram(KEY, false.statement, proof)


def test_changes_of_the_matrix_that_cancel_in_the_plain_sum_are_refused() -> None:
    honest = scene()
    false = with_entry(with_entry(honest, 0, 0, 5), 1, 1, -5)
    assert not is_valid(KEY, false.statement, honest.prove())


def test_a_prover_with_other_updates_than_the_committed_is_refused() -> None:
    honest = scene()
    other = tuple(update[::-1].copy() for update in honest.updates)  # the same Gram matrix, other vectors
    proof = prove(honest.srs, honest.statement, other, honest.blindings, seed=bytes(32))
    with pytest.raises(InvalidProof):
        verify_gram(KEY, honest.statement, proof)


def test_a_prover_with_other_blindings_is_refused() -> None:
    honest = scene()
    first = honest.blindings[0]
    blindings = ((first[0], (first[1] + 1) % R, first[2]), *honest.blindings[1:])
    proof = prove(honest.srs, honest.statement, honest.updates, blindings, seed=bytes(32))
    with pytest.raises(InvalidProof):
        verify_gram(KEY, honest.statement, proof)


def test_the_reference_string_has_room_for_updates_and_mask() -> None:
    verify_gram(KEY, scene(2, 8).statement, scene(2, 8).prove())  # 8 + 8 = 16
    long = scene(2, 9)
    with pytest.raises(WrongShape):
        long.prove()
    with pytest.raises(WrongShape):
        verify_gram(KEY, long.statement, bytes(PROOF_BYTES))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"trainers": (b"\1" * 20,) * 2}, WrongShape),
        ({"stakes": (1, 2)}, WrongShape),
        ({"stakes": (1, 2, 1 << 128)}, OutOfRange),
        ({"stakes": (1, 2, -1)}, OutOfRange),
        ({"trainers": (b"\1" * 20, b"\2" * 20, b"\3" * 19)}, WrongShape),
        ({"commitments": (None, (1, 2), (1, 2))}, InvalidPoint),
        ({"commitments": ((1, 2),) * 4}, WrongShape),
        ({"reference": True}, WrongShape),
        ({"history": True}, WrongShape),
        ({"commitments": ((1, 3), (1, 2), (1, 2))}, InvalidPoint),
        ({"gram": bytes(47)}, WrongShape),
        ({"scale_exponent": 1 << 15}, OutOfRange),
        ({"trainers": (), "stakes": (), "commitments": (), "gram": b""}, WrongShape),
    ],
)
def test_malformed_statements_are_refused(change: dict[str, object], error: type[InvalidInput]) -> None:
    honest = scene()
    statement = replace(honest.statement, **change)  # type: ignore[arg-type]
    with pytest.raises(error):
        verify_gram(KEY, statement, honest.prove())


@pytest.mark.parametrize("length", [0, 383, 385, 768])
def test_a_proof_has_384_bytes(length: int) -> None:
    with pytest.raises(InvalidProof):
        verify_gram(KEY, scene().statement, scene().prove().ljust(length, b"\0")[:length])


def test_the_decoded_proof_encodes_to_the_same_bytes() -> None:
    proof = scene().prove()
    assert GramProof.decode(proof).encode() == proof


@pytest.mark.parametrize("figure", ["weights", "scores", "payouts", "next_scale_exponent", "aggregate_commitment"])
def test_figures_that_do_not_follow_from_the_matrix_are_refused(figure: str) -> None:
    honest = scene(4, 5)
    settled = honest.settled()
    posted = getattr(settled, figure)
    if figure == "aggregate_commitment":
        wrong: object = bytes([posted[0] ^ 0x40]) + posted[1:]  # the other ordinate
    elif figure == "next_scale_exponent":
        wrong = posted + 1
    else:
        wrong = (posted[0] + 1, *posted[1:])
    with pytest.raises(InvalidProof) as refused:
        verify(KEY, replace(settled, **{figure: wrong}), honest.prove())  # type: ignore[arg-type]
    assert refused.value.details["field"] == figure.replace("_", " ")


def test_the_combined_square_counts_every_pair_twice() -> None:
    honest = scene()
    lambdas = (2**127, 3, 2**128 - 1)
    combined = sum(factor * update.astype(object) for factor, update in zip(lambdas, honest.updates, strict=True))
    assert combined_square(honest.statement, lambdas, 11) == (int(np.dot(combined, combined)) + 11) % R


def with_entry(honest: Scene, i: int, j: int, by: int) -> Scene:
    found = honest.statement.products
    matrix = [list(row) for row in found.matrix]
    matrix[i][j] += by
    if i != j:
        matrix[j][i] += by
    changed = Products(found.layout, tuple(map(tuple, matrix)))
    return replace(honest, statement=replace(honest.statement, gram=pack_products(changed)))
