"""Rules by their id on chain, and what holds for each of them."""

from __future__ import annotations

import pytest

from aggregator.errors import InvalidInput
from aggregator.rules import RULES, WEIGHT_ONE, get_rule
from aggregator.rules.base import stake_weights


def test_rules_are_found_by_their_id_on_chain() -> None:
    for rule_id, rule in RULES.items():
        assert get_rule(rule_id) is rule
        assert rule.id == rule_id
        assert len(rule_id.encode("ascii")) <= 31
    assert list(RULES) == sorted(RULES)
    with pytest.raises(InvalidInput, match="median of medians") as refusal:
        get_rule("median of medians")
    assert "multi-krum" in str(refusal.value.hint)


def test_rules_that_a_job_can_settle_by() -> None:
    required = {"multi-krum", "nnm+multi-krum", "geometric-median", "centred-clipping", "fltrust", "foolsgold", "mean"}
    assert required <= {rule.id for rule in RULES.values() if rule.settles}
    for comparison in ("krum", "three-sigma", "mda", "bristle", "nnm+mean", "nnm+geometric-median"):
        assert not get_rule(comparison).settles


def test_weights_round_down_and_leave_out_what_is_not_accepted() -> None:
    assert stake_weights([True, True, False, True], [1, 1, 100, 1]) == (WEIGHT_ONE // 3,) * 2 + (0, WEIGHT_ONE // 3)
    assert stake_weights([True], [2**128 - 1]) == (WEIGHT_ONE,)
    assert stake_weights([True, True], [1, 2**128 - 1]) == (0, WEIGHT_ONE - 1)
