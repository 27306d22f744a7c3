"""Quantiser, entries from outside, the scale rule and the model of the next round."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from aggregator.errors import NonFiniteUpdate, OutOfRange, WrongShape
from aggregator.fixedpoint import (
    BLOCK,
    MAX_SCALE_EXPONENT,
    Quantiser,
    check_entries,
    entry_dtype,
    initial_scale_exponent,
    next_scale_exponent,
)


def quantiser(
    *lengths: int, bits: int = 8, scale_exponent: int = 0, offsets: tuple[int, ...] | None = None
) -> Quantiser:
    return Quantiser(bits, scale_exponent, lengths, offsets or (0,) * len(lengths))


# -- the quantiser ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "entry"),
    [(0.5, 0), (1.5, 2), (2.5, 2), (3.5, 4), (-0.5, 0), (-1.5, -2), (-2.5, -2), (0.50000006, 1), (1.4999999, 1)],
)
def test_exact_halves_go_to_the_even_neighbour(value: float, entry: int) -> None:
    for exponent in (-64, -3, 0, 17, 64):
        scaled = np.array([math.ldexp(value, exponent)], dtype=np.float32)
        assert quantiser(1, scale_exponent=exponent).quantise(scaled).entries.tolist() == [entry]


@pytest.mark.parametrize("bits", [4, 8, 9, 16])
def test_saturates_at_both_ends_and_counts(bits: int) -> None:
    limit = 2 ** (bits - 1) - 1
    values = [limit, -limit, limit + 0.5, limit + 1, -limit - 0.5, -limit - 1, 3e38, -3e38, 0]
    result = quantiser(9, bits=bits).quantise(np.array(values, dtype=np.float32))
    assert result.entries.tolist() == [limit, -limit, limit, limit, -limit, -limit, limit, -limit, 0]
    # limit + 0.5 rounds to the even limit + 1, outside the range
    assert result.saturated == 6
    assert result.entries.dtype == (np.int8 if bits <= 8 else np.int16)
    assert quantiser(9, bits=bits).limit == limit


def test_same_bytes_each_time_and_the_update_is_left_alone() -> None:
    update = np.random.default_rng(3).normal(size=1000).astype(np.float32)
    before = update.copy()
    first = quantiser(1000, scale_exponent=-6).quantise(update)
    second = quantiser(1000, scale_exponent=-6).quantise(update.copy())
    assert first.entries.tobytes() == second.entries.tobytes()
    assert first.saturated == second.saturated
    assert np.array_equal(update, before)


def test_read_only_updates_are_fine() -> None:
    update = np.frombuffer(np.array([1.0, 2.0], dtype="<f4").tobytes(), dtype=np.float32)
    assert quantiser(2).quantise(update).entries.tolist() == [1, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 4, BLOCK - 1, BLOCK, BLOCK + 6])
def test_non_finite_entries_are_refused_by_position(value: float, position: int) -> None:
    update = np.zeros(BLOCK + 8, dtype=np.float32)
    update[position] = value
    update[-1] = np.nan  # the first one is named
    with pytest.raises(NonFiniteUpdate, match=f"entry {position} ") as refusal:
        quantiser(3, BLOCK + 5).quantise(update)
    assert refusal.value.details["entry"] == position
    assert refusal.value.hint is not None


@pytest.mark.parametrize(
    "update",
    [
        np.zeros(3, dtype=np.float64),
        np.zeros(4, dtype=np.float32),
        np.zeros((3, 1), dtype=np.float32),
        np.zeros(3, dtype=np.int32),
    ],
    ids=["float64", "one entry more", "a matrix", "integers"],
)
def test_updates_of_another_shape_or_dtype_are_refused(update: Any) -> None:
    with pytest.raises(WrongShape):
        quantiser(3).quantise(update)


def test_each_tensor_has_its_own_offset() -> None:
    wanted = quantiser(2, 0, 3, scale_exponent=-2, offsets=(0, 9, 3))
    update = np.array([1, 2, 4, 6, 8], dtype=np.float32)
    assert wanted.quantise(update).entries.tolist() == [4, 8, 2, 3, 4]
    assert [(part.start, part.stop, exponent) for part, exponent in wanted.blocks()] == [(0, 2, -2), (2, 5, 1)]
    assert wanted.dimension == 5


def test_arrays_longer_than_a_block_equal_a_naive_computation() -> None:
    lengths, offsets = (BLOCK + 3, 5, 2 * BLOCK - 1), (0, -2, 1)
    wanted = Quantiser(bits=8, scale_exponent=-5, lengths=lengths, offsets=offsets)
    update = (np.random.default_rng(5).normal(size=sum(lengths)) * 2).astype(np.float32)
    exponents = np.repeat([-5 + offset for offset in offsets], lengths)
    naive = np.rint(update.astype(np.float64) / 2.0**exponents)
    result = wanted.quantise(update)
    assert np.array_equal(result.entries, np.clip(naive, -127, 127))
    assert result.saturated == np.count_nonzero(np.abs(naive) > 127) > 0
    assert np.array_equal(wanted.dequantise(result.entries), (result.entries * 2.0**exponents).astype(np.float32))
    aggregate = np.random.default_rng(6).integers(-(2**39), 2**39, size=sum(lengths))
    model = update[::-1].copy()
    expected = (model.astype(np.float64) + aggregate * 2.0**exponents / 2**32).astype(np.float32)
    assert np.array_equal(wanted.apply(model, aggregate), expected)


@pytest.mark.parametrize(
    ("bits", "scale_exponent", "offsets"),
    [(3, 0, (0,)), (17, 0, (0,)), (8, 65, (0,)), (8, -65, (0,)), (8, 0, (65,)), (8, 0, (-65,))],
)
def test_parameters_outside_their_range_are_refused(bits: int, scale_exponent: int, offsets: tuple[int, ...]) -> None:
    with pytest.raises(OutOfRange):
        Quantiser(bits, scale_exponent, (1,), offsets)


def test_lengths_and_offsets_must_pair() -> None:
    with pytest.raises(WrongShape):
        Quantiser(8, 0, (1, 2), (0,))


@pytest.mark.parametrize("bits", [4, 16])
@pytest.mark.parametrize("exponent", [-64, 64])
def test_parameters_at_the_ends_of_their_range_work(bits: int, exponent: int) -> None:
    both = Quantiser(bits, exponent, (1,), (exponent,))
    assert both.quantise(np.array([0.0], dtype=np.float32)).entries.tolist() == [0]


# -- back to float32 ----------------------------------------------------------------------------------------------


def test_dequantised_entries_are_exact() -> None:
    entries = np.array([1, -127, 3], dtype=np.int8)
    assert quantiser(1, 2, scale_exponent=-3, offsets=(0, 4)).dequantise(entries).tolist() == [0.125, -254.0, 6.0]
    with pytest.raises(WrongShape):
        quantiser(2).dequantise(entries)


def test_apply_adds_the_weighted_mean_of_the_updates() -> None:
    wanted = quantiser(2, 1, scale_exponent=-4, offsets=(0, 2))
    model = np.array([1.0, -1.0, 0.5], dtype=np.float32)
    aggregate = np.array([16 * 2**32, -8 * 2**32, 4 * 2**32], dtype=np.int64)
    result = wanted.apply(model, aggregate)
    assert result.dtype == np.float32
    assert result.tolist() == [2.0, -1.5, 1.5]
    assert model.tolist() == [1.0, -1.0, 0.5]


def test_apply_rounds_once_at_the_end() -> None:
    # 2^-25 is half of float32's spacing below 1: alone it is lost, twice it is not.
    wanted = quantiser(1, scale_exponent=-25)
    model = np.array([-1.0], dtype=np.float32)
    assert wanted.apply(model, np.array([3 << 31], dtype=np.int64)).tolist() == [-1.0 + 2.0**-24]


def test_apply_refuses_what_does_not_fit() -> None:
    model, aggregate = np.zeros(3, dtype=np.float32), np.zeros(3, dtype=np.int64)
    for arguments in ((model[:2], aggregate), (model, aggregate[:2])):
        with pytest.raises(WrongShape):
            quantiser(3).apply(*arguments)
    largest = np.full(3, np.finfo(np.float32).max, dtype=np.float32)
    with pytest.raises(OutOfRange, match="float32"):
        quantiser(3, scale_exponent=64, offsets=(64,)).apply(largest, aggregate + 2**46)


def test_weights_below_one_shorten_the_step() -> None:
    """What a rule takes off an update it takes off the model's step: the divisor is one, whatever the weights' sum."""
    model = np.zeros(1, dtype=np.float32)
    half = np.array([6 * 2**31], dtype=np.int64)  # an entry of 6 with weight 1/2
    assert quantiser(1, scale_exponent=0).apply(model, half).tolist() == [3.0]


# -- entries from outside -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
def test_entries_inside_the_range_pass_and_one_outside_does_not(bits: int) -> None:
    limit = 2 ** (bits - 1) - 1
    entries = np.zeros(BLOCK + 5, dtype=entry_dtype(bits))
    entries[[0, -1]] = limit, -limit
    check_entries(entries, dimension=BLOCK + 5, bits=bits)
    for position in (0, BLOCK, BLOCK + 4):
        outside = entries.copy()
        outside[position] = -limit - 1
        with pytest.raises(OutOfRange):
            check_entries(outside, dimension=BLOCK + 5, bits=bits)
        if bits not in (8, 16):
            outside[position] = limit + 1
            with pytest.raises(OutOfRange):
                check_entries(outside, dimension=BLOCK + 5, bits=bits)


def test_entries_of_another_shape_or_dtype_are_refused() -> None:
    entries = np.zeros(4, dtype=np.int8)
    check_entries(entries, dimension=4, bits=8)
    with pytest.raises(WrongShape):
        check_entries(entries, dimension=5, bits=8)
    with pytest.raises(WrongShape):
        check_entries(entries, dimension=4, bits=9)
    with pytest.raises(WrongShape):
        check_entries(entries.astype(np.int16), dimension=4, bits=8)
    with pytest.raises(WrongShape):
        check_entries(entries.reshape(2, 2), dimension=4, bits=8)


# -- the scale ----------------------------------------------------------------------------------------------------


def scale_after(*squared_norms: int, exponent: int = 0) -> int:
    return next_scale_exponent(squared_norms, exponent=exponent, dimension=10, bits=8, headroom_bits=3)


def test_scale_stays_when_the_rms_entry_is_as_aimed_at() -> None:
    aim = 2 ** (8 - 1 - 3)
    assert scale_after(10 * aim**2) == 0
    assert scale_after(10 * (2 * aim) ** 2) == 1
    assert scale_after(10 * aim**2 // 4) == -1


@pytest.mark.parametrize("step", [-2, -1, 0, 1])
def test_scale_changes_exactly_above_the_threshold(step: int) -> None:
    threshold = 10 * 2 ** (2 * (8 - 1 - 3) + 1 + 2 * step)
    assert scale_after(threshold) == step
    assert scale_after(threshold + 1) == step + 1


def test_scale_moves_by_two_at_most_and_stays_within_64() -> None:
    assert scale_after(10**12) == 2
    assert scale_after(0) == -2
    assert scale_after() == -2
    assert scale_after(10**12, exponent=MAX_SCALE_EXPONENT) == MAX_SCALE_EXPONENT
    assert scale_after(10**12, exponent=63) == 64
    assert scale_after(0, exponent=-MAX_SCALE_EXPONENT) == -MAX_SCALE_EXPONENT
    assert scale_after(0, exponent=-63) == -64


def test_scale_follows_the_lower_median() -> None:
    large, aimed = 10**12, 10 * 16**2
    assert scale_after(large, aimed, 0) == scale_after(aimed) == 0
    assert scale_after(large, large, aimed, 0) == 0
    assert scale_after(large, large, aimed) == 2


def test_first_scale_puts_the_rms_entry_at_most_at_the_aim() -> None:
    update = np.array([3.0, -4.0, 0.0, 0.0], dtype=np.float32)  # RMS 2.5
    assert initial_scale_exponent(update, bits=8, headroom_bits=3) == 2 - 4
    assert initial_scale_exponent(np.array([2.0], dtype=np.float32), bits=8, headroom_bits=3) == 1 - 4
    tiny, huge = np.array([1e-45], dtype=np.float32), np.array([3e38], dtype=np.float32)
    assert initial_scale_exponent(tiny, bits=16, headroom_bits=0) == -64
    assert initial_scale_exponent(huge, bits=4, headroom_bits=1) == 64


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_nothing_follows_from_a_zero_or_non_finite_update(value: float) -> None:
    with pytest.raises(OutOfRange):
        initial_scale_exponent(np.array([value, 0.0], dtype=np.float32), bits=8, headroom_bits=3)
