"""Rules by coordinate, with the native kernel and with NumPy: against NumPy's own median, and definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.bn254.selection import VARIABLE
from aggregator.coordinatewise import bulyan, bulyan_selection, coordinate_median, trimmed_mean
from aggregator.errors import NonFiniteUpdate, RuleNotApplicable, WrongShape

KINDS: list[Any] = [np.int8, np.int16, np.float32]
LENGTH = 1_003


@pytest.fixture(autouse=True, params=["native", "reference"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "native":
        pytest.importorskip("aggregator._updates")
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


def drawn(n: int, kind: Any, length: int = LENGTH) -> npt.NDArray[Any]:
    """Return (n, length) entries: many equal ones, ends of the range, and for floats both zeros and tiny ones."""
    random = np.random.default_rng([n, length])
    if kind == np.float32:
        special = np.array([0.0, -0.0, 1e-45, -3e38, 3e38, 1.0], dtype=np.float32)
        return np.where(
            random.random((n, length)) < 0.3,
            random.choice(special, (n, length)),
            random.standard_normal((n, length), dtype=np.float32),
        )
    ends = np.iinfo(kind)
    wide = random.integers(ends.min, ends.max, (n, length), kind, True)
    return np.where(random.random((n, length)) < 0.5, wide, wide % 5).astype(kind)


def exact_mean(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    mean: npt.NDArray[np.float32] = values.astype(np.float64).mean(axis=0).astype(np.float32)
    return mean


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 13, 16, 17, 31, 50, 64, 65])
def test_median_is_numpys(n: int, kind: Any) -> None:
    rows = drawn(n, kind)
    before = rows.copy()
    found = coordinate_median(list(rows))
    assert found.dtype == np.float32
    assert np.array_equal(found, np.median(rows.astype(np.float64), axis=0).astype(np.float32))
    assert np.array_equal(rows, before)


def test_median_of_an_even_number_is_the_mean_of_the_middle_two() -> None:
    rows = [np.array([x], dtype=np.int8) for x in (-128, 3, 8, 127)]
    assert coordinate_median(rows).tolist() == [5.5]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "f"), [(1, 0), (3, 1), (10, 2), (21, 10), (50, 10), (64, 31)])
def test_trimmed_mean_is_that_of_the_sorted_middle(n: int, f: int, kind: Any) -> None:
    rows = drawn(n, kind)
    expected = exact_mean(np.sort(rows, axis=0)[f : n - f])
    assert np.allclose(trimmed_mean(list(rows), f), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 63, 64, 127, 128, 129, 255, 256, 257, 16_384, 16_385])
@pytest.mark.parametrize("kind", KINDS)
def test_every_length(length: int, kind: Any) -> None:
    rows = drawn(6, kind, length)
    assert np.array_equal(coordinate_median(list(rows)), np.median(rows.astype(np.float64), axis=0).astype(np.float32))


@pytest.mark.parametrize("level", range(3))
def test_every_level_gives_the_same(level: int) -> None:
    native = pytest.importorskip("aggregator._updates")
    if level >= len(native.LEVELS):
        pytest.skip("this processor has no such instructions")
    for kind in KINDS:
        rows = list(drawn(23, kind, 20_000))
        assert np.array_equal(
            native.coordinatewise(rows, 7, 15, 0, 2, level), native.coordinatewise(rows, 7, 15, 0, 1, 0)
        )
        assert np.array_equal(
            native.coordinatewise(rows, 0, 23, 9, 2, level), native.coordinatewise(rows, 0, 23, 9, 1, 0)
        )


def mean_around_median(column: npt.NDArray[Any], count: int) -> float:
    """Return the mean of the entries nearest to the median, the lower one first where two are equally near."""
    entries = sorted(float(x) for x in column)
    median = float(np.median(np.array(entries)))
    return float(np.mean(sorted(entries, key=lambda x: (abs(x - median), x))[:count]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "f"), [(3, 0), (7, 1), (11, 2), (23, 5)])
def test_bulyan_is_krum_then_means_around_medians(n: int, f: int, kind: Any) -> None:
    rows = drawn(n, kind, 300)
    if kind == np.float32:
        rows = np.clip(rows, -100, 100)
    wide = rows.astype(np.float64)
    left, picked = list(range(n)), list[int]()
    while len(picked) < n - 2 * f:
        scores = {}
        for i in left:
            others = sorted(float(((wide[i] - wide[j]) ** 2).sum()) for j in left if j != i)
            scores[i] = sum(others[: max(1, len(left) - f - 2)])
        best = min(left, key=lambda i: (scores[i], i))
        left.remove(best)
        picked.append(best)
    expected = [mean_around_median(column, len(picked) - 2 * f) for column in wide[picked].T]
    assert np.allclose(bulyan(list(rows), f), expected, rtol=1e-5, atol=1e-5)


def test_bulyan_leaves_outliers_out() -> None:
    rows = [np.full(9, 100 + i, dtype=np.int16) for i in range(9)] + [np.full(9, 30_000, dtype=np.int16)] * 2
    assert 100 <= bulyan(rows, 2).min() <= bulyan(rows, 2).max() <= 108


def test_selection_takes_the_first_of_equals() -> None:
    assert bulyan_selection([[0.0] * 7] * 7, 1) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 70, LENGTH - 1])
def test_non_finite_entries_are_refused(value: float, place: int) -> None:
    rows = list(drawn(11, np.float32))
    rows[4] = rows[4].copy()
    rows[4][place] = value
    for rule in (coordinate_median, lambda u: trimmed_mean(u, 2), lambda u: bulyan(u, 2)):
        with pytest.raises(NonFiniteUpdate, match=f"entry {place} of update 4"):
            rule(rows)


def test_too_many_byzantine_are_refused() -> None:
    rows = list(drawn(6, np.int8))
    for f in (-1, 3):
        with pytest.raises(RuleNotApplicable):
            trimmed_mean(rows, f)
    for f in (-1, 1):
        with pytest.raises(RuleNotApplicable):
            bulyan(rows, f)


def test_updates_that_do_not_match_are_refused() -> None:
    row = np.zeros(3, dtype=np.int8)
    wrong: list[Any] = [
        [],
        [row, row.astype(np.int16)],
        [row, row[1:]],
        [row.astype(np.float64)],
        [row.reshape(1, 3)],
        [row[:0]],
    ]
    for updates in wrong:
        with pytest.raises(WrongShape):
            coordinate_median(updates)
