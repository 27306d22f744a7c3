"""Squared distances and what is counted on them: int64 and Python integers agree."""

from __future__ import annotations

import random

import numpy as np
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules.distances import (
    ExactArray,
    exact_array,
    exact_sums,
    nearest_first,
    others,
    squared_distances,
    tolerated,
)


def test_distances_are_exact_at_the_limits_of_int64_and_beyond() -> None:
    for square in (1, 2**61 - 1, 2**61, 2**62, 2**63 - 1, 2**80):
        gram = [[square, -square], [-square, square]]
        found = squared_distances(gram)
        assert [[int(value) for value in row] for row in found] == [[0, 4 * square], [4 * square, 0]]
        assert (found.dtype == np.int64) == (square < 2**61)


def test_sums_are_exact_where_they_leave_int64() -> None:
    row = [2**62, 2**62, 2**62]
    assert exact_sums(np.array([row, [-value for value in row]], dtype=np.int64)) == [3 * 2**62, -3 * 2**62]
    assert exact_sums(np.array([[-(2**63), -(2**63)]], dtype=np.int64)) == [-(2**64)]
    assert exact_sums(exact_array([[2**70, 1]])) == [2**70 + 1]
    assert exact_sums(np.zeros((2, 0), dtype=np.int64)) == [0, 0]


@pytest.mark.parametrize("kind", [np.int64, object])
def test_others_leave_out_the_diagonal_and_go_by_distance_then_position(kind: type) -> None:
    rng = random.Random(3)
    for n in range(2, 9):
        distances: ExactArray = np.array([[rng.randint(0, 3) for _ in range(n)] for _ in range(n)], dtype=kind)
        order = nearest_first(distances)
        for i in range(n):
            rest = [j for j in range(n) if j != i]
            assert others(distances)[i].tolist() == [distances[i, j] for j in rest]
            assert order[i].tolist() == sorted(rest, key=lambda j: (distances[i, j], j))


def test_f_is_capped_at_what_so_many_updates_tolerate() -> None:
    assert [tolerated(65535, n) for n in range(3, 10)] == [0, 0, 1, 1, 2, 2, 3]
    assert tolerated(1, 9) == 1
    for n in range(3):
        with pytest.raises(RuleNotApplicable, match="at least 3"):
            tolerated(0, n)
