"""SRS files: memory-mapped reading, verification in full, and writing whole or not at all.

After the header come the powers as kernels use them: 64 bytes each, Montgomery form, little-endian, x then y. Nothing
of size D is read into memory at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aggregator.bn254 import GENERATOR, Point, Points, kernel, unpack_points, vector_from_ints
from aggregator.ceremony import State, follow
from aggregator.errors import InvalidPoint, InvalidSrs
from aggregator.randomness import SEED_BYTES
from aggregator.srs import (
    DEVELOPMENT_ETA,
    DEVELOPMENT_TAU,
    Progress,
    Srs,
    VerifyingKey,
    check_srs,
    chunk_digest,
    no_progress,
)
from market.errors import ConfigError
from market.srs.header import POINT_BYTES, Header, decode_g2_hex, read_header

NO_DIGEST = bytes(32).hex()
"""Stands in a header for a digest that is not known before the powers are."""
Stages = Callable[[str, int], Progress]
"""Called with the name of a stage and its number of points; returns what to call as they are dealt with."""


def no_stages(_name: str, _points: int) -> Progress:
    """Tell nobody."""
    return no_progress


@dataclass(frozen=True, eq=False)
class SrsFile:
    """An SRS file that was opened; ``srs.powers`` is mapped, read-only."""

    path: Path
    header: Header
    srs: Srs

    @property
    def key(self) -> VerifyingKey:
        """The verifying key."""
        return self.srs.key

    @property
    def size(self) -> int:
        """Number of powers."""
        return self.srs.size


def load(path: Path) -> SrsFile:
    """Open an SRS file. Quick at any size: the header is checked, and that the file has as many bytes as it says.

    What the powers are is left to :func:`verify`; :func:`market.srs.cache.open_verified` does both, once for a file.

    Raises
    ------
    InvalidSrs
        If the file is not an SRS file, is damaged in its header, or has another length.
    OSError
        If it cannot be read.

    """
    with located(path):
        with path.open("rb") as file:
            header, offset = read_header(file)
            srs = _mapped(file, header, offset)
        _check_digest(srs.key, header)
        _check_end(srs.key, _claimed_end(header))
    return SrsFile(path, header, srs)


def states(header: Header) -> list[State]:
    """Verify the contributions that a header records; return the state after each, the initial one first.

    Raises
    ------
    InvalidSrs
        Naming the first contribution that does not follow from what came before it; for a development SRS, which
        has no states.

    """
    initial = header.initial_state()
    return [initial, *follow(initial, [record.contribution() for record in header.contributions])]


def verify(file: SrsFile, *, stages: Stages = no_stages, allow_initial: bool = False) -> None:
    """Verify a file in full: every contribution's proof, that they lead to these points, and every point.

    Raises
    ------
    InvalidSrs
        If anything does not hold, or nobody has contributed and ``allow_initial`` is not set.

    """
    with located(file.path):
        if file.header.origin != "development":
            states(file.header)  # that the last one is this file's, load checked
        randomness = secrets.token_bytes(SEED_BYTES)
        check_srs(file.srs, randomness, stages("checking points", file.size), allow_initial=allow_initial)


def write(
    path: Path,
    draft: Header,
    chunks: Iterable[Points],
    *,
    check: Callable[[SrsFile], None] | None = None,
    replace: bool = False,
) -> SrsFile:
    """Write an SRS file under a temporary name beside ``path``; it gets its name when it is whole and checked.

    Parameters
    ----------
    draft
        The header, but for the two digests, which are computed here.
    chunks
        The powers in chunks of 2**16, in order.
    check
        What the written file has to pass before it gets its name.
    replace
        Whether to replace a file of that name.

    Raises
    ------
    ConfigError
        If there is a file of that name, and ``replace`` is not set.
    OSError
        If it cannot be written.

    """
    refuse_existing(path, replace=replace)
    with _temporary(path) as temporary:
        with temporary.open("xb") as file:
            _fill(file, draft, chunks)
        if check is not None:
            check(dataclasses.replace(load(temporary), path=path))
        if replace:
            temporary.replace(path)
        else:
            try:
                os.link(temporary, path)  # unlike a rename, fails where the name was taken meanwhile
            except FileExistsError:
                refuse_existing(path, replace=False)
    return load(path)


@contextlib.contextmanager
def located(path: Path) -> Iterator[None]:
    """Name the file in errors about its content, once."""
    try:
        yield
    except (InvalidPoint, InvalidSrs) as error:
        if "path" in error.details:
            raise
        hint = error.hint or "get the file again, from another place"
        raise InvalidSrs(f"{path}: {error.message}", hint=hint, path=str(path), **error.details) from None


def refuse_existing(path: Path, *, replace: bool = False) -> None:
    """Refuse a path that is taken.

    Raises
    ------
    ConfigError
        If something is there, and ``replace`` is not set.

    """
    if path.exists() and not replace:
        raise ConfigError(f"{path} exists already", hint="choose another name; SRS files are never overwritten")


def _mapped(file: BinaryIO, header: Header, offset: int) -> Srs:
    expected = offset + header.size * POINT_BYTES
    actual = os.fstat(file.fileno()).st_size
    if actual != expected:
        raise InvalidSrs(
            f"the file has {actual} bytes, but {header.size} powers make {expected}",
            hint="the file was cut short or changed: get it again",
        )
    powers = np.memmap(file, dtype="<u8", mode="r", offset=offset, shape=(header.size, POINT_BYTES // 8))
    return Srs(
        powers=np.asarray(powers),
        blinding=header.blinding_points(),
        tau_g2=decode_g2_hex(header.tau_g2),
        tau2_g2=decode_g2_hex(header.tau2_g2),
        powers_digest=bytes.fromhex(header.powers_digest),
    )


def _claimed_end(header: Header) -> tuple[Point, Point]:
    """Return tau and eta as the header's last record has them, whose proof is not verified here."""
    if header.origin == "development":
        points = kernel().fixed_base(GENERATOR, vector_from_ints([DEVELOPMENT_TAU, DEVELOPMENT_ETA]))
        tau, eta = unpack_points(points)
        return tau, eta
    if header.contributions:
        last = header.contributions[-1].contribution()
        return last.tau, last.eta
    state = header.initial_state()
    return state.tau, state.eta


def _check_digest(key: VerifyingKey, header: Header) -> None:
    if key.digest.hex() != header.digest:
        raise InvalidSrs("the digest in the header is not that of its fields", hint="get the file again")


def _check_end(key: VerifyingKey, end: tuple[Point, Point]) -> None:
    if (key.tau, key.blinding[0]) != end:
        raise InvalidSrs(
            "the points are not those that the recorded contributions lead to",
            hint="the file was changed: get it again, from another place",
        )


def _fill(file: BinaryIO, draft: Header, chunks: Iterable[Points]) -> None:
    file.seek(len(draft.encode()))
    outer = hashlib.sha256()
    tau: Point = None
    for index, chunk in enumerate(chunks):
        if index == 0:
            tau = unpack_points(chunk[1:2])[0]
        outer.update(chunk_digest(chunk))
        file.write(np.ascontiguousarray(chunk, dtype="<u8").data)
    eta = unpack_points(draft.blinding_points())
    key = VerifyingKey.of(
        draft.size,
        outer.digest(),
        tau,
        (eta[0], eta[1], eta[2]),
        decode_g2_hex(draft.tau_g2),
        decode_g2_hex(draft.tau2_g2),
    )
    file.seek(0)
    file.write(draft.model_copy(update={"digest": key.digest.hex(), "powers_digest": outer.hexdigest()}).encode())
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
