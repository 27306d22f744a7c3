"""What robust aggregation libraries were found to get wrong (docs/benchmarks.md, Rules), as tests of this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.bn254.selection import VARIABLE
from aggregator.coordinatewise import bulyan, coordinate_median, trimmed_mean
from aggregator.errors import NonFiniteUpdate, WrongShape
from aggregator.fixedpoint import Quantiser
from aggregator.gram import extend_gram, gram_matrix, inner_products, weighted_sum
from aggregator.products import Layout, Products
from aggregator.rules import RULES, Rule

Rows = list[npt.NDArray[np.int16]]
DIMENSION = 2_003
STAKE = 10**18
COORDINATEWISE: dict[str, Callable[[Any], npt.NDArray[np.float32]]] = {
    "median": coordinate_median,
    "trimmed mean": lambda rows: trimmed_mean(rows, 2),
    "bulyan": lambda rows: bulyan(rows, 2),
}


@pytest.fixture(autouse=True, params=["native", "reference"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "native":
        pytest.importorskip("aggregator._updates")
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


def quantiser(bits: int = 16, exponent: int = -12) -> Quantiser:
    return Quantiser(bits=bits, scale_exponent=exponent, lengths=(DIMENSION,), offsets=(0,))


def round_of(n: int, byzantine: int) -> Rows:
    """Return updates of which the first ``byzantine`` point against the others."""
    random = np.random.default_rng(n)
    common = random.normal(size=DIMENSION)
    rows = [(-2 if i < byzantine else 1) * common + random.normal(size=DIMENSION) for i in range(n)]
    return [np.rint(2_000 * row).astype(np.int16) for row in rows]


def products_for(rule: Rule, rows: Rows) -> Products:
    gram = gram_matrix(rows, bits=16)
    if rule.needs_reference:
        gram = extend_gram(gram, rows, rows[-1])
    if rule.needs_history:
        gram = np.tile(gram, (2, 2))
    layout = Layout(len(rows), reference=rule.needs_reference, history=rule.needs_history)
    return Products(layout, tuple(tuple(row) for row in gram.tolist()))


def weights_of(rule: Rule, rows: Rows, byzantine: int) -> tuple[int, ...]:
    trainers = [bytes([i]) * 20 for i in range(len(rows))]
    return rule.decide(products_for(rule, rows), byzantine, [STAKE] * len(rows), trainers=trainers).weights


# byzfl's Krum, median, geometric median and clipping, and flwr's Krum and median, return NaN for one NaN entry; Inf
# breaks byzfl's clipping and CAF.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1_000, DIMENSION - 1])
def test_an_entry_that_is_not_finite_never_reaches_a_rule(value: float, place: int) -> None:
    update = np.ones(DIMENSION, dtype=np.float32)
    update[place] = value
    with pytest.raises(NonFiniteUpdate):
        quantiser().quantise(update)
    with pytest.raises(WrongShape):
        gram_matrix([update], bits=16)  # type: ignore[list-item] # what is tested
    with pytest.raises(WrongShape):
        weighted_sum([update], [1])  # type: ignore[list-item]
    for rule in COORDINATEWISE.values():
        with pytest.raises(NonFiniteUpdate):
            rule([np.ones(DIMENSION, dtype=np.float32)] * 10 + [update])


# byzfl's centred clipping changes its input.


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_rule_changes_its_input(rule: Rule) -> None:
    rows = round_of(11, 2)
    before = [row.copy() for row in rows]
    for row in rows:
        row.setflags(write=False)
    products = products_for(rule, rows)
    matrix = products.matrix
    first = rule.decide(products, 2, [STAKE] * 11, trainers=[bytes([i]) * 20 for i in range(11)])
    weighted_sum(rows, first.weights)
    assert weights_of(rule, rows, 2) == first.weights  # nor remembers anything
    assert products.matrix == matrix
    assert all(np.array_equal(a, b) for a, b in zip(rows, before, strict=True))


def test_nothing_else_changes_its_input() -> None:
    rows, wide = round_of(11, 2), np.arange(DIMENSION) << 40
    before, wide_before, gram = [row.copy() for row in rows], wide.copy(), gram_matrix(rows, bits=16)
    gram_before = gram.copy()
    extend_gram(gram, rows, rows[0])
    inner_products([*rows, wide], wide)
    for rule in COORDINATEWISE.values():
        rule(rows)
    assert np.array_equal(gram, gram_before)
    assert np.array_equal(wide, wide_before)
    assert all(np.array_equal(a, b) for a, b in zip(rows, before, strict=True))


# flwr's vectorised distances cancel in float32 when clients send weights instead of differences: 602 of 870 squared
# distances came out negative, and attackers were kept. byzfl's do so for more than 25 vectors.


def float32_distances(rows: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return squared distances as those libraries do."""
    stacked = np.stack(rows)
    norms = np.square(stacked).sum(axis=1)
    distances: npt.NDArray[np.float32] = norms[:, None] + norms[None, :] - 2 * stacked @ stacked.T
    return distances


@pytest.mark.parametrize("n", [14, 30])
def test_whole_weights_do_not_cancel(n: int) -> None:
    byzantine, q = 4, quantiser(exponent=-11)
    random = np.random.default_rng(n)
    model = random.choice([-8.0, 8.0], DIMENSION)
    noise = [(0.02 if i < byzantine else 0.002) * random.normal(size=DIMENSION) for i in range(n)]
    weights = [(model + row).astype(np.float32) for row in noise]
    rows = [np.asarray(q.quantise(row).entries, dtype=np.int16) for row in weights]
    gram: list[list[int]] = gram_matrix(rows, bits=16).tolist()
    distances = [[gram[i][i] + gram[j][j] - 2 * gram[i][j] for j in range(n)] for i in range(n)]
    exact = [[int(((rows[i].astype(np.int64) - rows[j]) ** 2).sum()) for j in range(n)] for i in range(n)]
    assert distances == exact
    assert min(min(row) for row in distances) >= 0
    naive = float32_distances(weights)
    true = np.array([[float(np.square((a - b).astype(np.float64)).sum()) for b in weights] for a in weights])
    honest = ~np.eye(n, dtype=bool)[byzantine:, byzantine:]
    spread = np.abs(naive - true)[byzantine:, byzantine:][honest]
    assert spread.max() > 0.2 * true[byzantine:, byzantine:][honest].min()  # what float32 would have made of them
    chosen = weights_of(RULES["multi-krum"], rows, byzantine)
    assert chosen[:byzantine] == (0,) * byzantine
    assert all(weight > 0 for weight in chosen[byzantine:])


# byzpy takes the lower of the two middle entries for even n.


@pytest.mark.parametrize("n", [2, 10, 26, 50])
def test_median_of_an_even_number_is_between_the_middle_two(n: int) -> None:
    rows = [np.array([i], dtype=np.int16) for i in range(n)]
    assert coordinate_median(rows).tolist() == [(n - 1) / 2]


# byzfl and torch take another path beyond 25 vectors.


@pytest.mark.parametrize("n", [25, 26, 40, 64])
def test_beyond_25_updates_distances_and_choice_stay_exact(n: int) -> None:
    byzantine = n // 5
    rows = round_of(n, byzantine)
    wide = np.array([row.astype(np.int64) for row in rows])
    assert np.array_equal(gram_matrix(rows, bits=16), wide @ wide.T)
    weights = weights_of(RULES["multi-krum"], rows, byzantine)
    assert [weight > 0 for weight in weights] == [i >= byzantine for i in range(n)]
    expected = np.array(weights) @ wide
    assert np.array_equal(weighted_sum(rows, weights), expected)
