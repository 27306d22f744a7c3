"""FoolsGold over three rounds of changing scale: sybils that hide in each round are found by their sums."""

from __future__ import annotations

import pytest

from aggregator.commitments import commit
from aggregator.rules.foolsgold import FoolsGold
from aggregator.srs import Srs, development_srs
from tests.sybil_rounds import DIMENSION, EXPONENTS, HONEST, SYBILS, TRAINERS, SybilRound, sybil_rounds

STAKES = [1] * len(TRAINERS)


@pytest.fixture(scope="module")
def srs() -> Srs:
    return development_srs(DIMENSION + 8)


@pytest.fixture(scope="module")
def played(srs: Srs) -> list[SybilRound]:
    return sybil_rounds(srs)


def test_no_rounds_updates_alone_betray_the_sybils(played: list[SybilRound]) -> None:
    for state in played:
        assert FoolsGold().decide(state.products_of_updates, 0, STAKES).accepted == (True,) * len(TRAINERS)


def test_the_sums_of_three_rounds_do(played: list[SybilRound]) -> None:
    first = FoolsGold().decide(played[0].products, 0, STAKES)
    assert first.accepted == (True,) * len(TRAINERS)
    last = FoolsGold().decide(played[2].products, 0, STAKES)
    assert last.accepted == (True,) * HONEST + (False,) * SYBILS
    assert sum(last.weights[HONEST:]) == 0
    assert min(last.weights[:HONEST]) > 0


def test_commitments_follow_the_sums_through_the_changes_of_scale(srs: Srs, played: list[SybilRound]) -> None:
    for state, exponent in zip(played, EXPONENTS, strict=True):
        assert {step.exponent for step in state.advanced.steps} == {min(EXPONENTS[: EXPONENTS.index(exponent) + 1])}
        for row, blinding, point in zip(state.sums, state.sum_blindings, state.advanced.commitments, strict=True):
            assert commit(srs, row, blinding) == point
