"""Robust aggregation rules of the Gram family, by their id on chain."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aggregator.errors import InvalidInput
from aggregator.rules.base import WEIGHT_ONE, Decision, Rule
from aggregator.rules.bristle import Bristle
from aggregator.rules.caf import Caf
from aggregator.rules.centred_clipping import CentredClipping
from aggregator.rules.flag import Flag
from aggregator.rules.fltrust import FlTrust
from aggregator.rules.foolsgold import FoolsGold
from aggregator.rules.geometric_median import GeometricMedian
from aggregator.rules.krum import Krum
from aggregator.rules.marginal_value import MarginalValue
from aggregator.rules.mda import MinimumDiameterAveraging
from aggregator.rules.mean import Mean, PlainMean
from aggregator.rules.multi_krum import MultiKrum
from aggregator.rules.nnm import NearestNeighbourMixing
from aggregator.rules.sybilwall import SybilWall
from aggregator.rules.three_sigma import ThreeSigma

_ALL: tuple[Rule, ...] = (
    Bristle(),
    Caf(),
    CentredClipping(),
    FlTrust(),
    Flag(),
    FoolsGold(),
    GeometricMedian(),
    Krum(),
    MarginalValue(),
    Mean(),
    MinimumDiameterAveraging(),
    MultiKrum(),
    PlainMean(),
    SybilWall(),
    ThreeSigma(),
    *(NearestNeighbourMixing(inner) for inner in (CentredClipping(), GeometricMedian(), Mean(), MultiKrum())),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in sorted(_ALL, key=lambda rule: rule.id)})


DEFAULT_RULE = MarginalValue().id
"""For jobs with a reference row. See docs/attacks.md for what it was chosen by."""
DEFAULT_RULE_WITHOUT_REFERENCE = MultiKrum().id
"""For jobs without one."""


def get_rule(rule_id: str) -> Rule:
    """Return the rule named ``rule_id``.

    Raises
    ------
    InvalidInput
        If there is none.

    """
    if rule_id not in RULES:
        raise InvalidInput(f"there is no rule {rule_id!r}", hint=f"choose one of: {', '.join(RULES)}")
    return RULES[rule_id]


__all__ = ["DEFAULT_RULE", "DEFAULT_RULE_WITHOUT_REFERENCE", "RULES", "WEIGHT_ONE", "Decision", "Rule", "get_rule"]
