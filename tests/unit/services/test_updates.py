"""Payloads of a round: sealed to the aggregators, and opened only if they are what an update of this job can be."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from aggregator.aggregate import aggregate_root
from aggregator.bn254 import R, compress
from aggregator.commitments import RoundId, check_commitments, commit, encode_blinding
from aggregator.errors import GramercyError, OutOfRange
from aggregator.proofs.statement import Witness
from aggregator.srs import Srs, development_srs
from market.domain import RoundSettled, Settlement, UpdateCommitted
from market.errors import IntegrityError, InvalidCid, NotForUs, PayloadError, SizeExceeded, UnknownCid
from market.services.updates import (
    OpenedUpdate,
    open_aggregate,
    open_update,
    pack_aggregate,
    payload_limit,
    round_binding,
    seal_update,
    sealed_limit,
)
from market.storage.base import put_bytes
from market.storage.cid import RAW, Cid
from market.storage.local import LocalStorage
from market.storage.payload import pack
from market.storage.sealed import seal_bytes

ROUND = RoundId(1, b"m" * 20, 1, 1)
TRAINER = "0x" + "11" * 20
ENTRIES = np.arange(-50, 50, dtype=np.int16)
BLINDING = (5, R - 1, 7)
KEY = X25519PrivateKey.from_private_bytes(b"\1" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = X25519PrivateKey.from_private_bytes(b"\2" * 32)
COMMITMENT = b"\x80" + b"c" * 31
BOUND = round_binding(ROUND, TRAINER, COMMITMENT)
SEALED = seal_update(ENTRIES, BLINDING, [PUBLIC], BOUND)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store")


@cache
def srs() -> Srs:
    return development_srs(108)


def sealed(entries: np.ndarray, metadata: dict[str, str] | None = None, name: str = "update") -> bytes:
    """Seal any payload as an honest trainer would seal its own."""
    notes = {"blinding": encode_blinding(BLINDING).hex()} if metadata is None else metadata
    return seal_bytes(pack({name: entries}, notes), [PUBLIC], BOUND)


def committed(storage: LocalStorage, payload: bytes, **changes: object) -> UpdateCommitted:
    blob = put_bytes(storage, payload)
    commit = UpdateCommitted(1, 1, TRAINER, 0, COMMITMENT, blob.cid.to_bytes(), blob.size_bytes)
    return replace(commit, **changes)  # type: ignore[arg-type]


def opened(
    storage: LocalStorage,
    commit: UpdateCommitted,
    tmp_path: Path,
    *,
    round_id: RoundId = ROUND,
    keys: tuple[X25519PrivateKey, ...] = (KEY,),
    bits: int = 16,
) -> OpenedUpdate:
    return open_update(storage, round_id, commit, keys, dimension=100, bits=bits, workdir=tmp_path / "work")


def test_what_was_sealed_opens_to_the_bit(storage: LocalStorage, tmp_path: Path) -> None:
    found = opened(storage, committed(storage, SEALED), tmp_path, keys=(OTHER, KEY))
    assert found.entries.dtype == np.int16
    assert np.array_equal(found.entries, ENTRIES)
    assert found.blinding == BLINDING
    assert not found.entries.flags.writeable
    assert not list((tmp_path / "work").iterdir())  # the file behind the map has no name any more


def test_bits_decide_the_width_of_entries(storage: LocalStorage, tmp_path: Path) -> None:
    commit = committed(storage, sealed(ENTRIES.astype(np.int8)))
    assert opened(storage, commit, tmp_path, bits=7).entries.dtype == np.int8
    with pytest.raises(OutOfRange):
        opened(storage, commit, tmp_path, bits=6)
    with pytest.raises(PayloadError):
        opened(storage, commit, tmp_path, bits=9)


def test_a_payload_serves_one_commitment_of_one_trainer_in_one_round(storage: LocalStorage, tmp_path: Path) -> None:
    commit = committed(storage, SEALED)
    for other in (RoundId(2, b"m" * 20, 1, 1), RoundId(1, b"n" * 20, 1, 1), RoundId(1, b"m" * 20, 1, 2)):
        with pytest.raises(PayloadError, match="another commitment or round"):
            opened(storage, commit, tmp_path, round_id=other)
    for changed in ({"trainer": "0x" + "22" * 20}, {"commitment": b"\x80" + b"d" * 31}):
        with pytest.raises(PayloadError, match="another commitment or round"):
            opened(storage, replace(commit, **changed), tmp_path)


def test_nobody_but_the_recipients_reads_it(storage: LocalStorage, tmp_path: Path) -> None:
    with pytest.raises(NotForUs):
        opened(storage, committed(storage, SEALED), tmp_path, keys=(OTHER,))


HEXADECIMAL = encode_blinding(BLINDING).hex()


@pytest.mark.parametrize(
    ("payload", "kind", "words"),
    [
        (b"", PayloadError, "sealed payload"),
        (pack({"update": ENTRIES}, {"blinding": HEXADECIMAL}), PayloadError, "sealed payload"),
        (SEALED[:-1], PayloadError, "changed, cut short"),
        (SEALED + b"\0", PayloadError, "changed, cut short"),
        (seal_bytes(b"hello", [PUBLIC], BOUND), PayloadError, "zstd"),
        (sealed(ENTRIES[:99]), PayloadError, "expands to"),
        (sealed(ENTRIES, name="other"), PayloadError, "array"),
        (sealed(ENTRIES.astype(np.int32)), PayloadError, "expands to"),
        (sealed(ENTRIES.reshape(10, 10)), PayloadError, "not as expected"),
        (sealed(ENTRIES, {}), PayloadError, "no blinding"),
        (sealed(ENTRIES, {"blinding": "xyz"}), PayloadError, "no blinding"),
        (sealed(ENTRIES, {"blinding": HEXADECIMAL[:-2]}), PayloadError, "no blinding"),
        (sealed(ENTRIES, {"blinding": HEXADECIMAL.upper()}), PayloadError, "no blinding"),
        (sealed(ENTRIES, {"blinding": "ff" * 96}), PayloadError, "no blinding"),
        (sealed(np.full(100, -(1 << 15), np.int16)), OutOfRange, "more than 16 bits"),
    ],
    ids=range(15),
)
def test_what_is_no_update_of_this_job_is_refused(
    storage: LocalStorage, tmp_path: Path, payload: bytes, kind: type[GramercyError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        opened(storage, committed(storage, payload), tmp_path)
    assert not list((tmp_path / "work").iterdir())


def test_sizes_that_lie_are_refused_before_anything_is_read(storage: LocalStorage, tmp_path: Path) -> None:
    with pytest.raises(SizeExceeded):
        opened(storage, committed(storage, SEALED, payload_bytes=len(SEALED) - 1), tmp_path)
    with pytest.raises(PayloadError, match="not the declared"):
        opened(storage, committed(storage, SEALED, payload_bytes=len(SEALED) + 1), tmp_path)
    limit = sealed_limit(100, 2)
    with pytest.raises(SizeExceeded, match=f"this job allows {limit}"):
        opened(storage, committed(storage, SEALED, payload_bytes=limit + 1), tmp_path)


def test_content_that_cannot_be_had_is_told_apart(storage: LocalStorage, tmp_path: Path) -> None:
    with pytest.raises(UnknownCid):
        opened(storage, committed(storage, SEALED, cid=Cid.of(RAW, b"absent").to_bytes()), tmp_path)
    with pytest.raises(InvalidCid):
        opened(storage, committed(storage, SEALED, cid=b"\1\x55"), tmp_path)


@pytest.mark.parametrize("dimension", [1, 1000, 1_100_000])
def test_the_largest_honest_payload_is_within_its_limit(dimension: int) -> None:
    noise = np.random.default_rng(0).integers(-32767, 32768, dimension, dtype=np.int16)
    keys = [X25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(8)]
    assert payload_limit(dimension, 2) < len(seal_update(noise, BLINDING, keys, BOUND)) + (1 << 18)
    assert len(seal_update(noise, BLINDING, keys, BOUND)) <= sealed_limit(dimension, 2)


def test_an_opened_payload_opens_its_commitment(storage: LocalStorage, tmp_path: Path) -> None:
    point = commit(srs(), ENTRIES, BLINDING)
    found = opened(storage, committed(storage, SEALED), tmp_path)
    assert check_commitments(srs(), [point], [found.entries], [found.blinding], bytes(32)) == ()


# -- aggregates -------------------------------------------------------------------------------------------------------

AGGREGATE = np.arange(-50, 50, dtype=np.int64) << 10
WEIGHTS = (3 << 20, 4 << 20)


def settled(storage: LocalStorage, published: bytes, **changes: object) -> RoundSettled:
    blob = put_bytes(storage, published)
    settlement = Settlement(
        included=3,
        commitment_ys=(),
        history=(),
        gram=b"",
        weights=WEIGHTS,
        scores=(),
        payouts=(),
        next_scale_exponent=0,
        next_memory_digest=bytes(32),
        aggregate_commitment=compress(commit(srs(), AGGREGATE, BLINDING)),
        aggregate_root=aggregate_root(AGGREGATE),
        aggregate_cid=blob.cid.to_bytes(),
        aggregate_bytes=blob.size_bytes,
        witness=Witness(),
    )
    return RoundSettled(1, 1, TRAINER, replace(settlement, **changes), 0, 0)  # type: ignore[arg-type]


def read(storage: LocalStorage, event: RoundSettled, tmp_path: Path, *, dimension: int = 100, bits: int = 16) -> object:
    return open_aggregate(storage, srs(), event, dimension=dimension, bits=bits, workdir=tmp_path)


def test_an_aggregate_opens_only_if_it_is_what_was_settled(storage: LocalStorage, tmp_path: Path) -> None:
    good = settled(storage, pack_aggregate(AGGREGATE, BLINDING, {"note": "x"}))
    found = open_aggregate(storage, srs(), good, dimension=100, bits=16, workdir=tmp_path)
    assert np.array_equal(found.entries, AGGREGATE)
    assert found.blinding == BLINDING
    assert found.notes == {"note": "x"}
    for other in (pack_aggregate(AGGREGATE + 1, BLINDING, {}), pack_aggregate(AGGREGATE, (5, R - 1, 8), {})):
        with pytest.raises(IntegrityError, match="does not match its commitment") as refused:
            read(storage, settled(storage, other), tmp_path)
        assert "do not train on it" in str(refused.value.hint)
    with pytest.raises(PayloadError):
        read(storage, settled(storage, b"?"), tmp_path)
    with pytest.raises(PayloadError, match="no blinding"):
        read(storage, settled(storage, pack({"aggregate": AGGREGATE}, {})), tmp_path)
    with pytest.raises(PayloadError):
        read(storage, good, tmp_path, dimension=99)


def test_a_true_aggregate_under_a_false_root_is_still_true(storage: LocalStorage, tmp_path: Path) -> None:
    event = settled(storage, pack_aggregate(AGGREGATE, BLINDING, {}), aggregate_root=aggregate_root(-AGGREGATE))
    read(storage, event, tmp_path)


def test_an_entry_that_no_updates_in_range_add_up_to_is_false(storage: LocalStorage, tmp_path: Path) -> None:
    event = settled(storage, pack_aggregate(AGGREGATE, BLINDING, {}), weights=(1, 0))
    with pytest.raises(IntegrityError, match="bound"):
        read(storage, event, tmp_path)
    read(storage, settled(storage, pack_aggregate(AGGREGATE, BLINDING, {})), tmp_path, bits=5)
    with pytest.raises(IntegrityError, match="bound"):
        read(storage, replace(event, settlement=replace(event.settlement, weights=(3413, 0))), tmp_path, bits=5)
