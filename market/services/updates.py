"""Payloads of a round: a trainer's sealed update and an aggregator's aggregate, written, opened and checked."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from aggregator.aggregate import check_aggregate
from aggregator.bn254 import compress
from aggregator.commitments import BLINDING_BYTES, Blinding, RoundId, commit, decode_blinding, encode_blinding
from aggregator.errors import InvalidInput
from aggregator.fixedpoint import IntVector, check_entries, entry_dtype
from aggregator.srs import Srs
from market.domain import RoundSettled, UpdateCommitted
from market.errors import IntegrityError, PayloadError, SizeExceeded
from market.storage.base import Storage
from market.storage.cid import Cid
from market.storage.payload import Payload, TensorSpec, pack, unpack_to_file
from market.storage.sealed import MAX_RECIPIENTS, binding, seal_bytes, sealed_bytes, unseal

_OVERHEAD_BYTES = 1 << 16
"""What a payload may exceed its tensor's bytes by: header, zstd frame, incompressible data."""


@dataclass(frozen=True, slots=True)
class OpenedUpdate:
    """A committed update whose payload was fetched and unsealed; ``entries`` is a memory map (d,) in range.

    Whether the commitment is to these entries and this blinding is checked for a whole round at once, by
    :func:`aggregator.commitments.check_commitments`.
    """

    commit: UpdateCommitted
    entries: IntVector
    blinding: Blinding


@dataclass(frozen=True, slots=True)
class OpenedAggregate:
    """A settled round's aggregate, int64 (d,), its blinding and the aggregator's notes; everything checked."""

    entries: npt.NDArray[np.int64]
    blinding: Blinding
    notes: Mapping[str, str]


def payload_limit(dimension: int, item_bytes: int) -> int:
    """Return the largest acceptable plain payload for ``dimension`` entries of ``item_bytes`` each."""
    data = dimension * item_bytes
    return data + data // 64 + _OVERHEAD_BYTES


def sealed_limit(dimension: int, item_bytes: int) -> int:
    """Return the largest acceptable sealed payload: the plain one's, the header for all recipients, and the tags."""
    return sealed_bytes(payload_limit(dimension, item_bytes), MAX_RECIPIENTS)


def round_binding(round_id: RoundId, trainer: str, commitment: bytes) -> bytes:
    """Return what a trainer's payload is sealed to; ``commitment`` is compressed."""
    return binding(round_id, bytes.fromhex(trainer[2:]), commitment)


def seal_update(entries: IntVector, blinding: Blinding, recipients: Sequence[bytes], bound_to: bytes) -> bytes:
    """Return the payload of a quantised update, readable by the recipients alone; see :func:`round_binding`."""
    plain = pack({"update": entries}, {"blinding": encode_blinding(blinding).hex()})
    return seal_bytes(plain, recipients, bound_to)


def open_update(
    storage: Storage,
    round_id: RoundId,
    commit: UpdateCommitted,
    keys: Sequence[X25519PrivateKey],
    *,
    dimension: int,
    bits: int,
    workdir: Path,
    ranged: bool = True,
) -> OpenedUpdate:
    """Fetch and unseal a committed payload and check all about it that does not need the other updates.

    Without ``ranged`` entries may be out of range: that is what a challenge of the update shows.

    Raises
    ------
    UnknownCid, IntegrityError, StorageUnavailable
        If the content cannot be had.
    SizeExceeded, PayloadError, WrongShape, OutOfRange
        If it is not an update of this job, sealed to one of ``keys`` for this commitment.

    """
    dtype = entry_dtype(bits)
    payload = fetch_payload(
        storage,
        Cid.parse(commit.cid),
        declared_bytes=commit.payload_bytes,
        limit=sealed_limit(dimension, dtype.itemsize),
        expected={"update": TensorSpec("I8" if dtype == np.int8 else "I16", (dimension,))},
        workdir=workdir,
        seal=Seal(keys, round_binding(round_id, commit.trainer, commit.commitment)),
    )
    entries = payload.arrays["update"]
    if ranged:
        check_entries(entries, dimension=dimension, bits=bits)
    return OpenedUpdate(commit, entries, _blinding(payload.metadata))


def pack_aggregate(aggregate: npt.NDArray[np.int64], blinding: Blinding, notes: Mapping[str, str]) -> bytes:
    """Return the payload of an aggregate ``sum_i w_i u_i`` with its blinding ``sum_i w_i h_i``."""
    return pack({"aggregate": aggregate}, {**notes, "blinding": encode_blinding(blinding).hex()})


