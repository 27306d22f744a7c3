"""A part of the chain as it was read: events with their places, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from market.domain import KeyPublished
from market.errors import ForbiddenTransition
from market.indexer.decoding import AnyEvent, Log, decode
from market.indexer.facts import UNREADABLE, Facts, facts, job_of
from market.indexer.history import Place
from market.indexer.source import BlockMark


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: where it was logged, as what, and what it says; None where that cannot be read."""

    place: Place
    topics: bytes
    data: bytes
    event: AnyEvent | None
    name: str
    job_id: int | None
    round: int | None
    facts: Facts
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events of a range of blocks that ends with ``last``, in order, and the blocks that they are in."""

    entries: Sequence[Entry]
    blocks: Sequence[BlockMark]
    last: BlockMark


def read_entry(log: Log, timestamp: int, gas: int) -> Entry | None:
    """Return the event behind a log, or None if the market has no such event."""
    place = Place(log.block, log.index, log.tx, timestamp, gas)
    try:
        event = decode(log)
    except ForbiddenTransition as error:
        return Entry(place, log.topics, log.data, None, UNREADABLE, None, None, Facts(), error.message)
    if event is None:
        return None
    number = None if isinstance(event, KeyPublished) else getattr(event, "number", None)
    return Entry(place, log.topics, log.data, event, type(event).__name__, job_of(event), number, facts(event))
