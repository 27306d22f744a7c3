"""Honest settlements with their proofs, and the contract that verifies them, on any chain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from aggregator.carried import EMPTY, Carried
from aggregator.proofs import Statement
from aggregator.srs import VerifyingKey
from tests.unit.proofs.scene import SEED, Scene, scene


@dataclass(frozen=True)
class Proven:
    """A settlement and its proof under the development reference string."""

    key: VerifyingKey
    statement: Statement
    proof: bytes


@cache
def proven(n: int, d: int, chain_id: int, *, seed: bytes = SEED, number: int = 3, srs_size: int = 80) -> Proven:
    """Return the settlement of a round of ``n`` random updates of ``d`` entries: a job's first, without a reference."""
    return _placed(scene(n, d, srs_size=srs_size), chain_id, number, seed)


@cache
def proven_with_all(n: int, d: int, chain_id: int, *, seed: bytes = SEED, number: int = 3) -> Proven:
    """Return a settlement in which nothing is missing: every extra row, memories, a floor and a cap."""

    def played(*, previous: bool, memory: Carried) -> Scene:
        return scene(
            *(n, d),
            srs_size=80,
            rule="foolsgold",
            score="reputation",
            reference=True,
            previous=previous,
            memory=memory,
            floor_bps=5_000,
            cap_bps=30_000,
        )

    remembered = replace(played(previous=False, memory=EMPTY).outcome.memory, history=b"")
    return _placed(played(previous=True, memory=remembered), chain_id, number, seed)


def _placed(base: Scene, chain_id: int, number: int, seed: bytes) -> Proven:
    place = replace(base.statement.round_id, chain_id=chain_id, number=number)
    placed = replace(base, statement=replace(base.statement, round_id=place))
    return Proven(base.srs.key, placed.settled(), placed.prove(seed))
