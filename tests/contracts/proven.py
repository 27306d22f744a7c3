"""Honest settlements with their proofs, and the contract that verifies them, on any chain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from aggregator.proofs import Statement
from aggregator.srs import VerifyingKey
from tests.unit.proofs.scene import SEED, scene


@dataclass(frozen=True)
class Proven:
    """A settlement and its proof under the development reference string."""

    key: VerifyingKey
    statement: Statement
    proof: bytes


@cache
def proven(n: int, d: int, chain_id: int, *, seed: bytes = SEED, number: int = 3, srs_size: int = 80) -> Proven:
    """Return the settlement of a round of ``n`` random updates of ``d`` entries."""
    base = scene(n, d, srs_size=srs_size)
    place = replace(base.statement.round_id, chain_id=chain_id, number=number)
    placed = replace(base, statement=replace(base.statement, round_id=place))
    return Proven(base.srs.key, placed.settled(), placed.prove(seed))
