"""Commitments: what they bind, what they hide, and how wrong openings are found."""

from __future__ import annotations

import numpy as np
import pytest
from eth_hash.auto import keccak
from py_ecc.optimized_bn128 import FQ, G1, add, eq, multiply, normalize

from aggregator.bn254 import Point, R, ints_from_vector, unpack_points, vector_from_ints
from aggregator.commitments import (
    Blinding,
    RoundId,
    check_commitments,
    combine_blindings,
    commit,
    decode_blinding,
    encode_blinding,
    linear_combination,
)
from aggregator.errors import OutOfRange, WrongShape
from aggregator.fixedpoint import IntVector
from aggregator.randomness import field_elements
from aggregator.srs import development_srs

DIMENSION = 6
SRS = development_srs(16)
ENTRIES = np.array([1, -2, 127, 0, -127, 3], dtype=np.int8)


def blinding(label: int) -> Blinding:
    first, second, third = field_elements(bytes(32), b"test" + bytes([label]), 3)
    return first, second, third


def to_point(jacobian: tuple[FQ, FQ, FQ]) -> Point:
    x, y = normalize(jacobian)
    return int(x), int(y)


def test_a_commitment_is_the_sum_it_claims_to_be() -> None:
    """Against py_ecc, term by term."""
    h = blinding(0)
    total = None
    for scalar, point in [
        *zip((int(e) for e in ENTRIES), unpack_points(SRS.powers), strict=False),
        *zip(h, unpack_points(SRS.blinding), strict=True),
    ]:
        assert point is not None
        term = multiply((FQ(point[0]), FQ(point[1]), FQ(1)), scalar % R)
        total = term if total is None else add(total, term)
    assert total is not None
    assert commit(SRS, ENTRIES, h) == to_point(total)


def test_an_unblinded_commitment_is_the_polynomial_at_tau() -> None:
    tau = ints_from_vector(vector_from_ints([int.from_bytes(keccak(b"gramercy/srs/development/tau"), "big")]))[0]
    value = sum(int(entry) * pow(tau, k, R) for k, entry in enumerate(ENTRIES)) % R
    assert eq(multiply(G1, value), _jacobian(commit(SRS, ENTRIES, (0, 0, 0))))


def test_equal_updates_with_different_blindings_cannot_be_told_to_be_equal() -> None:
    commitments = {commit(SRS, ENTRIES, blinding(label)) for label in range(5)}
    assert len(commitments) == 5


@pytest.mark.parametrize("position", range(DIMENSION))
def test_each_entry_is_bound(position: int) -> None:
    other = ENTRIES.copy()
    other[position] += 1 if other[position] < 127 else -1
    assert commit(SRS, other, blinding(0)) != commit(SRS, ENTRIES, blinding(0))


@pytest.mark.parametrize("coefficient", range(3))
def test_each_blinding_coefficient_counts(coefficient: int) -> None:
    other = list(blinding(0))
    other[coefficient] = (other[coefficient] + 1) % R
    assert commit(SRS, ENTRIES, (other[0], other[1], other[2])) != commit(SRS, ENTRIES, blinding(0))


