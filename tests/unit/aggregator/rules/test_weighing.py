"""Roots, medians and weights, against their definitions."""

from __future__ import annotations

import random

import numpy as np
import pytest

from aggregator.rules import WEIGHT_ONE
from aggregator.rules.weighing import (
    clip_factors,
    clipped_shares,
    distances,
    length_of,
    lower_median,
    normalised,
    words,
)
from tests.unit.aggregator.rules.rows import normal_rows, products_of


def test_lengths_are_roots_rounded_down_in_units_of_2_to_the_minus_32() -> None:
    assert [length_of(square) for square in (-1, 0, 1, 4, 2)] == [0, 0, 1 << 32, 2 << 32, 6074000999]
    assert length_of(2**63 - 1) == 13043817825332782211


def test_distances_are_those_to_the_weighted_sum() -> None:
    rows = normal_rows(1, 7)
    weights = [random.Random(2).randrange(WEIGHT_ONE // 7) for _ in rows]
    centre = np.array(weights) @ rows / WEIGHT_ONE
    expected = np.linalg.norm(rows - centre, axis=1)
    found = np.array(distances(products_of(rows).gram, weights), dtype=np.float64) / WEIGHT_ONE
    assert found == pytest.approx(expected, rel=1e-12)


def test_distances_to_the_current_model_are_lengths() -> None:
    products = products_of([[3, 4], [0, 0], [1, 1]])
    assert distances(products.gram, [0, 0, 0]) == [length_of(25), 0, length_of(2)]


def test_a_negative_square_of_a_matrix_without_updates_counts_as_0() -> None:
    everything_opposed = [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    third = WEIGHT_ONE // 3
    assert distances(everything_opposed, [third] * 3)[0] > 0
    assert distances([[0, 0, 1], [0, 0, 1], [1, 1, 2]], [WEIGHT_ONE, 0, 0]) == [0, 0, 0]


@pytest.mark.parametrize("seed", range(30))
def test_lower_median_is_the_sorted_middle_where_stakes_are_equal(seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.randrange(10) for _ in range(rng.randint(1, 12))]
    assert lower_median(values, [10**18] * len(values)) == sorted(values)[(len(values) - 1) // 2]


@pytest.mark.parametrize("seed", range(30))
def test_lower_median_is_unmoved_by_splitting_a_stake(seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.randrange(10) for _ in range(rng.randint(1, 12))]
    stakes = [rng.randint(4, 100) for _ in values]
    split = lower_median([*values, values[0], values[0]], [stakes[0] - 3, *stakes[1:], 2, 1])
    assert split == lower_median(values, stakes)


def test_weights_are_shares_of_the_mass_rounded_down() -> None:
    assert normalised([1, 2, 0]) == (WEIGHT_ONE // 3, 2 * WEIGHT_ONE // 3, 0)
    assert normalised([0, 0]) == (0, 0)
    assert normalised([]) == ()


def test_clip_factors_bring_longer_updates_to_the_limit() -> None:
    assert clip_factors([0, 4, 16, 400], 4) == [WEIGHT_ONE, WEIGHT_ONE, WEIGHT_ONE // 2, WEIGHT_ONE // 10]
    assert clip_factors([0, 1], 0) == [WEIGHT_ONE, 0]


def test_clipped_shares_are_the_accepted_stakes_shares_shortened() -> None:
    half = WEIGHT_ONE // 2
    assert clipped_shares([True, False, True], [1, 5, 3], [half, half, WEIGHT_ONE]) == (half // 4, 0, 3 * half // 2)


def test_words_are_32_bytes_each() -> None:
    assert words([1, 1 << 255]) == bytes(31) + b"\x01" + b"\x80" + bytes(31)
