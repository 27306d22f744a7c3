"""Flag Aggregator: the mean of the updates' projections on the subspace that reconstructs most of them best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from aggregator.errors import RuleNotApplicable
from aggregator.products import Products
from aggregator.rules.base import WEIGHT_ONE, Decision
from aggregator.rules.spectra import FloatArray, eigenvectors

STEPS = 5
_EPSILON = 1e-7
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Flag:
    """Flag Aggregator of Almasi, Mishra, Vamanan and Ravi (ICLR 2024), algorithm 1, from the Gram matrix.

    Finds the subspace Y of dimension ``ceil((n + 1) / 2)`` that minimises
    ``sum_i sqrt(1 - |Y^T u_i|**2 / |u_i|**2)`` by iteratively reweighted least squares: each step takes the leading
    eigenvectors of a weighted scatter of directions. Outputs ``Y Y^T (mean of the updates)``. Y lies in the updates'
    span. The symmetric root of the Gram matrix of directions has columns with the same inner products as the
    directions, so these n-vectors stand for them.

    ``pairwise`` > 0 adds the paper's regulariser: differences of directions, weighed by ``pairwise / (n (n - 1))``. It
    is off by default, as in the authors' code.

    Departures. IRLS starts from equal weights, where the authors' code starts from a random subspace. The mean is
    weighed by stake. The output's weights on the updates may be negative or sum to more than 1; the proof's ranges do
    not hold such weights, so negative ones are cut off at 0, and the rest scaled down where their sum exceeds 1.
    The weights are those of least norm where updates are dependent. Zero updates are not accepted.

    In float64, so no contract checks it and it does not settle. Cost: O(n^3) a step; with ``pairwise``, O(n^4).

    Attributes
    ----------
    pairwise
        The paper's lambda.

    """

    id: str = "flag"
    pairwise: float = 0.0
    settles: bool = False
    needs_reference: bool = False
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Weigh n >= 1 updates; accepted is what has a positive weight."""
        n = len(stakes)
        if n == 0:
            raise RuleNotApplicable("the Flag Aggregator needs an update")
        gram = np.array(products.gram, dtype=np.float64)
        norms = np.sqrt(np.maximum(np.diag(gram), 0))
        there = np.flatnonzero(norms > 0)
        weights = np.zeros(n)
        if len(there):
            total = sum(stakes)
            shares = np.array([stake / total for stake in stakes])[there]
            lengths = norms[there]
            cosines = gram[np.ix_(there, there)] / np.outer(lengths, lengths)
            weights[there] = self._project(cosines, lengths * shares) / lengths
        weights = np.maximum(weights, 0)
        weights /= max(1.0, float(weights.sum()) * (1 + 2.0**-40))
        exact = tuple(int(weight * WEIGHT_ONE) for weight in weights)
        return Decision(tuple(weight > 0 for weight in exact), exact)

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """No contract checks this rule."""
        return b""

    def _project(self, cosines: FloatArray, coefficients: FloatArray) -> FloatArray:
        """Return coefficients on the directions of the projection of ``sum_i coefficients_i direction_i``."""
        values, vectors = eigenvectors(cosines)
        roots = np.sqrt(np.maximum(values, 0))
        points = (vectors * roots) @ vectors.T
        subspace = self._subspace(points)
        projection = subspace @ (subspace.T @ (points @ coefficients))
        inverse = np.divide(1, roots, out=np.zeros_like(roots), where=roots > _RANK_TOLERANCE**0.5 * roots.max())
        return np.asarray(vectors @ (inverse * (vectors.T @ projection)))

    def _subspace(self, points: FloatArray) -> FloatArray:
        """Return an orthonormal basis (k, dimension) of the flag median of k unit columns."""
        count = points.shape[1]
        columns, priors = points, np.ones(count)
        if self.pairwise > 0 and count > 1:
            pairs = [points[:, i] - points[:, j] for i, j in combinations(range(count), 2)]
            columns = np.column_stack([points, *pairs])
            priors = np.append(priors, np.full(len(pairs), 2 * (self.pairwise / (count * (count - 1))) ** 2))
        leading = (count + 2) // 2
        weights = priors
        subspace = points
        for _ in range(STEPS):
            subspace = eigenvectors((columns * weights) @ columns.T)[1][:, -leading:]
            missing = 1 - np.square(subspace.T @ columns).sum(axis=0)
            weights = priors / np.sqrt(np.abs(missing) + _EPSILON)
        return subspace
