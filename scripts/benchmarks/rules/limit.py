"""The limit that rules are measured against: Gram matrix and weighted sum in float32, by a kernel made for it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scripts.benchmarks.process import MeasurementFailed

SOURCE = Path(__file__).with_name("limit.cpp")


def build(folder: Path) -> Path | None:
    """Compile the kernel for this machine; None if there is no compiler.

    Raises
    ------
    MeasurementFailed
        If the compiler refuses it.

    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    library = folder / "limit.so"
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        # not -ffast-math: a library linked with it makes the whole process flush subnormal numbers to zero
        reordered = ["-fno-signed-zeros", "-fno-trapping-math", "-fassociative-math"]
        options = ["-std=c++17", "-O3", "-march=native", *reordered, "-shared", "-fPIC", "-pthread", "-Wno-psabi"]
        done = subprocess.run(
            [compiler, *options, str(SOURCE), "-o", str(library)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise MeasurementFailed(f"the limit's kernel does not compile: {done.stderr[-300:]}")
    return library


class Limit:
    """The kernel, with updates of shape (n, d) to measure it on."""

    def __init__(self, library: str, updates: npt.NDArray[np.float32], threads: int) -> None:
        self._measure = ctypes.CDLL(library).measure
        self._updates, self._threads = updates, threads

    def seconds(self) -> tuple[float, float]:
        """Return the seconds of one Gram matrix and of one weighted sum, into a new array, as ours goes into one."""
        gram, total = ctypes.c_double(), ctypes.c_double()
        out = np.empty(self._updates.shape[1], dtype=np.float32)
        self._measure(
            self._updates.ctypes.data_as(ctypes.c_void_p),
            *map(ctypes.c_size_t, self._updates.shape),
            ctypes.c_uint(self._threads),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(gram),
            ctypes.byref(total),
        )
        return gram.value, total.value
