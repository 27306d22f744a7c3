"""Who is remembered from round to round of a job, and in which order: of reputations and of running sums alike."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import OutOfRange

ADDRESS_BYTES = 20
MAX_ENTRIES = 128
"""A job remembers this round's trainers, up to 64, and at least as many that took part before."""


def successors(before: Sequence[bytes], trainers: Sequence[bytes]) -> tuple[list[int | None], list[int]]:
    """Match remembered addresses with a round's trainers.

    Returns
    -------
    known
        For each trainer the place of its entry in ``before``, the first one; None for a newcomer.
    absent
        Places of the entries that belong to no trainer of the round, in their order. The next memory is this round's
        trainers, then the absent, cut to 128 entries: the longest absent go.

    Raises
    ------
    OutOfRange
        If there are more than 128 trainers.

    """
    if len(trainers) > MAX_ENTRIES:
        raise OutOfRange(f"a job remembers at most {MAX_ENTRIES} trainers, not {len(trainers)}")
    places: dict[bytes, int] = {}
    for place, address in enumerate(before):
        places.setdefault(address, place)
    known = [places.get(trainer) for trainer in trainers]
    taken = set(known)
    return known, [place for place in range(len(before)) if place not in taken]
