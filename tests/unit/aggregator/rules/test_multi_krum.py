"""Multi-Krum and Krum, on cases small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules import WEIGHT_ONE, Rule
from aggregator.rules.krum import Krum
from aggregator.rules.multi_krum import MultiKrum, krum_scores
from tests.unit.aggregator.rules.rows import products_of

KRUM, MULTI_KRUM = Krum(), MultiKrum()


def on_a_line(*positions: int) -> Products:
    """Return one-dimensional updates: distances are squared differences."""
    return products_of([[position] for position in positions])


def test_krum_scores_sum_the_nearest_others_only() -> None:
    gram = on_a_line(0, 1, 3, 10).gram
    assert krum_scores(gram, neighbours=1) == [1, 1, 4, 49]
    assert krum_scores(gram, neighbours=2) == [1 + 9, 1 + 4, 4 + 9, 49 + 81]
    assert krum_scores(np.array(gram, dtype=np.int64), neighbours=2) == [10, 5, 13, 130]


def test_krum_scores_do_not_overflow_64_bits() -> None:
    square = 2**61 - 1
    gram = np.array([[square, -square, -square]] + [[-square, square, square]] * 2, dtype=np.int64)
    assert krum_scores(gram, neighbours=2) == [2 * 4 * square, 4 * square, 4 * square]


def test_multi_krum_uses_n_minus_f_minus_2_neighbours() -> None:
    # n = 5, f = 1: two neighbours reject 0; with one, 6 would be rejected, with three, 11.
    products = on_a_line(0, 1, 6, 9, 11)
    rejected = {k: max(range(5), key=krum_scores(products.gram, neighbours=k).__getitem__) for k in (1, 2, 3)}
    assert rejected == {1: 2, 2: 0, 3: 4}
    assert MULTI_KRUM.decide(products, 1, [1] * 5).accepted == (False, True, True, True, True)


def test_krum_chooses_the_best_of_them() -> None:
    products = on_a_line(0, 1, 6, 9, 11)
    decision = KRUM.decide(products, 1, [1] * 5)
    scores = krum_scores(products.gram, neighbours=2)
    assert scores == [37, 26, 34, 13, 29]
    assert decision.accepted == (False, False, False, True, False)
    assert decision.weights == (0, 0, 0, WEIGHT_ONE, 0)


def test_multi_krum_drops_the_f_farthest() -> None:
    decision = MULTI_KRUM.decide(on_a_line(100, 1, 2, 3, -90, 4, 5), 2, [1] * 7)
    assert decision.accepted == (False, True, True, True, False, True, True)
    assert decision.weights == (0, *[WEIGHT_ONE // 5] * 3, 0, *[WEIGHT_ONE // 5] * 2)


def test_equal_scores_go_by_position() -> None:
    same = on_a_line(7, 7, 7, 7, 7)
    assert MULTI_KRUM.decide(same, 1, [1] * 5).accepted == (True, True, True, True, False)
    assert KRUM.decide(same, 1, [1] * 5).accepted == (True, False, False, False, False)


@pytest.mark.parametrize("rule", [KRUM, MULTI_KRUM])
@pytest.mark.parametrize(("n", "f"), [(3, 0), (4, 0), (5, 1), (6, 1), (7, 2), (8, 2)])
def test_f_is_capped_at_what_so_many_updates_tolerate(rule: Rule, n: int, f: int) -> None:
    products = on_a_line(*[i * i for i in range(n)])
    for asked in (f, f + 1, n, 65535):
        assert rule.decide(products, asked, [1] * n) == rule.decide(products, f, [1] * n)
    assert sum(MULTI_KRUM.decide(products, f + 1, [1] * n).accepted) == n - f


@pytest.mark.parametrize("rule", [KRUM, MULTI_KRUM])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_three_updates_are_needed(rule: Rule, n: int) -> None:
    with pytest.raises(RuleNotApplicable):
        rule.decide(on_a_line(*range(n)), 0, [1] * n)


def test_hints_name_the_last_neighbour_counted_and_the_last_update_accepted() -> None:
    hints = MULTI_KRUM.hints(on_a_line(0, 1, 6, 9, 11), 1, [1] * 5)
    # Second nearest of each: 6 to 0, 6 to 1, 1 to 6 (5 away, as far as nothing else), 6 to 9, 6 to 11.
    assert list(hints[:6]) == [2, 2, 1, 2, 2, 2]
    assert hints[6:] == bytes(26)


def test_sign_flips_are_rejected() -> None:
    rng = np.random.default_rng(7)
    direction = rng.integers(-60, 61, size=200)
    honest = [direction + rng.integers(-15, 16, size=200) for _ in range(10)]
    for attackers in range(1, 4):  # n >= 2f + 3
        updates = [-update for update in honest[:attackers]] + honest[attackers:]
        decision = MULTI_KRUM.decide(products_of(np.array(updates)), attackers, [1] * 10)
        assert decision.accepted == (False,) * attackers + (True,) * (10 - attackers)
