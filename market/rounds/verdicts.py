"""What became of the updates of a settled round, and why, in words: what follows from chain data alone."""

from __future__ import annotations

from dataclasses import dataclass

from aggregator.gram import unpack_gram
from aggregator.rules import WEIGHT_ONE
from aggregator.rules.multi_krum import MultiKrum, krum_scores
from market.rounds import RoundState

_WHY_REJECTED = {
    "marginal-value": "over the rounds, updates like it took the model away from the owner's reference",
    "fltrust": "it does not point where the owner's reference points",
    "foolsgold": "its trainer's updates resemble another's too much over the rounds",
}
LEFT_OUT = "left out of the settlement"
"""Why, only the aggregator can say."""
_FEWEST = 3
"""Updates that Multi-Krum compares."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one commitment; figures are None where the settlement has none for it."""

    included: bool
    accepted: bool
    reason: str
    weight: int | None = None
    score: int | None = None
    payout: int = 0


def verdicts(state: RoundState, rule: str, byzantine: int) -> list[Verdict]:
    """Explain a settled round: one verdict a commitment, in order; none before the settlement."""
    if state.settled is None:
        return []
    posted = state.settled.settlement
    places = {commit.index: place for place, commit in enumerate(state.included)}
    figures = len(places) == len(posted.weights) == len(posted.scores)
    relative = _relative_krum_scores(state, byzantine) if figures and rule == MultiKrum().id else None
    payouts, found = state.payouts, []
    for commit in state.commits:
        place = places.get(commit.index)
        payout = payouts.get(commit.trainer, 0)
        weight = posted.weights[place] if figures and place is not None else None
        score = posted.scores[place] if figures and place is not None else None
        accepted, reason = False, ""
        if state.overturned is not None:
            reason = "void: the aggregate was proved false, and nobody is paid"
        elif commit.index in state.slashed:
            reason = "slashed: its update was proved out of range"
        elif place is None:
            reason = LEFT_OUT
        elif weight is None:
            reason = "this job's verifier posts figures of its own"
        else:
            accepted = weight > 0
            reason = _reason(rule, weight, relative[place] if relative else None)
        found.append(Verdict(place is not None, accepted, reason, weight, score, payout))
    return found


def _relative_krum_scores(state: RoundState, byzantine: int) -> list[float] | None:
    """Return each included update's Krum score over the median one."""
    n = len(state.included)
    inner = n * (n + 1) * 4  # bytes of the updates' own products; extra rows come after
    if state.settled is None or n < _FEWEST or len(state.settled.settlement.gram) < inner:
        return None
    gram = unpack_gram(state.settled.settlement.gram[:inner], n)
    scores = krum_scores(gram, neighbours=n - min(byzantine, (n - 3) // 2) - 2)
    median = sorted(scores)[(n - 1) // 2]
    return [score / median if median else 1.0 for score in scores]


def _reason(rule: str, weight: int, relative: float | None) -> str:
    accepted = weight > 0
    if relative is not None:
        words = f"{relative:.2g} x the median distance to its neighbours"
        return f"accepted: {words}" if accepted else f"rejected: {words}"
    if accepted:
        return f"accepted: weight {weight / WEIGHT_ONE:.1%}"
    return f"rejected: {_WHY_REJECTED.get(rule, 'the rule gives it no weight')}"
