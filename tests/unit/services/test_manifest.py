"""Manifests from storage: written by strangers, so everything but the exact form is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import PayloadError
from market.services.manifest import Manifest, SrsEntry, TensorEntry

GOOD: dict[str, Any] = {
    "name": "digits",
    "task": "digits",
    "tensors": [{"name": "w", "shape": [10, 64]}, {"name": "b", "shape": [10], "scale_offset": 2}],
    "initial_model_cid": "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e",
    "initial_model_bytes": 2700,
    "srs": {"digest": "ab" * 32, "size": 658, "cid": "bafkreia", "bytes": 42_000},
}


def parse(**changes: Any) -> Manifest:
    return Manifest.from_bytes(json.dumps({**GOOD, **changes}).encode())


def test_the_model_follows_from_the_tensors() -> None:
    manifest = parse()
    assert manifest.dimension == 650
    quantiser = manifest.quantiser_for(bits=8, scale_exponent=-3)
    assert (quantiser.bits, quantiser.scale_exponent) == (8, -3)
    assert (quantiser.lengths, quantiser.offsets) == ((640, 10), (0, 2))


def test_equal_manifests_are_equal_bytes_and_read_back() -> None:
    manifest = parse(name="Größe")
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    shuffled = dict(reversed(list({**GOOD, "name": "Größe"}.items())))
    assert Manifest.from_bytes(json.dumps(shuffled, indent=4).encode()).to_bytes() == manifest.to_bytes()
    assert "Größe".encode() in manifest.to_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"surprise": 1}, "surprise: Extra"),
        ({"tensors": [{"name": "w", "shape": [1], "dtype": "F32"}]}, "tensors.0.dtype: Extra"),
        ({"format": "gramercy/manifest/2"}, "format"),
        ({"quantiser": 2}, "quantiser"),
        ({"cid_profile": "unixfs-v0-2015"}, "cid_profile"),
        ({"name": 5}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"task": ""}, "task"),
        ({"task_sha256": "A" * 64}, "task_sha256"),
        ({"task_sha256": "a" * 63}, "task_sha256"),
        ({"tensors": []}, "tensors"),
        ({"tensors": {}}, "tensors"),
        ({"tensors": [{"name": "w", "shape": [0]}]}, "tensors.0.shape.0"),
        ({"tensors": [{"name": "w", "shape": [-1]}]}, "tensors.0.shape.0"),
        ({"tensors": [{"name": "w", "shape": ["1"]}]}, "tensors.0.shape.0"),
        ({"tensors": [{"name": "w", "shape": [1.0]}]}, "tensors.0.shape.0"),
        ({"tensors": [{"name": "w", "shape": [True]}]}, "tensors.0.shape.0"),
        ({"tensors": [{"name": "w", "shape": [1] * 9}]}, "tensors.0.shape"),
        ({"tensors": [{"name": "w", "shape": [1], "scale_offset": 65}]}, "tensors.0.scale_offset"),
        ({"initial_model_bytes": 0}, "initial_model_bytes"),
        ({"initial_model_bytes": "2700"}, "initial_model_bytes"),
        ({"initial_model_cid": None}, "initial_model_cid"),
        ({"srs": None}, "srs"),
        ({"srs": {**GOOD["srs"], "digest": "AB" * 32}}, "srs.digest"),
        ({"srs": {**GOOD["srs"], "digest": "ab" * 31}}, "srs.digest"),
        ({"srs": {**GOOD["srs"], "size": 0}}, "srs.size"),
        ({"srs": {**GOOD["srs"], "size": "658"}}, "srs.size"),
        ({"srs": {**GOOD["srs"], "bytes": 0}}, "srs.bytes"),
        ({"srs": {**GOOD["srs"], "bytes": 658 * 64 + (1 << 21) + 1}}, "srs: Value error, a file of 658 powers"),
        ({"srs": {**GOOD["srs"], "size": (1 << 28) + 1}}, "srs.size"),
        ({"srs": {**GOOD["srs"], "cid": ""}}, "srs.cid"),
        ({"srs": {**GOOD["srs"], "tau": 1}}, "srs.tau: Extra"),
    ],
)
def test_whatever_else_is_refused_and_the_place_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PayloadError, match="malformed") as refused:
        parse(**changes)
    assert words in refused.value.message


@pytest.mark.parametrize("missing", ["name", "task", "tensors", "initial_model_cid", "initial_model_bytes", "srs"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(PayloadError, match=missing):
        Manifest.from_bytes(json.dumps({key: value for key, value in GOOD.items() if key != missing}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{", b"\xff", b'"x"', b"[" * 500_000, b'{"a":' * 200_000, b"1" * 1_000_000]
)
def test_documents_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises(PayloadError, match="malformed"):
        Manifest.from_bytes(data)


def test_a_huge_tensor_is_a_number_and_no_allocation() -> None:
    assert parse(tensors=[{"name": "w", "shape": [1 << 60] * 8}]).dimension == 1 << 480


@pytest.mark.slow
def test_a_hundred_thousand_tensors_are_enough() -> None:
    with pytest.raises(PayloadError, match="tensors"):
        parse(tensors=[{"name": "w", "shape": [1]}] * 100_001)


@given(st.lists(st.lists(st.integers(1, 50), max_size=8), min_size=1, max_size=5), st.text(max_size=50))
def test_manifests_survive_the_way_through_bytes(shapes: list[list[int]], name: str) -> None:
    tensors = [TensorEntry(name=f"t{place}", shape=shape) for place, shape in enumerate(shapes)]
    manifest = Manifest(
        name=name.encode("utf-8", "ignore").decode(),
        task="digits",
        tensors=tensors,
        initial_model_cid="x",
        initial_model_bytes=1,
        srs=SrsEntry(digest="00" * 32, size=9, cid="x", bytes=1),
    )
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
