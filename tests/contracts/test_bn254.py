"""The curve library in an EVM, against the core's: points, sums, field elements, challenges, and what a sum costs."""

from __future__ import annotations

import random

import pytest
from web3.contract import Contract

from aggregator.bn254 import G2_GENERATOR, GENERATOR, P, Point, R, compress
from aggregator.commitments import linear_combination
from aggregator.srs import development_srs
from tests.contracts.harness import Chain, refused

pytestmark = pytest.mark.node
KEY = development_srs(16).key
OVERHEAD = 200
"""Most gas around one multiplication and one addition, their own 6,000 and 150 and two calls left aside."""


@pytest.fixture(scope="module")
def probe(session_chain: Chain) -> Contract:
    return session_chain.deploy("ProofProbe", KEY.words())


def _points(count: int) -> list[tuple[int, int]]:
    rng = random.Random(1)
    found: list[Point] = [linear_combination([GENERATOR], [rng.randrange(1, R)]) for _ in range(count)]
    return [point for point in found if point is not None]


def _pair(point: Point) -> tuple[int, int]:
    return point or (0, 0)


@pytest.mark.parametrize(
    ("x", "y", "point"),
    [
        (1, 2, True),
        (1, P - 2, True),
        (0, 0, False),
        (1, 3, False),
        (1 + P, 2, False),
        (1, 2 + P, False),
        (P, P, False),
        (0, 2, False),
        (2**256 - 1, 2**256 - 1, False),
    ],
)
def test_points_are_canonical_on_the_curve_and_finite(
    x: int, y: int, point: bool, chain: Chain, probe: Contract
) -> None:
    assert chain.call(probe.functions.isPoint(x, y)) == point
    assert chain.call(probe.functions.isPointOrInfinity(x, y)) == (point or (x, y) == (0, 0))


def test_words_of_points_are_those_of_the_core(chain: Chain, probe: Contract) -> None:
    for x, y in [*_points(8), GENERATOR]:
        for point in ((x, y), (x, P - y)):
            assert chain.call(probe.functions.compress(*point)) == compress(point)
    assert chain.call(probe.functions.compress(0, 0)) == compress(None)


def test_sums_are_those_of_the_core(chain: Chain, probe: Contract) -> None:
    points = _points(4)
    scalars = [3, R - 1, 0, 2**128 + 5]
    assert tuple(chain.call(probe.functions.combine(points, scalars))) == linear_combination(points, scalars)
    assert tuple(chain.call(probe.functions.add(points))) == linear_combination(points, [1] * 4)


def test_infinity_is_neutral_and_the_empty_sum(chain: Chain, probe: Contract) -> None:
    point = GENERATOR
    minus = (point[0], chain.call(probe.functions.negated(point[1])))
    assert chain.call(probe.functions.combine([], [])) == [0, 0]
    assert chain.call(probe.functions.combine([(0, 0)], [5])) == [0, 0]
    assert tuple(chain.call(probe.functions.add([point, (0, 0)]))) == point
    assert chain.call(probe.functions.add([point, minus])) == [0, 0]
    assert chain.call(probe.functions.negated(0)) == 0


def test_scalars_beyond_the_order_wrap(chain: Chain, probe: Contract) -> None:
    """Which is why proofs with such scalars are refused by their readers."""
    wrapped = chain.call(probe.functions.combine([GENERATOR], [R + 2]))
    assert tuple(wrapped) == linear_combination([GENERATOR], [2])


@pytest.mark.parametrize("point", [(1, 3), (1 + P, 2), (P, 0)])
def test_what_is_no_point_is_never_added(point: tuple[int, int], chain: Chain, probe: Contract) -> None:
    with refused("Bn254_PrecompileFailed"):
        chain.call(probe.functions.combine([point], [2]))
    with refused("Bn254_PrecompileFailed"):
        chain.call(probe.functions.add([point]))


def test_gas_around_a_multiplication(chain: Chain, probe: Contract) -> None:
    spent = chain.call(probe.functions.gasOfTwo(*_points(1)[0], R - 1))
    assert 2 * (6_000 + 150 + 200) < spent < 2 * (6_000 + 150 + 200 + OVERHEAD)


@pytest.mark.parametrize("a", [1, 2, R - 1, R - 2, 2**128 + 1])
def test_inverses_and_powers(a: int, chain: Chain, probe: Contract) -> None:
    assert chain.call(probe.functions.inverse(a)) == pow(a, -1, R)
    assert chain.call(probe.functions.power(a, 12345)) == pow(a, 12345, R)
    assert chain.call(probe.functions.power(a, 0)) == 1


def test_pairings(chain: Chain, probe: Contract) -> None:
    """e(tau, [1]) = e([1], [tau]), and with another point it is not; off the curve there is no answer."""
    (x_real, x_imag), (y_real, y_imag) = G2_GENERATOR
    one = [x_imag, x_real, y_imag, y_real]
    tau = list(KEY.words()[10:14])
    left = [*_pair(KEY.tau), *one]
    minus = [1, P - 2]
    assert chain.call(probe.functions.pairing2([*left, *minus, *tau]))
    assert not chain.call(probe.functions.pairing2([*left, 1, 2, *tau]))
    assert chain.call(probe.functions.pairing2([0, 0, *one, 0, 0, *tau]))
    with refused("Bn254_PrecompileFailed"):
        chain.call(probe.functions.pairing2([*left, *minus, *tau[:3], tau[3] ^ 1]))


@pytest.mark.parametrize("word", [0, R, 2 * R])
def test_a_challenge_of_zero_is_refused(word: int, chain: Chain, probe: Contract) -> None:
    with refused("Transcript_UnusableChallenge", label="label"):
        chain.call(probe.functions.scalar(word.to_bytes(32, "big")))
    with refused("Transcript_UnusableChallenge", label="label"):
        chain.call(probe.functions.evaluationPoint(word.to_bytes(32, "big")))


@pytest.mark.parametrize("word", [1, R - 1, R + 1, 2 * R - 1])
def test_an_evaluation_point_differs_from_its_inverse(word: int, chain: Chain, probe: Contract) -> None:
    assert chain.call(probe.functions.scalar(word.to_bytes(32, "big"))) == word % R
    with refused("Transcript_UnusableChallenge", label="label"):
        chain.call(probe.functions.evaluationPoint(word.to_bytes(32, "big")))


@pytest.mark.parametrize("word", [2, R - 2, R + 2, 2**256 - 1])
def test_other_challenges_are_reduced(word: int, chain: Chain, probe: Contract) -> None:
    assert chain.call(probe.functions.scalar(word.to_bytes(32, "big"))) == word % R
    assert chain.call(probe.functions.evaluationPoint(word.to_bytes(32, "big"))) == word % R
