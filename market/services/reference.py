"""The reference string of a job: found or fetched by the digest that its verifier names, and checked with the verifier.

Whoever knows the secrets behind a reference string can forge proofs and open commitments to anything, and so can
whoever deploys a verifier of his own making. So nothing is staked, committed or settled before all of this holds.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from aggregator.errors import InvalidSrs
from aggregator.proofs.prover import check_room
from market.chain.market import MarketClient
from market.domain import LOCAL_CHAIN_IDS, Address
from market.errors import ConfigError, IntegrityError, WrongChain
from market.services.manifest import SrsEntry
from market.srs import cache
from market.srs.files import SrsFile, Stages, no_stages
from market.storage.base import Storage
from market.storage.cid import Cid


def job_reference(
    market: MarketClient,
    storage: Storage,
    verifier: Address,
    entry: SrsEntry,
    *,
    dimension: int,
    workdir: Path,
    stages: Stages = no_stages,
) -> SrsFile:
    """Return the reference string of a job's verifier: from the user's cache, or fetched once and verified in full.

    Raises
    ------
    WrongChain
        If the verifier is not the published contract with exactly this reference string in it.
    InvalidSrs
        If manifest and verifier name different strings, the file is not what it should be, or its secrets are known to
        everybody and the chain is none for development.
    WrongShape
        If it is too short for updates of ``dimension`` entries.
    UnknownCid, IntegrityError, StorageUnavailable, SizeExceeded
        If it has to be fetched and cannot be had.

    """
    digest = market.srs_digest(verifier)
    file = _cached(market, digest, stages) or _fetched(
        storage, entry, digest, market.srs_size(verifier), workdir, stages
    )
    check_verifier(market, verifier, file)
    check_room(file.size, dimension)
    return file


def check_verifier(market: MarketClient, verifier: Address, file: SrsFile) -> None:
    """Check that a contract is the published verifier with this reference string, and that both may be relied on here.

    Raises
    ------
    WrongChain
        If its code is another.
    InvalidSrs
        If the string's secrets are known to everybody, outside development chains.

    """
    if (file.key.development or file.key.initial) and market.chain_id not in LOCAL_CHAIN_IDS:
        raise InvalidSrs(
            f"the verifier {verifier} relies on a reference string whose secrets are known: anybody can forge proofs",
            hint="stay away from this job; on real chains a ceremony makes the reference string",
            chain_id=market.chain_id,
        )
    if not market.verifier_is_known(verifier, file.key):
        raise WrongChain(
            f"the contract at {verifier} is not the verifier of this version of gramercy",
            hint="it may accept anything; join only where you know the verifier's code",
        )


def owner_reference(
    market: MarketClient, verifier: Address, given: Path | None, *, dimension: int, stages: Stages = no_stages
) -> SrsFile:
    """Return the reference string that an owner publishes with a job: a given file, or the one in the user's cache.

    Errors as for :func:`job_reference`; ConfigError if there is none.
    """
    digest = market.srs_digest(verifier)
    file = cache.open_verified(given, digest=digest, stages=stages) if given else _cached(market, digest, stages)
    if file is None:
        raise ConfigError(
            f"the reference string {digest.hex()} of the verifier is not in {cache.folder()}",
            hint="pass --srs FILE: the file that the verifier was deployed with",
        )
    check_verifier(market, verifier, file)
    check_room(file.size, dimension)
    return file


def _cached(market: MarketClient, digest: bytes, stages: Stages) -> SrsFile | None:
    """Return a string from the user's cache; on development chains also one that was computed here."""
    found = cache.find(digest, stages=stages)
    if found is not None or market.chain_id not in LOCAL_CHAIN_IDS:
        return found
    for path in sorted(cache.folder().glob("development-*.srs")):
        with contextlib.suppress(InvalidSrs, OSError):
            return cache.open_verified(path, digest=digest, stages=stages)
    return None


def _fetched(storage: Storage, entry: SrsEntry, digest: bytes, powers: int, workdir: Path, stages: Stages) -> SrsFile:
    if entry.digest != digest.hex():
        raise InvalidSrs(
            f"the job's manifest names the reference string {entry.digest}, its verifier {digest.hex()}",
            hint="ask the job's owner",
        )
    if entry.size != powers:
        raise InvalidSrs(
            f"the job's manifest speaks of {entry.size} powers, its verifier of {powers}", hint="ask the job's owner"
        )
    workdir.mkdir(parents=True, exist_ok=True)
    progress = stages("fetching the reference string", entry.bytes)
    with tempfile.TemporaryDirectory(prefix=".srs-", dir=workdir) as scratch:
        path = Path(scratch) / "fetched.srs"
        with path.open("wb") as sink:
            size = storage.fetch(Cid.parse(entry.cid), sink, max_bytes=entry.bytes)
        if size != entry.bytes:
            raise IntegrityError(f"the reference string has {size} bytes, not the {entry.bytes} of the manifest")
        progress(size)
        return cache.store(path, digest=digest, stages=stages)
