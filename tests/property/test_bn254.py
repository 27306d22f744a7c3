"""Identities of the kernel's polynomials and sums, by every implementation."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.bn254 import (
    GENERATOR,
    IntVector,
    Kernel,
    R,
    compress,
    decode_point,
    decompress,
    encode_point,
    ints_from_vector,
    pack_points,
    unpack_points,
    vector_from_ints,
)
from aggregator.errors import InvalidPoint
from tests.unit.bn254.known import known, times

several = settings(max_examples=40, deadline=None, derandomize=True)
few = settings(max_examples=8, deadline=None, derandomize=True)

element = st.one_of(st.sampled_from([0, 1, R - 1, R - 2, 2**128, 2**253]), st.integers(0, R - 1))
polynomial = st.lists(element, min_size=1, max_size=12)


def value(coefficients: list[int], z: int) -> int:
    return sum(coefficient * pow(z, k, R) for k, coefficient in enumerate(coefficients)) % R


@several
@given(a=polynomial, z=st.integers(1, R - 1))
def test_autocorrelation_identity(any_kernel: Kernel, a: list[int], z: int) -> None:
    square, rest = any_kernel.correlate(vector_from_ints(a))
    s, inverse = ints_from_vector(rest), pow(z, -1, R)
    assert len(s) == max(len(a) - 1, 1)
    assert square == sum(x * x for x in a) % R
    expected = (square + z * value(s, z) + inverse * value(s, inverse)) % R
    assert value(a, z) * value(a, inverse) % R == expected


@several
@given(a=polynomial, b=polynomial, z=element, factor=element)
def test_values_of_products_and_sums(any_kernel: Kernel, a: list[int], b: list[int], z: int, factor: int) -> None:
    left, right = vector_from_ints(a), vector_from_ints(b)
    product = any_kernel.multiply(left, right)
    assert len(product) == len(a) + len(b) - 1
    assert any_kernel.evaluate(product, z) == value(a, z) * value(b, z) % R
    assert (
        any_kernel.evaluate(any_kernel.add_scaled(left, right, factor), z) == (value(a, z) + factor * value(b, z)) % R
    )


@several
@given(a=polynomial, z=element)
def test_quotient_times_divisor_is_what_was_divided(any_kernel: Kernel, a: list[int], z: int) -> None:
    quotient = any_kernel.divide(vector_from_ints(a), z)
    assert len(quotient) == len(a) - 1
    if len(a) == 1:
        return
    product = any_kernel.multiply(quotient, vector_from_ints([-z, 1]))
    remainder = vector_from_ints([value(a, z)])
    assert ints_from_vector(any_kernel.add_scaled(product, remainder, 1)) == a


@several
@given(
    rows=st.integers(1, 9).flatmap(
        lambda d: st.lists(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=d, max_size=d), min_size=1, max_size=6)
    ),
    data=st.data(),
)
def test_combination_equals_exact_integers(any_kernel: Kernel, rows: list[list[int]], data: st.DataObject) -> None:
    weight = st.one_of(st.sampled_from([0, 1, 2**32 - 1, 2**64, 2**128 - 1]), st.integers(0, 2**128 - 1))
    weights = data.draw(st.lists(weight, min_size=len(rows), max_size=len(rows)))
    arrays: list[IntVector] = [np.array(row, dtype=np.int16) for row in rows]
    expected = [sum(w * x for w, x in zip(weights, column, strict=True)) % R for column in zip(*rows, strict=True)]
    assert ints_from_vector(any_kernel.combine(arrays, weights)) == expected


@few
@given(scalars=st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-1, 0, 1])), max_size=8))
def test_sum_of_multiples(any_kernel: Kernel, scalars: list[int]) -> None:
    small = any_kernel.msm(known().points, np.array(scalars, dtype=np.int64))
    assert small == any_kernel.msm(known().points, vector_from_ints(scalars)) == known().sum_of(scalars)


@few
@given(scalar=element)
def test_encodings_of_points(scalar: int) -> None:
    point = times(scalar)
    assert decompress(compress(point)) == decode_point(encode_point(point)) == point
    assert unpack_points(pack_points([point, GENERATOR])) == [point, GENERATOR]


@several
@given(x=st.integers(0, 2**256 - 1))
def test_any_word_is_refused_or_compresses_back(x: int) -> None:
    word = x.to_bytes(32, "big")
    try:
        point = decompress(word)
    except InvalidPoint:
        return
    assert compress(point) == word
