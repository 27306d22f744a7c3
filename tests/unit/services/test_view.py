"""Verdicts: what became of each update and why, from chain data alone."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.gram import gram_matrix, pack_gram
from aggregator.settlement import RoundRules, settle
from market.domain import RoundOpened, RoundSettled, Settlement, UpdateCommitted
from market.rounds import RoundState
from market.services.view import verdicts

TRAINERS = [f"0x{place:040x}" for place in range(1, 8)]
DIMENSION = 40


def settled_round(rule: str, byzantine: int, *, included: int | None = None, wild: float = 30.0) -> RoundState:
    """Return a round of seven updates, the last a wild one, settled by the core itself."""
    rng = np.random.default_rng(1)
    updates = [(100 + rng.normal(size=DIMENSION) * 5).astype(np.int16) for _ in TRAINERS]
    updates[-1] = (wild * updates[-1]).astype(np.int16)
    mask = (1 << len(TRAINERS)) - 1 if included is None else included
    chosen = [update for place, update in enumerate(updates) if mask >> place & 1]
    gram = gram_matrix(chosen, bits=16)
    rules = RoundRules(rule, "shapley", byzantine, DIMENSION, 16, 5, 10**18)
    outcome = settle(rules, gram, [10] * len(chosen), scale_exponent=0)
    settlement = Settlement(
        mask, (), pack_gram(gram), outcome.weights, outcome.scores, outcome.payouts, 0, b"", b"", b"", 0
    )
    commits = tuple(
        UpdateCommitted(1, 1, trainer, place, bytes([place]), b"", 1) for place, trainer in enumerate(TRAINERS)
    )
    return RoundState(
        RoundOpened(1, 1, 0, 10, 20),
        commits,
        RoundSettled(1, 1, TRAINERS[0], settlement, sum(outcome.payouts), 30),
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


def test_the_mean_takes_every_update_and_says_so() -> None:
    found = verdicts(settled_round("mean", 0), "mean", 0, {})
    assert {verdict.reason for verdict in found} == {"accepted: the rule takes every update"}
    assert all(verdict.accepted for verdict in found)


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
    settlement = Settlement(127, (), pack_gram(gram), (1,) * 7, (1,) * 7, (1,) * 7, 0, b"", b"", b"", 0)
    equal = RoundState(state.opened, state.commits, RoundSettled(1, 1, TRAINERS[0], settlement, 7, 30))
    assert {verdict.reason for verdict in verdicts(equal, "multi-krum", 2, {})} == {
        "accepted: 1 x the median distance to its neighbours"
    }


def test_a_round_without_a_settlement_has_no_verdicts() -> None:
    state = settled_round("mean", 0)
    assert verdicts(RoundState(state.opened, state.commits), "mean", 0, {}) == []
