"""The devnet's BN254 precompiles against py-evm's own, on valid and invalid inputs alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth.abc import ComputationAPI
from eth.exceptions import VMError
from eth.vm.forks.prague.computation import PragueComputation
from eth_typing import Address
from py_ecc import optimized_bn128 as bn128

from aggregator.bn254 import G2_GENERATOR, P, R
from market.chain.devnet_precompiles import FastCurveComputation

Precompile = Callable[[ComputationAPI], ComputationAPI]
RANDOM = random.Random(7)


@dataclass
class Computation:
    """As much of a computation as a precompile uses."""

    msg: Any
    gas: int = 0
    output: bytes = b"untouched"
    reasons: list[str] = field(default_factory=list)

    def consume_gas(self, amount: int, reason: str) -> None:
        self.gas += amount


def run(rules: type[PragueComputation], number: int, data: bytes) -> tuple[str, int, bytes]:
    """Return how it ended, its gas and its output."""
    precompile = rules.get_precompiles()[Address(number.to_bytes(20, "big"))]
    computation = Computation(SimpleNamespace(data=data, data_as_bytes=data))
    try:
        precompile(cast(ComputationAPI, computation))
    except VMError:
        return "refused", computation.gas, b""
    return "done", computation.gas, computation.output


def g1(scalar: int) -> bytes:
    if scalar % R == 0:
        return bytes(64)
    x, y = bn128.normalize(bn128.multiply(bn128.G1, scalar % R))
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


def g2(scalar: int) -> bytes:
    if scalar % R == 0:
        return bytes(128)
    x, y = bn128.normalize(bn128.multiply(bn128.G2, scalar % R))
    words = (x.coeffs[1], x.coeffs[0], y.coeffs[1], y.coeffs[0])
    return b"".join(int(word).to_bytes(32, "big") for word in words)


A, B = RANDOM.randrange(R), RANDOM.randrange(R)
OFF_CURVE = (1).to_bytes(32, "big") + (3).to_bytes(32, "big")
TOO_LARGE = (1 + P).to_bytes(32, "big") + (2).to_bytes(32, "big")
ADDITIONS = {
    "sum": g1(A) + g1(B),
    "double": g1(A) + g1(A),
    "cancelled": g1(A) + g1(R - A),
    "infinity": bytes(64) + g1(A),
    "nothing": b"",
    "short": g1(A)[:40],
    "one point": g1(A),
    "longer": g1(A) + g1(B) + b"\xff" * 5,
    "off the curve": g1(A) + OFF_CURVE,
    "not canonical": TOO_LARGE + g1(A),
}
MULTIPLICATIONS = {
    "product": g1(A) + B.to_bytes(32, "big"),
    "scalar above r": g1(A) + (R + 5).to_bytes(32, "big"),
    "largest scalar": g1(A) + b"\xff" * 32,
    "zero": g1(A) + bytes(32),
    "r": g1(A) + R.to_bytes(32, "big"),
    "infinity": bytes(64) + B.to_bytes(32, "big"),
    "short scalar": g1(A) + b"\x01",
    "nothing": b"",
    "off the curve": OFF_CURVE + B.to_bytes(32, "big"),
    "not canonical": TOO_LARGE + B.to_bytes(32, "big"),
}
PAIRINGS = {
    "no pairs": b"",
    "product is one": g1(A) + g2(B) + g1(-A * B % R) + g2(1),
    "product is not one": g1(A) + g2(B) + g1(A) + g2(1),
    "infinity in G1": bytes(64) + g2(A),
    "infinity in G2": g1(A) + bytes(128),
    "infinities and more": bytes(64) + g2(A) + g1(A) + bytes(128) + g1(3) + g2(5),
    "broken length": g1(A) + g2(B) + b"\0",
    "G1 off the curve": OFF_CURVE + g2(1),
    "G1 off the curve beside infinity": OFF_CURVE + bytes(128),
    "G2 off the curve": g1(1) + g2(1)[:-1] + b"\x01",
    "G2 off the curve beside infinity": bytes(64) + g2(1)[:-1] + b"\x01",
    "G2 not canonical": g1(1) + (G2_GENERATOR[0][1] + P).to_bytes(32, "big") + g2(1)[32:],
    "G1 not canonical": TOO_LARGE + g2(1),
}
CASES = [
    *((6, name, data) for name, data in ADDITIONS.items()),
    *((7, name, data) for name, data in MULTIPLICATIONS.items()),
    *((8, name, data) for name, data in PAIRINGS.items()),
]


@pytest.mark.parametrize(("number", "data"), [pytest.param(n, d, id=f"{n}: {name}") for n, name, d in CASES])
def test_they_are_py_evms_own_but_for_speed(number: int, data: bytes) -> None:
    assert run(FastCurveComputation, number, data) == run(PragueComputation, number, data)


def test_a_point_of_the_twist_outside_the_subgroup_is_refused_by_both() -> None:
    candidates = (_twist_point(x) for x in range(1, 50))
    point = next(p for p in candidates if p is not None and bn128.multiply(p, R)[-1] != bn128.FQ2.zero())
    words = [*reversed([int(c) for c in point[0].coeffs]), *reversed([int(c) for c in point[1].coeffs])]
    data = g1(1) + b"".join(word.to_bytes(32, "big") for word in words)
    assert run(FastCurveComputation, 8, data) == run(PragueComputation, 8, data)
    assert run(FastCurveComputation, 8, data)[0] == "refused"


def test_every_other_precompile_is_left_as_it_is() -> None:
    ours, theirs = FastCurveComputation.get_precompiles(), PragueComputation.get_precompiles()
    assert ours.keys() == theirs.keys()
    changed = {int.from_bytes(address, "big") for address in ours if ours[address] is not theirs[address]}
    assert changed == {6, 7, 8}


def _twist_point(x: int) -> Any:
    """Return a point of the twist with that real x, or None (root: Adj, Rodriguez-Henriquez, algorithm 9)."""
    fx = bn128.FQ2([x, 0])
    square = fx * fx * fx + bn128.b2
    candidate = square ** ((P - 3) // 4)
    alpha, root = candidate * candidate * square, candidate * square
    if alpha == bn128.FQ2([P - 1, 0]):
        root = bn128.FQ2([0, 1]) * root
    else:
        root = (bn128.FQ2.one() + alpha) ** ((P - 1) // 2) * root
    return (fx, root, bn128.FQ2.one()) if root * root == square else None
