"""A small round with its commitments and statement, for tests of proofs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from aggregator.commitments import Blinding, RoundId, commit
from aggregator.fixedpoint import IntVector, entry_dtype
from aggregator.gram import gram_matrix, pack_gram, unpack_gram
from aggregator.proofs import GramStatement, Statement, prove
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.randomness import field_elements
from aggregator.settlement import RoundRules, settle
from aggregator.srs import Srs, development_srs

SEED = b"\x2a" * 32


@dataclass(frozen=True)
class Scene:
    """What a prover holds, and the statement."""

    srs: Srs
    updates: tuple[IntVector, ...]
    blindings: tuple[Blinding, ...]
    statement: GramStatement

    def prove(self, seed: bytes = SEED) -> bytes:
        return prove(self.srs, self.statement, self.updates, self.blindings, seed=seed)

    def settled(self) -> Statement:
        gram = self.statement
        matrix = unpack_gram(gram.gram, gram.updates)
        outcome = settle(gram.rules, matrix, gram.stakes, scale_exponent=gram.scale_exponent)
        return Statement(
            gram=gram,
            weights=outcome.weights,
            scores=outcome.scores,
            payouts=outcome.payouts,
            aggregate_commitment=aggregate_commitment(gram, outcome.weights),
            next_scale_exponent=outcome.next_scale_exponent,
        )


def _entries(rng: np.random.Generator, limit: int, d: int, bits: int, *, zero: bool) -> IntVector:
    drawn = rng.integers(-limit, limit + 1, d) * (not zero)
    return drawn.astype(np.int8) if entry_dtype(bits) == np.int8 else drawn.astype(np.int16)


@cache
def scene(n: int = 3, d: int = 5, bits: int = 8, srs_size: int = 16, *, zero: bool = False) -> Scene:
    """Return a round of n random updates; equal arguments give the same one."""
    rng = np.random.default_rng(1000 * n + d + bits)
    limit = (1 << (bits - 1)) - 1
    updates: tuple[IntVector, ...] = tuple(_entries(rng, limit, d, bits, zero=zero) for _ in range(n))
    blindings: list[Blinding] = []
    for i in range(n):
        first, second, third = field_elements(bytes(32), b"blinding" + bytes([i]), 3)
        blindings.append((first, second, third))
    srs = development_srs(srs_size)
    statement = GramStatement(
        round_id=RoundId(chain_id=31337, market=b"\x11" * 20, job_id=7, number=3),
        rules=RoundRules("multi-krum", "shapley", 0, d, bits, 2, 10**18),
        scale_exponent=-5,
        trainers=tuple(bytes([i + 1]) * 20 for i in range(n)),
        stakes=tuple(10**15 * (i + 1) for i in range(n)),
        commitments=tuple(commit(srs, u, h) for u, h in zip(updates, blindings, strict=True)),
        gram=pack_gram(gram_matrix(updates, bits=bits)),
    )
    return Scene(srs, updates, tuple(blindings), statement)
