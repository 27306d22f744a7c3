"""The sigma rule against floating point, and its reach."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.rules.multi_krum import krum_scores, ranking
from aggregator.rules.three_sigma import ThreeSigma
from tests.unit.aggregator.rules.rows import Matrix, normal_rows, products_of


def reference(updates: Matrix, bound: int) -> list[bool]:
    n = len(updates)
    count = (n + 1) // 2 - 1
    chosen = ranking(krum_scores(products_of(updates).gram, neighbours=count))[:count]
    lengths = np.linalg.norm(updates - updates[chosen].mean(axis=0), axis=1)
    return [bool(ok) for ok in lengths <= lengths.mean() + bound * lengths.std(ddof=1)]


@pytest.mark.parametrize("bound", [1, 2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_drops_what_floating_point_drops(seed: int, bound: int) -> None:
    updates = normal_rows(seed, 5 + 2 * seed)
    updates[: seed // 3] *= 4
    assert list(ThreeSigma(bound=bound).decide(products_of(updates), 2, [1] * len(updates)).accepted) == reference(
        updates, bound
    )


def test_one_deviation_drops_a_minority_and_three_drop_none_of_ten() -> None:
    updates = normal_rows(2, 10, scale=20)
    updates[:3] += 5000
    assert ThreeSigma().decide(products_of(updates), 3, [1] * 10).accepted == (False,) * 3 + (True,) * 7
    assert all(ThreeSigma(bound=3).decide(products_of(updates), 3, [1] * 10).accepted)


def test_equal_distances_are_all_accepted() -> None:
    # sigma is 0 then, and the threshold is the distance itself
    assert all(ThreeSigma().decide(products_of([[4, 4]] * 6), 1, [1] * 6).accepted)
    assert ThreeSigma().hints(products_of([[4, 4]] * 6), 1, [1] * 6) == b""
