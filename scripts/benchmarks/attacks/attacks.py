"""Attacks of colluding trainers that see every honest update of the step, the strongest assumption of the literature.

Each returns the Byzantine rows (f, d), or one row (d,) that all of them send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

Weigh = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A rule without memory of its own: weights (n,) from the Gram matrix (n + 1, n + 1), the reference row last."""
_EVALUATIONS, _FIRST_STEP, _RATIO = 20, 10.0, 0.8


@dataclass(frozen=True)
class View:
    """What attackers know in one step.

    Attributes
    ----------
    honest
        Honest trainers' updates (h, d).
    flipped, triggered
        What the same trainers would have sent with reversed labels, or with a backdoor's trigger (h, d).
    reference
        The reference row (d,): honest attackers of a market can estimate it from data of their own.
    byzantine
        Number of attackers ``f``.
    step, steps
        This step and their number.
    weigh
        The rule that will be applied.
    generator
        Source of randomness.

    """

    honest: torch.Tensor
    flipped: Callable[[], torch.Tensor]
    triggered: Callable[[], torch.Tensor]
    reference: torch.Tensor
    byzantine: int
    step: int
    steps: int
    weigh: Weigh
    generator: torch.Generator


Attack = Callable[[View], torch.Tensor]


def sign_flip(view: View) -> torch.Tensor:
    """Send the opposite of the honest mean (Allen-Zhu et al. 2020), as byzfl's ``SignFlipping``."""
    return torch.neg(view.honest.mean(dim=0))


def ipm(view: View, strength: float = 2.0) -> torch.Tensor:
    """Send ``-strength`` x the honest mean (Xie, Koyejo and Gupta 2020); 2 as byzfl's ``InnerProductManipulation``."""
    return view.honest.mean(dim=0) * -strength


def alie(view: View, strength: float = 1.5) -> torch.Tensor:
    """Send mean - ``strength`` x deviation (Baruch et al. 2019); 1.5 as byzfl's ``ALittleIsEnough``.

    Updates are opposite to gradients: on gradients, this is byzfl's mean + 1.5 x deviation.
    """
    return view.honest.mean(dim=0) - strength * deviation(view.honest)


def reversed_alie(view: View) -> torch.Tensor:
    """Send mean + 1.5 x deviation: the sign that Baruch et al. use on gradients, the other way round than byzfl."""
    return alie(view, -1.5)


def label_flip(view: View) -> torch.Tensor:
    """Send the mean of the updates that honest trainers would send with labels ``9 - y``.

    The attackers collude: their row averages over all honest data and has momentum, so that it is less noisy than any
    honest row. (byzfl's ``LabelFlipping`` averages likewise, without momentum.)
    """
    return view.flipped().mean(dim=0)


def optimal_alie(view: View) -> torch.Tensor:
    """Mean - t x deviation, t by byzfl's line search for the largest distance of the aggregate to the honest mean."""
    return _searched(view, -deviation(view.honest), shift=True)


def optimal_ipm(view: View) -> torch.Tensor:
    """-t x mean, t by byzfl's line search for the largest distance of the aggregate to the honest mean."""
    return _searched(view, -view.honest.mean(dim=0), shift=False)


def mimic(view: View) -> torch.Tensor:
    """Send the first honest trainer's update: over-represents its data (Karimireddy et al. 2022; byzfl's ``Mimic``)."""
    return view.honest[0].clone()


def min_max(view: View) -> torch.Tensor:
    """Largest step against the mean that stays within the honest updates' largest distance from each other.

    Shejwalkar and Houmansadr 2021, section IV-C, with the perturbation "inverse standard deviation".
    """
    return _as_far_as(view, lambda to_honest, among: to_honest.max() <= among.max())


def min_sum(view: View) -> torch.Tensor:
    """As `min_max`, bounding the sum of squared distances to the honest updates by the largest such sum among them."""
    return _as_far_as(view, lambda to_honest, among: to_honest.sum() <= among.sum(dim=1).max())


def gaussian(view: View) -> torch.Tensor:
    """Send noise of 30 times the honest mean's size (Blanchard et al. 2017 use a fixed deviation of 200)."""
    size = float(view.honest.mean(dim=0).norm()) / view.honest.shape[1] ** 0.5
    shape = (view.byzantine, view.honest.shape[1])
    return torch.mul(torch.randn(shape, generator=view.generator), 30 * size)


def free_rider(view: View) -> torch.Tensor:
    """Send zeros."""
    return torch.zeros_like(view.honest[0])


def drift(view: View) -> torch.Tensor:
    """A small constant push: the honest mean plus a fixed random direction of half its size.

    After "A little is enough": every step is inconspicuous, their sum is not.
    """
    mean = view.honest.mean(dim=0)
    fixed = torch.randn(len(mean), generator=torch.Generator().manual_seed(0))
    return mean + fixed * (0.5 * float(mean.norm() / fixed.norm()))


def late_switch(view: View) -> torch.Tensor:
    """Send honest means for half of the steps, to earn trust, then five times their opposite."""
    mean = view.honest.mean(dim=0)
    return mean if 2 * view.step < view.steps else -5 * mean


