"""The registry of scores."""

from __future__ import annotations

import pytest

from aggregator.errors import InvalidInput, RuleNotApplicable, WrongShape
from aggregator.products import Products
from aggregator.scores import SCORES, Score, get_score

PRODUCTS = Products.of_updates(((4, 2), (2, 9)))
TRAINERS = (bytes(20), bytes([1] * 20))


def test_scores_are_known_by_their_ids() -> None:
    assert all(get_score(name).id == name for name in SCORES)
    assert all(name.isascii() and 0 < len(name) <= 31 for name in SCORES)


def test_an_unknown_score_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput) as caught:
        get_score("merit")
    assert "shapley-reference" in str(caught.value.hint)


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())
def test_there_is_one_weight_for_each_update(score: Score) -> None:
    with pytest.raises(WrongShape):
        score.score(PRODUCTS, (1, 2, 3), trainers=TRAINERS, memory=b"", dimension=2)


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES.keys())
def test_a_missing_reference_row_is_refused_where_it_is_needed(score: Score) -> None:
    if score.needs_reference:
        with pytest.raises(RuleNotApplicable):
            score.score(PRODUCTS, (1, 2), trainers=TRAINERS, memory=b"", dimension=2)
    else:
        assert len(score.score(PRODUCTS, (1, 2), trainers=TRAINERS, memory=b"", dimension=2).scores) == 2
