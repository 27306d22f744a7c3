"""Eigenvectors of small symmetric matrices on one thread, for spectral rules."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it has no annotations

FloatArray = npt.NDArray[np.float64]


def eigenvectors(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a symmetric matrix's eigenvalues in ascending order, and its eigenvectors as columns.

    For matrices as small as a round's, starting threads takes many times as long as the work.
    """
    with _blas().limit(limits=1, user_api="blas"):
        values, vectors = np.linalg.eigh(matrix)
    return values, vectors


@cache
def _blas() -> ThreadpoolController:
    """Look for loaded libraries once; it takes milliseconds."""
    return ThreadpoolController()
