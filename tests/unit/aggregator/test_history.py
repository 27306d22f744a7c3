"""Running sums over rounds: vectors, blindings and commitments agree, bounds hold, nobody is forgotten by leaving."""

from __future__ import annotations

import random

import numpy as np
import pytest

from aggregator.bn254 import GENERATOR, Point, encode_point
from aggregator.carried import NOTHING, Carried
from aggregator.commitments import Blinding, commit, linear_combination
from aggregator.errors import InvalidInput, InvalidPoint, WrongShape
from aggregator.gram import inner_products
from aggregator.history import (
    ENTRY_BYTES,
    MULTIPLIER_LIMIT,
    RunningSum,
    Step,
    SumVector,
    SumVectors,
    advance,
    advance_blinding,
    advance_vector,
    decode_sums,
    encode_sums,
    step,
)
from aggregator.roster import MAX_ENTRIES
from aggregator.srs import Srs, development_srs
from tests.vectors.history import HistoryCase, history_vectors, trainers_and_commitments

LIMIT = 2**7 - 1


@pytest.fixture(scope="module")
def srs() -> Srs:
    return development_srs(64)


def address(k: int) -> bytes:
    return bytes([k]) * 20


def multiple(k: int) -> Point:
    return linear_combination([GENERATOR], [k])


def entry(exponent: int, multiplier: int) -> RunningSum:
    return RunningSum(address(1), exponent, multiplier, GENERATOR)


@pytest.mark.parametrize(
    ("before", "exponent", "expected"),
    [
        (None, -7, Step(0, 1, -7, 1)),
        (entry(-7, 1), -7, Step(1, 1, -7, 2)),
        (entry(-7, 5), -9, Step(4, 1, -9, 21)),
        (entry(-9, 5), -7, Step(1, 4, -9, 9)),
        (entry(0, 1), -29, Step(2**29, 1, -29, 2**29 + 1)),
        (entry(0, 1), -30, Step(0, 1, -30, 1)),
        (entry(0, 2**30 - 1), 0, Step(1, 1, 0, 2**30)),
        (entry(0, 2**30), 0, Step(0, 1, 0, 1)),
        (entry(-64, 1), 64, Step(0, 1, 64, 1)),
        (entry(64, 1), -64, Step(0, 1, -64, 1)),
    ],
)
def test_a_round_changes_a_sum_by_powers_of_two(before: RunningSum | None, exponent: int, expected: Step) -> None:
    assert step(before, exponent) == expected


def test_vectors_blindings_and_commitments_stay_together_over_rounds_of_changing_scale(srs: Srs) -> None:
    random_ints = random.Random(1)
    carried, kept = b"", dict[bytes, tuple[SumVector, Blinding]]()
    exact = dict[bytes, list[float]]()
    for exponent in (-5, -7, -4, -4, -9):
        present = random_ints.sample([address(k) for k in range(5)], 3)
        updates = [np.array([random_ints.randint(-LIMIT, LIMIT) for _ in range(50)], dtype=np.int8) for _ in present]
        blindings: list[Blinding] = [(random_ints.getrandbits(200), 2, random_ints.getrandbits(250)) for _ in present]
        commitments = [commit(srs, u, h) for u, h in zip(updates, blindings, strict=True)]
        advanced = advance(carried, present, commitments, scale_exponent=exponent)
        for k, trainer in enumerate(present):
            vector, blinding = kept.get(trainer, (None, None))
            after = advance_vector(advanced.steps[k], vector, updates[k])
            kept[trainer] = after, advance_blinding(advanced.steps[k], blinding, blindings[k])
            assert commit(srs, *kept[trainer]) == advanced.sums[k].commitment
            assert int(np.abs(after).max()) <= advanced.sums[k].multiplier * LIMIT
            true = exact.setdefault(trainer, [0.0] * 50)
            exact[trainer] = [old + float(new) * 2.0**exponent for old, new in zip(true, updates[k], strict=True)]
            assert [float(value) * 2.0 ** advanced.sums[k].exponent for value in after] == exact[trainer]
        carried = advanced.carried
        assert {found.trainer for found in decode_sums(carried)} == set(kept)


def test_sums_at_their_bound_have_inner_products_below_2_to_121() -> None:
    full = np.full(64, 2**15 - 1, dtype=np.int16)
    largest = advance_vector(Step(1, 2**29, 0, 2**30), full.astype(np.int64) << 29, full)
    (square,) = inner_products([largest], largest)
    assert square == 64 * (2**30 * (2**15 - 1)) ** 2
    assert square // 64 * (2**31 - 1) < 2**121  # d 2^(2b) < 2^63


def test_vectors_alone_come_to_the_same() -> None:
    rng = random.Random(3)
    carried, kept, alone = b"", dict[bytes, SumVector](), SumVectors()
    for exponent in (0, -2, 3, -40, -41, -2):
        present = rng.sample([address(k) for k in range(5)], 3)
        updates = [np.array([rng.randint(-LIMIT, LIMIT) for _ in range(9)], dtype=np.int8) for _ in present]
        advanced = advance(carried, present, [GENERATOR] * 3, scale_exponent=exponent)
        for trainer, change, update in zip(present, advanced.steps, updates, strict=True):
            kept[trainer] = advance_vector(change, kept.get(trainer), update)
        found = alone.add(present, updates, scale_exponent=exponent)
        assert [row.tolist() for row in found] == [kept[trainer].tolist() for trainer in present]
        carried = advanced.carried
    with pytest.raises(WrongShape):
        alone.add([address(1)], [], scale_exponent=0)


