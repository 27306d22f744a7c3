"""Minimum-diameter averaging against the search of all subsets."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules.mda import MinimumDiameterAveraging
from tests.unit.aggregator.rules.rows import products_of

MDA = MinimumDiameterAveraging()


def first_of_least_diameter(updates: list[list[int]], size: int) -> tuple[int, ...]:
    def diameter(chosen: tuple[int, ...]) -> int:
        return max(
            (
                sum((a - b) ** 2 for a, b in zip(updates[i], updates[j], strict=True))
                for i, j in combinations(chosen, 2)
            ),
            default=0,
        )

    return min(combinations(range(len(updates)), size), key=diameter)


@pytest.mark.parametrize("seed", range(120))
def test_accepts_the_first_set_of_least_diameter(seed: int) -> None:
    rng = random.Random(seed)
    n = rng.randint(3, 11)
    f = rng.randint(0, (n - 3) // 2)
    limit = rng.choice([1, 3, 50])
    updates = [[rng.randint(-limit, limit) for _ in range(2)] for _ in range(n)]
    accepted = MDA.decide(products_of(updates), f, [1] * n).accepted
    assert tuple(i for i in range(n) if accepted[i]) == first_of_least_diameter(updates, n - f)


def test_strikes_out_whatever_lies_far_off() -> None:
    rng = np.random.default_rng(0)
    updates = rng.integers(-50, 51, size=(40, 30))
    updates[5:15] += 1000
    decision = MDA.decide(products_of(updates), 10, [1] * 40)
    assert [i for i in range(40) if not decision.accepted[i]] == list(range(5, 15))


def test_f_above_the_search_s_bound_is_refused() -> None:
    products = products_of([[i] for i in range(25)])
    assert sum(MDA.decide(products, 10, [1] * 25).accepted) == 15
    with pytest.raises(RuleNotApplicable, match="f <= 10, not 11"):
        MDA.decide(products, 11, [1] * 25)
    assert MDA.hints(products, 1, [1] * 25) == b""
