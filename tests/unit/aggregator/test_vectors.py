"""The shared vectors in the core, and the files against their generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aggregator.aggregate import aggregate_root, leaf_path
from aggregator.bn254 import compress, decode_point, decompress, encode_point, unpack_points
from aggregator.commitments import commit, decode_blinding
from aggregator.errors import NonFiniteUpdate
from aggregator.fixedpoint import entry_dtype
from aggregator.settlement import settle
from aggregator.srs import development_srs
from scripts import make_vectors
from tests.vectors.cases import (
    SettlementCase,
    floats,
    integers,
    load,
    quantiser_of,
    settlement_cases,
)

_COMMITMENTS = load("commitments.json")


def _name(case: dict[str, Any] | SettlementCase) -> str:
    return case.name if isinstance(case, SettlementCase) else str(case["name"])


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """What the generator writes, by file."""
    return make_vectors.texts()


@pytest.mark.parametrize("file", sorted(make_vectors.FILES))
def test_committed_files_are_what_the_generator_writes(file: str, generated: dict[str, str]) -> None:
    assert generated[file] == (make_vectors.VECTORS / file).read_text()


def test_names_are_unique() -> None:
    for file in make_vectors.FILES:
        for cases in load(file).values():
            if isinstance(cases, list):
                assert len({case["name"] for case in cases}) == len(cases)


@pytest.mark.parametrize("case", settlement_cases(), ids=_name)
def test_settlement(case: SettlementCase) -> None:
    found = settle(
        case.rules,
        case.products,
        case.stakes,
        scale_exponent=case.scale_exponent,
        trainers=case.trainers,
        memory=case.carried,
    )
    assert found == case.outcome


@pytest.mark.parametrize("case", load("quantiser.json")["quantise"], ids=_name)
def test_quantise(case: dict[str, Any]) -> None:
    result = quantiser_of(case).quantise(floats(case["update"]))
    assert result.entries.tolist() == case["entries"]
    assert result.entries.dtype == entry_dtype(case["bits"])
    assert result.saturated == case["saturated"]


@pytest.mark.parametrize("case", load("quantiser.json")["refused"], ids=_name)
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(NonFiniteUpdate) as refusal:
        quantiser_of(case).quantise(floats(case["update"]))
    assert refusal.value.details == {"entry": case["entry"]}


@pytest.mark.parametrize("case", load("quantiser.json")["apply"], ids=_name)
def test_apply(case: dict[str, Any]) -> None:
    result = quantiser_of(case).apply(floats(case["model"]), integers(case["aggregate"]))
    assert result.dtype == np.float32
    assert result.tobytes() == floats(case["result"]).tobytes()


@pytest.mark.parametrize("case", _COMMITMENTS["points"], ids=_name)
def test_compressed_point(case: dict[str, Any]) -> None:
    point = decode_point(bytes.fromhex(case["point"]))
    assert compress(point).hex() == case["compressed"]
    assert decompress(bytes.fromhex(case["compressed"])) == point


@pytest.mark.parametrize("case", [*_COMMITMENTS["updates"], *_COMMITMENTS["aggregates"]], ids=_name)
def test_commitment(case: dict[str, Any]) -> None:
    blinding = decode_blinding(bytes.fromhex(case["blinding"]))
    assert compress(commit(development_srs(16), integers(case["entries"]), blinding)).hex() == case["commitment"]
    if "root" in case:
        assert aggregate_root(integers(case["entries"])).hex() == case["root"]


@pytest.mark.parametrize("case", _COMMITMENTS["trees"], ids=_name)
def test_tree_of_an_aggregate(case: dict[str, Any]) -> None:
    entries = np.array([k * 2654435761 % 2**48 - 2**47 for k in range(case["length"])], dtype=np.int64)
    assert aggregate_root(entries).hex() == case["root"]
    assert [node.hex() for node in leaf_path(entries, case["leaf"])] == case["path"]


@pytest.mark.parametrize("case", load("srs.json")["development"], ids=_name)
def test_development_reference_string(case: dict[str, Any]) -> None:
    srs = development_srs(case["size"])
    assert srs.key.digest.hex() == case["digest"]
    assert srs.key.powers_digest.hex() == case["powers_digest"]
    assert [encode_point(point).hex() for point in unpack_points(srs.powers)] == case["powers"]
    assert [encode_point(point).hex() for point in unpack_points(srs.blinding)] == case["blinding"]
