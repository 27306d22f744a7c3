"""Three rounds of a job in which sybils look apart in every round, and alike in what they add up to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aggregator.bn254 import Point
from aggregator.carried import Carried
from aggregator.commitments import Blinding, RoundId, commit
from aggregator.fixedpoint import IntVector
from aggregator.gram import gram_matrix
from aggregator.history import Advanced, SumVector, advance, advance_blinding, advance_vector
from aggregator.products import Layout, Products, pack_products
from aggregator.proofs import GramStatement, Statement, prove
from aggregator.proofs.statement import Witness
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.rows import products_of_rows
from aggregator.settlement import RoundRules, settle
from aggregator.srs import Srs

BITS = 16
DIMENSION = 300
HONEST, SYBILS = 4, 3
TRAINERS = tuple(bytes([k + 1]) * 20 for k in range(HONEST + SYBILS))
EXPONENTS = (-8, -10, -7)
"""The scale falls, then rises above where it began."""


@dataclass(frozen=True, slots=True)
class SybilRound:
    """One round: quantised updates and running sums with their blindings, and the commitments to both.

    ``carried`` is what the job carried before it.
    """

    scale_exponent: int
    carried: bytes
    updates: list[IntVector]
    blindings: list[Blinding]
    commitments: list[Point]
    sums: list[SumVector]
    sum_blindings: list[Blinding]
    advanced: Advanced

    @property
    def products(self) -> Products:
        """Inner products of updates and running sums."""
        return products_of_rows(Layout(len(self.updates), history=True), self.updates, self.sums, bits=BITS)

    @property
    def products_of_updates(self) -> Products:
        """The same with the round's updates in place of the sums: what a rule without memory sees."""
        gram: list[list[int]] = gram_matrix(self.updates, bits=BITS).tolist()
        return Products(Layout(len(gram), history=True), tuple((*row, *row) for row in [*gram, *gram]))


def sybil_rounds(srs: Srs) -> list[SybilRound]:
    """Return the three rounds.

    Honest trainers have a direction each, and noise. Sybils have one direction for all, hidden by noise three times as
    long as it, which each chooses so that its three updates' noise adds up to zero (what the FoolsGold paper calls
    intelligent perturbations).
    """
    random = np.random.default_rng(11)
    directions = random.normal(size=(HONEST + 1, DIMENSION))
    hiding = random.normal(size=(SYBILS, 3, DIMENSION)) * 3
    hiding[:, 2] = -hiding[:, 0] - hiding[:, 1]
    found: list[SybilRound] = []
    for number, exponent in enumerate(EXPONENTS):
        honest = directions[:HONEST] + random.normal(size=(HONEST, DIMENSION)) * 0.5
        real = np.concatenate([honest, directions[HONEST] + hiding[:, number]])
        updates: list[IntVector] = [np.rint(np.ldexp(row, -exponent)).astype(np.int16) for row in real]
        found.append(_round(srs, found[-1] if found else None, exponent, updates, random))
    return found


def _round(
    srs: Srs, before: SybilRound | None, exponent: int, updates: list[IntVector], random: np.random.Generator
) -> SybilRound:
    blindings = [tuple(int(part) for part in random.integers(1, 2**60, size=3)) for _ in updates]
    drawn: list[Blinding] = [(a, b, c) for a, b, c in blindings]
    commitments = [commit(srs, update, blinding) for update, blinding in zip(updates, drawn, strict=True)]
    carried = before.advanced.carried if before else b""
    advanced = advance(carried, TRAINERS, commitments, scale_exponent=exponent)
    sums, sum_blindings = [], []
    for k, change in enumerate(advanced.steps):
        sums.append(advance_vector(change, before.sums[k] if before else None, updates[k]))
        sum_blindings.append(advance_blinding(change, before.sum_blindings[k] if before else None, drawn[k]))
    return SybilRound(exponent, carried, updates, drawn, commitments, sums, sum_blindings, advanced)


@dataclass(frozen=True, slots=True)
class Settled:
    """A round's settlement by FoolsGold with its proof."""

    statement: Statement
    proof: bytes


def settlements(srs: Srs, played: list[SybilRound], *, chain_id: int, market: bytes = b"\x11" * 20) -> list[Settled]:
    """Settle and prove the rounds one after the other, paid by reputation: both kinds of memory are carried on."""
    found: list[Settled] = []
    memory = Carried()
    for number, state in enumerate(played, start=1):
        found.append(_settle(srs, state, RoundId(chain_id, market, 7, number), memory))
        memory = carried_after(found[-1].statement, state)
    return found


def carried_after(statement: Statement, state: SybilRound) -> Carried:
    """Return what the job carries after a settled round."""
    gram = statement.gram
    outcome = settle(
        gram.rules,
        gram.products,
        gram.stakes,
        scale_exponent=gram.scale_exponent,
        trainers=gram.trainers,
        memory=Carried.decode(statement.witness.carried),
    )
    return replace(outcome.memory, history=state.advanced.carried)


def _settle(srs: Srs, state: SybilRound, place: RoundId, memory: Carried) -> Settled:
    gram = GramStatement(
        round_id=place,
        aggregator=b"\x22" * 20,
        rules=RoundRules("foolsgold", "reputation", 0, DIMENSION, BITS, 2, 10**18),
        scale_exponent=state.scale_exponent,
        trainers=TRAINERS,
        stakes=(10**15,) * len(TRAINERS),
        commitments=(*state.commitments, *state.advanced.commitments),
        gram=pack_products(state.products),
        history=True,
    )
    outcome = settle(
        gram.rules,
        state.products,
        gram.stakes,
        scale_exponent=gram.scale_exponent,
        trainers=gram.trainers,
        memory=memory,
    )
    statement = Statement(
        gram=gram,
        weights=outcome.weights,
        scores=outcome.scores,
        payouts=outcome.payouts,
        aggregate_commitment=aggregate_commitment(gram, outcome.weights),
        next_scale_exponent=outcome.next_scale_exponent,
        memory_digest=memory.digest(),
        next_memory_digest=replace(outcome.memory, history=state.advanced.carried).digest(),
        witness=Witness(memory.encode(), outcome.rule_hints, outcome.score_hints, outcome.floor_hints),
    )
    rows, blindings = [*state.updates, *state.sums], [*state.blindings, *state.sum_blindings]
    return Settled(statement, prove(srs, gram, rows, blindings, seed=b"\x2a" * 32))
