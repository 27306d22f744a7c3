"""What the split of a budget keeps, whatever the scores are."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.payouts import BASIS_POINTS, split_budget

many = settings(max_examples=150, deadline=None, derandomize=True)
scores_of = st.one_of(st.integers(-(2**199), 2**199), st.integers(-3, 3))
pairs = st.lists(st.tuples(scores_of, scores_of), max_size=64)
budgets = st.one_of(st.sampled_from([0, 1, 2, 2**128 - 1]), st.integers(0, 2**128 - 1))
floors = st.one_of(st.sampled_from([0, 5000, BASIS_POINTS]), st.integers(0, BASIS_POINTS))
caps = st.one_of(st.sampled_from([1, BASIS_POINTS]), st.integers(1, BASIS_POINTS))
Pairs = list[tuple[int, int]]


def split(drawn: Pairs, budget: int, floor_bps: int = 0, cap_bps: int = BASIS_POINTS) -> tuple[int, ...]:
    scores, floor_scores = [pair[0] for pair in drawn], [pair[1] for pair in drawn]
    return split_budget(scores, floor_scores, budget=budget, floor_bps=floor_bps, cap_bps=cap_bps)


@many
@given(pairs, budgets, floors, caps)
def test_the_sum_is_at_most_the_budget_and_nobody_gets_more_than_the_cap(
    drawn: Pairs, budget: int, floor_bps: int, cap_bps: int
) -> None:
    payouts = split(drawn, budget, floor_bps, cap_bps)
    assert sum(payouts) <= budget
    assert all(0 <= payout <= budget * cap_bps // BASIS_POINTS for payout in payouts)


@many
@given(pairs.filter(bool), budgets, floors)
def test_a_budget_is_spent_but_for_rounding_where_both_scores_pay(drawn: Pairs, budget: int, floor_bps: int) -> None:
    drawn = [(abs(first) + 1, abs(second) + 1) for first, second in drawn]
    assert budget - 2 * len(drawn) < sum(split(drawn, budget, floor_bps)) + 1


@many
@given(pairs, budgets, floors)
def test_a_payout_is_the_exact_share_of_both_parts_but_for_two_units(drawn: Pairs, budget: int, floor_bps: int) -> None:
    floor = budget * floor_bps // BASIS_POINTS
    totals = [sum(max(pair[part], 0) for pair in drawn) for part in range(2)]
    for pair, payout in zip(drawn, split(drawn, budget, floor_bps), strict=True):
        share = Fraction(0)
        for part, amount in ((0, budget - floor), (1, floor)):
            share += Fraction(amount * max(pair[part], 0), totals[part] or 1)
        assert payout <= share < payout + 2
        assert payout == 0 or max(pair) > 0


@many
@given(pairs.filter(bool), budgets, floors, caps, st.lists(scores_of, min_size=64, max_size=64))
def test_the_floor_is_honoured_whatever_the_score_says(
    drawn: Pairs, budget: int, floor_bps: int, cap_bps: int, hostile: list[int]
) -> None:
    floor_only = split([(0, second) for _, second in drawn], budget, floor_bps, cap_bps)
    payouts = split(
        [(evil, second) for evil, (_, second) in zip(hostile, drawn, strict=False)], budget, floor_bps, cap_bps
    )
    assert all(payout >= due for payout, due in zip(payouts, floor_only, strict=True))


@many
@given(pairs.filter(bool), budgets, floors, caps, st.integers(0, 2**120), st.data())
def test_raising_a_score_of_one_or_the_budget_never_lowers_its_payout(
    drawn: Pairs, budget: int, floor_bps: int, cap_bps: int, more: int, data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, len(drawn) - 1))
    before = split(drawn, budget, floor_bps, cap_bps)
    for extra in ((more, 0), (0, more)):
        raised = [*drawn[:i], (drawn[i][0] + extra[0], drawn[i][1] + extra[1]), *drawn[i + 1 :]]
        assert split(raised, budget, floor_bps, cap_bps)[i] >= before[i]
    assert all(
        new >= old
        for new, old in zip(split(drawn, budget + more, 0, cap_bps), split(drawn, budget, 0, cap_bps), strict=True)
    )


@many
@given(pairs, budgets, floors, caps)
def test_higher_scores_are_never_paid_less(drawn: Pairs, budget: int, floor_bps: int, cap_bps: int) -> None:
    payouts = split(drawn, budget, floor_bps, cap_bps)
    for first, paid in zip(drawn, payouts, strict=True):
        for second, other in zip(drawn, payouts, strict=True):
            if first[0] <= second[0] and first[1] <= second[1]:
                assert paid <= other
