"""What the split of a budget keeps, whatever the scores are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.payouts import BASIS_POINTS, CAP_MAX, NO_CAP, split_budget

many = settings(max_examples=50, deadline=None, derandomize=True)
scores_of = st.one_of(st.integers(-(2**199), 2**199), st.integers(-3, 3))
budgets = st.one_of(st.sampled_from([0, 1, 2, 2**128 - 1]), st.integers(0, 2**128 - 1))
floors = st.one_of(st.sampled_from([0, 5000, BASIS_POINTS]), st.integers(0, BASIS_POINTS))
caps = st.one_of(st.sampled_from([NO_CAP, BASIS_POINTS, CAP_MAX]), st.integers(BASIS_POINTS, CAP_MAX))
stakes_of = st.one_of(st.just(10**18), st.integers(1, 2**128 - 1))


@dataclass
class Trainer:
    score: int
    floor_score: int
    stake: int


@dataclass
class Split:
    trainers: list[Trainer]
    budget: int
    floor_bps: int
    cap_bps: int

    @property
    def payouts(self) -> tuple[int, ...]:
        return split_budget(
            [trainer.score for trainer in self.trainers],
            [trainer.floor_score for trainer in self.trainers],
            [trainer.stake for trainer in self.trainers],
            budget=self.budget,
            floor_bps=self.floor_bps,
            cap_bps=self.cap_bps,
        )


trainers_of = st.lists(st.builds(Trainer, scores_of, scores_of, stakes_of), min_size=1, max_size=20)
splits = st.builds(Split, trainers_of, budgets, floors, caps)


@many
@given(splits)
def test_the_sum_is_at_most_the_budget_and_nobody_gets_more_than_the_cap(split: Split) -> None:
    assert sum(split.payouts) <= split.budget
    total = sum(trainer.stake for trainer in split.trainers)
    for trainer, payout in zip(split.trainers, split.payouts, strict=True):
        share = Fraction(split.budget * trainer.stake, total)
        assert 0 <= payout <= (split.budget if split.cap_bps == NO_CAP else share * split.cap_bps / BASIS_POINTS)


@many
@given(splits)
def test_a_budget_is_spent_but_for_rounding_where_both_scores_pay(split: Split) -> None:
    split.trainers[0].score = split.trainers[0].floor_score = 1
    split.cap_bps = NO_CAP
    assert split.budget - 2 * len(split.trainers) < sum(split.payouts)


@many
@given(splits)
def test_a_payout_is_the_exact_share_of_both_parts_but_for_two_units(split: Split) -> None:
    split.cap_bps = NO_CAP
    floor = split.budget * split.floor_bps // BASIS_POINTS
    of_score = sum(max(trainer.score, 0) for trainer in split.trainers) or 1
    of_floor = sum(max(trainer.floor_score, 0) for trainer in split.trainers) or 1
    for trainer, payout in zip(split.trainers, split.payouts, strict=True):
        share = Fraction((split.budget - floor) * max(trainer.score, 0), of_score)
        share += Fraction(floor * max(trainer.floor_score, 0), of_floor)
        assert payout <= share < payout + 2
        assert payout == 0 or max(trainer.score, trainer.floor_score) > 0


@many
@given(splits, st.lists(scores_of, min_size=20, max_size=20))
def test_the_floor_is_honoured_whatever_the_score_says(split: Split, hostile: list[int]) -> None:
    due = replace(split, trainers=[replace(trainer, score=0) for trainer in split.trainers]).payouts
    pairs = zip(split.trainers, hostile, strict=False)
    found = replace(split, trainers=[replace(trainer, score=evil) for trainer, evil in pairs]).payouts
    assert all(payout >= least for payout, least in zip(found, due, strict=True))


@many
@given(splits, st.integers(0, 2**120), st.sampled_from(["score", "floor_score", "stake"]), st.data())
def test_more_score_or_stake_of_one_never_lowers_its_payout(
    split: Split, more: int, field: str, data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, len(split.trainers) - 1))
    before = split.payouts[i]
    setattr(split.trainers[i], field, getattr(split.trainers[i], field) + more)
    assert split.payouts[i] >= before


@many
@given(splits, st.integers(0, 2**120))
def test_a_larger_budget_never_lowers_a_payout_but_by_rounding(split: Split, more: int) -> None:
    larger = replace(split, budget=split.budget + more).payouts
    assert all(after >= before - 1 for before, after in zip(split.payouts, larger, strict=True))


@many
@given(splits)
def test_higher_scores_are_never_paid_less_at_equal_stakes(split: Split) -> None:
    for trainer in split.trainers:
        trainer.stake = 1
    payouts = split.payouts
    for first, paid in zip(split.trainers, payouts, strict=True):
        for second, other in zip(split.trainers, payouts, strict=True):
            if first.score <= second.score and first.floor_score <= second.floor_score:
                assert paid <= other


@many
@given(splits, st.integers(2, 10))
def test_splitting_an_identity_changes_its_pay_by_rounding_only(split: Split, k: int) -> None:
    """Scores that are additive, as most are, and caps that follow stakes: k identities get what one did."""
    trainer = split.trainers[0]
    trainer.score, trainer.floor_score, trainer.stake = trainer.score * k, trainer.floor_score * k, trainer.stake * k
    part = Trainer(trainer.score // k, trainer.floor_score // k, trainer.stake // k)
    whole = split.payouts
    pieces = replace(split, trainers=[*[replace(part) for _ in range(k)], *split.trainers[1:]]).payouts
    assert -3 * k <= sum(pieces[:k]) - whole[0] <= 2
    assert pieces[k:] == whole[1:]
