"""Properties of Gram matrices: exact, packed without loss, and never refused when they are true."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.bn254 import R
from aggregator.commitments import combine_blindings, commit, linear_combination
from aggregator.fixedpoint import IntVector
from aggregator.gram import GramMatrix, check_gram, gram_matrix, pack_gram, unpack_gram, weighted_sum
from aggregator.srs import development_srs

many = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def updates_of(draw: st.DrawFn, max_count: int = 6) -> tuple[list[IntVector], int]:
    """Draw updates and their number of bits; entries prefer the ends of the range."""
    bits = draw(st.integers(4, 16))
    limit = 2 ** (bits - 1) - 1
    dimension = draw(st.integers(1, 40))
    entry = st.one_of(st.sampled_from([-limit, 0, limit]), st.integers(-limit, limit))
    vector = st.lists(entry, min_size=dimension, max_size=dimension)
    rows = draw(st.lists(vector, min_size=1, max_size=max_count))
    wide = [np.array(row) for row in rows]
    return [row.astype(np.int8) if bits <= 8 else row.astype(np.int16) for row in wide], bits


@many
@given(updates_of())
def test_gram_matrix_equals_exact_integers(drawn: tuple[list[IntVector], int]) -> None:
    updates, bits = drawn
    objects = np.array([update.tolist() for update in updates], dtype=object)
    assert gram_matrix(updates, bits=bits).tolist() == (objects @ objects.T).tolist()


@many
@given(updates_of())
def test_every_true_gram_matrix_passes_the_checks(drawn: tuple[list[IntVector], int]) -> None:
    updates, bits = drawn
    check_gram(gram_matrix(updates, bits=bits), dimension=len(updates[0]), bits=bits)


@many
@given(updates_of(), st.data())
def test_weighted_sum_equals_exact_integers(drawn: tuple[list[IntVector], int], data: st.DataObject) -> None:
    updates, _ = drawn
    share = 2**34 // len(updates)
    weight = st.one_of(st.sampled_from([-share, 0, share]), st.integers(-share, share))
    weights = data.draw(st.lists(weight, min_size=len(updates), max_size=len(updates)))
    objects = np.array([update.tolist() for update in updates], dtype=object)
    assert weighted_sum(updates, weights).tolist() == (np.array(weights, dtype=object) @ objects).tolist()


@st.composite
def symmetric(draw: st.DrawFn) -> GramMatrix:
    n = draw(st.integers(0, 6))
    upper = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n * (n + 1) // 2, max_size=n * (n + 1) // 2))
    gram = np.zeros((n, n), dtype=np.int64)
    gram[np.triu_indices(n)] = np.array(upper, dtype=np.int64)
    return gram + np.triu(gram, 1).T


@many
@given(symmetric())
def test_packing_loses_nothing(gram: GramMatrix) -> None:
    packed = pack_gram(gram)
    assert len(packed) == 4 * len(gram) * (len(gram) + 1)
    assert np.array_equal(unpack_gram(packed, len(gram)), gram)


@settings(many, max_examples=40)
@given(updates_of(max_count=3), st.data())
def test_the_weighted_sum_of_commitments_opens_to_the_weighted_sum(
    drawn: tuple[list[IntVector], int], data: st.DataObject
) -> None:
    updates, _ = drawn
    element = st.integers(0, R - 1)
    blindings = data.draw(st.lists(st.tuples(element, element, element), min_size=len(updates), max_size=len(updates)))
    weights = data.draw(st.lists(st.integers(0, 2**32 // 3), min_size=len(updates), max_size=len(updates)))
    srs = development_srs(40)
    commitments = [commit(srs, update, h) for update, h in zip(updates, blindings, strict=True)]
    opened = commit(srs, weighted_sum(updates, weights), combine_blindings(weights, blindings))
    assert linear_combination(commitments, weights) == opened
