"""The means: by stake, and by count."""

from __future__ import annotations

import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.mean import Mean, PlainMean
from tests.unit.aggregator.rules.rows import products_of

UPDATES = [[1, 0], [0, 1], [5, 5]]


def test_mean_weighs_by_stake_and_plain_mean_by_count() -> None:
    products = products_of(UPDATES)
    by_stake = Mean().decide(products, 1, [1, 2, 5])
    assert by_stake.accepted == (True, True, True)
    assert by_stake.weights == (WEIGHT_ONE // 8, WEIGHT_ONE // 4, 5 * WEIGHT_ONE // 8)
    assert PlainMean().decide(products, 1, [1, 2, 5]).weights == (WEIGHT_ONE // 3,) * 3


def test_only_the_mean_by_stake_settles() -> None:
    assert (Mean().settles, PlainMean().settles) == (True, False)


@pytest.mark.parametrize("rule", [Mean(), PlainMean()])
def test_means_take_any_number_of_updates_but_none(rule: Mean | PlainMean) -> None:
    assert rule.decide(products_of([[0]]), 3, [7]).weights == (WEIGHT_ONE,)
    assert rule.hints(products_of([[0]]), 3, [7]) == b""
    with pytest.raises(RuleNotApplicable):
        rule.decide(products_of([]), 0, [])
    with pytest.raises(RuleNotApplicable):
        rule.hints(products_of([]), 0, [])
