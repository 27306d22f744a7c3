"""The reputation score and its memory, on cases small enough to check by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from aggregator.errors import InvalidInput, WrongShape
from aggregator.products import Layout, Products
from aggregator.roster import MAX_ENTRIES, successors
from aggregator.rules.base import WEIGHT_ONE
from aggregator.scores import get_score
from aggregator.scores.base import Scored
from aggregator.scores.reputation import Reputation, decode_reputations, encode_reputations
from aggregator.similarity import SIMILARITY_ONE

HALF = WEIGHT_ONE // 2


def address(k: int) -> bytes:
    return bytes([k]) * 20


def of_updates(*updates: Sequence[int]) -> Products:
    return Products.of_updates([[sum(a * b for a, b in zip(x, y, strict=True)) for y in updates] for x in updates])


def one_round(
    memory: bytes, who: Sequence[int], *updates: Sequence[int], weights: Sequence[int] | None = None
) -> Scored:
    equal = [WEIGHT_ONE // len(updates)] * len(updates)
    trainers = [address(k) for k in who]
    return Reputation().score(of_updates(*updates), weights or equal, trainers=trainers, memory=memory)


def reputations(memory: bytes) -> dict[int, float]:
    return {entry[0][0]: entry[1] / SIMILARITY_ONE for entry in decode_reputations(memory)}


def test_the_first_round_pays_the_cosine_and_remembers_it() -> None:
    outcome = one_round(b"", [1, 2], [4, 0], [0, 2], weights=[HALF, HALF])
    cosines = [2 / math.sqrt(5), 1 / math.sqrt(5)]
    assert [score / HALF / SIMILARITY_ONE for score in outcome.scores] == pytest.approx(cosines, abs=2.0**-30)
    assert reputations(outcome.memory) == pytest.approx(dict(zip([1, 2], cosines, strict=True)), abs=2.0**-30)


def test_a_reputation_moves_by_a_twentieth_each_round() -> None:
    first = one_round(b"", [1, 2, 3], [1, 0], [1, 0], [1, 0])
    later = one_round(first.memory, [1, 2, 3], [1, 0], [1, 0], [-1, 0])
    assert reputations(later.memory) == pytest.approx({1: 1, 2: 1, 3: 0.95}, abs=2.0**-30)


def test_an_update_of_zeros_or_against_the_aggregate_earns_nothing_whatever_the_past() -> None:
    first = one_round(b"", [1, 2, 3, 4], [1, 0], [1, 0], [1, 0], [1, 0])
    later = one_round(first.memory, [1, 2, 3, 4], [1, 0], [1, 0], [0, 0], [-1, 0])
    assert later.scores[0] > 0
    assert later.scores[2:] == (0, 0)


def test_a_bad_past_limits_what_a_good_update_earns() -> None:
    first = one_round(b"", [1, 2, 3], [1, 0], [1, 0], [-1, 0])
    later = one_round(first.memory, [1, 2, 3], [1, 0], [1, 0], [1, 0])
    assert later.scores[2] / later.scores[0] == pytest.approx(0.05, abs=1e-8)


def test_leaving_does_not_wash_a_reputation_white() -> None:
    first = one_round(b"", [1, 2, 3], [1, 0], [1, 0], [-1, 0])
    without = one_round(first.memory, [2, 1], [1, 0], [1, 0])
    assert [entry[0][0] for entry in decode_reputations(without.memory)] == [2, 1, 3]
    assert reputations(without.memory)[3] == 0
    back = one_round(without.memory, [3, 1], [1, 0], [1, 0])
    assert reputations(back.memory)[3] == pytest.approx(0.05, abs=2.0**-30)


def test_a_newcomer_starts_at_the_weighted_mean_of_those_it_meets() -> None:
    memory = encode_reputations([(address(1), SIMILARITY_ONE), (address(2), 0), (address(9), 7)])
    weights = [WEIGHT_ONE // 2, WEIGHT_ONE // 4, WEIGHT_ONE // 4]
    later = one_round(memory, [1, 2, 3], [1, 0], [1, 0], [1, 0], weights=weights)
    assert reputations(later.memory)[3] == pytest.approx(0.95 * 2 / 3 + 0.05, abs=2.0**-30)


def test_a_newcomer_among_rejected_ones_starts_with_its_own_cosine() -> None:
    memory = encode_reputations([(address(1), 0)])
    later = one_round(memory, [1, 2], [1, 0], [1, 0], weights=[0, WEIGHT_ONE])
    assert reputations(later.memory) == pytest.approx({1: 0.05, 2: 1}, abs=2.0**-30)


def test_a_zero_aggregate_teaches_nothing() -> None:
    memory = one_round(b"", [1, 2], [1, 0], [1, 1]).memory
    assert one_round(memory, [2, 3], [1, 0], [-1, 0]) == Scored((0, 0), memory)
    assert one_round(b"", [2, 3], [1, 0], [1, 0], weights=[0, 0]) == Scored((0, 0), b"")


def test_a_replay_of_the_previous_aggregate_earns_nothing_and_costs_reputation() -> None:
    rows = [[3, 1, 2], [3, 0, 4], [10, 0, 0], [1, 0, 0]]  # the third replays the last row, the previous aggregate
    matrix = tuple(tuple(sum(a * b for a, b in zip(x, y, strict=True)) for y in rows) for x in rows)
    products = Products(Layout(3, previous=True), matrix)
    memory = encode_reputations([(address(k), SIMILARITY_ONE) for k in range(3)])
    weights = [WEIGHT_ONE // 3] * 3
    outcome = Reputation().score(products, weights, trainers=[address(k) for k in range(3)], memory=memory)
    assert min(outcome.scores[:2]) > 0
    assert outcome.scores[2] == 0
    assert reputations(outcome.memory)[2] == pytest.approx(0.95, abs=2.0**-30)


def test_splitting_an_identity_changes_nothing() -> None:
    weights = [WEIGHT_ONE // 2, WEIGHT_ONE // 2]
    alone = one_round(b"", [1, 2], [3, 1], [1, 3], weights=weights).scores
    split = one_round(b"", [1, 2, 3], [3, 1], [1, 3], [1, 3], weights=[weights[0], HALF // 2, HALF // 2]).scores
    assert split[0] == alone[0]
    assert split[1] + split[2] == pytest.approx(alone[1])


def test_the_longest_absent_are_dropped() -> None:
    memory = b""
    for start in range(0, 160, 40):
        who = range(start, start + 40)
        memory = one_round(memory, who, *([[1, 0]] * 40)).memory
    kept = [entry[0][0] for entry in decode_reputations(memory)]
    assert kept == [*range(120, 160), *range(80, 120), *range(40, 80), *range(8)]
    assert len(kept) == MAX_ENTRIES


def test_of_two_entries_the_first_counts() -> None:
    known, absent = successors([b"a", b"b", b"a", b"c"], [b"c", b"a", b"x"])
    assert known == [3, 0, None]
    assert absent == [1, 2]


@pytest.mark.parametrize(
    "memory",
    [bytes(27), bytes(29), bytes(28 * (MAX_ENTRIES + 1)), bytes(20) + (SIMILARITY_ONE + 1).to_bytes(8, "big")],
)
def test_a_memory_that_no_round_leaves_is_refused(memory: bytes) -> None:
    with pytest.raises(InvalidInput):
        one_round(memory, [1], [1, 0])


def test_numbers_of_weights_and_trainers_must_fit() -> None:
    with pytest.raises(WrongShape):
        Reputation().score(of_updates([1], [2]), [1], trainers=[address(1), address(2)], memory=b"")
    with pytest.raises(WrongShape):
        Reputation().score(of_updates([1], [2]), [1, 1], trainers=[address(1)], memory=b"")


def test_over_many_rounds_the_honest_earn_more_than_the_noisy() -> None:
    random = np.random.default_rng(3)
    direction = random.integers(-100, 100, size=200)
    memory, paid = b"", np.zeros(6)
    for _ in range(10):
        noise = random.integers(-60, 60, size=(6, 200))
        updates = [direction + noise[k] for k in range(4)] + [noise[4] * 2, -direction]
        outcome = one_round(memory, range(6), *[update.tolist() for update in updates])
        memory = outcome.memory
        paid += np.array([float(score) for score in outcome.scores])
    assert min(paid[:4]) > 2 * paid[4] > 0
    assert paid[5] == 0


def test_it_is_in_the_registry() -> None:
    assert get_score("reputation").settles
    assert get_score("reputation").hints(of_updates([1]), [1], trainers=[address(1)], memory=b"", dimension=1) == b""