def test_the_weighted_sum_of_commitments_commits_to_the_weighted_sum() -> None:
    updates = [ENTRIES, -ENTRIES // 2, np.arange(DIMENSION, dtype=np.int8)]
    weights = [3, 0, 2**32 - 5]
    blindings = [blinding(i) for i in range(3)]
    combined = np.sum([w * u.astype(np.int64) for w, u in zip(weights, updates, strict=True)], axis=0)
    points = [commit(SRS, u, h) for u, h in zip(updates, blindings, strict=True)]
    assert linear_combination(points, weights) == commit(SRS, combined, combine_blindings(weights, blindings))


def test_entries_of_every_width_commit_alike() -> None:
    expected = commit(SRS, ENTRIES, blinding(1))
    assert commit(SRS, ENTRIES.astype(np.int16), blinding(1)) == expected
    assert commit(SRS, ENTRIES.astype(np.int64), blinding(1)) == expected
    assert commit(SRS, vector_from_ints(int(e) for e in ENTRIES), blinding(1)) == expected


def test_shifted_entries_commit_to_the_shifted_polynomial() -> None:
    padded = np.concatenate([np.zeros(4, dtype=np.int8), ENTRIES])
    assert commit(SRS, ENTRIES, blinding(2), first=4) == commit(SRS, padded, blinding(2))


def test_a_vector_longer_than_the_reference_string_is_refused() -> None:
    assert commit(SRS, np.ones(16, dtype=np.int8), blinding(0)) is not None
    with pytest.raises(WrongShape):
        commit(SRS, np.ones(17, dtype=np.int8), blinding(0))
    with pytest.raises(WrongShape):
        commit(SRS, ENTRIES, blinding(0), first=11)


@pytest.mark.parametrize("bad", [(-1, 0, 0), (0, R, 0), (0, 0, R + 1)])
def test_blindings_are_canonical(bad: Blinding) -> None:
    with pytest.raises(OutOfRange):
        commit(SRS, ENTRIES, bad)
    with pytest.raises(OutOfRange):
        encode_blinding(bad)


def test_blindings_survive_their_encoding_and_nothing_else_decodes() -> None:
    h = blinding(3)
    data = encode_blinding(h)
    assert decode_blinding(data) == h
    assert data[:32] == h[0].to_bytes(32, "big")
    for wrong in (data[:-1], data + b"\0", b""):
        with pytest.raises(WrongShape):
            decode_blinding(wrong)
    with pytest.raises(OutOfRange):
        decode_blinding(data[:64] + R.to_bytes(32, "big"))


def opened(count: int) -> tuple[list[Point], list[IntVector], list[Blinding]]:
    rng = np.random.default_rng(count)
    updates: list[IntVector] = [rng.integers(-127, 128, DIMENSION).astype(np.int8) for _ in range(count)]
    blindings = [blinding(i) for i in range(count)]
    return [commit(SRS, u, h) for u, h in zip(updates, blindings, strict=True)], updates, blindings


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_right_openings_pass_together(count: int) -> None:
    assert check_commitments(SRS, *opened(count), b"\7" * 32) == ()
    assert check_commitments(SRS, [], [], [], b"\7" * 32) == ()


@pytest.mark.parametrize("wrong", [(0,), (6,), (2, 3), (0, 1, 2, 3, 4, 5, 6), (1, 4, 5)])
def test_every_culprit_is_found_and_nobody_else(wrong: tuple[int, ...]) -> None:
    points, updates, blindings = opened(7)
    for index in wrong:
        if index % 2:
            updates[index] = updates[index][::-1].copy()
            updates[index][0] ^= 1
        else:
            blindings[index] = ((blindings[index][0] + 1) % R, *blindings[index][1:])
    assert check_commitments(SRS, points, updates, blindings, b"\7" * 32) == wrong


def test_two_wrong_openings_whose_errors_cancel_in_the_plain_sum_are_found() -> None:
    points, updates, blindings = opened(4)
    points[1], points[2] = (
        linear_combination([points[1], (1, 2)], [1, 1]),
        linear_combination([points[2], (1, 2)], [1, -1]),
    )
    assert check_commitments(SRS, points, updates, blindings, b"\7" * 32) == (1, 2)


def test_a_shifted_copy_of_a_commitment_has_no_opening() -> None:
    """``C_j + [delta]``: the copier cannot open it with what it could send."""
    points, updates, blindings = opened(2)
    shifted = linear_combination([points[0], (1, 2)], [1, 12345])
    assert check_commitments(SRS, [shifted], [updates[0]], [blindings[0]], b"\1" * 32) == (0,)
    assert check_commitments(SRS, [shifted], [updates[1]], [blindings[1]], b"\1" * 32) == (0,)


def test_the_lists_have_to_be_of_one_length() -> None:
    points, updates, blindings = opened(2)
    with pytest.raises(WrongShape):
        check_commitments(SRS, points, updates, blindings[:1], bytes(32))
    with pytest.raises(WrongShape):
        combine_blindings([1], blindings)


def test_round_ids_are_four_words() -> None:
    words = RoundId(chain_id=31337, market=b"\x11" * 20, job_id=7, number=3).words()
    assert words == (31337).to_bytes(32, "big") + bytes(12) + b"\x11" * 20 + (7).to_bytes(32, "big") + (3).to_bytes(
        32, "big"
    )
    with pytest.raises(OutOfRange):
        RoundId(chain_id=1, market=b"\x11" * 19, job_id=7, number=3).words()
    with pytest.raises(OutOfRange):
        RoundId(chain_id=-1, market=b"\x11" * 20, job_id=7, number=3).words()


def _jacobian(point: Point) -> tuple[FQ, FQ, FQ]:
    assert point is not None
    return FQ(point[0]), FQ(point[1]), FQ(1)
