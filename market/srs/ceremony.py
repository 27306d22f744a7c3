"""Ceremonies: a new SRS, and contributions to one.

A contribution's secret lives in memory only. A contribution that ends half-way leaves the file it started from as it
was, and is begun again, with another secret.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from aggregator.bn254 import G2_GENERATOR, GENERATOR, Points, pack_points
from aggregator.ceremony import MAX_CONTRIBUTIONS, Secret
from aggregator.errors import InvalidSrs
from aggregator.randomness import SEED_BYTES
from aggregator.srs import (
    BLINDING_POWERS,
    CHUNK,
    MIN_SIZE,
    Progress,
    check_size,
    chunks,
    development_powers,
    development_srs,
)
from market.srs.files import (
    NO_DIGEST,
    SrsFile,
    Stages,
    load,
    located,
    no_stages,
    refuse_existing,
    states,
    verify,
    write,
)
from market.srs.header import Header, Record, encode_g2_hex, encode_points_hex

_SEED_BYTES = 64


def new(path: Path, size: int, *, stages: Stages = no_stages) -> SrsFile:
    """Write the SRS before the first contribution: tau = eta = 1, so every point is a generator.

    Raises
    ------
    OutOfRange
        If ``size`` is not 9 to 2**28.
    ConfigError
        If the file exists.

    """
    chunk = np.repeat(pack_points([GENERATOR]), min(check_size(size), CHUNK), axis=0)
    draft = Header(
        size=size,
        digest=NO_DIGEST,
        powers_digest=NO_DIGEST,
        blinding=encode_points_hex(chunk[:1]) * BLINDING_POWERS,
        tau_g2=encode_g2_hex(G2_GENERATOR),
        tau2_g2=encode_g2_hex(G2_GENERATOR),
        origin="ceremony",
        contributions=[],
    )
    advance = stages("writing", size)
    return write(path, draft, _counted((chunk[: stop - start] for start, stop in chunks(size)), advance))


def contribute(
    source: Path, target: Path, name: str, *, entropy: bytes = b"", stages: Stages = no_stages
) -> tuple[SrsFile, bytes]:
    """Multiply a fresh secret into an SRS; return the new file and the digest to publish as one's contribution.

    Both the SRS contributed to and the new one are verified in full.

    Parameters
    ----------
    name
        Contributor's name, 1 to 64 bytes of printable UTF-8.
    entropy
        Mixed into the operating system's randomness; may be empty or known to others.

    Raises
    ------
    InvalidSrs
        If the SRS is not valid or for development, holds as many contributions as it can, or the name cannot be used.
    ConfigError
        If ``target`` exists.

    """
    refuse_existing(target)
    old = load(source)
    with located(source):
        state = states(old.header)[-1]
    if len(old.header.contributions) >= MAX_CONTRIBUTIONS:
        raise InvalidSrs(f"an SRS has at most {MAX_CONTRIBUTIONS} contributions")
    secret = Secret(_seed(entropy), state, name)
    try:
        verify(old, stages=stages, allow_initial=True)
        tau_g2, tau2_g2 = secret.update_g2(old.srs.tau_g2, old.srs.tau2_g2)
        draft = old.header.model_copy(
            update={
                "digest": NO_DIGEST,
                "powers_digest": NO_DIGEST,
                "blinding": encode_points_hex(secret.update_blinding(old.srs.blinding)),
                "tau_g2": encode_g2_hex(tau_g2),
                "tau2_g2": encode_g2_hex(tau2_g2),
                "contributions": [*old.header.contributions, Record.of(secret.contribution)],
            }
        )
        updated = (secret.update_powers(old.srs.powers[start:stop], start) for start, stop in chunks(old.size))
        file = write(
            target,
            draft,
            _counted(updated, stages("contributing", old.size)),
            check=lambda written: verify(written, stages=stages),
        )
    finally:
        secret.forget()
    return file, states(file.header)[-1].digest


def development(path: Path, size: int, *, stages: Stages = no_stages, replace: bool = False) -> SrsFile:
    """Write the SRS of ``size`` powers whose secret is public: for tests and development chains.

    Raises
    ------
    OutOfRange
        If ``size`` is not 9 to 2**28.
    ConfigError
        If the file exists, and ``replace`` is not set.

    """
    # all but the powers is the same at every size
    small = development_srs(MIN_SIZE)
    draft = Header(
        size=check_size(size),
        digest=NO_DIGEST,
        powers_digest=NO_DIGEST,
        blinding=encode_points_hex(small.blinding),
        tau_g2=encode_g2_hex(small.tau_g2),
        tau2_g2=encode_g2_hex(small.tau2_g2),
        origin="development",
        contributions=[],
    )
    powers = development_powers(size)
    return write(path, draft, _counted(powers, stages("computing powers", size)), replace=replace)


def _seed(entropy: bytes) -> bytes:
    """Return 32 bytes of the system's randomness; the user's part can only add to it."""
    return hashlib.shake_256(secrets.token_bytes(_SEED_BYTES) + entropy).digest(SEED_BYTES)


def _counted(parts: Iterable[Points], advance: Progress) -> Iterator[Points]:
    for part in parts:
        yield part
        advance(len(part))
