"""Centred clipping: by hand and against floats."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.centred_clipping import CentredClipping
from tests.unit.aggregator.rules.rows import aggregate, normal_rows, products_of


def test_what_is_longer_than_the_median_is_cut_to_it() -> None:
    decision = CentredClipping().decide(products_of([[1, 0], [0, 2], [8, 0]]), 1, [1, 1, 2])
    # norms 1, 2, 8 with stakes 1, 1, 2: half of the stake lies up to 2
    assert decision.accepted == (True, True, True)
    assert decision.weights == (WEIGHT_ONE // 4, WEIGHT_ONE // 4, WEIGHT_ONE // 8)


@pytest.mark.parametrize("radius", [None, 1500])
@pytest.mark.parametrize("seed", range(5))
def test_the_aggregate_is_the_mean_of_clipped_updates(seed: int, radius: int | None) -> None:
    updates = normal_rows(seed, 11)
    updates[:4] *= 9
    norms = np.linalg.norm(updates, axis=1)
    tau = np.sort(norms)[5] if radius is None else radius
    expected = (updates * np.minimum(1, tau / norms)[:, None]).mean(axis=0)
    rule = CentredClipping(squared_radius=None if radius is None else radius**2)
    assert aggregate(rule.decide(products_of(updates), 4, [10**18] * 11), updates) == pytest.approx(expected, abs=1e-4)


def test_a_large_update_moves_the_aggregate_no_further_than_the_radius() -> None:
    updates = normal_rows(9, 7)
    small = CentredClipping().decide(products_of(updates), 1, [1] * 7).weights
    updates[updates.shape[0] - 1] *= 10**6
    large = CentredClipping().decide(products_of(updates), 1, [1] * 7).weights
    radius = np.sort(np.linalg.norm(updates, axis=1))[3]
    assert large[:3] == pytest.approx(small[:3], rel=0.5)
    assert large[6] * np.linalg.norm(updates[6]) / WEIGHT_ONE == pytest.approx(radius / 7, rel=1e-3)


def test_where_most_stake_sent_nothing_the_aggregate_is_zero() -> None:
    decision = CentredClipping().decide(products_of([[0], [0], [7]]), 1, [1, 1, 1])
    assert decision.weights == (WEIGHT_ONE // 3, WEIGHT_ONE // 3, 0)


def test_order_does_not_matter() -> None:
    updates, stakes = normal_rows(5, 8), list(range(1, 9))
    order = np.random.default_rng(6).permutation(8)
    weights = CentredClipping().decide(products_of(updates), 2, stakes).weights
    permuted = CentredClipping().decide(products_of(updates[order]), 2, [stakes[i] for i in order]).weights
    assert permuted == tuple(weights[i] for i in order)


def test_its_hint_is_the_median_square() -> None:
    hints = CentredClipping().hints(products_of([[8], [1], [2], [16]]), 1, [1] * 4)
    assert hints == (4).to_bytes(32, "big")


def test_it_needs_an_update_and_only_the_median_radius_settles() -> None:
    with pytest.raises(RuleNotApplicable):
        CentredClipping().decide(products_of([]), 0, [])
    assert CentredClipping().settles
    assert not CentredClipping(squared_radius=100).settles
