"""The SRS: digests against an independent computation, the development SRS, and the check of every point."""

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak
from py_ecc import optimized_bn128 as bn

from aggregator import srs as module
from aggregator.bn254 import G2_GENERATOR, GENERATOR, Points, R, pack_points, unpack_points
from aggregator.errors import InvalidSrs, OutOfRange, WrongShape
from aggregator.g2 import check_g2, multiply_g2
from aggregator.srs import Srs, VerifyingKey, check_srs, development_srs, powers_digest

SIZE = 12
SEED = bytes(range(32))
TAU = int.from_bytes(keccak(b"gramercy/srs/development/tau"), "big") % R
ETA = int.from_bytes(keccak(b"gramercy/srs/development/eta"), "big") % R


@pytest.fixture(scope="module")
def srs() -> Srs:
    return development_srs(SIZE)


def _g1(scalar: int) -> bytes:
    x, y = bn.normalize(bn.multiply(bn.G1, scalar % R))[:2]
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


def _g2(scalar: int) -> bytes:
    x, y = bn.normalize(bn.multiply(bn.G2, scalar % R))[:2]
    parts = (x.coeffs[1], x.coeffs[0], y.coeffs[1], y.coeffs[0])
    return b"".join(int(part).to_bytes(32, "big") for part in parts)


def _with(srs: Srs, **changes: Any) -> Srs:
    return dataclasses.replace(srs, **changes)


def _changed(points: Points, index: int, scalar: int) -> Points:
    changed = points.copy()
    changed[index] = pack_points([(int.from_bytes(_g1(scalar)[:32], "big"), int.from_bytes(_g1(scalar)[32:], "big"))])
    return changed


def test_digests_are_those_of_an_independent_computation(srs: Srs) -> None:
    inner = hashlib.sha256(b"".join(_g1(pow(TAU, k, R)) for k in range(SIZE))).digest()
    words = b"".join(
        (
            keccak(b"gramercy/srs/1"),
            SIZE.to_bytes(32, "big"),
            hashlib.sha256(inner).digest(),
            _g1(TAU),
            *(_g1(ETA * pow(TAU, k, R)) for k in range(3)),
            _g2(TAU),
            _g2(TAU * TAU),
        )
    )
    assert srs.key.digest == keccak(words)
    assert b"".join(word.to_bytes(32, "big") for word in srs.key.words()) == words[32:]


