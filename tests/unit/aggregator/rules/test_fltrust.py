"""FLTrust: by hand and against floats."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.errors import RuleNotApplicable
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.centred_clipping import CentredClipping
from aggregator.rules.fltrust import FlTrust
from tests.unit.aggregator.rules.rows import aggregate, normal_rows, products_of


def test_trust_is_the_positive_part_of_the_cosine() -> None:
    # cosines with the reference: 1, 0.6, 0, -1
    products = products_of([[5, 0], [3, 4], [0, 5], [-5, 0]], [5, 0])
    decision = FlTrust().decide(products, 1, [1, 1, 1, 1])
    assert decision.accepted == (True, True, False, False)
    assert decision.weights == pytest.approx((WEIGHT_ONE / 1.6, WEIGHT_ONE * 0.6 / 1.6, 0, 0), abs=2)


def test_longer_updates_are_shortened_and_shorter_ones_left() -> None:
    products = products_of([[10, 0], [1, 0], [5, 0]], [5, 0])
    assert FlTrust().decide(products, 1, [1, 1, 1]).weights == (
        WEIGHT_ONE // 3 // 2,
        WEIGHT_ONE // 3,
        WEIGHT_ONE // 3,
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_aggregate_is_the_papers_where_no_update_is_shorter_than_the_reference(seed: int) -> None:
    updates = normal_rows(seed, 11)
    updates[:3] *= -4
    reference = normal_rows(seed, 12)[11] // 40
    norms, length = np.linalg.norm(updates, axis=1), np.linalg.norm(reference)
    trust = np.maximum(updates @ reference / (norms * length), 0)
    expected = (trust * length / norms) @ updates / trust.sum()
    decision = FlTrust().decide(products_of(updates, reference), 3, [10**18] * 11)
    assert aggregate(decision, updates) == pytest.approx(expected, abs=1e-5)
    assert decision.accepted == tuple(trust > 0)


def test_trust_is_multiplied_by_stake_so_that_splitting_changes_nothing() -> None:
    updates, reference = normal_rows(7, 6), normal_rows(8, 1)[0] + normal_rows(7, 7)[6]
    whole = FlTrust().decide(products_of(updates, reference), 1, [6] * 6).weights
    split = FlTrust().decide(products_of([*updates, updates[0]], reference), 1, [2, 6, 6, 6, 6, 6, 4]).weights
    assert split[0] + split[6] == pytest.approx(whole[0], rel=1e-7)
    assert split[1:6] == pytest.approx(whole[1:], rel=1e-7)


def test_a_reference_that_nobody_agrees_with_trusts_nobody() -> None:
    decision = FlTrust().decide(products_of([[1, 0], [2, 3], [0, 0]], [-1, -1]), 0, [1, 1, 1])
    assert decision.accepted == (False, False, False)
    assert decision.weights == (0, 0, 0)


def test_hints_are_the_roots_of_the_reference_and_of_what_it_trusts() -> None:
    hints = FlTrust().hints(products_of([[4, 0], [-1, 0], [8, 0]], [2, 0]), 0, [1, 1, 1])
    found = [int.from_bytes(hints[i : i + 32], "big") for i in range(0, len(hints), 32)]
    assert found == [2 * WEIGHT_ONE, 4 * WEIGHT_ONE, 8 * WEIGHT_ONE]


@pytest.mark.parametrize("reference", [None, [0, 0]])
def test_without_a_reference_it_is_centred_clipping(reference: list[int] | None) -> None:
    products = products_of([[1, 0], [2, 3], [-8, 0]], reference)
    assert FlTrust().decide(products, 0, [1, 2, 3]) == CentredClipping().decide(products, 0, [1, 2, 3])
    assert FlTrust().hints(products, 0, [1, 2, 3]) == CentredClipping().hints(products, 0, [1, 2, 3])


def test_it_needs_an_update() -> None:
    with pytest.raises(RuleNotApplicable):
        FlTrust().decide(products_of([], [1]), 0, [])
