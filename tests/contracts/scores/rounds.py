"""Rounds of a job as a score sees them, and the questions to its contract."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from aggregator.rules import WEIGHT_ONE
from aggregator.rules.base import stake_weights
from aggregator.scores import Score
from tests.contracts.rules.matrices import Case, random_case
from tests.contracts.rules.questions import Question, changed, score_call, score_question, terms_of

Weights = tuple[int, ...]


def random_weights(rng: random.Random, case: Case) -> Weights:
    """Draw what a rule may decide: by stake among some or all, all on one, none, or anything of sum at most 1."""
    n = case.n
    kind = rng.randrange(5)
    if kind == 0:
        return stake_weights((True,) * n, case.stakes)
    if kind == 1:
        return stake_weights(tuple(rng.random() < 0.7 for _ in range(n)), case.stakes)
    if kind == 2:
        place = rng.randrange(n)
        return tuple(WEIGHT_ONE if i == place else 0 for i in range(n))
    if kind == 3:
        return (0,) * n
    left, weights = WEIGHT_ONE, []
    for _ in range(n):
        weights.append(min(left, rng.choice([0, 1, rng.randint(0, left), WEIGHT_ONE // n])))
        left -= weights[-1]
    return tuple(weights)


def random_round(rng: random.Random, score: Score, n: int) -> tuple[Case, Weights]:
    """Draw a round, with the rows that the score needs, and weights."""
    case = random_case(rng, n, reference=score.needs_reference)
    case = replace(case, dimension=rng.choice([1, 2, rng.randint(1, 10**6), 2**31 - 1]))
    return case, random_weights(rng, case)


def rounds_of_a_job(rng: random.Random, score: Score, n: int, count: int = 3) -> Iterator[Question]:
    """Ask about rounds of a job, each with the memory of the one before; trainers join, leave and change places."""
    memory = b""
    for _ in range(count):
        case, weights = random_round(rng, score, n)
        names = rng.sample(range(1, rng.choice([n + 4, 4 * n])), n)
        case = replace(case, trainers=tuple(name.to_bytes(20, "big") for name in names))
        yield score_question(score, case, weights, memory)
        memory = score.score(case.products, weights, trainers=case.trainers, memory=memory, **terms_of(case)).memory


def wrong_hints(rng: random.Random, score: Score, n: int) -> Question:
    """Ask about a round with hints that are not the core's; ``expected`` stays the right answer."""
    case, weights = random_round(rng, score, n)
    right = score_question(score, case, weights, b"")
    hints = score.hints(case.products, weights, trainers=case.trainers, memory=b"", **terms_of(case))
    return replace(right, call=score_call(case, weights, b"", changed(rng, hints)))
