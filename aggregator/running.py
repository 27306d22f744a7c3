"""Running values: one integer for each trainer that a job remembers, of rules and scores with a memory."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import InvalidInput, OutOfRange
from aggregator.residuals import truncated_quotient
from aggregator.roster import ADDRESS_BYTES, MAX_ENTRIES, successors

LARGEST = 1 << 120
"""Magnitudes stay at this where a round would take them further."""
_VALUE_BYTES = 16
ENTRY_BYTES = ADDRESS_BYTES + _VALUE_BYTES
KEPT, OF = 224, 256
"""The share of a running score that a round leaves as it was: 7/8, half of it after five rounds."""


def saturated(value: int) -> int:
    """Return the value, or the nearest of magnitude ``2**120``."""
    return max(-LARGEST, min(LARGEST, value))


def accumulated(memory: bytes, trainers: Sequence[bytes], additions: Sequence[int]) -> tuple[int, ...]:
    """Return ``7/8 v_i + a_i`` of the trainers' values v, the product rounded toward zero, the sum saturated.

    Raises
    ------
    InvalidInput, OutOfRange
        As :func:`recall`.

    """
    return tuple(
        saturated(truncated_quotient(KEPT * old, OF) + addition)
        for old, addition in zip(recall(memory, trainers), additions, strict=True)
    )


def recall(memory: bytes, trainers: Sequence[bytes]) -> list[int]:
    """Return the trainers' values; 0 for who is not remembered.

    Raises
    ------
    InvalidInput
        If the length is no multiple of 36 or above 128 entries.
    OutOfRange
        If there are more than 128 trainers.

    """
    addresses = _addresses(memory)
    known, _ = successors(addresses, trainers)
    return [0 if place is None else _value(memory, place) for place in known]


def remember(memory: bytes, trainers: Sequence[bytes], values: Sequence[int]) -> bytes:
    """Return the next memory: the trainers' new values, in their order, then the absent trainers' as they were.

    An entry is an address and its value, a big-endian int128. Entries beyond 128 are dropped.

    Raises
    ------
    InvalidInput
        If the memory is none, or the number of values is not that of the trainers.
    OutOfRange
        If a value is no int128, or there are more than 128 trainers.

    """
    if len(values) != len(trainers):
        raise InvalidInput(f"{len(values)} values for {len(trainers)} trainers")
    _, absent = successors(_addresses(memory), trainers)
    try:
        entries = [
            trainer + value.to_bytes(_VALUE_BYTES, "big", signed=True)
            for trainer, value in zip(trainers, values, strict=True)
        ]
    except OverflowError:
        raise OutOfRange("a running value does not fit 128 bits") from None
    entries += [memory[ENTRY_BYTES * place : ENTRY_BYTES * (place + 1)] for place in absent]
    return b"".join(entries[:MAX_ENTRIES])


def _addresses(memory: bytes) -> list[bytes]:
    if len(memory) % ENTRY_BYTES or len(memory) > MAX_ENTRIES * ENTRY_BYTES:
        raise InvalidInput(f"{len(memory)} bytes are not a memory of running values")
    return [memory[start : start + ADDRESS_BYTES] for start in range(0, len(memory), ENTRY_BYTES)]


def _value(memory: bytes, place: int) -> int:
    start = ENTRY_BYTES * place + ADDRESS_BYTES
    return int.from_bytes(memory[start : start + _VALUE_BYTES], "big", signed=True)
