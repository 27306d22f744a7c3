"""The updates that all sides aggregate, in a file: quantised ones, made once for each size. NumPy only.

Honest updates agree in a common direction and differ by noise as large; the Byzantine ones point the other way.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

SCALE_EXPONENT = -12
"""An entry stands for itself times ``2**SCALE_EXPONENT``."""
CLIPPING_RADIUS = 500.0
SMOOTHING = 0.1
"""What centred clipping and the geometric median take where outputs are compared: constants, which ours avoid."""
_RMS = 4096
_LIMIT = 2**15 - 1
_BLOCK = 1 << 18


def byzantine_of(n: int) -> int:
    """Return f: a fifth of n, or as many as Bulyan tolerates if they are fewer."""
    return max(0, min(n // 5, (n - 3) // 4))


def prepare(folder: Path, n: int, d: int) -> Path:
    """Have the file of n + 1 updates (the last one is the owner's reference row), int16, one after the other."""
    path = folder / f"updates-{n}x{d}.int16"
    if path.exists() and path.stat().st_size == 2 * (n + 1) * d:
        return path
    partial = path.with_suffix(".partial")
    rows = np.memmap(partial, dtype=np.int16, mode="w+", shape=(n + 1, d))
    for start in range(0, d, _BLOCK):
        width = min(_BLOCK, d - start)
        random = np.random.default_rng([n, d, start])
        common = random.standard_normal(width, dtype=np.float32)
        for i in range(n + 1):
            direction = -2 if i < byzantine_of(n) else 1
            entries = _RMS * (direction * common + random.standard_normal(width, dtype=np.float32))
            rows[i, start : start + width] = np.clip(np.rint(entries), -_LIMIT, _LIMIT)
    rows.flush()
    os.replace(partial, path)
    return path


def load(path: str, n: int, d: int) -> npt.NDArray[np.int16]:
    """Return the n updates and the reference row, in memory, of shape (n + 1, d)."""
    return np.fromfile(path, dtype=np.int16).reshape(n + 1, d)


def dequantised(path: str, n: int, d: int) -> npt.NDArray[np.float32]:
    """Return the n updates as float32, of shape (n, d), without holding both kinds of all of them."""
    whole = np.memmap(path, dtype=np.int16, mode="r", shape=(n + 1, d))
    updates = np.empty((n, d), dtype=np.float32)
    for i in range(n):
        np.ldexp(whole[i], SCALE_EXPONENT, out=updates[i], casting="same_kind")
    return updates
