"""Attacks that use other trainers' updates.

Sealed payloads keep updates from everybody but the job's aggregators. What is left to an attacker is an estimate, from
its own samples, of what the others submit; or another's ciphertext, which it cannot read.

The updates are seen one after the other and only sums are kept, so that memory does not grow with their
number. Sums are float64, results float32.
"""

# ruff: noqa: ARG002 - all behaviours share one signature

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from aggregator.errors import WrongShape
from market.errors import ConfigError
from market.trainer.behaviours.base import Honest, Vector


@dataclass(frozen=True)
class Copy(Honest):
    """Submit ``strength`` times the first peer's update: earn with another's work.

    Source: the plagiarism attack that commit-and-reveal schemes are meant to stop; the exact copy is
    ``strength`` 1. That is what happens where payloads are readable (the undefended baseline). In a market a copier
    sends the peer's ciphertext under the peer's commitment plus a small known amount; no aggregator can open it.
    """

    name: ClassVar[str] = "copy"
    needs_peers: ClassVar[bool] = True
    steals: ClassVar[bool] = True
    strength: float = 1.0

    def craft(
        self,
        own: Vector,
        peers: Iterable[Vector],
        rng: np.random.Generator,
        *,
        n: int,
        f: int,
    ) -> Vector:
        """Return the scaled copy."""
        for peer in peers:
            _check_peer(own, peer)
            return peer * np.float32(self.strength)
        raise _no_peers(self.name)


@dataclass(frozen=True)
class Alie(Honest):
    """Submit ``mean - z * deviation`` of the honest updates, coordinate by coordinate ("A Little Is Enough").

    Source: Baruch, Baruch and Goldberg 2019, Algorithm 3: with ``s = floor(n/2 + 1) - f`` supporters needed,
    ``z`` is the standard normal quantile of ``(n - f - s) / (n - f)``. The deviation is the population's, as
    in the authors' program. ``strength`` replaces ``z`` if given.

    As in the paper, the attacker does not see the honest updates: it estimates mean and deviation from samples of its
    own. Departure: ``z`` is not let below 0. Note that the formula gives ``z <= 0``, hence the harmless
    mean, for small groups with few attackers (n = 10 with f = 2: 0; n = 10 with f = 4: 0.43): test those with
    a stated strength, say ``alie:1.5``.
    """

    name: ClassVar[str] = "alie"
    needs_peers: ClassVar[bool] = True
    strength: float | None = None

    def craft(
        self,
        own: Vector,
        peers: Iterable[Vector],
        rng: np.random.Generator,
        *,
        n: int,
        f: int,
    ) -> Vector:
        """Return the shifted mean."""
        z = alie_quantile(n, f) if self.strength is None else self.strength
        mean, deviation = _moments(own, peers, self.name)
        deviation *= -z
        mean += deviation
        return mean.astype(np.float32)


@dataclass(frozen=True)
class Ipm(Honest):
    """Submit ``-strength`` times the mean of the honest updates (inner product manipulation).

    Source: Xie, Koyejo and Gupta 2020 ("Fall of Empires"), where the strength is called epsilon. The default
    0.1 stays close enough to zero to pass distance-based rules; the plain mean is reversed only by a strength
    above ``(n - f) / f``. Departure: the mean is an estimate from the attacker's own samples, as the others' updates
    are sealed; the authors let the attacker see them.
    """

    name: ClassVar[str] = "ipm"
    needs_peers: ClassVar[bool] = True
    strength: float = 0.1

    def craft(
        self,
        own: Vector,
        peers: Iterable[Vector],
        rng: np.random.Generator,
        *,
        n: int,
        f: int,
    ) -> Vector:
        """Return the scaled opposite of the mean."""
        total, count = np.zeros(own.shape, dtype=np.float64), 0
        for peer in peers:
            _check_peer(own, peer)
            total += peer
            count += 1
        if count == 0:
            raise _no_peers(self.name)
        total *= -self.strength / count
        return total.astype(np.float32)


def alie_quantile(n: int, f: int) -> float:
    """Return ``z`` of Baruch et al. 2019, Algorithm 3, for ``f`` attackers among ``n`` trainers, at least 0.

    Raises
    ------
    ConfigError
        Unless ``0 < f <= n / 2``: with more attackers no honest supporter is needed and ``z`` has no bound.

    """
    supporters = n // 2 + 1 - f
    if f < 1 or supporters < 1:
        raise ConfigError(
            f"alie is defined for 0 < f <= n / 2, not f = {f} of n = {n}.", hint="State a strength: alie:1.5."
        )
    share = (n - f - supporters) / (n - f)
    return max(0.0, NormalDist().inv_cdf(share)) if share > 0 else 0.0


def _moments(own: Vector, peers: Iterable[Vector], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and population deviation of the peers, by Welford's recurrence (no cancellation)."""
    mean = np.zeros(own.shape, dtype=np.float64)
    squares = np.zeros(own.shape, dtype=np.float64)
    count = 0
    for peer in peers:
        _check_peer(own, peer)
        count += 1
        before = peer - mean
        mean += before / count
        before *= peer - mean
        squares += before
    if count == 0:
        raise _no_peers(name)
    squares /= count
    return mean, np.sqrt(squares, out=squares)


def _check_peer(own: Vector, peer: Vector) -> None:
    if peer.dtype != np.float32 or peer.shape != own.shape:
        raise WrongShape(f"A peer's update is {peer.dtype} of shape {peer.shape}, not float32 of shape {own.shape}.")


def _no_peers(name: str) -> ConfigError:
    return ConfigError(f"The behaviour {name} needs other trainers' updates, and got none.")
