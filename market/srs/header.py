"""Header of an SRS file: what the SRS is, and the records of the ceremony that made it.

Layout: magic, length of the JSON (4 bytes, little-endian), canonical JSON, SHA-256 of all before, zeros up to a page.
The SHA-256 finds damage; whether the content is true only :mod:`market.srs.files` finds out, by verifying.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, BinaryIO, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aggregator.bn254 import GENERATOR, G2Point, Point, Points, decode_point, encode_point, pack_points, unpack_points
from aggregator.ceremony import MAX_CONTRIBUTIONS, Contribution, State, check_name, initial_state
from aggregator.errors import InvalidPoint, InvalidSrs
from aggregator.srs import MAX_SIZE, MIN_SIZE
from market.safe_json import parse_json

MAGIC = b"GRMSRS1\0"
PAGE_BYTES = 4096
MAX_HEADER_BYTES = 1 << 20
POINT_BYTES = 64
_LENGTH_BYTES, _SUM_BYTES = 4, 32
_HINT = "the file is damaged or not an SRS: get it again"

Origin = Literal["ceremony", "ptau", "development"]
_Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Hex64 = Annotated[str, Field(pattern="^[0-9a-f]{128}$")]
_Hex128 = Annotated[str, Field(pattern="^[0-9a-f]{256}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Record(_Strict):
    """One contribution: points uncompressed, scalars as 32 bytes, all in hexadecimal."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    tau: _Hex64
    eta: _Hex64
    challenge: _Hex32
    tau_response: _Hex32
    eta_response: _Hex32

    @model_validator(mode="after")
    def _named(self) -> Self:
        check_name(self.name)
        return self

    @classmethod
    def of(cls, contribution: Contribution) -> Self:
        """Return the record of a contribution."""
        return cls(
            name=contribution.name,
            tau=encode_point(contribution.tau).hex(),
            eta=encode_point(contribution.eta).hex(),
            challenge=contribution.challenge.to_bytes(32, "big").hex(),
            tau_response=contribution.tau_response.to_bytes(32, "big").hex(),
            eta_response=contribution.eta_response.to_bytes(32, "big").hex(),
        )

    def contribution(self) -> Contribution:
        """Return the contribution; its points are on the curve."""
        return Contribution(
            name=self.name,
            tau=decode_point(bytes.fromhex(self.tau)),
            eta=decode_point(bytes.fromhex(self.eta)),
            challenge=int(self.challenge, 16),
            tau_response=int(self.tau_response, 16),
            eta_response=int(self.eta_response, 16),
        )


class Source(_Strict):
    """The powers-of-tau file that an SRS was imported from.

    ``blake2b`` is of the whole file, to compare with the figure that its publisher gives; ``tau`` and ``eta`` are
    ``[tau]_1`` and ``[alpha]_1`` there, on which contributions may follow.
    """

    tau: _Hex64
    eta: _Hex64
    blake2b: _Hex64
    power: Annotated[int, Field(ge=2, le=28)]
    contributions: Annotated[int, Field(ge=0, le=1 << 32)]


