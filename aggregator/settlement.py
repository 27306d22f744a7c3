"""All that follows from a round's inner products: weights, scores, payouts, the next scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import WrongShape
from aggregator.fixedpoint import next_scale_exponent
from aggregator.payouts import BASIS_POINTS, floor_weights, split_budget
from aggregator.products import Products, check_products
from aggregator.rules import Decision, Rule, get_rule
from aggregator.rules.base import stake_weights
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
        Largest share of the budget, in 1/10000, that one trainer gets.

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
    cap_bps: int = BASIS_POINTS


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures that a settlement posts, one element for each included trainer, and what spares a contract work.

    Attributes
    ----------
    memory
        What the score remembers for the job's next round.
    rule_hints, score_hints, floor_hints
        Hints for the contracts of the rule, of the score, and of the score that splits the floor.

    """

    accepted: tuple[bool, ...]
    weights: tuple[int, ...]
    scores: tuple[int, ...]
    payouts: tuple[int, ...]
    next_scale_exponent: int
    memory: bytes = b""
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
    memory: bytes = b"",
) -> Outcome:
    """Compute a round's outcome exactly as the contract will check it.

    Where a job has a reference but its row is missing, it was unusable: nothing depends on it then. The whole budget is
    split by the floor's score, which is posted; a rule that needs the row gives way to stake weights; what the score
    remembers stays as it was.

    Parameters
    ----------
    products
        Inner products of the included updates and of the extra rows.
    stakes
        The trainers' stakes.
    trainers
        Their addresses, 20 bytes each.
    memory
        What the score remembered of the job's rounds before.

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
    stand_in = unusable and rule.needs_reference
    decision = _everybody(stakes) if stand_in else rule.decide(products, rules.byzantine, stakes)
    floor_bps = BASIS_POINTS if unusable else rules.floor_bps
    floor, floor_hints = Scored((0,) * products.n), b""
    if floor_bps:
        weights = floor_weights(decision, stakes, needs_reference=rule.needs_reference, byzantine=rules.byzantine)
        floor, floor_hints = _score(get_score(FLOOR_SCORE), products, weights, trainers)
    if unusable:
        scored, score_hints = Scored(floor.scores, memory), b""
    else:
        scored, score_hints = _score(score, products, decision.weights, trainers, memory)
    return Outcome(
        accepted=decision.accepted,
        weights=decision.weights,
        scores=scored.scores,
        payouts=split_budget(
            scored.scores, floor.scores, budget=rules.budget, floor_bps=floor_bps, cap_bps=rules.cap_bps
        ),
        next_scale_exponent=next_scale_exponent(
            [products.matrix[i][i] for i, ok in enumerate(decision.accepted) if ok],
            exponent=scale_exponent,
            dimension=rules.dimension,
            bits=rules.bits,
            headroom_bits=rules.headroom_bits,
        ),
        memory=scored.memory,
        rule_hints=b"" if stand_in else rule.hints(products, rules.byzantine, stakes),
        score_hints=score_hints,
        floor_hints=floor_hints,
    )


def _everybody(stakes: Sequence[int]) -> Decision:
    accepted = (True,) * len(stakes)
    return Decision(accepted, stake_weights(accepted, stakes))


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


def _score(
    score: Score, products: Products, weights: Sequence[int], trainers: Sequence[bytes], memory: bytes = b""
) -> tuple[Scored, bytes]:
    return (
        score.score(products, weights, trainers=trainers, memory=memory),
        score.hints(products, weights, trainers=trainers, memory=memory),
    )
