"""Exact scores of recorded rounds, as a settlement would compute them from proven inner products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.fixedpoint import IntVector, Quantiser
from aggregator.gram import weighted_sum
from aggregator.payouts import split_budget
from aggregator.products import Layout, Products
from aggregator.rows import products_of_rows
from aggregator.scores import Scored, get_score
from aggregator.settlement import FLOOR_SCORE
from market.trainer.behaviours import Honest, Vector
from market.trainer.local_round import compute_update
from market.trainer.parameters import ModelSchema
from market.trainer.randomness import derive_seed
from market.valuation import RoundRecord
from scripts.benchmarks.process import Figures
from scripts.benchmarks.valuation.scenes import Scene

BITS = 16
BUDGET, FLOOR_BPS, CAP_BPS = 10**12, 5_000, 30_000
BYZANTINE = 2
"""``f`` of the job: in the mixed scene three of ten trainers are bad."""
_HEADROOM_BITS = 2
_WEIGHT_ONE = 1 << 32
_OWNER = 9_999
IntRow = npt.NDArray[np.int64]
Row = IntVector | IntRow


@dataclass(frozen=True, slots=True)
class ProvenRound:
    """Inner products of a round's quantised updates, the owner's reference row and the previous aggregate."""

    products: Products
    weights: tuple[int, ...]
    dimension: int

    @classmethod
    def of(cls, found: Figures) -> ProvenRound:
        """Return the round that `dataclasses.asdict` took apart, through JSON or not."""
        products = found["products"]
        matrix = tuple(map(tuple, products["matrix"]))
        return cls(Products(Layout(**products["layout"]), matrix), tuple(found["weights"]), found["dimension"])

    @property
    def aggregate_square(self) -> int:
        """``w^T G w``, in units of ``2**-64``."""
        gram, weights = self.products.gram, self.weights
        return sum(
            w * sum(v * other for v, other in zip(row, weights, strict=True))
            for w, row in zip(weights, gram, strict=True)
        )


def prove_rounds(scene: Scene, records: Sequence[RoundRecord]) -> list[ProvenRound]:
    """Quantise each round's updates and the owner's reference, and return their exact inner products.

    All stakes are equal and every update is accepted, so that scores are compared and not rules.
    """
    previous: IntRow | None = None
    rounds = []
    for index, record in enumerate(records):
        reference = _reference(scene, record, index)
        quantiser = _quantiser([*record.updates, reference])
        updates = [quantiser.quantise(update).entries for update in record.updates]
        extras: list[Row] = [quantiser.quantise(reference).entries]
        if previous is not None:
            extras.append(previous)
        weights = (_WEIGHT_ONE // len(updates),) * len(updates)
        layout = Layout(len(updates), reference=True, previous=previous is not None)
        products = products_of_rows(layout, updates, extras, bits=BITS)
        rounds.append(ProvenRound(products, weights, quantiser.dimension))
        previous = weighted_sum(updates, weights)
    return rounds


def score_rounds(score_id: str, rounds: Sequence[ProvenRound]) -> tuple[float, ...]:
    """Return what a score says of each trainer after all rounds.

    A score with memory says it in the last round. Others are added up, each round's in units of the aggregate's square.
    """
    found = _scored(score_id, rounds)
    if found[-1].memory:
        return tuple(float(value) for value in found[-1].scores)
    units = [each.aggregate_square or 1 for each in rounds]
    return tuple(
        math.fsum(value / unit for value, unit in zip(column, units, strict=True))
        for column in zip(*(scored.scores for scored in found), strict=True)
    )


def pay_rounds(score_id: str, rounds: Sequence[ProvenRound]) -> tuple[float, ...]:
    """Return what each trainer is paid in all rounds, in budgets of a round: half of it is the floor, capped."""
    stakes = (1,) * rounds[0].products.n
    paid = [
        split_budget(scored.scores, floor.scores, stakes, budget=BUDGET, floor_bps=FLOOR_BPS, cap_bps=CAP_BPS)
        for scored, floor in zip(_scored(score_id, rounds), _scored(FLOOR_SCORE, rounds), strict=True)
    ]
    return tuple(sum(column) / BUDGET for column in zip(*paid, strict=True))


def _scored(score_id: str, rounds: Sequence[ProvenRound]) -> list[Scored]:
    score, memory = get_score(score_id), b""
    trainers = [index.to_bytes(20, "big") for index in range(1, rounds[0].products.n + 1)]
    found = []
    for each in rounds:
        told: dict[str, Any] = {"trainers": trainers, "dimension": each.dimension, "byzantine": BYZANTINE}
        scored = score.score(each.products, each.weights, memory=memory, **told)
        memory = scored.memory
        found.append(scored)
    return found


def _reference(scene: Scene, record: RoundRecord, index: int) -> Vector:
    task = scene.reference_task()
    schema = ModelSchema.of(task.init_model(0))
    seed = derive_seed(scene.federation.seed, _OWNER)
    return compute_update(task, schema, record.global_vector, scene.root, Honest(), seed=seed, round_index=index).update


def _quantiser(vectors: Sequence[Vector]) -> Quantiser:
    """Return a scale that saturates no entry, with room to spare."""
    largest = max(float(np.abs(vector).max()) for vector in vectors)
    exponent = math.frexp(largest)[1] + _HEADROOM_BITS - (BITS - 1)
    return Quantiser(BITS, exponent, (vectors[0].size,), (0,))