class Header(_Strict):
    """All of an SRS file but the powers.

    ``blinding`` are three uncompressed points; points of G2 have their words in the order of EIP-197.
    """

    format: Literal["gramercy/srs/1"] = "gramercy/srs/1"
    size: Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)]
    digest: _Hex32
    powers_digest: _Hex32
    blinding: Annotated[list[_Hex64], Field(min_length=3, max_length=3)]
    tau_g2: _Hex128
    tau2_g2: _Hex128
    origin: Origin
    source: Source | None = None
    contributions: Annotated[list[Record], Field(max_length=MAX_CONTRIBUTIONS)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.origin == "ptau") != (self.source is not None):
            raise ValueError("source goes with the origin ptau, and with no other")
        if self.origin == "development" and self.contributions:
            raise ValueError("a development SRS has no contributions")
        return self

    def encode(self) -> bytes:
        """Return the header's bytes, a whole number of pages."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":")).encode()
        head = MAGIC + len(text).to_bytes(_LENGTH_BYTES, "little") + text
        head += hashlib.sha256(head).digest()
        return head + bytes(-len(head) % PAGE_BYTES)

    def initial_state(self) -> State:
        """Return the state before the first contribution in this file.

        Raises
        ------
        InvalidSrs
            If the SRS is a development one, whose secret is public from the start.
        InvalidPoint
            If a point of the source is not on the curve.

        """
        if self.origin == "development":
            raise InvalidSrs(
                "nobody can contribute to a development SRS", hint="start a ceremony with `gramercy srs new`"
            )
        points: tuple[Point, Point] = (GENERATOR, GENERATOR)
        if self.source is not None:
            points = decode_point(bytes.fromhex(self.source.tau)), decode_point(bytes.fromhex(self.source.eta))
        origin = {"origin": self.origin, "source": self.source and self.source.model_dump()}
        context = json.dumps(origin, sort_keys=True, separators=(",", ":")).encode()
        return initial_state(self.size, context, *points)

    def blinding_points(self) -> Points:
        """Return the blinding powers, shape (3, 8)."""
        return pack_points([decode_point(bytes.fromhex(text)) for text in self.blinding])


def encode_points_hex(points: Points) -> list[str]:
    """Return points as a header holds them."""
    return [encode_point(point).hex() for point in unpack_points(np.array(points))]


def encode_g2_hex(point: G2Point) -> str:
    """Return a point of G2 as a header holds it: x imaginary, x real, y imaginary, y real."""
    (x_real, x_imaginary), (y_real, y_imaginary) = point
    return b"".join(value.to_bytes(32, "big") for value in (x_imaginary, x_real, y_imaginary, y_real)).hex()


def decode_g2_hex(text: str) -> G2Point:
    """Return the point of G2 that a header holds; not checked to be on the curve."""
    x_imaginary, x_real, y_imaginary, y_real = (int(text[at : at + 64], 16) for at in range(0, 256, 64))
    return (x_real, x_imaginary), (y_real, y_imaginary)


def read_header(file: BinaryIO) -> tuple[Header, int]:
    """Read the header from the start of a file; return it and where the powers begin.

    Raises
    ------
    InvalidSrs
        If it is damaged, not canonical, or not a header at all.

    """
    start = file.read(len(MAGIC) + _LENGTH_BYTES)
    if start[: len(MAGIC)] != MAGIC or len(start) != len(MAGIC) + _LENGTH_BYTES:
        raise InvalidSrs(
            "this is not an SRS file", hint="`gramercy srs import` reads .ptau files; `gramercy srs new` makes one"
        )
    length = int.from_bytes(start[len(MAGIC) :], "little")
    if not 0 < length <= MAX_HEADER_BYTES:
        raise InvalidSrs(f"a header of {length} bytes is not possible", hint=_HINT)
    used = len(start) + length + _SUM_BYTES
    rest = file.read(length + _SUM_BYTES + -used % PAGE_BYTES)
    text, checksum = rest[:length], rest[length : length + _SUM_BYTES]
    if len(rest) != length + _SUM_BYTES + -used % PAGE_BYTES:
        raise InvalidSrs("the file ends in its header", hint=_HINT)
    if hashlib.sha256(start + text).digest() != checksum:
        raise InvalidSrs("the header is damaged", hint=_HINT)
    header = parse_header(text)
    if header.encode() != start + rest:
        raise InvalidSrs("the header is not in its canonical form", hint=_HINT)
    return header, len(start) + len(rest)


def parse_header(text: bytes) -> Header:
    """Return the header that a JSON text describes.

    Raises
    ------
    InvalidSrs
        If it is not JSON, or has not exactly the fields of a header.

    """
    try:
        document: Any = parse_json(text)
        return Header.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "header"
        raise InvalidSrs(f"the header is wrong at {where}: {problem['msg']}", hint=_HINT) from None
    except (ValueError, RecursionError, InvalidPoint):
        raise InvalidSrs("the header is not JSON", hint=_HINT) from None
