"""The mcl library, as the package mclbn256 ships it, called through ctypes.

mcl keeps curve points in the limbs of ``Points`` with a third coordinate, z, appended: one for an affine point, zero
for infinity. Its scalars are in Montgomery form too.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from types import ModuleType

import numpy as np
import numpy.typing as npt

from aggregator.bn254.arguments import check_pairs
from aggregator.bn254.curve import (
    COORDINATE_BYTES,
    LIMBS,
    POINT_LIMBS,
    G2Point,
    P,
    Point,
    Points,
    R,
    pack_points,
)
from aggregator.errors import InvalidPoint

_SNARK_CURVE = 4  # mclBn_CurveSNARK1, the curve of EIP-196; the package sets another one when it is imported
_POINT_LIMBS = 3 * LIMBS
_GT_LIMBS = 12 * LIMBS
_MONTGOMERY = 1 << 256
_ORDER_DIGITS = 1024

Limbs = npt.NDArray[np.uint64]

_initialising = threading.Lock()


class Mcl:
    """The functions of the library that the portable kernel uses.

    Raises
    ------
    ImportError
        If the package is not installed, or its library cannot be loaded or does not know the curve.

    """

    def __init__(self) -> None:
        # The package is one module of 21 MB that holds the library, so it is imported only where it is used.
        try:
            from mclbn256 import mclbn256 as package
        except OSError as error:
            raise ImportError(f"mcl cannot be loaded: {error}") from error
        with _initialising:
            self._lib = _library_for_the_curve(package)
        self._one = field_limbs([1], P)[0]

    def from_points(self, points: Points) -> Limbs:
        """Return (N, 12) mcl points."""
        extended = np.zeros((len(points), _POINT_LIMBS), dtype=np.uint64)
        extended[:, :POINT_LIMBS] = points
        extended[(points != 0).any(axis=1), POINT_LIMBS:] = self._one
        return extended

    def to_points(self, extended: Limbs) -> Points:
        """Return (N, 8) affine points; normalises ``extended`` in place, which turns infinity into zeros."""
        for row in range(len(extended)):
            address = _address(extended, row)
            self._lib.mclBnG1_normalize(address, address)
        return extended[:, :POINT_LIMBS].copy()

    def multiply_sum(self, points: Limbs, scalars: Limbs) -> Limbs:
        """Return ``sum_k scalars_k points_k`` as (1, 12); may renormalise ``points``. Short ones are faster."""
        result = np.zeros((1, _POINT_LIMBS), dtype=np.uint64)
        if len(scalars):
            count = ctypes.c_size_t(len(scalars))
            self._lib.mclBnG1_mulVec(_address(result), _address(points), _address(scalars), count)
        return result

    def multiply_each(self, points: Limbs, scalars: Limbs) -> Limbs:
        """Return ``scalars_k points_k`` as (N, 12); one point serves for all scalars."""
        result = np.zeros((len(scalars), _POINT_LIMBS), dtype=np.uint64)
        for row in range(len(scalars)):
            point = _address(points, row if len(points) > 1 else 0)
            self._lib.mclBnG1_mul(_address(result, row), point, _address(scalars, row))
        return result

    def add(self, left: Limbs, right: Limbs) -> Limbs:
        """Return the sum of two points, (1, 12) each."""
        return self._binary(self._lib.mclBnG1_add, left, right)

    def subtract(self, left: Limbs, right: Limbs) -> Limbs:
        """Return the difference of two points, (1, 12) each."""
        return self._binary(self._lib.mclBnG1_sub, left, right)

    def pairing_check(self, pairs: Sequence[tuple[Point, G2Point]]) -> bool:
        """See ``Kernel.pairing_check``: the Miller loops are multiplied, then exponentiated once."""
        check_pairs(pairs)
        g2_points = np.stack([field_limbs([*x, *y, 1, 0], P).reshape(-1) for _, (x, y) in pairs])
        for row in range(len(pairs)):
            if not self._lib.mclBnG2_isValid(_address(g2_points, row)):
                raise InvalidPoint("a G2 point is not on the twist of the curve")
            if not self._lib.mclBnG2_isValidOrder(_address(g2_points, row)):
                raise InvalidPoint("a G2 point is not in the subgroup of order R")
        finite = [row for row, (point, _) in enumerate(pairs) if point is not None]
        if not finite:
            return True
        g1_points, g2_points = self.from_points(pack_points([pairs[row][0] for row in finite])), g2_points[finite]
        product = np.zeros((1, _GT_LIMBS), dtype=np.uint64)
        count = ctypes.c_size_t(len(finite))
        self._lib.mclBn_millerLoopVec(_address(product), _address(g1_points), _address(g2_points), count)
        self._lib.mclBn_finalExp(_address(product), _address(product))
        return bool(self._lib.mclBnGT_isOne(_address(product)))

    @staticmethod
    def _binary(operation: ctypes._NamedFuncPointer, left: Limbs, right: Limbs) -> Limbs:
        result = np.zeros((1, _POINT_LIMBS), dtype=np.uint64)
        operation(_address(result), _address(left), _address(right))
        return result


@cache
def _library_for_the_curve(package: ModuleType) -> ctypes.CDLL:
    """Return the package's library, set to the curve; once, as others may be computing by then."""
    library: ctypes.CDLL = package.lib
    order = ctypes.create_string_buffer(_ORDER_DIGITS)
    if library.mclBn_init(_SNARK_CURVE, package.MCLBN_COMPILED_TIME_VAR) or not library.mclBn_getCurveOrder(
        order, ctypes.c_size_t(len(order))
    ):
        raise ImportError("mcl does not know the curve BN254")
    if int(order.value) != R:
        raise ImportError("mcl is set to another curve")
    return library


def field_limbs(values: Iterable[int], modulus: int) -> Limbs:
    """Return integers as (N, 4) limbs in Montgomery form for ``modulus``."""
    data = bytearray(b"".join((x * _MONTGOMERY % modulus).to_bytes(COORDINATE_BYTES, "little") for x in values))
    return np.frombuffer(data, dtype="<u8").reshape(-1, LIMBS).astype(np.uint64, copy=False)


def _address(array: Limbs, row: int = 0) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data + row * array.strides[0])
