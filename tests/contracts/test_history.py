"""Running sums on chain: History.sol and Carried.sol do what the Python core does, and refuse what else is posted."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from web3.contract import Contract

from aggregator.bn254 import GENERATOR, P, Point, decode_point
from aggregator.carried import NOTHING, Carried
from aggregator.commitments import linear_combination
from aggregator.history import ENTRY_BYTES, MULTIPLIER_LIMIT, Advanced, RunningSum, advance, encode_sums
from aggregator.roster import MAX_ENTRIES
from tests.contracts.harness import Chain, Reverted, refused
from tests.vectors.history import HistoryCase, history_vectors, trainers_and_commitments

pytestmark = pytest.mark.node


def address(k: int) -> bytes:
    return bytes([k + 1]) * 20


def multiple(k: int) -> Point:
    return linear_combination([GENERATOR], [k])


def words(points: Sequence[Point]) -> list[tuple[int, int]]:
    return [point or (0, 0) for point in points]


@pytest.fixture(scope="module")
def probe(session_chain: Chain) -> Contract:
    return session_chain.deploy("HistoryProbe")


def posted(
    chain: Chain, probe: Contract, carried: bytes, trainers: Sequence[bytes], points: Sequence[Point], exponent: int
) -> bytes:
    listed = [chain.w3.to_checksum_address(trainer) for trainer in trainers]
    found: bytes = chain.call(probe.functions.advance(carried, listed, words(points), exponent))
    return found


def test_rounds_of_changing_scale_and_company_agree_with_python(session_chain: Chain, probe: Contract) -> None:
    rng = random.Random(1)
    carried = b""
    for exponent in (0, -2, -1, 5, -30, -64, 64, 63, 62):
        trainers = rng.sample([address(k) for k in range(5)], 3)
        commitments = [multiple(rng.randrange(1, 2**60)) for _ in trainers]
        expected = advance(carried, trainers, commitments, scale_exponent=exponent)
        between = [GENERATOR] * rng.randrange(3)  # reference and previous aggregate
        points = [*commitments, *between, *expected.commitments]
        assert posted(session_chain, probe, carried, trainers, points, exponent) == expected.carried
        carried = expected.carried


@pytest.mark.parametrize("case", history_vectors(), ids=lambda case: case["name"])
def test_shared_vectors(session_chain: Chain, probe: Contract, case: HistoryCase) -> None:
    carried = b""
    for played in case["rounds"]:
        trainers, commitments = trainers_and_commitments(played)
        points = [*commitments, *(decode_point(bytes.fromhex(point)) for point in played["sums"])]
        carried = posted(session_chain, probe, carried, trainers, points, played["scale_exponent"])
        assert carried.hex() == played["carried"]


@pytest.mark.parametrize(
    ("old", "multiplier", "exponent"),
    [
        (0, MULTIPLIER_LIMIT - 1, 0),
        (0, MULTIPLIER_LIMIT, 0),
        (0, 1, -29),
        (0, 1, -30),
        (0, 1, -31),
        (0, 1, 29),
        (0, 1, 30),
        (0, 1, 31),
        (-3, 7, 26),
        (3, 2**20, -7),
        (3, 2**20, -6),
        (-32768, 1, 32767),
    ],
)
def test_a_sum_starts_again_exactly_where_it_does_in_python(
    session_chain: Chain, probe: Contract, old: int, multiplier: int, exponent: int
) -> None:
    carried = encode_sums([RunningSum(address(0), old, multiplier, multiple(77))])
    expected = advance(carried, [address(0)], [multiple(5)], scale_exponent=exponent)
    points = [multiple(5), *expected.commitments]
    assert posted(session_chain, probe, carried, [address(0)], points, exponent) == expected.carried


def two_rounds() -> tuple[bytes, Advanced, list[bytes], list[Point]]:
    trainers = [address(1), address(2)]
    carried = advance(b"", [address(2), address(3)], [multiple(3), multiple(5)], scale_exponent=0).carried
    commitments = [multiple(7), multiple(11)]
    return carried, advance(carried, trainers, commitments, scale_exponent=-1), trainers, commitments


def test_any_other_point_is_refused(session_chain: Chain, probe: Contract) -> None:
    carried, right, trainers, commitments = two_rounds()
    posted(session_chain, probe, carried, trainers, [*commitments, *right.commitments], -1)
    for wrong in (multiple(12), None, (right.commitments[1] or GENERATOR)[::-1], commitments[1]):
        points = [*commitments, right.commitments[0], wrong]
        with refused("History_WrongPoint", index=1):
            posted(session_chain, probe, carried, trainers, points, -1)
    with refused("History_WrongPoint", index=0):
        posted(session_chain, probe, carried, trainers, [*commitments, *reversed(right.commitments)], -1)


def test_another_carried_point_scale_or_multiplier_gives_other_sums(session_chain: Chain, probe: Contract) -> None:
    carried, right, trainers, commitments = two_rounds()
    points = [*commitments, *right.commitments]
    other = encode_sums([RunningSum(address(2), 0, 1, multiple(4))])
    with refused("History_WrongPoint", index=1):
        posted(session_chain, probe, other, trainers, points, -1)
    with refused("History_WrongPoint", index=1):
        posted(session_chain, probe, carried, trainers, points, 0)
    with refused("History_WrongPoint", index=1):
        posted(session_chain, probe, b"", trainers, points, -1)
    other = encode_sums([RunningSum(address(2), 0, 2, multiple(3))])
    assert posted(session_chain, probe, other, trainers, points, -1) != right.carried


def test_a_carried_point_off_the_curve_is_refused(session_chain: Chain, probe: Contract) -> None:
    carried, right, trainers, commitments = two_rounds()
    points = [*commitments, *right.commitments]
    for x, y in ((1, 3), (P + 1, 2), (0, 1)):
        bad = carried[: ENTRY_BYTES - 64] + x.to_bytes(32, "big") + y.to_bytes(32, "big") + carried[ENTRY_BYTES:]
        with pytest.raises(Reverted):
            posted(session_chain, probe, bad, trainers, points, -1)


def test_lengths_must_fit(session_chain: Chain, probe: Contract) -> None:
    carried, right, trainers, commitments = two_rounds()
    with refused("History_WrongLength", commitments=3, trainers=2):
        posted(session_chain, probe, carried, trainers, [*commitments, right.commitments[0]], -1)
    with refused("Roster_WrongLength", entryBytes=ENTRY_BYTES):
        posted(session_chain, probe, carried[:-1], trainers, [*commitments, *right.commitments], -1)
    too_many = (
        encode_sums([RunningSum(address(k), 0, 1, GENERATOR) for k in range(MAX_ENTRIES)]) + carried[:ENTRY_BYTES]
    )
    with refused("Roster_WrongLength", entryBytes=ENTRY_BYTES):
        posted(session_chain, probe, too_many, trainers, [*commitments, *right.commitments], -1)


@pytest.mark.slow
def test_the_longest_absent_are_dropped_at_the_largest_size(session_chain: Chain, probe: Contract) -> None:
    carried = b""
    for start in (0, 64, 128):
        trainers = [address(k) for k in range(start, start + 64)]
        commitments = [multiple(k + 1) for k in range(64)]
        expected = advance(carried, trainers, commitments, scale_exponent=0)
        found = posted(session_chain, probe, carried, trainers, [*commitments, *expected.commitments], 0)
        assert found == expected.carried
        carried = found
    assert len(carried) == MAX_ENTRIES * ENTRY_BYTES


def test_what_a_job_carries_is_bound_by_its_digest(session_chain: Chain, probe: Contract) -> None:
    long = Carried(b"abc" * 50, b"", b"d" * 33, b"xyz" * 50)
    for carried in (Carried(), Carried(b"abc"), Carried(b"", b"xyz"), Carried(floor=b"f"), Carried(history=b"h"), long):
        memories, history = session_chain.call(probe.functions.split(carried.encode(), carried.digest()))
        assert (*memories, history) == (carried.rule, carried.score, carried.floor, carried.history)
        assert session_chain.call(probe.functions.digestOf(memories, history)) == carried.digest()
    with refused("Carried_WrongDigest", found=Carried(b"a").digest(), expected=NOTHING):
        session_chain.call(probe.functions.split(Carried(b"a").encode(), NOTHING))
    with refused("Carried_WrongDigest", found=NOTHING, expected=Carried(b"a").digest()):
        session_chain.call(probe.functions.split(b"", Carried(b"a").digest()))


@pytest.mark.parametrize("data", [b"\0", bytes(4), bytes(11), b"\0\0\0\x02a" + bytes(5), b"\xff" * 20])
def test_what_nothing_carries_is_refused(session_chain: Chain, probe: Contract, data: bytes) -> None:
    with refused("Carried_Malformed"):
        session_chain.call(probe.functions.split(data, session_chain.w3.keccak(data)))
