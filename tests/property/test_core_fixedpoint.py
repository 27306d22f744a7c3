"""Properties of the quantiser and of the scale rule."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.fixedpoint import (
    MAX_SCALE_EXPONENT,
    MAX_SCALE_STEP,
    Quantiser,
    check_entries,
    initial_scale_exponent,
    next_scale_exponent,
)

many = settings(max_examples=150, deadline=None, derandomize=True)

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
ordinary = st.floats(min_value=-1024, max_value=1024, width=32)
exponents = st.integers(-MAX_SCALE_EXPONENT, MAX_SCALE_EXPONENT)


@st.composite
def quantisers(draw: st.DrawFn) -> Quantiser:
    lengths = tuple(draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    offsets = tuple(draw(st.lists(st.integers(-20, 20), min_size=len(lengths), max_size=len(lengths))))
    return Quantiser(draw(st.integers(4, 16)), draw(exponents), lengths, offsets)


@st.composite
def scale_terms(draw: st.DrawFn) -> dict[str, int]:
    bits = draw(st.integers(4, 16))
    dimension = draw(st.integers(1, (1 << (63 - 2 * bits)) - 1))
    return {"bits": bits, "headroom_bits": draw(st.integers(0, bits - 3)), "dimension": dimension}


def nearest_even(value: Fraction) -> int:
    """Return the nearest integer, the even one of two: Python's own rounding of exact fractions."""
    return round(value)


@many
@given(quantisers(), st.data())
def test_entries_are_the_rounded_and_clipped_values(quantiser: Quantiser, data: st.DataObject) -> None:
    values = data.draw(st.lists(finite, min_size=quantiser.dimension, max_size=quantiser.dimension))
    result = quantiser.quantise(np.array(values, dtype=np.float32))
    each_exponent = [
        quantiser.scale_exponent + offset
        for length, offset in zip(quantiser.lengths, quantiser.offsets, strict=True)
        for _ in range(length)
    ]
    exact = [Fraction(value) / Fraction(2) ** e for value, e in zip(values, each_exponent, strict=True)]
    limit = 2 ** (quantiser.bits - 1) - 1
    assert result.entries.tolist() == [max(-limit, min(limit, nearest_even(value))) for value in exact]
    assert result.saturated == sum(abs(nearest_even(value)) > limit for value in exact)
    check_entries(result.entries, dimension=quantiser.dimension, bits=quantiser.bits)


@many
@given(st.lists(ordinary, min_size=1, max_size=20), st.integers(-10, 10))
def test_error_is_at_most_half_a_step_where_nothing_saturates(values: list[float], exponent: int) -> None:
    quantiser = Quantiser(16, exponent, (len(values),), (0,))
    result = quantiser.quantise(np.array(values, dtype=np.float32))
    if result.saturated == 0:
        for value, entry in zip(values, result.entries.tolist(), strict=True):
            assert abs(Fraction(value) - entry * Fraction(2) ** exponent) <= Fraction(2) ** exponent / 2


@many
@given(st.lists(st.integers(-32767, 32767), min_size=1, max_size=20), exponents)
def test_what_was_quantised_once_is_quantised_to_the_same(entries: list[int], exponent: int) -> None:
    quantiser = Quantiser(16, exponent, (len(entries),), (0,))
    update = quantiser.dequantise(np.array(entries, dtype=np.int16))
    assert quantiser.quantise(update).entries.tolist() == entries


@many
@given(st.lists(ordinary, min_size=1, max_size=10), st.integers(-20, 20))
def test_quantiser_is_odd(values: list[float], exponent: int) -> None:
    quantiser = Quantiser(8, exponent, (len(values),), (0,))
    update = np.array(values, dtype=np.float32)
    assert np.array_equal(quantiser.quantise(-update).entries, -quantiser.quantise(update).entries)


