"""Rows to try rules on, as vectors, and what rules make of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aggregator.products import Layout, Products
from aggregator.rules import WEIGHT_ONE, Decision

Matrix = npt.NDArray[np.int64]


def products_of(updates: Sequence[Sequence[int]] | Matrix, reference: Sequence[int] | Matrix | None = None) -> Products:
    rows = [[int(entry) for entry in row] for row in [*updates, *([] if reference is None else [reference])]]
    matrix = tuple(tuple(sum(a * b for a, b in zip(u, v, strict=True)) for v in rows) for u in rows)
    return Products(Layout(len(updates), reference is not None), matrix)


def normal_rows(seed: int, n: int, d: int = 40, *, scale: float = 300) -> Matrix:
    """Return n rows of d rounded normal entries around a common direction."""
    rng = np.random.default_rng(seed)
    return np.rint(rng.normal(size=d) * scale + rng.normal(size=(n, d)) * scale).astype(np.int64)


def aggregate(decision: Decision, updates: Matrix) -> npt.NDArray[np.float64]:
    """Return ``sum_i w_i u_i / 2**32``."""
    return np.array(decision.weights, dtype=np.float64) @ updates / WEIGHT_ONE
