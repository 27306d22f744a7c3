"""The market's logs as events, by position instead of through web3: a chain's whole history is decoded at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from eth_abi.abi import default_codec
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from aggregator.proofs import Statement
from market.chain.artifacts import load_artifact
from market.chain.market_encoding import decode_settlement, decode_statement, decode_terms
from market.domain import (
    Address,
    AggregatorNamed,
    BondReleased,
    Deposited,
    JobClosed,
    JobCreated,
    JobExtended,
    JobStopped,
    KeyPublished,
    MarketEvent,
    PayoutClaimed,
    ReferenceCommitted,
    RoundOpened,
    RoundRefunded,
    RoundSettled,
    SettlementOverturned,
    SettlementReplaced,
    TrainerJoined,
    TrainerLeft,
    TrainerSlashed,
    UpdateCommitted,
    Withdrawn,
)
from market.errors import ForbiddenTransition

AnyEvent = MarketEvent | KeyPublished
"""Whatever a market logs."""
_WORD = 32
_SIGN = 1 << 255
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Log:
    """A log of the market, as bytes; ``topics`` are words, one after the other."""

    block: int
    block_hash: bytes
    index: int
    tx: bytes
    topics: bytes
    data: bytes


class _Words:
    """A log's topics and data, word by word."""

    __slots__ = ("data", "topics")

    def __init__(self, topics: bytes, data: bytes) -> None:
        self.topics, self.data = topics, data

    def topic(self, place: int) -> int:
        value = int.from_bytes(_part(self.topics, place * _WORD, _WORD), "big")
        if value > _LARGEST:
            raise ValueError(f"there is no job or round {value}")
        return value

    def topic_address(self, place: int) -> Address:
        return _address(_part(self.topics, place * _WORD, _WORD))

    def word(self, place: int) -> bytes:
        return _part(self.data, place * _WORD, _WORD)

    def number(self, place: int) -> int:
        return int.from_bytes(_part(self.data, place * _WORD, _WORD), "big")

    def signed(self, place: int) -> int:
        value = self.number(place)
        return value - 2 * _SIGN if value & _SIGN else value

    def address(self, place: int) -> Address:
        return _address(_part(self.data, place * _WORD, _WORD))

    def blob(self, place: int) -> bytes:
        """Return the bytes that the word at ``place`` points to."""
        start = self.number(place)
        length = int.from_bytes(_part(self.data, start, _WORD), "big")
        return _part(self.data, start + _WORD, length)


def _part(data: bytes, start: int, length: int) -> bytes:
    found = data[start : start + length]
    if len(found) != length:
        raise ValueError(f"{length} bytes at {start} of {len(data)}")
    return found


@lru_cache(1 << 16)
def _address(word: bytes) -> Address:
    if any(word[:12]):
        raise ValueError("an address has 20 bytes")
    return to_checksum_address(word[12:])


