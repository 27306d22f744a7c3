"""The attack table's targets for the model: the default rule under every attack, at 20 % Byzantine, on digits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from aggregator.rules import DEFAULT_RULE
from scripts.benchmarks.attacks.attacks import ATTACKS
from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.attacks.engine import simulate
from scripts.benchmarks.process import Figures

POINTS = 0.02
"""How far below the attack-free run the final accuracy may be."""
ADAPTIVE_POINTS = 0.06
"""For an attacker that sees honest updates, reference and rule, and tries its rows on them: measured 0.045."""
BASE = Cell(data="digits", split="dirichlet:1.0", honest=8, byzantine=2, root=100, steps=300, rule=DEFAULT_RULE)

pytestmark = pytest.mark.slow


@cache
def attack_free() -> float:
    return float(simulate(BASE.attack_free())["accuracy"])


@cache
def under(attack: str) -> Figures:
    return simulate(replace(BASE, attack=attack))


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_the_model_is_as_good_as_without_attackers(attack: str) -> None:
    allowed = ADAPTIVE_POINTS if attack == "adaptive" else POINTS
    assert under(attack)["accuracy"] >= attack_free() - allowed


def test_the_plain_mean_would_have_failed() -> None:
    found = simulate(replace(BASE, attack="late-switch", rule="mean"))
    assert found["accuracy"] < attack_free() - 0.1


def test_one_round_does_not_plant_a_backdoor() -> None:
    assert under("backdoor")["backdoor_success"] <= 0.05


@pytest.mark.parametrize("attack", ["sign-flip", "label-flip", "ipm", "free-rider"])
def test_who_works_against_the_reference_is_not_paid(attack: str) -> None:
    assert under(attack)["attackers_pay"] <= 0.002
