"""How well values rank trainers: Spearman's correlation, and the area under the ROC curve."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ranks(values: Sequence[float]) -> list[float]:
    """Return the ranks of the values, from 1; equal values share the mean of their ranks."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


def spearman(values: Sequence[float], others: Sequence[float]) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; NaN where one side is constant."""
    a, b = ranks(values), ranks(others)
    mean = (len(a) + 1) / 2
    both = math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    own = math.fsum((x - mean) ** 2 for x in a) * math.fsum((y - mean) ** 2 for y in b)
    return both / math.sqrt(own) if own else math.nan


def auc(values: Sequence[float], bad: Sequence[bool]) -> float:
    """Return the probability that a good trainer's value is above a bad one's; equal values count one half."""
    good = [value for value, is_bad in zip(values, bad, strict=True) if not is_bad]
    others = [value for value, is_bad in zip(values, bad, strict=True) if is_bad]
    wins = sum((g > b) + (g == b) / 2 for g in good for b in others)
    return wins / (len(good) * len(others)) if good and others else math.nan
