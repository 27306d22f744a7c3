"""Running values from round to round, by hand."""

from __future__ import annotations

import pytest

from aggregator.errors import InvalidInput, OutOfRange
from aggregator.roster import MAX_ENTRIES
from aggregator.running import ENTRY_BYTES, LARGEST, accumulated, recall, remember, saturated


def address(number: int) -> bytes:
    return number.to_bytes(20, "big")


A, B, C = address(1), address(2), address(3)


def test_values_are_recalled_by_address() -> None:
    memory = remember(b"", [A, B], [5, -7])
    assert memory == A + (5).to_bytes(16, "big") + B + (-7).to_bytes(16, "big", signed=True)
    assert recall(memory, [B, C, A]) == [-7, 0, 5]


def test_the_absent_are_kept_behind_the_trainers_of_the_round() -> None:
    memory = remember(remember(b"", [A, B], [5, -7]), [C, B], [1, 2])
    assert memory == remember(b"", [C, B, A], [1, 2, 5])


def test_the_longest_absent_are_dropped() -> None:
    crowd = [address(number) for number in range(10, 10 + MAX_ENTRIES)]
    memory = remember(remember(b"", crowd, range(MAX_ENTRIES)), [A, B], [1, 2])
    assert len(memory) == ENTRY_BYTES * MAX_ENTRIES
    assert recall(memory, [A, crowd[0], crowd[-3], crowd[-2], crowd[-1]]) == [1, 0, MAX_ENTRIES - 3, 0, 0]


def test_a_round_keeps_seven_eighths_and_adds() -> None:
    memory = remember(b"", [A, B], [1001, -1001])
    assert accumulated(memory, [A, B, C], [10, 10, 10]) == (885, -865, 10)  # 875.875 and its opposite, toward zero


def test_magnitudes_stay_at_two_to_the_120() -> None:
    memory = remember(b"", [A, B], [LARGEST, -LARGEST])
    assert accumulated(memory, [A, B], [1 << 190, -(1 << 190)]) == (1 << 120, -(1 << 120))
    assert saturated(LARGEST - 1) == LARGEST - 1


@pytest.mark.parametrize("length", [1, ENTRY_BYTES - 1, ENTRY_BYTES + 1, ENTRY_BYTES * (MAX_ENTRIES + 1)])
def test_other_bytes_are_refused(length: int) -> None:
    with pytest.raises(InvalidInput):
        recall(bytes(length), [A])
    with pytest.raises(InvalidInput):
        remember(bytes(length), [A], [1])


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OutOfRange):
        remember(b"", [A], [1 << 127])
    with pytest.raises(InvalidInput):
        remember(b"", [A], [1, 2])