def open_aggregate(
    storage: Storage, srs: Srs, settled: RoundSettled, *, dimension: int, bits: int, workdir: Path
) -> OpenedAggregate:
    """Fetch a settled round's aggregate and check it against what the chain has on record.

    Raises
    ------
    IntegrityError
        If it is not what was committed, or an entry is out of range.
    UnknownCid, StorageUnavailable, SizeExceeded, PayloadError
        As for :func:`open_update`.

    """
    opened = fetch_aggregate(storage, settled, dimension=dimension, workdir=workdir)
    fault = aggregate_fault(srs, settled, opened, dimension=dimension, bits=bits)
    if fault is not None:
        raise IntegrityError(
            f"the aggregate of round {settled.number} is false: {fault}",
            hint="do not train on it; within the challenge window `gramercy job challenge` may void the round",
        )
    return opened


def fetch_aggregate(storage: Storage, settled: RoundSettled, *, dimension: int, workdir: Path) -> OpenedAggregate:
    """Fetch a settled round's aggregate without comparing it with the chain; errors as for :func:`open_update`."""
    payload = fetch_payload(
        storage,
        Cid.parse(settled.settlement.aggregate_cid),
        declared_bytes=settled.settlement.aggregate_bytes,
        limit=payload_limit(dimension, 8),
        expected=_aggregate_spec(dimension),
        workdir=workdir,
    )
    return _opened_aggregate(payload)


def read_aggregate(path: Path, *, dimension: int, workdir: Path) -> OpenedAggregate:
    """Read an aggregate from a file on disk; SizeExceeded or PayloadError if it is none of this dimension."""
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".read-", dir=workdir) as scratch:
        return _opened_aggregate(unpack_to_file(path, Path(scratch) / "tensors", _aggregate_spec(dimension)))


def aggregate_fault(
    srs: Srs, settled: RoundSettled, opened: OpenedAggregate, *, dimension: int, bits: int
) -> str | None:
    """Say how an aggregate contradicts the settlement's record, or return None.

    The published entries and blinding must open the recorded commitment ``sum_i w_i C_i``, and no entry may exceed what
    updates in range can add up to. Such a file is the aggregate whatever root is recorded: a false root must not stop
    training. The audit checks it.
    """
    posted = settled.settlement
    try:
        check_aggregate(opened.entries, dimension=dimension, weight_sum=sum(posted.weights), bits=bits)
    except InvalidInput as error:
        return error.message
    if compress(commit(srs, opened.entries, opened.blinding)) != posted.aggregate_commitment:
        return "it does not match its commitment on chain"
    return None


@dataclass(frozen=True, slots=True)
class Seal:
    """What opens a sealed payload: the reader's private keys, and what it must be bound to."""

    keys: Sequence[X25519PrivateKey]
    bound_to: bytes

    def open(self, source: Path, target: Path, max_bytes: int) -> None:
        """Unseal a file into another."""
        with source.open("rb") as sealed, target.open("wb") as plain:
            unseal(sealed, plain, self.keys, self.bound_to, max_bytes=max_bytes)


def fetch_payload(
    storage: Storage,
    cid: Cid,
    *,
    declared_bytes: int,
    limit: int,
    expected: Mapping[str, TensorSpec],
    workdir: Path,
    seal: Seal | None = None,
) -> Payload:
    """Fetch a payload and map its tensors, everything checked.

    The file behind the maps loses its name at once: processes that share ``workdir`` cannot hurt each other, and the
    space is free again when the maps go.

    Raises
    ------
    SizeExceeded, PayloadError
        If it is not of the declared size, more is declared than ``limit``, it cannot be unsealed, or the tensors are
        not the expected ones.
    UnknownCid, IntegrityError, StorageUnavailable
        If the content cannot be had.

    """
    if declared_bytes > limit:
        raise SizeExceeded(f"a payload of {declared_bytes} bytes was declared; this job allows {limit}")
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=workdir) as scratch:
        packed = Path(scratch) / "packed"
        with packed.open("wb") as sink:
            size = storage.fetch(cid, sink, max_bytes=declared_bytes)
        if size != declared_bytes:
            raise PayloadError(f"the payload has {size} bytes, not the declared {declared_bytes}")
        if seal is not None:
            plain = Path(scratch) / "plain.zst"
            seal.open(packed, plain, limit)
            packed.unlink()
            packed = plain
        return unpack_to_file(packed, Path(scratch) / "tensors.safetensors", expected)


def _aggregate_spec(dimension: int) -> dict[str, TensorSpec]:
    return {"aggregate": TensorSpec("I64", (dimension,))}


def _opened_aggregate(payload: Payload) -> OpenedAggregate:
    notes = {name: text for name, text in payload.metadata.items() if name != "blinding"}
    return OpenedAggregate(payload.arrays["aggregate"], _blinding(payload.metadata), notes)


def _blinding(metadata: Mapping[str, str]) -> Blinding:
    text = metadata.get("blinding", "")
    try:
        blinding = decode_blinding(bytes.fromhex(text))
    except (ValueError, InvalidInput):
        blinding = None
    # fromhex takes capitals and blanks, too: one blinding has one spelling
    if blinding is None or encode_blinding(blinding).hex() != text:
        raise PayloadError(f"the payload has no blinding of {BLINDING_BYTES} bytes in hexadecimal")
    return blinding
