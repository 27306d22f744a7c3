"""Contribution scores of the Gram family, by their id on chain."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aggregator.errors import InvalidInput
from aggregator.scores.alignment import Alignment
from aggregator.scores.base import Score, Scored
from aggregator.scores.cosine import COSINE
from aggregator.scores.leave_one_out import LeaveOneOut
from aggregator.scores.reputation import Reputation
from aggregator.scores.shapley import SHAPLEY
from aggregator.scores.shapley_reference import ShapleyReference

_ALL: tuple[Score, ...] = (ShapleyReference(), SHAPLEY, Alignment(), COSINE, LeaveOneOut(), Reputation())
SCORES: Mapping[str, Score] = MappingProxyType({score.id: score for score in _ALL})


DEFAULT_SCORE = ShapleyReference().id
"""For jobs with a reference row. See docs/scores.md for what it was chosen by."""
DEFAULT_SCORE_WITHOUT_REFERENCE = Alignment().id
"""For jobs without one."""


def get_score(score_id: str) -> Score:
    """Return the score named ``score_id``.

    Raises
    ------
    InvalidInput
        If there is none.

    """
    if score_id not in SCORES:
        raise InvalidInput(f"there is no score {score_id!r}", hint=f"choose one of: {', '.join(SCORES)}")
    return SCORES[score_id]


__all__ = ["DEFAULT_SCORE", "DEFAULT_SCORE_WITHOUT_REFERENCE", "SCORES", "Score", "Scored", "get_score"]
