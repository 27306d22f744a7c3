"""All that follows from a round's inner products: weights, scores, payouts, the next scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aggregator.carried import EMPTY, Carried
from aggregator.errors import WrongShape
from aggregator.fixedpoint import next_scale_exponent
from aggregator.payouts import BASIS_POINTS, floor_weights, split_budget
from aggregator.products import Products, check_products
from aggregator.rules import Rule, get_rule
from aggregator.scores import Score, Scored, get_score

FLOOR_SCORE = "alignment"
"""Id of the score that splits the part of a budget that does not depend on the reference."""


@dataclass(frozen=True, slots=True)
class RoundRules:
    """What a job fixes about the arithmetic of a round.

    ``byzantine`` is f, ``dimension`` d, ``bits`` b, ``headroom_bits`` h; ``budget`` is in wei or token units.

    Attributes
    ----------
    reference
        Whether the owner commits a reference row for each round.
    floor_bps
        Share of the budget, in 1/10000, that is split by the score ``alignment``, without the reference.
    cap_bps
        The most that one trainer gets, in 1/10000 of its stake's share of the budget; 0 for no cap.

    """

    rule: str
    score: str
    byzantine: int
    dimension: int
    bits: int
    headroom_bits: int
    budget: int
    reference: bool = False
    floor_bps: int = 0
    cap_bps: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures that a settlement posts, one element for each included trainer, and what spares a contract work.

    Attributes
    ----------
    memory
        What the job carries to its next round, but for the running sums, which are as they were.
    rule_hints, score_hints, floor_hints
        Hints for the contracts of the rule, of the score, and of the score that splits the floor.

    """

    accepted: tuple[bool, ...]
    weights: tuple[int, ...]
    scores: tuple[int, ...]
    payouts: tuple[int, ...]
    next_scale_exponent: int
    memory: Carried = EMPTY
    rule_hints: bytes = b""
    score_hints: bytes = b""
    floor_hints: bytes = b""


def settle(
    rules: RoundRules,
    products: Products,
    stakes: Sequence[int],
    *,
    scale_exponent: int,
    trainers: Sequence[bytes],
    memory: Carried = EMPTY,
) -> Outcome:
    """Compute a round's outcome exactly as the contract will check it.

    Where a job has a reference but its row is missing, it was unusable: the whole budget is split by the floor's score,
    which is posted, and what the job's own score remembers stays as it was. The rule does without the row.

    Parameters
    ----------
    products
        Inner products of the included updates and of the extra rows.
    stakes
        The trainers' stakes.
    trainers
        Their addresses, 20 bytes each.
    memory
        What the job carries from its rounds before.

    Raises
    ------
    WrongShape
        If lengths do not fit, or a row is there that the job does not have, or missing that its rule needs.
    OutOfRange
        If no such rows have these inner products.
    RuleNotApplicable
        If there are too few updates for the rule.
    InvalidInput
        If rule or score is unknown.

    """
    rule, score = get_rule(rules.rule), get_score(rules.score)
    _check_shape(rules, rule, products, stakes, trainers)
    check_products(products, dimension=rules.dimension, bits=rules.bits)
    unusable = rules.reference and not products.layout.reference
    decision = rule.decide(products, rules.byzantine, stakes, trainers=trainers, memory=memory.rule)
    ask = _Question(rules, products, trainers)
    floor_bps = BASIS_POINTS if unusable else rules.floor_bps
    floor, floor_hints = Scored((0,) * products.n, memory.floor), b""
    if floor_bps:
        weights = floor_weights(decision, stakes, needs_reference=rule.needs_reference, byzantine=rules.byzantine)
        floor, floor_hints = ask(get_score(FLOOR_SCORE), weights, memory.floor)
    scored, score_hints = Scored(floor.scores, memory.score), b""
    if not unusable:
        scored, score_hints = ask(score, decision.weights, memory.score)
    return Outcome(
        accepted=decision.accepted,
        weights=decision.weights,
        scores=scored.scores,
        payouts=split_budget(
            scored.scores, floor.scores, stakes, budget=rules.budget, floor_bps=floor_bps, cap_bps=rules.cap_bps
        ),
        next_scale_exponent=next_scale_exponent(
            [products.matrix[i][i] for i, ok in enumerate(decision.accepted) if ok],
            exponent=scale_exponent,
            dimension=rules.dimension,
            bits=rules.bits,
            headroom_bits=rules.headroom_bits,
        ),
        memory=Carried(decision.memory, scored.memory, floor.memory, memory.history),
        rule_hints=rule.hints(products, rules.byzantine, stakes, trainers=trainers, memory=memory.rule),
        score_hints=score_hints,
        floor_hints=floor_hints,
    )


@dataclass(frozen=True, slots=True)
class _Question:
    """What every score of a round is asked about."""

    rules: RoundRules
    products: Products
    trainers: Sequence[bytes]

    def __call__(self, score: Score, weights: Sequence[int], memory: bytes) -> tuple[Scored, bytes]:
        asked: dict[str, Any] = {
            "trainers": self.trainers,
            "memory": memory,
            "dimension": self.rules.dimension,
            "byzantine": self.rules.byzantine,
        }
        return score.score(self.products, weights, **asked), score.hints(self.products, weights, **asked)


def _check_shape(
    rules: RoundRules, rule: Rule, products: Products, stakes: Sequence[int], trainers: Sequence[bytes]
) -> None:
    layout = products.layout
    if not len(stakes) == len(trainers) == layout.updates:
        raise WrongShape(f"{len(stakes)} stakes, {len(trainers)} trainers, {layout.updates} updates")
    if layout.reference and not rules.reference:
        raise WrongShape("the job has no reference")
    if layout.history != rule.needs_history:
        raise WrongShape(f"the rule {rule.id} {'needs' if rule.needs_history else 'has no use for'} running sums")
