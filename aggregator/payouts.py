"""The split of a round's budget: a floor that the owner cannot steer, the job's score for the rest, and a cap."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import OutOfRange, WrongShape
from aggregator.rules.base import Decision, stake_weights

BASIS_POINTS = 10_000


def floor_weights(
    decision: Decision, stakes: Sequence[int], *, needs_reference: bool, byzantine: int
) -> tuple[int, ...]:
    """Return the weights with which the floor's score is computed.

    The rule's own; but by stake over all n updates where the rule reads the reference row, which the owner chooses, or
    accepts fewer than n - f updates, which is outside its own assumption.
    """
    everybody = (True,) * len(stakes)
    if needs_reference or sum(decision.accepted) < len(stakes) - byzantine:
        return stake_weights(everybody, stakes)
    return decision.weights


def split_budget(
    scores: Sequence[int],
    floor_scores: Sequence[int],
    *,
    budget: int,
    floor_bps: int = 0,
    cap_bps: int = BASIS_POINTS,
) -> tuple[int, ...]:
    """Split ``budget`` (wei or token units): the floor by ``floor_scores``, the rest by ``scores``; round down.

    Each part is divided in proportion to the positive scores; where no score is positive it is not paid. What a
    trainer gets of both is at most the cap. The sum is at most ``budget``; what is left over returns to the owner's
    escrow. The owner chooses the reference row behind ``scores``, but whatever it is, a trainer gets its share of the
    floor, up to the cap.

    Parameters
    ----------
    scores, floor_scores
        n integers each.
    floor_bps, cap_bps
        Shares of ``budget`` in 1/10000: the floor, and the most that one trainer gets.

    Raises
    ------
    WrongShape
        If the two lists' lengths differ.
    OutOfRange
        If a share is outside 0..10000 (floor) or 1..10000 (cap), or ``budget`` is negative.

    """
    if len(scores) != len(floor_scores):
        raise WrongShape(f"{len(scores)} scores, but {len(floor_scores)} of the floor")
    if not (0 <= floor_bps <= BASIS_POINTS and 1 <= cap_bps <= BASIS_POINTS and budget >= 0):
        raise OutOfRange(f"budget {budget}, floor {floor_bps} and cap {cap_bps} of {BASIS_POINTS} cannot be")
    floor = budget * floor_bps // BASIS_POINTS
    cap = budget * cap_bps // BASIS_POINTS
    shares = zip(_proportional(floor_scores, floor), _proportional(scores, budget - floor), strict=True)
    return tuple(min(first + second, cap) for first, second in shares)


def _proportional(scores: Sequence[int], amount: int) -> list[int]:
    positive = [max(score, 0) for score in scores]
    total = sum(positive) or 1
    return [amount * score // total for score in positive]
