"""The split of a budget: Python and Solidity agree to the unit."""

from __future__ import annotations

import random

import pytest
from web3.contract import Contract

from aggregator.payouts import BASIS_POINTS, CAP_MAX, NO_CAP, floor_weights, split_budget
from aggregator.rules import WEIGHT_ONE, Decision
from tests.contracts.harness import Chain

UINT128_MAX = 2**128 - 1
pytestmark = pytest.mark.node


@pytest.fixture(scope="session")
def payouts(session_chain: Chain) -> Contract:
    return session_chain.deploy("PayoutsProbe")


def random_scores(rng: random.Random, n: int) -> list[int]:
    largest = rng.choice([1, 3, 2**64, 2**125, 2**199])
    return [rng.choice([0, largest, -largest, rng.randint(-largest, largest)]) for _ in range(n)]


@pytest.mark.parametrize("seed", range(60))
def test_splits_agree(seed: int, chain: Chain, payouts: Contract) -> None:
    rng = random.Random(seed)
    n = rng.choice([0, 1, 2, rng.randint(3, 64)])
    scores, floor_scores = random_scores(rng, n), random_scores(rng, n)
    budget = rng.choice([0, 1, n, UINT128_MAX, rng.randint(1, 10**20)])
    floor_bps = rng.choice([0, 1, 5000, BASIS_POINTS, rng.randint(0, BASIS_POINTS)])
    cap_bps = rng.choice([NO_CAP, BASIS_POINTS, CAP_MAX, rng.randint(BASIS_POINTS, CAP_MAX)])
    stakes = [rng.choice([1, 10**18, UINT128_MAX]) for _ in range(n)]
    expected = split_budget(scores, floor_scores, stakes, budget=budget, floor_bps=floor_bps, cap_bps=cap_bps)
    found = chain.call(payouts.functions.split(scores, floor_scores, stakes, budget, floor_bps, cap_bps))
    assert tuple(found) == expected


@pytest.mark.parametrize("seed", range(30))
def test_weights_of_the_floor_agree(seed: int, chain: Chain, payouts: Contract) -> None:
    rng = random.Random(seed)
    n = rng.randint(1, 64)
    accepted = tuple(rng.random() < 0.7 for _ in range(n))
    decision = Decision(accepted, tuple(rng.randint(0, WEIGHT_ONE) if ok else 0 for ok in accepted))
    stakes = [rng.choice([1, 10**18, UINT128_MAX]) for _ in range(n)]
    needs_reference, byzantine = rng.random() < 0.3, rng.choice([0, n - sum(accepted), n - sum(accepted) - 1, n])
    byzantine = max(byzantine, 0)
    expected = floor_weights(decision, stakes, needs_reference=needs_reference, byzantine=byzantine)
    bits = sum(1 << i for i, ok in enumerate(accepted) if ok)
    call = payouts.functions.floorWeights(bits, decision.weights, stakes, needs_reference, byzantine)
    assert tuple(chain.call(call)) == expected
