"""A small round with its commitments and statement, for tests of proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from aggregator.carried import EMPTY, Carried
from aggregator.commitments import Blinding, RoundId, commit
from aggregator.fixedpoint import IntVector, entry_dtype
from aggregator.history import advance, advance_blinding, advance_vector
from aggregator.products import Layout, pack_products
from aggregator.proofs import GramStatement, Statement, prove
from aggregator.proofs.statement import Witness
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.randomness import field_elements
from aggregator.rows import products_of_rows
from aggregator.rules import get_rule
from aggregator.settlement import Outcome, RoundRules, settle
from aggregator.srs import Srs, development_srs

SEED = b"\x2a" * 32
SCALE_EXPONENT = -5
OLD_SCALE_EXPONENT = -4

Row = IntVector | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """What a prover holds, and the statement; ``carried`` is what the job brings into the round."""

    srs: Srs
    updates: tuple[IntVector, ...]
    extras: tuple[Row, ...]
    blindings: tuple[Blinding, ...]
    statement: GramStatement
    carried: Carried = EMPTY

    @property
    def rows(self) -> tuple[Row, ...]:
        return (*self.updates, *self.extras)

    def prove(self, seed: bytes = SEED) -> bytes:
        return prove(self.srs, self.statement, self.rows, self.blindings, seed=seed)

    @property
    def outcome(self) -> Outcome:
        """What follows from the products, running sums included."""
        gram = self.statement
        outcome = settle(
            gram.rules,
            gram.products,
            gram.stakes,
            scale_exponent=gram.scale_exponent,
            trainers=gram.trainers,
            memory=self.carried,
        )
        if not gram.history:
            return outcome
        sums = advance(
            self.carried.history,
            gram.trainers,
            gram.commitments[: gram.updates],
            scale_exponent=gram.scale_exponent,
        )
        return replace(outcome, memory=replace(outcome.memory, history=sums.carried))

    def settled(self) -> Statement:
        outcome = self.outcome
        return Statement(
            gram=self.statement,
            weights=outcome.weights,
            scores=outcome.scores,
            payouts=outcome.payouts,
            aggregate_commitment=aggregate_commitment(self.statement, outcome.weights),
            next_scale_exponent=outcome.next_scale_exponent,
            memory_digest=self.carried.digest(),
            next_memory_digest=outcome.memory.digest(),
            witness=Witness(self.carried.encode(), outcome.rule_hints, outcome.score_hints, outcome.floor_hints),
        )


def _entries(rng: np.random.Generator, limit: int, d: int, bits: int, *, zero: bool) -> IntVector:
    drawn = rng.integers(-limit, limit + 1, d) * (not zero)
    return drawn.astype(np.int8) if entry_dtype(bits) == np.int8 else drawn.astype(np.int16)


def _blindings(label: bytes, count: int) -> list[Blinding]:
    found: list[Blinding] = []
    for i in range(count):
        first, second, third = field_elements(bytes(32), label + bytes([i]), 3)
        found.append((first, second, third))
    return found


@cache
def scene(
    n: int = 3,
    d: int = 5,
    bits: int = 8,
    srs_size: int = 16,
    *,
    zero: bool = False,
    rule: str = "multi-krum",
    score: str = "shapley",
    job_reference: bool = False,
    reference: bool = False,
    previous: bool = False,
    memory: Carried = EMPTY,
    floor_bps: int = 0,
    cap_bps: int = 0,
) -> Scene:
    """Return a round of n random updates; equal arguments give the same one.

    A rule that needs running sums has them: of two rounds' updates for all trainers but the last, who is new.
    """
    rng = np.random.default_rng(1000 * n + d + bits)
    limit = (1 << (bits - 1)) - 1
    updates = tuple(_entries(rng, limit, d, bits, zero=zero) for _ in range(n))
    extras: list[Row] = []
    blindings = _blindings(b"blinding", n)
    if reference:
        extras.append(_entries(rng, limit, d, bits, zero=zero))
        blindings += _blindings(b"reference", 1)
    if previous:
        extras.append(rng.integers(-limit << 32, (limit << 32) + 1, d))
        blindings += _blindings(b"previous", 1)
    srs = development_srs(srs_size)
    trainers = tuple(bytes([i + 1]) * 20 for i in range(n))
    history = get_rule(rule).needs_history
    if history:
        older = [_entries(rng, limit, d, bits, zero=zero) for _ in range(n - 1)]
        memory = _with_sums(srs, memory, trainers, older, updates, extras, blindings)
    layout = Layout(n, reference, previous, history)
    points = tuple(commit(srs, u, h) for u, h in zip((*updates, *extras), blindings, strict=True))
    statement = GramStatement(
        round_id=RoundId(chain_id=31337, market=b"\x11" * 20, job_id=7, number=3),
        aggregator=b"\x22" * 20,
        rules=RoundRules(
            *(rule, score, 0, d, bits, 2, 10**18),
            reference=job_reference or reference,
            floor_bps=floor_bps,
            cap_bps=cap_bps,
        ),
        scale_exponent=SCALE_EXPONENT,
        trainers=trainers,
        stakes=tuple(10**15 * (i + 1) for i in range(n)),
        commitments=points,
        gram=pack_products(products_of_rows(layout, updates, extras, bits=bits)),
        reference=reference,
        previous=previous,
        history=history,
    )
    return Scene(srs, updates, tuple(extras), tuple(blindings), statement, memory)


def _with_sums(
    srs: Srs,
    memory: Carried,
    trainers: Sequence[bytes],
    older: Sequence[IntVector],
    updates: Sequence[IntVector],
    extras: list[Row],
    blindings: list[Blinding],
) -> Carried:
    """Append the running sums of ``older`` updates and of this round's; return what the job carries before."""
    known = trainers[: len(older)]
    secrets = _blindings(b"older", len(older))
    points = [commit(srs, u, h) for u, h in zip(older, secrets, strict=True)]
    before = advance(b"", known, points, scale_exponent=OLD_SCALE_EXPONENT)
    added = [commit(srs, u, h) for u, h in zip(updates, blindings, strict=False)]
    after = advance(before.carried, trainers, added, scale_exponent=SCALE_EXPONENT)
    for i, change in enumerate(after.steps):
        old = older[i].astype(np.int64) if i < len(older) else None
        extras.append(advance_vector(change, old, updates[i]))
        blindings.append(advance_blinding(change, secrets[i] if i < len(older) else None, blindings[i]))
    return replace(memory, history=before.carried)
