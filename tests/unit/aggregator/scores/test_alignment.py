"""Agreement with independent others, by hand."""

from __future__ import annotations

from math import isqrt

import pytest

from aggregator.errors import OutOfRange, WrongShape
from aggregator.products import Layout, Products
from aggregator.rules import WEIGHT_ONE
from aggregator.running import recall, remember
from aggregator.scores.alignment import Alignment, bounds_of, independent_products, novelty

Row = tuple[int, ...]
HALF = WEIGHT_ONE // 2
MANY = 10**40
"""A dimension in which chance is nothing."""
TRAINERS = [bytes([number]) * 20 for number in (1, 2)]
SCORE = Alignment()


def of_rows(*rows: Row, previous: bool = False) -> Products:
    matrix = tuple(tuple(sum(map(int.__mul__, u, v)) for v in rows) for u in rows)
    return Products(Layout(len(rows) - previous, previous=previous), matrix)


def test_the_kernel_is_the_inner_product_less_what_is_shared() -> None:
    # cos^2 is 1/2: 100 * (1 - 1/2)
    assert independent_products(of_rows((10, 0), (10, 10)).gram) == ((0, 50), (50, 0))
    assert independent_products(of_rows((10, 0), (-10, 10)).gram) == ((0, -50), (-50, 0))


def test_parallel_and_orthogonal_updates_share_nothing() -> None:
    gram = of_rows((3, 1), (6, 2), (-3, -1), (-1, 3), (0, 0)).gram
    assert all(value == 0 for row in independent_products(gram) for value in row)


def test_the_kernel_is_rounded_toward_zero() -> None:
    assert independent_products(((3, 2), (2, 4)))[0][1] == 1  # 2 * 8 / 12
    assert independent_products(((3, -2), (-2, 4)))[0][1] == -1


def test_matrices_of_no_updates_give_no_kernel() -> None:
    assert independent_products(((1, 5), (5, 1))) == ((0, 0), (0, 0))


def test_novelty_by_hand() -> None:
    # the second is longer than the median, the lower one: c = floor(2^32 10 / sqrt 200), q = c / 2
    found = novelty(of_rows((10, 0), (10, 10)), (HALF, HALF), MANY, 0)
    factor = 3037000499
    assert found.values == (HALF * 50 * (factor // 2), HALF * (factor * 50 * HALF >> 32))
    assert found.agree == (True, True)


def test_shared_terms_are_held_to_what_all_but_f_share() -> None:
    """With f = 1 of 5, the greatest entry counts as the second greatest, the least as the second least."""
    assert bounds_of(((0, 1, 2, 3, 9), (0, -9, 2, 3, 4)), (1,) * 5, 1) == [(1, 3), (0, 3)]
    assert bounds_of(((0, 1, 2, 3, 9),), (1,) * 5, 2) == [(2, 2)]
    assert bounds_of(((0, 1, 2, 3, 9),), (1,) * 5, 7) == [(2, 2)], "f is at most (n - 1) // 2"
    assert bounds_of(((0, 5, 5, 5),), (1, 1, 1, 1), 0) == [(0, 5)]
    assert bounds_of(((0, 5),), (0, 0), 1) == [(0, 0)]


def test_colluders_share_nothing_that_counts() -> None:
    """Two of six agree with each other alone: with f = 2 that brings them nothing; honest trainers keep theirs."""
    honest = [tuple(100 if k in (0, i) else 0 for k in range(7)) for i in range(1, 5)]
    colluders = [(0, 0, 0, 0, 0, 300, 90), (0, 0, 0, 0, 0, 300, -90)]
    sixth = WEIGHT_ONE // 6
    rows = of_rows(*honest, *colluders)
    believed = novelty(rows, (sixth,) * 6, MANY, 0).values
    assert min(believed) > 0
    held = novelty(rows, (sixth,) * 6, MANY, 2).values
    assert min(held[:4]) > 0
    assert held[4:] == (0, 0)


def test_chance_is_measured_on_what_the_others_bring() -> None:
    found = novelty(of_rows((10, 0), (10, 10)), (HALF, HALF), 100, 0)
    other = HALF * 3037000499 >> 32
    assert found.values[0] == HALF * (50 * other - 3 * isqrt(100 * 200 * other**2 // 100))


def test_what_chance_may_give_is_taken_off() -> None:
    rows = of_rows((100, 0, 0), (100, 100, 0), (100, 0, 100))
    third = WEIGHT_ONE // 3
    exact = novelty(rows, (third,) * 3, MANY, 0).values
    assert exact > novelty(rows, (third,) * 3, 10_000, 0).values
    assert novelty(rows, (third,) * 3, 3, 0).values == (0, 0, 0)


def test_a_replay_agrees_but_brings_nothing_new() -> None:
    found = novelty(of_rows((10, 1), (10, 3), (10, 0), (10, 0), previous=True), (HALF // 2,) * 3, MANY, 0)
    assert found.agree[2]
    assert found.values[2] == 0


def test_scores_run_over_the_rounds() -> None:
    products, weights = of_rows((10, 0), (10, 10)), (HALF, HALF)
    square = 125 * WEIGHT_ONE**2  # of (10, 5)
    before = remember(b"", TRAINERS, [1 << 60, 0])
    scored = SCORE.score(products, weights, trainers=TRAINERS, memory=before, dimension=MANY)
    values = novelty(products, weights, MANY, 0).values
    expected = (224 * (1 << 60) // 256 + (values[0] << 64) // square, (values[1] << 64) // square)
    assert scored.scores == expected
    assert recall(scored.memory, TRAINERS) == list(expected)


def test_who_disagrees_or_has_no_weight_is_not_paid_but_keeps_its_merits() -> None:
    before = remember(b"", TRAINERS, [1 << 60, 1 << 60])
    opposite = of_rows((10, 0), (-10, 1))
    scored = SCORE.score(opposite, (HALF, HALF), trainers=TRAINERS, memory=before, dimension=MANY)
    assert scored.scores == (0, 0)
    assert recall(scored.memory, TRAINERS) == [224 * (1 << 60) // 256] * 2
    scored = SCORE.score(of_rows((10, 0), (10, 10)), (WEIGHT_ONE, 0), trainers=TRAINERS, memory=before, dimension=MANY)
    assert scored.scores[1] == 0


def test_a_round_without_an_aggregate_teaches_nothing() -> None:
    before = remember(b"", TRAINERS, [5, 6])
    for weights in ((HALF, HALF), (0, 0)):
        scored = SCORE.score(of_rows((1, 0), (-1, 0)), weights, trainers=TRAINERS, memory=before, dimension=2)
        assert (scored.scores, scored.memory) == ((0, 0), before)


def test_what_cannot_be_is_refused() -> None:
    products = of_rows((4, 0), (0, 4))
    with pytest.raises(WrongShape):
        SCORE.score(products, (HALF, HALF), trainers=TRAINERS[:1], memory=b"", dimension=2)
    with pytest.raises(OutOfRange):
        SCORE.score(products, (HALF, HALF), trainers=TRAINERS, memory=b"", dimension=0)
