"""Import of a powers-of-tau file (``.ptau``, as snarkjs writes them), with eta = alpha.

Layout: ``ptau``, version, number of sections, then sections of a type (4 bytes), a length (8) and content, all
little-endian. Points are affine in Montgomery form: the powers are copied as they are. Read from snarkjs 0.7.6,
``powersoftau_utils.js`` and ``binfileutils.js``. The ceremony's own proofs are left to ``snarkjs powersoftau verify``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aggregator.bn254 import G2Point, P, Points, encode_point, unpack_points
from aggregator.errors import InvalidSrs, OutOfRange
from aggregator.srs import BLINDING_POWERS, MIN_SIZE, Progress, chunks
from market.srs.files import NO_DIGEST, SrsFile, Stages, located, no_stages, refuse_existing, verify, write
from market.srs.header import POINT_BYTES, Header, Source, encode_g2_hex, encode_points_hex

_MAGIC, _VERSION = b"ptau", 1
_HEADER, _TAU_G1, _TAU_G2, _ALPHA_TAU_G1, _BETA_TAU_G1, _BETA_G2, _CONTRIBUTIONS = range(1, 8)
_NAMES = {
    _HEADER: "header",
    _TAU_G1: "tauG1",
    _TAU_G2: "tauG2",
    _ALPHA_TAU_G1: "alphaTauG1",
    _BETA_TAU_G1: "betaTauG1",
    _BETA_G2: "betaG2",
    _CONTRIBUTIONS: "contributions",
}
_MAX_SECTIONS = 64
_MIN_POWER, _MAX_POWER = 2, 28
_COORDINATE_BYTES = 32
_G2_BYTES = 128
_HEADER_BYTES = 4 + _COORDINATE_BYTES + 4 + 4
_COUNT_BYTES = 4
_RECORD_BYTES = 3 * POINT_BYTES + 2 * _G2_BYTES + 6 * POINT_BYTES + 3 * _G2_BYTES + 216 + 64 + 4 + 4
"""Of a contribution: points after it, its public key, two hashes, its type, the length of what follows (its name)."""
_BLOCK_BYTES = 1 << 20
_FROM_MONTGOMERY = pow(1 << 256, -1, P)
_HINT = "the file is damaged or not for BN254 (bn128): get it again and compare its BLAKE2b with the published one"


@dataclass(frozen=True, slots=True)
class _Section:
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class _Opened:
    file: BinaryIO
    sections: dict[int, _Section]
    power: int

    @property
    def powers(self) -> int:
        """Number of powers in G1."""
        return (2 << self.power) - 1

    def read(self, section: int, at: int, length: int) -> bytes:
        """Read bytes of a section whose length was checked."""
        self.file.seek(self.sections[section].start + at)
        data = self.file.read(length)
        if len(data) != length:
            raise _refused("the file became shorter while it was read")
        return data

    def points(self, section: int, first: int, count: int) -> Points:
        """Read points of G1, shape (count, 8); not checked."""
        data = self.read(section, first * POINT_BYTES, count * POINT_BYTES)
        return np.frombuffer(data, dtype="<u8").reshape(count, POINT_BYTES // 8).astype(np.uint64, copy=False)

    def g2(self, index: int) -> G2Point:
        """Read ``[tau^index]_2``."""
        data = self.read(_TAU_G2, index * _G2_BYTES, _G2_BYTES)
        words = [int.from_bytes(data[at : at + 32], "little") for at in range(0, _G2_BYTES, _COORDINATE_BYTES)]
        if any(word >= P for word in words):
            raise _refused("a coordinate of G2 is not below the order of the base field")
        x_real, x_imaginary, y_real, y_imaginary = (word * _FROM_MONTGOMERY % P for word in words)
        return (x_real, x_imaginary), (y_real, y_imaginary)


def import_ptau(source: Path, target: Path, *, size: int | None = None, stages: Stages = no_stages) -> SrsFile:
    """Write the SRS that a powers-of-tau file holds; every point of it is checked.

    Parameters
    ----------
    size
        Number of powers to take; default: all ``2**(power + 1) - 1``.

    Raises
    ------
    InvalidSrs
        If the file is not a powers-of-tau file of BN254, is damaged, or nobody has contributed to it.
    OutOfRange
        If it does not have ``size`` powers.
    ConfigError
        If ``target`` exists.

    """
    refuse_existing(target)

    def check(written: SrsFile) -> None:
        verify(dataclasses.replace(written, path=source), stages=stages)  # what is wrong is wrong in the source

    with located(source), source.open("rb") as file:
        opened = _open(file)
        count = _count(opened, size)
        draft = _draft(opened, count, _blake2b(file, stages))
        return write(target, draft, _powers(opened, count, stages("copying powers", count)), check=check)


def _open(file: BinaryIO) -> _Opened:
    sections = _sections(file)
    for section, name in _NAMES.items():
        if section not in sections:
            raise _refused(f"section {section} ({name}) is missing")
    header = sections[_HEADER]
    if header.length != _HEADER_BYTES:
        raise _refused(f"its header has {header.length} bytes, not {_HEADER_BYTES}")
    file.seek(header.start)
    data = file.read(_HEADER_BYTES)
    width, prime = _u32(data, 0), int.from_bytes(data[4 : 4 + _COORDINATE_BYTES], "little")
    if width != _COORDINATE_BYTES or prime != P:
        raise _refused("it is for another curve")
    power, ceremony_power = _u32(data, 36), _u32(data, 40)
    if not _MIN_POWER <= power <= _MAX_POWER or not power <= ceremony_power <= _MAX_POWER:
        raise _refused(f"power {power} of {ceremony_power} is not possible")
    opened = _Opened(file, sections, power)
    lengths = {
        _TAU_G1: opened.powers * POINT_BYTES,
        _TAU_G2: _G2_BYTES << power,
        _ALPHA_TAU_G1: POINT_BYTES << power,
        _BETA_TAU_G1: POINT_BYTES << power,
        _BETA_G2: _G2_BYTES,
    }
    for section, length in lengths.items():
        if sections[section].length != length:
            raise _refused(f"section {section} ({_NAMES[section]}) has {sections[section].length} bytes, not {length}")
    return opened


def _sections(file: BinaryIO) -> dict[int, _Section]:
    start = file.read(12)
    if start[:4] != _MAGIC or len(start) != 12:  # noqa: PLR2004
        raise InvalidSrs("this is not a .ptau file", hint="snarkjs' `powersoftau` makes them")
    version, count = _u32(start, 4), _u32(start, 8)
    if version != _VERSION or count > _MAX_SECTIONS:
        raise _refused(f"version {version} with {count} sections is not known")
    total = os.fstat(file.fileno()).st_size
    sections: dict[int, _Section] = {}
    position = len(start)
    for _ in range(count):
        file.seek(position)
        head = file.read(12)
        if len(head) != 12:  # noqa: PLR2004
            raise _refused("it ends before its last section")
        section, length = _u32(head, 0), int.from_bytes(head[4:], "little")
        position += len(head)
        if length > total - position:
            raise _refused(f"it ends inside section {section}")
        if section in sections:
            raise _refused(f"section {section} occurs twice")
        sections[section] = _Section(position, length)
        position += length
    if position != total:
        raise _refused(f"{total - position} bytes follow its last section")
    return sections


def _count(opened: _Opened, size: int | None) -> int:
    if size is not None and not MIN_SIZE <= size <= opened.powers:
        raise OutOfRange(
            f"a file of power {opened.power} has {opened.powers} powers, so it cannot give {size}",
            hint=f"ask for {MIN_SIZE} to {opened.powers} with --size, or take a file of a higher power",
        )
    return size or opened.powers


def _draft(opened: _Opened, count: int, blake2b: str) -> Header:
    blinding = opened.points(_ALPHA_TAU_G1, 0, BLINDING_POWERS)
    contributions = _contributions(opened)
    return Header(
        size=count,
        digest=NO_DIGEST,
        powers_digest=NO_DIGEST,
        blinding=encode_points_hex(blinding),
        tau_g2=encode_g2_hex(opened.g2(1)),
        tau2_g2=encode_g2_hex(opened.g2(2)),
        origin="ptau",
        source=Source(
            tau=encode_point(unpack_points(opened.points(_TAU_G1, 1, 1))[0]).hex(),
            eta=encode_points_hex(blinding)[0],
            blake2b=blake2b,
            power=opened.power,
            contributions=contributions,
        ),
        contributions=[],
    )


def _contributions(opened: _Opened) -> int:
    """Return the number of contributions, whose records must fill their section and end at the file's points."""
    section = opened.sections[_CONTRIBUTIONS]
    broken = _refused(f"section {_CONTRIBUTIONS} (contributions) is not well-formed")
    if section.length < _COUNT_BYTES:
        raise broken
    count = _u32(opened.read(_CONTRIBUTIONS, 0, _COUNT_BYTES), 0)
    position, last = _COUNT_BYTES, b""
    for _ in range(count):
        if section.length - position < _RECORD_BYTES:
            raise broken
        last = opened.read(_CONTRIBUTIONS, position, _RECORD_BYTES)
        position += _RECORD_BYTES + _u32(last, _RECORD_BYTES - 4)
    if position != section.length:
        raise broken
    if not count:
        raise _refused("nobody has contributed to it")
    ends = opened.read(_TAU_G1, POINT_BYTES, POINT_BYTES), opened.read(_ALPHA_TAU_G1, 0, POINT_BYTES)
    at = POINT_BYTES + _G2_BYTES
    if (last[:POINT_BYTES], last[at : at + POINT_BYTES]) != ends:
        raise _refused("its points are not those that its last contribution led to")
    return count


def _powers(opened: _Opened, count: int, advance: Progress) -> Iterator[Points]:
    for start, stop in chunks(count):
        yield opened.points(_TAU_G1, start, stop - start)
        advance(stop - start)


def _blake2b(file: BinaryIO, stages: Stages) -> str:
    advance = stages("hashing the file", os.fstat(file.fileno()).st_size)
    digest = hashlib.blake2b()
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        advance(len(block))
    return digest.hexdigest()


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _refused(reason: str) -> InvalidSrs:
    return InvalidSrs(f"the powers of tau cannot be used: {reason}", hint=_HINT)
