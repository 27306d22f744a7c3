"""What updates that bring nothing earn over the rounds of a job, and what an honest trainer does (market-rules.md)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aggregator.scores import SCORES
from tests.unit.aggregator.scores.scenes import DIMENSION, LENGTH, Attack, Job, Vector, pay_ratio, play

NOTHING = 0.01
"""At most so much of an honest trainer's pay."""
HALVES = ["alignment", "shapley-reference"]


def length_of(honest: list[Vector]) -> float:
    return float(np.linalg.norm(honest[0]))


def replay(job: Job) -> Vector:
    return np.zeros(DIMENSION) if job.previous is None else job.previous


def like_an_honest_one(job: Job) -> Vector:
    fade: float = 0.7**job.round
    update: Vector = fade * (job.common + 0.5 * job.drifts[0] + job.noise(0.7 * LENGTH))
    return update


WITHOUT_WORK: dict[str, Attack] = {
    "zero": lambda job, honest: [np.zeros(DIMENSION)],
    "noise": lambda job, honest: [job.noise(length_of(honest))],
    "long noise": lambda job, honest: [job.noise(3 * length_of(honest))],
    "short noise": lambda job, honest: [job.noise(0.1 * length_of(honest))],
    "replay": lambda job, honest: [replay(job)],
    "long replay": lambda job, honest: [3 * replay(job)],
    "replay and noise": lambda job, honest: [replay(job) + job.noise(0.5 * length_of(honest))],
    "sign flip": lambda job, honest: [-honest[0]],
    "inner product manipulation": lambda job, honest: [-0.5 * sum(honest, np.zeros(DIMENSION)) / len(honest)],
}


def floor_and_score(attack: Attack, seed: int) -> float:
    """Return the attackers' pay where half of each budget is the floor."""
    return sum(pay_ratio(play(SCORES[name], attack, seed=seed)) for name in HALVES) / 2


@pytest.mark.parametrize("name", WITHOUT_WORK)
@pytest.mark.parametrize("seed", [1, 2])
def test_an_update_without_work_earns_at_most_one_percent_of_an_honest_one(name: str, seed: int) -> None:
    assert floor_and_score(WITHOUT_WORK[name], seed) <= NOTHING


@pytest.mark.parametrize("score", HALVES)
@pytest.mark.parametrize("seed", [1, 2])
def test_an_honest_trainer_earns_what_the_others_do(score: str, seed: int) -> None:
    ratio = pay_ratio(play(SCORES[score], lambda job, honest: [like_an_honest_one(job)], seed=seed))
    assert 0.7 < ratio < 1.4


@pytest.mark.parametrize("score", HALVES)
@pytest.mark.parametrize("count", range(2, 11))
def test_identities_of_one_trainer_earn_what_one_does(score: str, count: int) -> None:
    def identities(many: int) -> Callable[[Job, list[Vector]], list[Vector]]:
        return lambda job, honest: [like_an_honest_one(job)] * many

    one = pay_ratio(play(SCORES[score], identities(1)))
    all_of_them = pay_ratio(play(SCORES[score], identities(count), shares=[1 / count] * count))
    assert 0.9 * one < all_of_them <= 1.05 * one


def test_a_scaled_update_gains_nothing_from_the_floor_and_little_from_the_score() -> None:
    def scaled(job: Job, honest: list[Vector]) -> list[Vector]:
        return [10 * like_an_honest_one(job)]

    assert pay_ratio(play(SCORES["alignment"], scaled)) <= 1.2
    assert pay_ratio(play(SCORES["shapley-reference"], scaled)) <= 3.5  # clipped to three times the median, paid for it


@pytest.mark.parametrize("late", ["zero", "noise", "sign flip"])
@pytest.mark.parametrize("score", HALVES)
def test_who_stops_working_stops_being_paid(score: str, late: str) -> None:
    def turning(job: Job, honest: list[Vector]) -> list[Vector]:
        return [like_an_honest_one(job)] if job.round < 3 else WITHOUT_WORK[late](job, honest)

    history = play(SCORES[score], turning)
    assert all(scores[8] > 0 for scores in history[:3])
    paid = [scores[8] for scores in history[3:]]
    assert sum(score > 0 for score in paid) <= (late == "noise")  # one round of noise may agree by chance
