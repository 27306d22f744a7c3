"""Verdicts: what became of each update and why, from chain data alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aggregator.gram import GramMatrix, gram_matrix, pack_gram
from aggregator.products import Products
from aggregator.proofs.statement import Witness
from aggregator.settlement import RoundRules, settle
from market.domain import RoundOpened, RoundSettled, Settlement, UpdateCommitted
from market.rounds import RoundState
from market.services.view import verdicts

TRAINERS = [f"0x{place:040x}" for place in range(1, 8)]
DIMENSION = 40


def posted(
    included: int, gram: GramMatrix, weights: tuple[int, ...], scores: tuple[int, ...], payouts: tuple[int, ...]
) -> Settlement:
    return Settlement(
        included, (), (), pack_gram(gram), weights, scores, payouts, 0, bytes(32), b"", b"", b"", 0, Witness()
    )


def settled_round(rule: str, byzantine: int, *, included: int | None = None, wild: float = 30.0) -> RoundState:
    """Return a round of seven updates, the last a wild one, settled by the core itself."""
    rng = np.random.default_rng(1)
    updates = [(100 + rng.normal(size=DIMENSION) * 5).astype(np.int16) for _ in TRAINERS]
    updates[-1] = (wild * updates[-1]).astype(np.int16)
    mask = (1 << len(TRAINERS)) - 1 if included is None else included
    chosen = [update for place, update in enumerate(updates) if mask >> place & 1]
    gram = gram_matrix(chosen, bits=16)
    rules = RoundRules(rule, "shapley", byzantine, DIMENSION, 16, 5, 10**18)
    addresses = [bytes([place]) * 20 for place in range(len(chosen))]
    products = Products.of_updates(gram.tolist())
    outcome = settle(rules, products, [10] * len(chosen), scale_exponent=0, trainers=addresses)
    settlement = posted(mask, gram, outcome.weights, outcome.scores, outcome.payouts)
    commits = tuple(
        UpdateCommitted(1, 1, trainer, place, bytes([place]), b"", 1) for place, trainer in enumerate(TRAINERS)
    )
    return RoundState(
        RoundOpened(1, 1, 0, 10, 20),
        budget=10**18,
        commits=commits,
        settled=RoundSettled(1, 1, TRAINERS[0], settlement, sum(outcome.payouts), 30),
    )


def test_a_wild_update_is_rejected_and_the_reason_says_how_wild() -> None:
    state = settled_round("multi-krum", 2)
    found = verdicts(state, "multi-krum", 2, {})
    assert [verdict.trainer for verdict in found] == TRAINERS
    assert not found[-1].accepted
    assert found[-1].reason.startswith("rejected: ")
    assert float(found[-1].reason.split()[1]) > 100
    assert (found[-1].weight, found[-1].score, found[-1].payout) == (0, 0, 0)
    accepted = [verdict for verdict in found if verdict.accepted]
    assert len(accepted) >= 3
    for verdict in accepted:
        assert verdict.reason.startswith("accepted: ")
        assert float(verdict.reason.split()[1]) < 2
        assert verdict.weight > 0
        assert verdict.payout > 0
    assert state.settled is not None
    assert sum(verdict.payout for verdict in found) == state.settled.paid


def test_the_mean_takes_every_update_and_says_by_which_weight() -> None:
    found = verdicts(settled_round("mean", 0), "mean", 0, {})
    assert {verdict.reason for verdict in found} == {"accepted: weight 14.3%"}
    assert all(verdict.accepted for verdict in found)


def test_who_has_no_weight_is_told_what_the_rule_goes_by() -> None:
    state = settled_round("mean", 0)
    assert state.settled is not None
    settlement = replace(state.settled.settlement, weights=(0, *state.settled.settlement.weights[1:]))
    changed = replace(state, settled=replace(state.settled, settlement=settlement))
    assert "reference" in verdicts(changed, "marginal-value", 0, {})[0].reason
    assert verdicts(changed, "geometric-median", 0, {})[0].reason == "rejected: the rule gives it no weight"


def test_who_was_left_out_is_told_with_the_aggregators_reason_or_none() -> None:
    included = 0b1101101
    state = settled_round("multi-krum", 1, included=included)
    found = verdicts(state, "multi-krum", 1, {TRAINERS[1]: "its payload is no payload"})
    assert [verdict.trainer for verdict in found] == TRAINERS
    assert found[1].reason == "left out: its payload is no payload"
    assert found[4].reason == "left out: the aggregator gave no reason"
    for place in (1, 4):
        assert not found[place].accepted
        assert found[place].payout == 0
    settlement = state.settled.settlement if state.settled else None
    assert settlement is not None
    assert [found[place].payout for place in (0, 2, 3, 5, 6)] == list(settlement.payouts)


@pytest.mark.parametrize("included", [0b11, 0b1])
def test_a_round_too_small_for_distances_still_has_verdicts(included: int) -> None:
    state = settled_round("mean", 0, included=included)
    found = verdicts(state, "multi-krum", 0, {})
    assert [verdict.accepted for verdict in found[:2]] == [True, included == 0b11]


def test_equal_updates_have_no_median_to_divide_by() -> None:
    gram = gram_matrix([np.ones(DIMENSION, np.int16)] * 7, bits=16)
    state = settled_round("multi-krum", 2, wild=1.0)
    assert state.settled is not None
    settlement = posted(127, gram, (1,) * 7, (1,) * 7, (1,) * 7)
    equal = replace(state, settled=RoundSettled(1, 1, TRAINERS[0], settlement, 7, 30))
    assert {verdict.reason for verdict in verdicts(equal, "multi-krum", 2, {})} == {
        "accepted: 1 x the median distance to its neighbours"
    }


def test_a_round_without_a_settlement_has_no_verdicts() -> None:
    state = settled_round("mean", 0)
    assert verdicts(RoundState(state.opened, budget=1, commits=state.commits), "mean", 0, {}) == []


def test_who_was_slashed_is_told_so_whether_included_or_not() -> None:
    state = replace(settled_round("mean", 0), slashed=frozenset({2}))
    found = verdicts(state, "mean", 0, {})
    assert [verdict.trainer for verdict in found if verdict.reason.startswith("slashed: ")] == [TRAINERS[2]]
    assert found[2].payout == 0
    assert found[1].accepted
