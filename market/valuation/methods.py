"""Values of players from the utilities of coalitions: exact Shapley, leave-one-out, and two estimates by sampling.

A utility is any function of a coalition, such as the accuracy of the model that the coalition's updates give. Each
coalition is evaluated once and remembered; what a method costs is the number of coalitions that it evaluates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from aggregator.errors import OutOfRange

Coalition = frozenset[int]
Utility = Callable[[Coalition], float]
Progress = Callable[[int], None]
"""Called with the number of evaluations done since the last call."""

MOST_EXACT_PLAYERS = 16
"""2^16 evaluations: more are never worth while here."""


@dataclass(frozen=True, slots=True)
class Valuation:
    """One value for each player, and the number of coalitions that were evaluated for them."""

    values: tuple[float, ...]
    evaluations: int


class CountedUtility:
    """A utility that remembers what it has evaluated, and counts it.

    Attributes
    ----------
    evaluations
        Coalitions evaluated so far.

    """

    def __init__(self, utility: Utility, *, progress: Progress | None = None) -> None:
        self._utility = utility
        self._known: dict[Coalition, float] = {}
        self._progress = progress

    @property
    def evaluations(self) -> int:
        """Number of different coalitions evaluated."""
        return len(self._known)

    def __call__(self, coalition: Coalition) -> float:
        """Return the coalition's utility, evaluated at most once."""
        if coalition not in self._known:
            self._known[coalition] = float(self._utility(coalition))
            if self._progress:
                self._progress(1)
        return self._known[coalition]


def exact_shapley(utility: Utility, players: int, *, progress: Progress | None = None) -> Valuation:
    """Return the Shapley values (Shapley 1953) by all ``2^players`` coalitions.

    Raises
    ------
    OutOfRange
        If there are none, or more than 16.

    """
    _check_players(players, most=MOST_EXACT_PLAYERS)
    counted = CountedUtility(utility, progress=progress)
    values = [0.0] * players
    for size in range(players):
        share = 1 / (players * math.comb(players - 1, size))
        for members in combinations(range(players), size):
            without = frozenset(members)
            for player in range(players):
                if player not in without:
                    values[player] += share * (counted(without | {player}) - counted(without))
    return Valuation(tuple(values), counted.evaluations)


def leave_one_out(utility: Utility, players: int, *, progress: Progress | None = None) -> Valuation:
    """Return ``v(all) - v(all but i)`` for each player i: ``players + 1`` evaluations."""
    _check_players(players)
    counted = CountedUtility(utility, progress=progress)
    everybody = frozenset(range(players))
    values = tuple(counted(everybody) - counted(everybody - {player}) for player in range(players))
    return Valuation(values, counted.evaluations)


def truncated_monte_carlo(
    utility: Utility,
    players: int,
    *,
    seed: int,
    permutations: int = 100,
    tolerance: float = 0.01,
    progress: Progress | None = None,
) -> Valuation:
    """Estimate Shapley values by random permutations, each cut short where little is left to gain.

    Truncated Monte Carlo Shapley of Ghorbani and Zou (2019, "Data Shapley", Algorithm 1): walking along a permutation,
    a player is credited with the gain it brings; once the utility is within ``tolerance`` of that of all players, the
    rest of the permutation is credited with nothing, and not evaluated. Departure: a fixed number of permutations
    instead of a test of convergence, so that the cost is known beforehand.
    """
    _check_players(players)
    if permutations < 1 or tolerance < 0:
        raise OutOfRange(f"{permutations} permutations and a tolerance of {tolerance} cannot be")
    counted = CountedUtility(utility, progress=progress)
    rng = np.random.default_rng(seed)
    total = np.zeros(players)
    for _ in range(permutations):
        total += _gains(counted, rng.permutation(players).tolist(), tolerance)
    return Valuation(tuple((total / permutations).tolist()), counted.evaluations)


def guided_truncated_shapley(
    utility: Utility,
    players: int,
    *,
    seed: int,
    between_rounds: float = 0.001,
    within_round: float = 0.001,
    change: float = 0.05,
    least: int = 30,
    most: int = 500,
    progress: Progress | None = None,
) -> Valuation:
    """Estimate one round's Shapley values by GTG-Shapley.

    Liu, Chen, Yu, Liu and Cui (2022, "GTG-Shapley", ACM TIST 13(4), Algorithm 1). The round is worth nothing to anybody
    where the utility of all differs from that of none by at most ``between_rounds``. Otherwise permutations are
    sampled in turns of one for each player, which comes first in its permutation and the others at random (guided
    sampling), each truncated within ``within_round`` of the utility of all. Sampling stops when the last ten estimates
    differ from the present one by less than the share ``change`` on average, after ``least`` permutations or more.

    Thresholds are those of the authors' published program, which the paper leaves to the reader. ``most`` permutations
    bound what a round costs.
    """
    _check_players(players)
    counted = CountedUtility(utility, progress=progress)
    everybody: Coalition = frozenset(range(players))
    if abs(counted(everybody) - counted(frozenset())) <= between_rounds:
        return Valuation((0.0,) * players, counted.evaluations)
    rng = np.random.default_rng(seed)
    total, estimates = np.zeros(players), list[np.ndarray]()
    while len(estimates) < most and not _settled(estimates, change, max(least, players)):
        for first in range(players):
            others = rng.permutation([player for player in range(players) if player != first]).tolist()
            total += _gains(counted, [first, *others], within_round)
            estimates.append(total / (len(estimates) + 1))
    return Valuation(tuple(estimates[-1].tolist()), counted.evaluations)


def _gains(utility: Utility, order: Sequence[int], tolerance: float) -> np.ndarray:
    """Return what each player adds to those before it in ``order``; 0 from where the tolerance is met."""
    gains = np.zeros(len(order))
    everybody, before = utility(frozenset(order)), utility(frozenset())
    for place, player in enumerate(order, start=1):
        if abs(everybody - before) <= tolerance:
            break
        after = utility(frozenset(order[:place]))
        gains[player] = after - before
        before = after
    return gains


_WINDOW = 10


def _settled(estimates: Sequence[np.ndarray], change: float, least: int) -> bool:
    if len(estimates) < max(least, _WINDOW + 1):
        return False
    now = estimates[-1]
    scale = np.maximum(np.abs(now), np.finfo(float).eps)
    return all(float(np.mean(np.abs(now - before) / scale)) < change for before in estimates[-1 - _WINDOW : -1])


def _check_players(players: int, *, most: int | None = None) -> None:
    if players < 1 or (most is not None and players > most):
        raise OutOfRange(f"{players} players: a valuation takes 1" + (f" to {most}" if most else " or more"))


def summed(valuations: Iterable[Valuation]) -> Valuation:
    """Return the sum of several rounds' values: the value over a job, as the Shapley value is linear in the game."""
    parts = list(valuations)
    if not parts:
        raise OutOfRange("there is no valuation to sum")
    columns = zip(*(part.values for part in parts), strict=True)
    return Valuation(tuple(math.fsum(column) for column in columns), sum(part.evaluations for part in parts))