def adaptive(view: View) -> torch.Tensor:
    """Know the rule and the reference: send the candidate whose aggregate helps the honest mean's descent the least.

    Candidates combine the honest mean, the coordinates' deviation, the reference and the flipped-label row at several
    scales; harm is the inner product of the aggregate with the honest mean, found from the Gram matrix alone. Optimised
    against the known rule, as in Fang et al. 2020 and the AGR-tailored attack of Shejwalkar and Houmansadr 2021.
    """
    spread_row = deviation(view.honest)
    basis = torch.cat([view.honest, torch.stack([spread_row, view.flipped().mean(dim=0), view.reference])])
    products = _products(basis)
    h = len(view.honest)
    average = np.r_[np.full(h, 1 / h), 0, 0, 0]
    spread, flipped, reference = np.eye(h + 3)[h:]
    norm = np.sqrt(np.diag(products))
    scale = float(np.median(norm[:h]))
    mean_norm = float(np.sqrt(average @ products @ average)) + 1e-30
    directions = [
        -average / mean_norm,
        spread / (norm[h] + 1e-30),
        -spread / (norm[h] + 1e-30),
        flipped / (norm[h + 1] + 1e-30),
    ]
    fits = [0 * average, reference / (norm[h + 2] + 1e-30), average / mean_norm]
    rows = [
        size * scale * (fit + push * direction)
        for direction in directions
        for fit in fits
        for push in (0.3, 1.0, 3.0)
        for size in (0.5, 1.0, 4.0)
    ]

    def harm(row: NDArray[np.float64]) -> float:
        return -float(average @ products @ _aggregate(view, products, row, h, reference))

    best = max(rows, key=harm)
    return torch.from_numpy(best.astype(np.float32)) @ basis


def apart_alie(view: View) -> torch.Tensor:
    """As `alie`, each attacker with noise of its own half as long as the deviation, so that no two rows are alike.

    Against rules that look for copies.
    """
    row, spread = alie(view), deviation(view.honest)
    size = float(spread.norm()) / len(row) ** 0.5
    noise = torch.randn((view.byzantine, len(row)), generator=view.generator)
    return torch.add(row, noise, alpha=0.5 * size)


def backdoor(view: View) -> torch.Tensor:
    """Replace the model in one step: the poisoned update scaled by ``n / f`` (Bagdasaryan et al. 2020, section 3.2).

    Sent in every step of the last quarter; honest means before. (The paper's single step is washed out within a few
    steps of SGD, so that it would show nothing here.)
    """
    if 4 * view.step < 3 * view.steps:
        return view.honest.mean(dim=0)
    n = len(view.honest) + view.byzantine
    return view.triggered().mean(dim=0) * (n / view.byzantine)


def none(view: View) -> torch.Tensor:
    """Attackers stay away: no rows."""
    return view.honest[:0]


ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        "none": none,
        "sign-flip": sign_flip,
        "alie": alie,
        "reversed-alie": reversed_alie,
        "label-flip": label_flip,
        "ipm": ipm,
        "optimal-alie": optimal_alie,
        "optimal-ipm": optimal_ipm,
        "mimic": mimic,
        "min-max": min_max,
        "min-sum": min_sum,
        "gaussian": gaussian,
        "free-rider": free_rider,
        "drift": drift,
        "late-switch": late_switch,
        "apart-alie": apart_alie,
        "backdoor": backdoor,
        "adaptive": adaptive,
    }
)


def deviation(rows: torch.Tensor) -> torch.Tensor:
    """Return each coordinate's sample deviation (d,) of rows (h, d)."""
    centred = rows - rows.mean(dim=0)
    return centred.square_().sum(dim=0).div_(len(rows) - 1).sqrt_()


def _products(rows: torch.Tensor) -> NDArray[np.float64]:
    return (rows @ rows.T).numpy().astype(np.float64)


def _aggregate(
    view: View,
    products: NDArray[np.float64],
    row: NDArray[np.float64],
    honest: int,
    reference: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the aggregate's coefficients on the basis when all attackers send ``row`` (coefficients)."""
    everybody = np.vstack([np.eye(honest, len(row)), np.tile(row, (view.byzantine, 1)), reference])
    weights = view.weigh(everybody @ products @ everybody.T)
    aggregate: NDArray[np.float64] = weights @ everybody[: len(weights)]
    return aggregate


def _searched(view: View, direction: torch.Tensor, *, shift: bool) -> torch.Tensor:
    basis = torch.cat([view.honest, direction[None], view.reference[None]])
    products = _products(basis)
    h = len(view.honest)
    average = np.r_[np.full(h, 1 / h), 0, 0]
    along, reference = np.eye(h + 2)[h:]

    def distance(size: float) -> float:
        row = (average if shift else 0) + size * along
        off = _aggregate(view, products, row, h, reference) - average
        return float(off @ products @ off)

    best, step, growing = 0.0, _FIRST_STEP, True
    found = distance(best)
    for _ in range(_EVALUATIONS - 1):
        here = distance(best + step)
        better = here > found
        if better:
            best, found = best + step, here
        growing = growing and better
        step *= 2 if growing else _RATIO
    return (view.honest.mean(dim=0) if shift else 0) + best * direction


def _as_far_as(view: View, allowed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
    mean, direction = view.honest.mean(dim=0), -deviation(view.honest)
    among = torch.cdist(view.honest, view.honest, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    low, high = 0.0, 64.0
    for _ in range(20):
        middle = (low + high) / 2
        distances = ((view.honest - (mean + middle * direction)) ** 2).sum(dim=1)
        low, high = (middle, high) if bool(allowed(distances, among)) else (low, middle)
    return mean + low * direction