def test_digest_covers_chunks_of_two_to_the_sixteenth(srs: Srs, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.CHUNK == 1 << 16
    monkeypatch.setattr(module, "CHUNK", 5)
    told: list[int] = []
    encoded = [_g1(pow(TAU, k, R)) for k in range(SIZE)]
    inner = [hashlib.sha256(b"".join(encoded[at : at + 5])).digest() for at in (0, 5, 10)]
    expected = hashlib.sha256(b"".join(inner)).digest()
    assert powers_digest(srs.powers, told.append) == expected
    assert told == [5, 5, 2]
    again = development_srs(SIZE)
    assert again.powers_digest == expected
    assert np.array_equal(again.powers, srs.powers)


def test_the_development_secret_is_recognised(srs: Srs) -> None:
    assert srs.key.development
    assert not srs.key.initial
    other = _with(srs, powers=_changed(srs.powers, 1, TAU + 1))
    assert not other.key.development


@pytest.mark.parametrize("size", [-1, 0, 1, (1 << 28) + 1])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(OutOfRange, match="powers"):
        development_srs(size)


def test_a_valid_srs_passes_in_chunks_of_any_size(srs: Srs, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (SIZE - 1, 4):  # 11: the last chunk is a single power; 4: chunks meet
        monkeypatch.setattr(module, "CHUNK", size)
        check_srs(_with(srs, powers_digest=powers_digest(srs.powers)), SEED)


def test_every_wrong_power_is_found(srs: Srs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    for index in (1, 3, 4, SIZE - 1):
        powers = _changed(srs.powers, index, TAU + 5)
        wrong = _with(srs, powers=powers, powers_digest=powers_digest(powers))
        with pytest.raises(InvalidSrs, match="not the powers of one secret"):
            check_srs(wrong, SEED)


def test_chunks_of_another_multiple_are_found(srs: Srs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within each chunk every step is right; only the step from one chunk to the next is not."""
    monkeypatch.setattr(module, "CHUNK", 4)
    powers = srs.powers.copy()
    for index in range(4, SIZE):
        powers = _changed(powers, index, 5 * pow(TAU, index, R))
    with pytest.raises(InvalidSrs, match="one secret"):
        check_srs(_with(srs, powers=powers, powers_digest=powers_digest(powers)), SEED)


def test_two_errors_that_would_cancel_in_a_plain_sum_are_found(srs: Srs) -> None:
    powers = _changed(_changed(srs.powers, 4, pow(TAU, 4, R) + 1), 6, pow(TAU, 6, R) - 1)
    with pytest.raises(InvalidSrs, match="one secret"):
        check_srs(_with(srs, powers=powers, powers_digest=powers_digest(powers)), SEED)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_wrong_blinding_power_is_found(srs: Srs, index: int) -> None:
    with pytest.raises(InvalidSrs, match="one secret"):
        check_srs(_with(srs, blinding=_changed(srs.blinding, index, 77)), SEED)


@pytest.mark.parametrize("field", ["tau_g2", "tau2_g2"])
def test_a_wrong_point_of_g2_is_found(srs: Srs, field: str) -> None:
    wrong = multiply_g2(getattr(srs, field), 3)
    with pytest.raises(InvalidSrs, match="one secret"):
        check_srs(_with(srs, **{field: wrong}), SEED)
    (x_real, x_imaginary), y = wrong
    with pytest.raises(InvalidSrs, match="not on the curve"):
        check_srs(_with(srs, **{field: ((x_imaginary, x_real), y)}), SEED)
    with pytest.raises(InvalidSrs, match="not on the curve"):
        check_srs(_with(srs, **{field: ((0, 0), (0, 0))}), SEED)


def test_infinity_is_refused_everywhere(srs: Srs) -> None:
    for field, index in (("powers", 0), ("powers", 1), ("powers", 7), ("blinding", 0), ("blinding", 2)):
        points = getattr(srs, field).copy()
        points[index] = 0
        with pytest.raises(InvalidSrs):
            check_srs(_with(srs, **{field: points}), SEED)


def test_points_off_the_curve_are_refused(srs: Srs) -> None:
    for index in (0, 1, 9):
        powers = srs.powers.copy()
        powers[index, 0] ^= 1
        with pytest.raises(InvalidSrs):
            check_srs(_with(srs, powers=powers), SEED)


def test_the_stated_digest_must_be_the_digest(srs: Srs) -> None:
    with pytest.raises(InvalidSrs, match="digest"):
        check_srs(_with(srs, powers_digest=bytes(32)), SEED)


def test_the_first_power_must_be_the_generator(srs: Srs) -> None:
    powers = _changed(srs.powers, 0, 2)
    with pytest.raises(InvalidSrs, match="generator"):
        check_srs(_with(srs, powers=powers, powers_digest=powers_digest(powers)), SEED)


def test_short_randomness_and_wrong_shapes_are_refused(srs: Srs) -> None:
    with pytest.raises(WrongShape):
        check_srs(srs, b"short")
    for powers in (srs.powers[:1], srs.powers[:, :4], srs.powers.astype(np.int64)):
        with pytest.raises(WrongShape):
            _with(srs, powers=powers)
    with pytest.raises(WrongShape):
        _with(srs, blinding=srs.blinding[:2])


def test_verifying_key_refuses_what_no_srs_has(srs: Srs) -> None:
    key = srs.key
    with pytest.raises(InvalidSrs, match="infinity"):
        VerifyingKey.of(SIZE, key.powers_digest, None, key.blinding, key.tau_g2, key.tau2_g2)
    with pytest.raises(InvalidSrs, match="invalid"):
        VerifyingKey.of(SIZE, key.powers_digest, (1, 1), key.blinding, key.tau_g2, key.tau2_g2)
    with pytest.raises(InvalidSrs, match="32 bytes"):
        VerifyingKey.of(SIZE, b"", GENERATOR, key.blinding, key.tau_g2, key.tau2_g2)


def test_multiples_in_g2_are_those_of_py_ecc() -> None:
    for scalar in (1, 2, 3, R - 1, TAU):
        (x, y) = multiply_g2(G2_GENERATOR, scalar)
        check_g2((x, y))
        words = b"".join(value.to_bytes(32, "big") for value in (x[1], x[0], y[1], y[0]))
        assert words == _g2(scalar)


def test_the_last_powers_follow_the_first(srs: Srs) -> None:
    assert unpack_points(srs.powers[:1]) == [GENERATOR]
    assert b"".join(value.to_bytes(32, "big") for value in unpack_points(srs.powers[-1:])[0] or ()) == _g1(
        pow(TAU, SIZE - 1, R)
    )
