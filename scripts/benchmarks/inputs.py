"""What benchmarks work on: reference strings, updates, blindings, statements; the same for the same parameters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_hash.auto import keccak

from aggregator.bn254 import Point
from aggregator.commitments import Blinding, RoundId
from aggregator.errors import OutOfRange
from aggregator.fixedpoint import IntVector, entry_dtype
from aggregator.gram import GramMatrix, check_dimension, pack_gram
from aggregator.products import Products
from aggregator.proofs import GramStatement, Statement
from aggregator.proofs.prover import MASK_COEFFICIENTS
from aggregator.proofs.statement import Witness
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.randomness import field_elements
from aggregator.settlement import Outcome, RoundRules, settle
from aggregator.srs import Srs
from market.srs import ceremony
from market.srs.files import Stages, load, no_stages
from scripts.benchmarks.process import ROOT

SEED = keccak(b"gramercy/benchmark")
BUDGET = 10**18
MAX_UPDATES = 64
_CHAIN_ID = 31337


@dataclass(frozen=True, slots=True)
class Parameters:
    """``n`` updates of ``d`` entries of ``bits`` bits; each thing is timed ``repeat`` times (0: see ``timed``).

    Raises
    ------
    OutOfRange
        If a Gram matrix of such updates does not fit 64 bits, or a number is out of range.

    """

    n: int
    d: int
    bits: int
    repeat: int = 0

    def __post_init__(self) -> None:
        check_dimension(self.d, self.bits)
        if not 1 <= self.n <= MAX_UPDATES:
            raise OutOfRange(f"a round has 1 to {MAX_UPDATES} updates, not {self.n}")
        if self.repeat < 0:
            raise OutOfRange("--repeat is not negative")


def prepare_srs(dimension: int, *, stages: Stages = no_stages) -> None:
    """Have the development SRS of d + 8 powers on disk."""
    path = _srs_path(dimension)
    if not path.exists():
        ceremony.development(path, dimension + MASK_COEFFICIENTS, stages=stages, replace=True)


def open_srs(dimension: int) -> Srs:
    """Return that SRS, mapped from its file."""
    return load(_srs_path(dimension)).srs


def random_update(index: int, parameters: Parameters) -> IntVector:
    """Return one update with uniform entries."""
    limit = _limit(parameters)
    drawn = np.random.default_rng([index, parameters.d, parameters.bits])
    if entry_dtype(parameters.bits) == np.int8:
        return drawn.integers(-limit, limit, parameters.d, dtype=np.int8, endpoint=True)
    return drawn.integers(-limit, limit, parameters.d, dtype=np.int16, endpoint=True)


def similar_update(index: int, parameters: Parameters) -> IntVector:
    """Return one of several updates that agree in direction, as honest trainers' do."""
    limit = _limit(parameters)
    common, own = (np.random.default_rng(seed).normal(size=parameters.d) for seed in ([0], [1, index]))
    entries = np.clip(np.rint(limit / 8 * (common + own)), -limit, limit)
    return entries.astype(np.int8) if entry_dtype(parameters.bits) == np.int8 else entries.astype(np.int16)


def blinding(index: int) -> Blinding:
    """Return one update's blinding."""
    first, second, third = field_elements(SEED, b"blinding" + index.to_bytes(4, "big"), 3)
    return first, second, third


def rules(parameters: Parameters) -> RoundRules:
    """Return a job's arithmetic: Multi-Krum with the largest f that n updates tolerate, Shapley, floor and cap."""
    return RoundRules(
        rule="multi-krum",
        score="shapley",
        byzantine=max(0, (parameters.n - 3) // 2),
        dimension=parameters.d,
        bits=parameters.bits,
        headroom_bits=1,
        budget=BUDGET,
        floor_bps=5_000,
        cap_bps=30_000,
    )


def statement(parameters: Parameters, commitments: tuple[Point, ...], gram: GramMatrix) -> GramStatement:
    """Return the statement of a round with made-up parties."""
    return GramStatement(
        round_id=RoundId(_CHAIN_ID, keccak(b"market")[:20], 1, 1),
        aggregator=keccak(b"aggregator")[:20],
        rules=rules(parameters),
        scale_exponent=-7,
        trainers=tuple(keccak(b"trainer %d" % index)[:20] for index in range(parameters.n)),
        stakes=tuple(stake(index) for index in range(parameters.n)),
        commitments=commitments,
        gram=pack_gram(gram),
    )


def outcome_of(parameters: Parameters, gram: GramMatrix, trainers: Sequence[bytes], scale_exponent: int) -> Outcome:
    """Return what follows from a first round's Gram matrix."""
    stakes = [stake(index) for index in range(parameters.n)]
    products = Products.of_updates(gram.tolist())
    return settle(rules(parameters), products, stakes, scale_exponent=scale_exponent, trainers=trainers)


def whole(claim: GramStatement, outcome: Outcome) -> Statement:
    """Return a first round's whole statement."""
    return Statement(
        gram=claim,
        weights=outcome.weights,
        scores=outcome.scores,
        payouts=outcome.payouts,
        aggregate_commitment=aggregate_commitment(claim, outcome.weights),
        next_scale_exponent=outcome.next_scale_exponent,
        next_memory_digest=outcome.memory.digest(),
        witness=Witness(b"", outcome.rule_hints, outcome.score_hints, outcome.floor_hints),
    )


def stake(index: int) -> int:
    """Return a trainer's stake, in wei."""
    return 10**18 + 10**15 * index


def _limit(parameters: Parameters) -> int:
    return int((1 << (parameters.bits - 1)) - 1)


def cache_folder() -> Path:
    """Return where reference strings are kept between runs."""
    folder = os.environ.get("GRAMERCY_BENCH_CACHE")
    path = Path(folder) if folder else ROOT / ".cache" / "benchmarks"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _srs_path(dimension: int) -> Path:
    return cache_folder() / f"development-{dimension + MASK_COEFFICIENTS}.srs"
