"""Whose memory a kernel reads: strided, read-only and mapped arrays, temporaries, and inputs that stay as they were."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from aggregator.bn254 import GENERATOR, Kernel, pack_points, vector_from_ints
from tests.unit.bn254.known import COUNT, known, times

SCALARS = np.arange(-12, 12, dtype=np.int16)
VECTOR = vector_from_ints(known().logs)


def test_arrays_that_are_not_contiguous(any_kernel: Kernel) -> None:
    points, expected = known().points, any_kernel.msm(known().points, SCALARS)
    assert any_kernel.msm(np.repeat(points, 2, axis=0)[::2], np.repeat(SCALARS, 3)[::3]) == expected
    assert any_kernel.msm(np.asfortranarray(points), SCALARS) == expected
    assert any_kernel.msm(points[::-1], SCALARS[::-1]) == expected
    wide = np.zeros((COUNT, 11), dtype=np.uint64)
    wide[:, 1:9] = points
    assert any_kernel.msm(wide[:, 1:9], SCALARS) == expected
    assert np.array_equal(any_kernel.encode_points(wide[:, 1:9]), any_kernel.encode_points(points))
    assert any_kernel.evaluate(np.asfortranarray(VECTOR), 3) == any_kernel.evaluate(VECTOR, 3)
    assert any_kernel.msm(points, np.asfortranarray(VECTOR)) == any_kernel.msm(points, VECTOR)
    rows = np.asfortranarray(np.stack([SCALARS, SCALARS * 2, SCALARS * 3]))
    assert np.array_equal(any_kernel.combine(list(rows), [1, 2, 3]), any_kernel.combine([SCALARS], [14]))


def test_read_only_arrays(any_kernel: Kernel) -> None:
    scalars, vector = SCALARS.copy(), VECTOR.copy()
    for array in (scalars, vector):
        array.flags.writeable = False
    assert not known().points.flags.writeable
    assert any_kernel.msm(known().points, scalars) == known().sum_of(scalars.tolist())
    assert np.array_equal(any_kernel.multiply(vector, vector[:2]), any_kernel.multiply(VECTOR, VECTOR[:2]))
    assert np.array_equal(any_kernel.from_integers(scalars), any_kernel.combine([scalars], [1]))


@pytest.mark.parametrize("offset", [0, 64, 12])
def test_points_mapped_from_a_file(any_kernel: Kernel, tmp_path: Path, offset: int) -> None:
    path = tmp_path / "powers"
    path.write_bytes(bytes(offset) + known().points.tobytes())
    mapped = np.memmap(path, dtype=np.uint64, mode="r", offset=offset, shape=(COUNT, 8))
    assert any_kernel.msm(mapped, SCALARS) == known().sum_of(SCALARS.tolist())
    assert np.array_equal(any_kernel.encode_points(mapped), any_kernel.encode_points(known().points))


def test_arguments_that_nothing_else_refers_to(any_kernel: Kernel) -> None:
    expected = any_kernel.msm(known().points, SCALARS)
    combined = any_kernel.combine([SCALARS] * 4, [1, 2, 3, 4])

    def churn(_: int) -> bool:
        same = any_kernel.msm(known().points.copy(), SCALARS.copy()) == expected
        rows = any_kernel.combine([SCALARS * 1 for _ in range(4)], [1, 2, 3, 4], tail=None)
        return same and np.array_equal(rows, combined)

    with ThreadPoolExecutor(2) as pool:  # each frees its arrays while the other computes
        assert all(pool.map(churn, range(20)))


def test_results_own_their_memory(any_kernel: Kernel) -> None:
    results: list[npt.NDArray[np.uint64] | npt.NDArray[np.uint8]] = [
        any_kernel.fixed_base(GENERATOR, vector_from_ints([5])),
        any_kernel.decode_points(any_kernel.encode_points(known().points[:1])),
        any_kernel.combine([np.array([5], dtype=np.int8)], [1]),
        any_kernel.encode_points(known().points[:1].copy()),
    ]
    kept = [result.copy() for result in results]
    gc.collect()
    for _ in range(50):
        any_kernel.from_integers(np.full(64, 77, dtype=np.int64))
    for result, copy in zip(results, kept, strict=True):
        assert np.array_equal(result, copy)
        result[:] = 0  # writable
    assert kept[0].tobytes() == pack_points([times(5)]).tobytes()


def test_arguments_are_left_as_they_were(any_kernel: Kernel) -> None:
    points, scalars, vector = known().points.copy(), SCALARS.copy(), VECTOR.copy()
    any_kernel.msm(points, scalars)
    any_kernel.msm(points, vector)
    any_kernel.scale(points[:2], vector[:2])
    any_kernel.combine([scalars], [3], tail=vector)
    any_kernel.correlate(vector)
    any_kernel.divide(vector, 3)
    any_kernel.add_scaled(vector, vector, 3)
    any_kernel.encode_points(points)
    assert np.array_equal(points, known().points)
    assert np.array_equal(scalars, SCALARS)
    assert np.array_equal(vector, VECTOR)


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 64])
def test_result_does_not_depend_on_the_number_of_threads(any_kernel: Kernel, threads: int) -> None:
    assert any_kernel.msm(known().points, SCALARS, threads=threads) == known().sum_of(SCALARS.tolist())
