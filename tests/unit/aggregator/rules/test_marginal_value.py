"""The rule by running marginal values: by hand, against floats, and over rounds with attackers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.errors import InvalidInput, RuleNotApplicable, WrongShape
from aggregator.rules import WEIGHT_ONE, Decision
from aggregator.rules.marginal_value import KEPT, OF, VALUE_BITS, MarginalValue
from aggregator.rules.weighing import words
from aggregator.running import LARGEST, recall, remember
from tests.unit.aggregator.rules.rows import Matrix, normal_rows, products_of

STAKE = 10**18
RULE = MarginalValue()
Vector = npt.NDArray[np.float64]


def names(n: int, first: int = 0) -> list[bytes]:
    return [bytes([first + i]) * 20 for i in range(n)]


def decide(
    updates: Sequence[Sequence[int]] | Matrix,
    reference: Sequence[int] | Matrix | None,
    *,
    memory: bytes = b"",
    stakes: Sequence[int] = (),
    trainers: Sequence[bytes] = (),
    f: int = 1,
) -> Decision:
    n = len(updates)
    return RULE.decide(
        products_of(updates, reference), f, stakes or [STAKE] * n, trainers=trainers or names(n), memory=memory
    )


def move(updates: Matrix, reference: Matrix, f: int) -> Vector:
    """Return what one round adds to the values, in floating point on the updates themselves, with equal stakes."""
    n = len(updates)
    norms = np.linalg.norm(updates, axis=1)
    median = np.sort(norms)[(n - 1) // 2]
    clipped = updates * np.minimum(1, median / norms)[:, None] / n
    others = clipped.sum(axis=0) - clipped
    piles = np.array([u @ rest for u, rest in zip(updates, others, strict=True)]) / norms / median
    agreements = updates @ reference / norms / np.linalg.norm(reference)
    marginals = agreements - 2 * np.maximum(0, piles - max(0, np.sort(piles)[::-1][f]))
    return np.asarray(marginals / np.linalg.norm(marginals))


@pytest.mark.parametrize("f", [0, 1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_a_round_moves_the_values_by_the_normalised_marginals(seed: int, f: int) -> None:
    rows = normal_rows(seed, 10)
    updates, reference = rows[:9], rows[9] // 3
    updates[:3] *= -5
    memory = remember(b"", names(9), [i << VALUE_BITS for i in range(9)])
    found = recall(decide(updates, reference, memory=memory, f=f).memory, names(9))
    expected = (KEPT * np.arange(9) + move(updates, reference, f)) / OF
    assert np.array(found, dtype=np.float64) / 2**VALUE_BITS == pytest.approx(expected, abs=1e-7)


def test_by_hand() -> None:
    # All of norm 5, so nothing is clipped, and cosines with r are 1, 1, 0.6, 0, -1. Each meets a fifth of the others:
    # piles are (1 + 0.6 + 0 - 1) / 5 = 0.12 for the first two, (0.6 + 0.6 + 0.8 - 0.6) / 5 = 0.28 for the third,
    # (0 + 0 + 0.8 + 0) / 5 = 0.16, and (-1 - 1 - 0.6 + 0) / 5. With f = 1 only the third is above the second largest.
    decision = decide([[5, 0], [5, 0], [3, 4], [0, 5], [-5, 0]], [7, 0])
    marginals = [1, 1, 0.6 - 2 * (0.28 - 0.16), 0, -1]
    norm = sum(m * m for m in marginals) ** 0.5
    values = [value / 2**VALUE_BITS for value in recall(decision.memory, names(5))]
    assert values == pytest.approx([m / norm / OF for m in marginals], abs=1e-10)
    assert decision.accepted == (True, True, True, False, False)
    assert decision.weights == (WEIGHT_ONE // 3,) * 3 + (0, 0)


def test_accepted_updates_are_clipped_to_the_median_norm_of_all() -> None:
    decision = decide([[4, 0], [2, 0], [1, 0], [-8, 0]], [6, 0], stakes=[1] * 4)
    assert decision.accepted == (True, True, True, False)
    assert decision.weights == (WEIGHT_ONE // 3 // 2, WEIGHT_ONE // 3, WEIGHT_ONE // 3, 0)


def test_who_is_not_weighed_does_not_make_the_others_shorter() -> None:
    """Two attackers send next to nothing: the median of all is theirs, and would cut everybody else by twenty."""
    decision = decide([[20, 0], [20, 0], [40, 0], [-1, 0], [-1, 0], [-1, 0]], [6, 0], stakes=[1] * 6, f=2)
    assert decision.weights == (WEIGHT_ONE // 3, WEIGHT_ONE // 3, WEIGHT_ONE // 3 // 2, 0, 0, 0)


def test_zero_updates_are_not_accepted_whatever_their_trainers_did() -> None:
    memory = remember(b"", names(3), [LARGEST] * 3)
    decision = decide([[0, 0], [1, 0], [1, 1]], [1, 0], memory=memory)
    assert decision.accepted == (False, True, True)
    assert recall(decision.memory, names(1)) == [LARGEST * KEPT // OF]


def test_where_nobody_agrees_with_the_reference_the_foremost_are_accepted() -> None:
    decision = decide([[1, 0], [1, 1], [1, -1], [0, 0], [1, 0]], [-1, 0], f=2)
    # values: -1, two of -0.7, 0 for the zero update, -1, in proportion: the first three are the zero one and the two
    assert decision.accepted == (True, True, True, False, False), "zero updates take no place among the n - f"
    assert decision.weights[1] == decision.weights[2] > 0
    equal = decide([[1, 0]] * 5, [-1, 0], f=1)
    assert equal.accepted == (True, True, True, True, False)


def test_only_the_direction_of_the_reference_counts() -> None:
    rows = normal_rows(2, 8)
    once, thrice = (decide(rows[:7], factor * rows[7]) for factor in (1, 3))
    assert thrice.weights == once.weights
    assert recall(thrice.memory, names(7)) == pytest.approx(recall(once.memory, names(7)), rel=1e-6)


@pytest.mark.parametrize("reference", [None, [0, 0]])
def test_without_a_reference_the_values_stay_and_decide(reference: list[int] | None) -> None:
    memory = remember(b"", names(3), [5, -5, 0])
    decision = decide([[2, 0], [1, 0], [0, 1]], reference, memory=memory)
    assert decision.memory == memory
    assert decision.accepted == (True, False, False)


@pytest.mark.parametrize("memory", [b"", remember(b"", names(3), [-1, 0, -7])])
def test_without_a_reference_and_positive_values_it_is_centred_clipping(memory: bytes) -> None:
    decision = decide([[4, 0], [2, 0], [1, 0]], None, memory=memory, stakes=[2, 2, 2])
    assert decision.accepted == (True, True, True)
    assert decision.weights == (WEIGHT_ONE // 3 // 2, WEIGHT_ONE // 3, WEIGHT_ONE // 3)


def test_values_belong_to_trainers_not_places() -> None:
    rows = normal_rows(3, 6)
    first = decide(rows[:5], rows[5])
    order = [3, 0, 4, 2, 1]
    turned = decide(rows[order], rows[5], trainers=[names(5)[i] for i in order])
    assert turned.weights == tuple(first.weights[i] for i in order)
    assert recall(turned.memory, names(5)) == recall(first.memory, names(5))
    absent = decide(rows[:2], rows[5], memory=first.memory, trainers=names(2, first=7))
    assert recall(absent.memory, names(5)) == recall(first.memory, names(5))


def test_splitting_an_identity_gains_no_weight() -> None:
    rows = normal_rows(4, 7)
    whole = decide(rows[:6], rows[6], stakes=[6 * STAKE] * 6)
    split = decide([*rows[:6], rows[0]], rows[6], stakes=[2 * STAKE, *[6 * STAKE] * 5, 4 * STAKE])
    assert sum(split.weights[i] for i in (0, 6)) <= whole.weights[0] + 2


def worlds(round_number: int, attack: str) -> tuple[Matrix, Matrix]:
    """Return ten honest updates, each of a class of its own, and four attackers; and a reference."""
    rng = np.random.default_rng(round_number)
    classes = np.eye(10, 60) * 2000
    honest = classes + rng.normal(size=(10, 60)) * 100
    reference = classes.mean(axis=0) + rng.normal(size=60) * 10
    mean, spread = honest.mean(axis=0), honest.std(axis=0)
    bad = {
        "sign-flip": -honest[:4],
        "ipm": np.tile(-mean, (4, 1)) * 3,
        "alie": np.tile(mean - 1.5 * spread, (4, 1)),
    }
    return np.rint(np.vstack([honest, bad[attack]])).astype(np.int64), np.rint(reference).astype(np.int64)


def test_piling_up_is_held_against_at_most_f() -> None:
    same = [[100 + i, 7 * i] for i in range(7)]
    assert decide(same, [100, 40], f=2).accepted == (True,) * 7
    against = decide([*same[:5], [100, -400], [100, -400]], [100, 40], f=2)
    assert against.accepted[5:] == (False, False)


@pytest.mark.parametrize("attack", ["sign-flip", "ipm", "alie"])
def test_attackers_among_trainers_of_one_class_each_lose_all_weight(attack: str) -> None:
    memory = b""
    for number in range(20):
        decision = decide(*worlds(number, attack), memory=memory, f=4)
        memory = decision.memory
    assert decision.accepted == (True,) * 10 + (False,) * 4


def test_values_saturate() -> None:
    memory = remember(b"", names(2), [2**127 - 1, -(2**127)])
    assert recall(decide([[1], [1]], [1], memory=memory).memory, names(2)) == [LARGEST, -LARGEST]


def test_what_it_refuses() -> None:
    products = products_of([[1]], [1])
    with pytest.raises(RuleNotApplicable):
        RULE.decide(products_of([]), 0, [])
    with pytest.raises(WrongShape):
        RULE.decide(products, 0, [1], trainers=[])
    with pytest.raises(InvalidInput):
        RULE.decide(products, 0, [1], trainers=names(1), memory=b"\0")


def test_its_hints_are_the_median_the_last_of_the_foremost_and_the_largest_pile_that_counts_for_nothing() -> None:
    updates = [[5, 0], [5, 0], [3, 4], [0, 5], [-5, 0]]
    assert RULE.hints(products_of(updates), 1, [1] * 5, trainers=names(5)) == words((25, 0))
    hints = RULE.hints(products_of(updates, [1, 0]), 1, [1] * 5, trainers=names(5))
    assert hints[:64] == words((25, 0))
    assert int.from_bytes(hints[64:96], "big", signed=True) / WEIGHT_ONE == pytest.approx(0.16)
    assert hints[96:] == words((25,))
    opposed = RULE.hints(products_of([[1, 0], [1, 1], [1, -1], [0, 0], [1, 0]], [-1, 0]), 2, [1] * 5, trainers=names(5))
    assert opposed[32:64] == words((0,)), "the last of the three foremost, two of which are equal"
