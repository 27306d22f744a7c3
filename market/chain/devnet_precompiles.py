"""The precompiles of BN254 (EIP-196, EIP-197, gas of EIP-1108) on the kernel that provers use.

py-evm computes them in plain Python: 10 ms for a multiplication, half a second for three pairings; a settlement needs
dozens of the one and three of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from eth.abc import ComputationAPI
from eth.exceptions import VMError
from eth.vm.forks.prague.computation import PragueComputation
from eth_typing import Address

from aggregator.bn254 import G2Point, Point, R, decode_point, encode_point, kernel
from aggregator.commitments import linear_combination
from aggregator.errors import InvalidPoint

ADDITION_GAS: Final = 150
MULTIPLICATION_GAS: Final = 6_000
PAIRING_BASE_GAS: Final = 45_000
PAIRING_GAS: Final = 34_000
_WORD: Final = 32
_POINT: Final = 64
_PAIR: Final = 192


def add(computation: ComputationAPI) -> ComputationAPI:
    """ECADD: two points, missing bytes zero, further bytes ignored."""
    computation.consume_gas(ADDITION_GAS, reason="ECADD Precompile")
    data = _padded(computation, 2 * _POINT)
    total = linear_combination([_point(data[:_POINT]), _point(data[_POINT:])], [1, 1])
    computation.output = encode_point(total)
    return computation


def multiply(computation: ComputationAPI) -> ComputationAPI:
    """ECMUL: a point and any word as a scalar."""
    computation.consume_gas(MULTIPLICATION_GAS, reason="ECMUL Precompile")
    data = _padded(computation, _POINT + _WORD)
    scalar = int.from_bytes(data[_POINT:], "big") % R
    computation.output = encode_point(linear_combination([_point(data[:_POINT])], [scalar]))
    return computation


def pairing(computation: ComputationAPI) -> ComputationAPI:
    """ECPAIRING: whether the product over all pairs is one; of no pairs it is."""
    data = bytes(computation.msg.data)
    if len(data) % _PAIR:
        raise VMError("Invalid ECPAIRING parameters")
    count = len(data) // _PAIR
    computation.consume_gas(PAIRING_BASE_GAS + count * PAIRING_GAS, reason="ECPAIRING Precompile")
    pairs = [_pair(data[at : at + _PAIR]) for at in range(0, len(data), _PAIR)]
    finite = [(point, second) for point, second in pairs if second is not None]
    try:
        result = kernel().pairing_check(finite) if finite else True
    except InvalidPoint:
        raise VMError("Invalid ECPAIRING parameters") from None
    computation.output = int(result).to_bytes(_WORD, "big")
    return computation


_BY_ADDRESS: Final[dict[int, Callable[[ComputationAPI], ComputationAPI]]] = {6: add, 7: multiply, 8: pairing}


class FastCurveComputation(PragueComputation):
    """Prague's rules with these precompiles in place of py-evm's."""

    _precompiles = PragueComputation.get_precompiles() | {
        Address(number.to_bytes(20, "big")): function for number, function in _BY_ADDRESS.items()
    }


def _padded(computation: ComputationAPI, length: int) -> bytes:
    return bytes(computation.msg.data)[:length].ljust(length, b"\0")


def _point(data: bytes) -> Point:
    try:
        return decode_point(data)
    except InvalidPoint:
        raise VMError("Invalid point of BN254") from None


def _pair(data: bytes) -> tuple[Point, G2Point | None]:
    """Return a pair; None for a second point at infinity, which pairs with anything to one."""
    x_imaginary, x_real, y_imaginary, y_real = (
        int.from_bytes(data[at : at + _WORD], "big") for at in range(_POINT, _PAIR, _WORD)
    )
    point, second = _point(data[:_POINT]), ((x_real, x_imaginary), (y_real, y_imaginary))
    return point, None if data[_POINT:] == bytes(_PAIR - _POINT) else second
