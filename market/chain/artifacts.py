"""ABI and bytecode of the contracts, as committed under contracts/artifacts and shipped inside the wheel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from market.errors import ConfigError

RULE_CONTRACTS: Mapping[str, str] = MappingProxyType(
    {
        "centred-clipping": "CentredClipping",
        "fltrust": "FlTrust",
        "foolsgold": "FoolsGold",
        "geometric-median": "GeometricMedian",
        "marginal-value": "MarginalValue",
        "mean": "Mean",
        "multi-krum": "MultiKrum",
        "nnm+multi-krum": "NnmMultiKrum",
    }
)
"""Contract that checks a rule, by the rule's id."""
SCORE_CONTRACTS: Mapping[str, str] = MappingProxyType(
    {
        "alignment": "Alignment",
        "cosine": "Cosine",
        "leave-one-out": "LeaveOneOut",
        "reputation": "Reputation",
        "shapley": "Shapley",
        "shapley-reference": "ShapleyReference",
    }
)
"""Contract that checks a score, by the score's id."""
MADE_BY_MARKET = ("Forwarder", "TermsCheck")
"""Contracts that the market's constructor makes; their addresses are constants in its code."""

_PACKAGED = Path(__file__).parent / "artifacts"
_IN_REPOSITORY = Path(__file__).parents[2] / "contracts" / "artifacts"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract.

    Attributes
    ----------
    bytecode
        Creates it, followed by the constructor's arguments.
    deployed_bytecode
        What then lies at its address, but for the immutables, which are zero here.
    immutables
        Where they lie: first byte and length of each place that the constructor fills in.

    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed_bytecode: str
    immutables: tuple[tuple[int, int], ...]

    def matches(self, code: bytes) -> bool:
        """Whether ``code``, as found on a chain, is this contract's, whatever its immutables are."""
        found, expected = bytearray(code), bytes.fromhex(self.deployed_bytecode.removeprefix("0x"))
        if len(found) != len(expected):
            return False
        for start, length in self.immutables:
            found[start : start + length] = bytes(length)
        return found == expected


@cache
def load_artifact(name: str) -> Artifact:
    """Return the artifact of ``Market``, one of :data:`MADE_BY_MARKET`, ``GramVerifier``, or a rule or score.

    Raises
    ------
    ConfigError
        If the installation lacks it.

    """
    for folder in (_PACKAGED, _IN_REPOSITORY):
        path = folder / f"{name}.json"
        if path.is_file():
            data = json.loads(path.read_text())
            places = tuple((start, length) for start, length in data["immutables"])
            return Artifact(name, data["abi"], data["bytecode"], data["deployedBytecode"], places)
    raise ConfigError(f"the artifact of contract {name} is missing", hint="reinstall gramercy")