@many
@given(
    st.lists(st.tuples(ordinary, st.integers(-(2**47), 2**47)), min_size=1, max_size=10),
    st.integers(-40, 0),
)
def test_apply_is_within_one_rounding_of_the_exact_model(rows: list[tuple[float, int]], exponent: int) -> None:
    model = np.array([value for value, _ in rows], dtype=np.float32)
    aggregate = np.array([entry for _, entry in rows], dtype=np.int64)
    result = Quantiser(16, exponent, (len(rows),), (0,)).apply(model, aggregate)
    for value, entry, found in zip(model.tolist(), aggregate.tolist(), result.tolist(), strict=True):
        exact = Fraction(value) + Fraction(entry) * Fraction(2) ** (exponent - 32)
        spacing = Fraction(float(np.spacing(np.float32(abs(found)))))
        in_float64 = Fraction(2) ** -50 * (abs(exact) + abs(Fraction(value)))
        assert abs(Fraction(found) - exact) <= spacing / 2 + in_float64


@many
@given(st.lists(st.integers(0, 2**61), max_size=12), exponents, scale_terms())
def test_scale_step_is_the_smallest_that_fits_the_lower_median(
    norms: list[int], exponent: int, terms: dict[str, int]
) -> None:
    found = next_scale_exponent(norms, exponent=exponent, **terms)
    median = Fraction(sorted(norms)[(len(norms) - 1) // 2] if norms else 0)
    aim = Fraction(4) ** (terms["bits"] - 1 - terms["headroom_bits"])
    steps = range(-MAX_SCALE_STEP, MAX_SCALE_STEP + 1)
    fitting = [k for k in steps if median <= terms["dimension"] * aim * 2 * Fraction(4) ** k]
    expected = exponent + min(fitting, default=MAX_SCALE_STEP)
    assert found == max(-MAX_SCALE_EXPONENT, min(MAX_SCALE_EXPONENT, expected))


@many
@given(
    st.lists(st.tuples(st.integers(0, 2**60), st.integers(0, 2**60)), min_size=1, max_size=12),
    exponents,
    scale_terms(),
)
def test_scale_rule_is_monotone_in_every_norm(
    rows: list[tuple[int, int]], exponent: int, terms: dict[str, int]
) -> None:
    smaller = next_scale_exponent([norm for norm, _ in rows], exponent=exponent, **terms)
    larger = next_scale_exponent([norm + more for norm, more in rows], exponent=exponent, **terms)
    assert smaller <= larger


@many
@given(st.integers(6, 16), st.integers(-50, 50), st.integers(0, 2**32 - 1))
def test_scale_rule_settles_where_updates_stop_changing(bits: int, magnitude: int, seed: int) -> None:
    headroom_bits, dimension = 3, 256
    update = np.random.default_rng(seed).normal(size=dimension).astype(np.float32) * np.float32(2.0**magnitude)
    exponent = initial_scale_exponent(update, bits=bits, headroom_bits=headroom_bits)
    aim = 2 ** (bits - 1 - headroom_bits)
    visited = []
    for _ in range(3):
        entries = Quantiser(bits, exponent, (dimension,), (0,)).quantise(update).entries.astype(np.int64)
        visited.append(exponent)
        norms = [int(entries @ entries)]
        exponent = next_scale_exponent(
            norms, exponent=exponent, dimension=dimension, bits=bits, headroom_bits=headroom_bits
        )
    assert visited[1] == visited[2]
    assert abs(visited[1] - visited[0]) <= 1
    rms = float(np.sqrt(np.mean(np.square(update, dtype=np.float64)))) * 2.0 ** -visited[2]
    assert aim / 2 / 1.5 <= rms <= aim * 1.5


@many
@given(st.lists(ordinary.filter(lambda value: abs(value) > 1e-3), min_size=1, max_size=30), st.integers(4, 16))
def test_first_scale_is_the_smallest_that_keeps_the_headroom(values: list[float], bits: int) -> None:
    update = np.array(values, dtype=np.float32)
    exponent = initial_scale_exponent(update, bits=bits, headroom_bits=1)
    mean_square = sum(Fraction(value) ** 2 for value in update.tolist()) / len(values)
    aim = Fraction(4) ** (bits - 2)
    tolerance = 1 + Fraction(1, 10**9)  # the RMS is computed in float64
    assert mean_square / Fraction(4) ** exponent <= aim * tolerance
    assert mean_square / Fraction(4) ** (exponent - 1) * tolerance > aim
