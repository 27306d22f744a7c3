"""The split of a round's budget: a floor that the owner cannot steer, the job's score for the rest, and caps."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

from aggregator.errors import OutOfRange, WrongShape
from aggregator.rules.base import Decision, stake_weights

BASIS_POINTS = 10_000
NO_CAP = 0
CAP_MAX = (1 << 16) - 1


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
    stakes: Sequence[int],
    *,
    budget: int,
    floor_bps: int = 0,
    cap_bps: int = NO_CAP,
) -> tuple[int, ...]:
    """Split ``budget`` (wei or token units): the floor by ``floor_scores``, the rest by ``scores``; round down.

    Each part is divided in proportion to the positive scores; where no score is positive it is not paid. What a
    trainer gets of both is at most its cap, a multiple of its share of the stakes: so no mistake of a score gives
    everything to one, and splitting an identity does not raise what it may get. The sum is at most ``budget``; what is
    left over returns to the owner's escrow, as nobody should gain where another is capped. The owner chooses the
    reference row behind ``scores``, but whatever it is, a trainer gets its share of the floor, up to its cap.

    Parameters
    ----------
    scores, floor_scores, stakes
        n integers each.
    floor_bps
        The floor, in 1/10000 of ``budget``.
    cap_bps
        The most that a trainer gets, in 1/10000 of what its share of the stakes would be; 0 for no cap.

    Raises
    ------
    WrongShape
        If the lists' lengths differ.
    OutOfRange
        If the floor is outside 0..10000, the cap neither 0 nor 10000..65535, or ``budget`` is negative.

    """
    if not len(scores) == len(floor_scores) == len(stakes):
        raise WrongShape(f"{len(scores)} scores, {len(floor_scores)} of the floor and {len(stakes)} stakes")
    if not (0 <= floor_bps <= BASIS_POINTS and (cap_bps == NO_CAP or BASIS_POINTS <= cap_bps <= CAP_MAX)):
        raise OutOfRange(f"a floor of {floor_bps} or a cap of {cap_bps} ten-thousandths cannot be")
    if budget < 0:
        raise OutOfRange(f"{budget} is no budget")
    floor = budget * floor_bps // BASIS_POINTS
    first, second = _proportional(floor_scores, floor), _proportional(scores, budget - floor)
    payouts = tuple(map(add, first, second))
    if cap_bps == NO_CAP:
        return payouts
    total = BASIS_POINTS * (sum(stakes) or 1)
    return tuple(min(payout, budget * cap_bps * stake // total) for payout, stake in zip(payouts, stakes, strict=True))


def _proportional(scores: Sequence[int], amount: int) -> list[int]:
    positive = [max(score, 0) for score in scores]
    total = sum(positive) or 1
    return [amount * score // total for score in positive]
