"""CAF, a spectral filter: down-weighs updates along the direction in which all of them vary most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import Decision
from aggregator.rules.spectra import FloatArray, eigenvectors
from aggregator.rules.weighing import normalised

_MASS_BITS = 52


@dataclass(frozen=True, slots=True)
class Caf:
    """Covariance-bound agnostic filter of Allouah, Guerraoui and Stephan (ICML 2025), algorithm 3.

    Starts from a mass of one for each update. While more than ``n - 2f`` is left: takes the mean and the covariance
    under the masses, its greatest eigenvalue and eigenvector v, and multiplies each mass by ``1 - tau_i / max tau``
    where ``tau_i`` is the squared deviation of update i along v. Outputs the mean whose greatest eigenvalue was the
    least. Everything is computed from the Gram matrix: the eigenvectors lie in the span of the deviations.

    Departures. byzfl takes for v one power step from a random vector; here v is exact, so that the outcome is the same
    each time. The maximum is over updates that have mass left; byzfl's is over all, so that an update already filtered
    out keeps the others from being so, for ever in some cases. byzfl returns nothing where f = 0; here the mean. Masses
    start from the stakes' shares of n. f is at most ``(n - 1) // 2``.

    In float64, so no contract checks it and it does not settle. Cost: O(n^3) a round of the filter, at most n rounds.
    """

    id: str = "caf"
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Weigh n >= 1 updates; accepted is what keeps any mass."""
        n = len(stakes)
        if n == 0:
            raise RuleNotApplicable("CAF needs an update")
        gram = np.array(products.gram, dtype=np.float64)
        keep = n - 2 * min(byzantine, (n - 1) // 2)
        total = sum(stakes)
        masses = np.array([stake / total * n for stake in stakes])
        best, least = masses, np.inf
        while True:
            spread, deviations = _greatest_spread(gram, masses)
            if spread < least:
                best, least = masses, spread
            greatest = deviations[masses > 0].max()
            if spread <= 0 or greatest <= 0:
                break
            masses = masses * np.maximum(1 - deviations / greatest, 0)
            if masses.sum() <= keep:
                break
        weights = normalised([int(np.ldexp(mass, _MASS_BITS)) for mass in best])
        return Decision(tuple(weight > 0 for weight in weights), weights)

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """No contract checks this rule."""
        return b""


def _greatest_spread(gram: FloatArray, masses: FloatArray) -> tuple[float, FloatArray]:
    """Return the covariance's greatest eigenvalue, and each update's squared deviation along its eigenvector."""
    shares = masses / masses.sum()
    products = gram @ shares
    centred = gram - products[:, None] - products[None, :] + shares @ products
    roots = np.sqrt(shares)
    values, vectors = eigenvectors(centred * np.outer(roots, roots))
    spread = float(values[-1])
    if spread <= 0:
        return 0.0, np.zeros(len(masses))
    return spread, np.square(centred @ (roots * vectors[:, -1])) / spread