def decode(log: Log) -> AnyEvent | None:
    """Return the event behind a log, or None if the market has no such event.

    Raises
    ------
    ForbiddenTransition
        If the log has the topic of one of the market's events, and not its form: another contract lies there.

    """
    found = _decoders().get(log.topics[:_WORD])
    if found is None:
        return None
    name, decoder = found
    try:
        return decoder(_Words(log.topics, log.data))
    except (ValueError, DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise ForbiddenTransition(
            f"the log {log.index} of block {log.block} is no {name}: {error}", event=name
        ) from None


@cache
def topic_of(name: str) -> bytes:
    """Return the first topic of an event's logs, by the event's name."""
    return next(topic for topic, (known, _) in _decoders().items() if known == name)


@cache
def _decoders() -> dict[bytes, tuple[str, Callable[[_Words], AnyEvent]]]:
    from web3 import Web3

    entries = {entry["name"]: entry for entry in load_artifact("Market").abi if entry["type"] == "event"}
    found: dict[bytes, tuple[str, Callable[[_Words], AnyEvent]]] = {}
    for kind, decoder in _BY_POSITION.items():
        entry = entries[kind.__name__]
        signature = f"{kind.__name__}({','.join(map(_type, entry['inputs']))})"
        found[bytes(Web3.keccak(text=signature))] = (kind.__name__, decoder)
    return found


def _type(parameter: Any) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(map(_type, parameter["components"])) + ")" + kind[len("tuple") :]


@cache
def _data_types(event: str) -> tuple[str, ...]:
    entry = next(one for one in load_artifact("Market").abi if one["type"] == "event" and one["name"] == event)
    return tuple(_type(one) for one in entry["inputs"] if not one["indexed"])


def _whole(event: str, data: bytes) -> Sequence[Any]:
    """Return the data of an event with structs in it."""
    return default_codec.decode(_data_types(event), data)


def _created(w: _Words) -> JobCreated:
    terms, aggregators, manifest = _whole("JobCreated", w.data)
    checked = [to_checksum_address(value) for value in terms[:2]]
    return JobCreated(
        w.topic(1),
        w.topic_address(2),
        decode_terms((*checked, *terms[2:])),
        tuple(map(to_checksum_address, aggregators)),
        manifest,
    )


def _settled(w: _Words) -> RoundSettled:
    statement, published, proof, paid, challenge_end = _whole("RoundSettled", w.data)
    posted = decode_settlement(statement, published)
    return RoundSettled(w.topic(1), w.topic(2), w.topic_address(3), posted, paid, challenge_end, proof)


def _committed(w: _Words) -> UpdateCommitted:
    return UpdateCommitted(w.topic(1), w.topic(2), w.topic_address(3), w.number(0), w.word(1), w.blob(2), w.number(3))


_BY_POSITION: dict[type[AnyEvent], Callable[[_Words], AnyEvent]] = {
    JobCreated: _created,
    TrainerJoined: lambda w: TrainerJoined(w.topic(1), w.topic_address(2), w.number(0)),
    TrainerLeft: lambda w: TrainerLeft(w.topic(1), w.topic_address(2), w.number(0), w.address(1)),
    ReferenceCommitted: lambda w: ReferenceCommitted(w.topic(1), w.topic(2), w.word(0), w.blob(1), w.number(2)),
    RoundOpened: lambda w: RoundOpened(w.topic(1), w.topic(2), w.signed(0), w.number(1), w.number(2)),
    UpdateCommitted: _committed,
    RoundSettled: _settled,
    SettlementReplaced: lambda w: SettlementReplaced(w.topic(1), w.topic(2), w.topic_address(3), w.number(0)),
    SettlementOverturned: lambda w: SettlementOverturned(
        w.topic(1), w.topic(2), w.topic_address(3), w.address(0), w.number(1), w.number(2), w.number(3)
    ),
    TrainerSlashed: lambda w: TrainerSlashed(
        w.topic(1), w.topic(2), w.topic_address(3), w.address(0), w.number(1), w.number(2), w.number(3)
    ),
    BondReleased: lambda w: BondReleased(w.topic(1), w.topic(2), w.topic_address(3), w.number(0)),
    RoundRefunded: lambda w: RoundRefunded(w.topic(1), w.topic(2), w.number(0)),
    PayoutClaimed: lambda w: PayoutClaimed(w.topic(1), w.topic(2), w.topic_address(3), w.number(0), w.address(1)),
    JobExtended: lambda w: JobExtended(w.topic(1), w.number(0), w.number(1), w.number(2), w.number(3)),
    JobStopped: lambda w: JobStopped(w.topic(1), w.number(0)),
    AggregatorNamed: lambda w: AggregatorNamed(w.topic(1), w.topic_address(2), w.topic_address(3)),
    JobClosed: lambda w: JobClosed(w.topic(1), w.number(0)),
    Deposited: lambda w: Deposited(w.topic_address(1), w.topic_address(2), w.number(0)),
    Withdrawn: lambda w: Withdrawn(w.topic_address(1), w.topic_address(2), w.number(0), w.address(1)),
    KeyPublished: lambda w: KeyPublished(w.topic_address(1), w.word(0)),
}


def recorded_statement(data: bytes) -> Statement:
    """Return the statement that the data of a RoundSettled log record."""
    return decode_statement(_whole("RoundSettled", data)[0])