@pytest.mark.parametrize("case", history_vectors(), ids=lambda case: case["name"])
def test_shared_vectors(case: HistoryCase) -> None:
    carried = b""
    for played in case["rounds"]:
        advanced = advance(carried, *trainers_and_commitments(played), scale_exponent=played["scale_exponent"])
        assert [encode_point(point).hex() for point in advanced.commitments] == played["sums"]
        assert advanced.carried.hex() == played["carried"]
        assert Carried(history=advanced.carried).digest().hex() == played["digest"]
        carried = advanced.carried


def test_absent_trainers_keep_their_sums_and_the_order_is_by_last_presence() -> None:
    first = advance(b"", [address(1), address(2)], [multiple(3), multiple(5)], scale_exponent=0)
    second = advance(first.carried, [address(3), address(2)], [multiple(7), multiple(11)], scale_exponent=-1)
    assert decode_sums(second.carried) == [
        RunningSum(address(3), -1, 1, multiple(7)),
        RunningSum(address(2), -1, 3, multiple(2 * 5 + 11)),
        RunningSum(address(1), 0, 1, multiple(3)),
    ]
    third = advance(second.carried, [address(1)], [multiple(2)], scale_exponent=1)
    assert third.sums == (RunningSum(address(1), 0, 3, multiple(3 + 2 * 2)),)
    assert third.commitments == (multiple(7),)


def test_the_longest_absent_are_dropped() -> None:
    carried = b""
    for start in (0, 64, 128):
        carried = advance(
            carried, [address(k) for k in range(start, start + 64)], [GENERATOR] * 64, scale_exponent=0
        ).carried
    assert [found.trainer[0] for found in decode_sums(carried)] == [*range(128, 192), *range(64, 128)]
    assert len(carried) == MAX_ENTRIES * ENTRY_BYTES


def test_a_sum_that_starts_again_forgets_what_was_before() -> None:
    before = encode_sums([entry(0, MULTIPLIER_LIMIT)])
    advanced = advance(before, [address(1)], [multiple(9)], scale_exponent=0)
    assert advanced.sums == (RunningSum(address(1), 0, 1, multiple(9)),)
    update = np.array([1, -2], dtype=np.int8)
    assert advance_vector(advanced.steps[0], np.array([5, 5], dtype=np.int64), update).tolist() == [1, -2]
    assert advance_blinding(advanced.steps[0], (4, 4, 4), (1, 2, 3)) == (1, 2, 3)


def test_a_sum_may_cancel_to_nothing() -> None:
    first = advance(b"", [address(1)], [multiple(4)], scale_exponent=0)
    second = advance(first.carried, [address(1)], [multiple(-4)], scale_exponent=0)
    assert second.commitments == (None,)
    assert advance(second.carried, [address(1)], [multiple(6)], scale_exponent=0).commitments == (multiple(6),)


def test_a_missing_vector_or_blinding_is_refused() -> None:
    update = np.array([1, 2], dtype=np.int8)
    with pytest.raises(WrongShape, match="missing"):
        advance_vector(Step(1, 1, 0, 2), None, update)
    with pytest.raises(WrongShape, match="shape"):
        advance_vector(Step(1, 1, 0, 2), np.zeros(3, dtype=np.int64), update)
    with pytest.raises(WrongShape, match="blinding"):
        advance_blinding(Step(1, 1, 0, 2), None, (1, 2, 3))
    with pytest.raises(WrongShape, match="commitments"):
        advance(b"", [address(1)], [], scale_exponent=0)


@pytest.mark.parametrize(
    "carried",
    [
        bytes(ENTRY_BYTES - 1),
        bytes(ENTRY_BYTES),  # multiplier 0
        encode_sums([entry(0, MULTIPLIER_LIMIT + 1)]),
        encode_sums([entry(0, 1)] * MAX_ENTRIES) + encode_sums([entry(0, 1)]),
    ],
)
def test_bytes_that_no_round_leaves_are_refused(carried: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_sums(carried)


def test_a_point_off_the_curve_is_refused() -> None:
    with pytest.raises(InvalidPoint):
        decode_sums(encode_sums([entry(0, 1)])[:-1] + b"\x03")


def test_what_a_job_carries_is_told_apart_again() -> None:
    parts = [Carried(), Carried(rule=b"a"), Carried(score=b"a"), Carried(floor=b"a"), Carried(history=b"a")]
    parts += [Carried(b"ab", b"c"), Carried(b"a", b"bc"), Carried(b"abc", b"def", b"ghi", b"xyz")]
    for carried in parts:
        assert Carried.decode(carried.encode()) == carried
    assert Carried().encode() == b""
    assert Carried().digest() == NOTHING
    assert len({carried.digest() for carried in parts}) == len(parts)


@pytest.mark.parametrize("data", [b"\0", bytes(4), bytes(11), bytes(12), b"\0\0\0\x02a" + bytes(8), b"\xff" * 20])
def test_what_nothing_carries_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        Carried.decode(data)
