"""Valuations on measured accuracy, of recorded rounds: each method's values and the models it had to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from market.trainer.randomness import derive_seed
from market.valuation import (
    Coalition,
    CountedUtility,
    RoundRecord,
    RoundUtility,
    Utility,
    Valuation,
    exact_shapley,
    guided_truncated_shapley,
    leave_one_out,
    over_rounds,
    truncated_monte_carlo,
)
from scripts.benchmarks.peers_environment import PYDVL
from scripts.benchmarks.process import run_fresh
from scripts.benchmarks.valuation.scenes import Scene

PERMUTATIONS = 100
_PYDVL_MODULE = "scripts.benchmarks.valuation.peer_pydvl"
_CPU_LIMIT_SECONDS = 900
Progress = Callable[[int], None]
EXACT = "exact Shapley, accuracy"


def evaluations_ahead(trainers: int, rounds: int) -> int:
    """Return how many models `valuations` evaluates: each coalition of each round once, whatever asks for it."""
    return rounds * (1 << trainers)


def valuations(
    scene: Scene, records: Sequence[RoundRecord], seed: int, *, progress: Progress, pydvl: bool
) -> dict[str, Valuation]:
    """Return each method's values, summed over rounds, by its name.

    Coalitions are evaluated once for all methods together; a method's own count is of what it asked for.
    """
    players = len(records[0].updates)
    measured = [
        CountedUtility(RoundUtility(scene.federation.task, record, scene.measured), progress=progress)
        for record in records
    ]
    found = {
        EXACT: over_rounds(measured, lambda utility, _: exact_shapley(utility, players)),
        "leave-one-out, accuracy": over_rounds(measured, lambda utility, _: leave_one_out(utility, players)),
        f"truncated Monte Carlo x {PERMUTATIONS}": over_rounds(measured, partial(_monte_carlo, players, seed)),
        "GTG-Shapley": over_rounds(measured, partial(_guided, players, seed)),
    }
    if pydvl:
        found |= _pydvl(measured, players, seed)
    return found


def _monte_carlo(players: int, seed: int, utility: Utility, index: int) -> Valuation:
    return truncated_monte_carlo(utility, players, seed=derive_seed(seed, index), permutations=PERMUTATIONS)


def _guided(players: int, seed: int, utility: Utility, index: int) -> Valuation:
    return guided_truncated_shapley(utility, players, seed=derive_seed(seed, index))


def _pydvl(measured: Sequence[Utility], players: int, seed: int) -> dict[str, Valuation]:
    tables = [[utility(_members(place)) for place in range(1 << players)] for utility in measured]
    answer = run_fresh(
        _PYDVL_MODULE,
        {"tables": tables, "players": players, "permutations": PERMUTATIONS, "seed": seed},
        python=str(PYDVL.python),
        cpu_limit_seconds=_CPU_LIMIT_SECONDS,
    )
    names = {"plain": f"pyDVL permutations x {PERMUTATIONS}", "truncated": f"pyDVL truncated x {PERMUTATIONS}"}
    return {name: Valuation(tuple(answer[key]["values"]), answer[key]["evaluations"]) for key, name in names.items()}


def _members(place: int) -> Coalition:
    return frozenset(i for i in range(place.bit_length()) if place >> i & 1)
