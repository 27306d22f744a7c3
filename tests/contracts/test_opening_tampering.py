"""Nothing of an opening can be changed: every field, element and word is tampered with, and both verifiers refuse."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak
from web3 import Web3

from aggregator.bn254 import P, R, decode_point
from aggregator.commitments import RoundId, uint_word
from aggregator.errors import GramercyError
from aggregator.proofs import OpeningStatement, verify_opening
from aggregator.srs import development_srs
from tests.contracts.harness import artifact
from tests.contracts.judge import judge
from tests.contracts.tampering import OPENING, proofs, statement_changes
from tests.contracts.wire import Parameter, type_of
from tests.vectors.cases import OpeningCase, load, opening_cases

pytestmark = pytest.mark.node
KEY = development_srs(load("openings.json")["powers"]).key


def parameter() -> Parameter:
    """Return ChunkOpening.OpeningStatement as the ABI describes it."""
    (function,) = [entry for entry in artifact("ProofProbe")["abi"] if entry.get("name") == "verifyOpening"]
    found: Parameter = function["inputs"][0]
    return found


def values_of(statement: OpeningStatement) -> Any:
    place = statement.round_id
    market = Web3.to_checksum_address(place.market)
    point = statement.commitment or (0, 0)
    return (place.chain_id, market, place.job_id, place.number, point, statement.start, list(statement.values))


def tampered(case: OpeningCase) -> dict[bytes, str]:
    """Return calldata with what was done to it."""
    types, values = [type_of(parameter()), "bytes"], values_of(case.statement)
    found = {encode(types, [changed, case.proof]): what for what, changed in statement_changes(parameter(), values)}
    found |= {encode(types, [values, changed]): what for what, changed in proofs(case.proof, OPENING)}
    found.pop(encode(types, [values, case.proof]), None)
    return found


def python_accepts(arguments: bytes) -> bool:
    try:
        (chain_id, market, job_id, number, (x, y), start, values), proof = decode(
            [type_of(parameter()), "bytes"], arguments
        )
        place = RoundId(chain_id, bytes.fromhex(market[2:]), job_id, number)
        point = decode_point(uint_word(x) + uint_word(y))
        verify_opening(KEY, OpeningStatement(place, point, start, tuple(values)), proof)
    except GramercyError:
        return False
    return True


@pytest.mark.parametrize("name", ["a chunk in the middle", "the first entry", "beyond the end"])
def test_both_verifiers_refuse_all(name: str) -> None:
    case = next(case for case in opening_cases() if case.name == name)
    honest = encode([type_of(parameter()), "bytes"], [values_of(case.statement), case.proof])
    found = tampered(case)
    names = " ".join(found.values())
    assert all(part["name"] in names for part in parameter()["components"])
    assert all(word in names for word in OPENING.words)
    assert python_accepts(honest)
    assert not [what for arguments, what in found.items() if python_accepts(arguments)]
    selector = bytes(keccak(f"verifyOpening({type_of(parameter())},bytes)".encode())[:4])
    with judge(KEY, "ProofProbe") as contract:
        assert all(contract.accepts(selector, [honest]))
        verdicts = contract.accepts(selector, list(found))
        assert not [what for what, verdict in zip(found.values(), verdicts, strict=True) if verdict]
    print(f"{len(found)} cases")


def test_points_off_the_curve_or_beyond_the_modulus_are_among_the_cases() -> None:
    case = next(case for case in opening_cases() if case.name == "a chunk in the middle")
    words = [proof for _, proof in proofs(case.proof, OPENING)]
    x = int.from_bytes(case.proof[:32], "big")
    scalar = int.from_bytes(case.proof[128:160], "big")
    assert any(proof[:32] == uint_word(x + P) for proof in words)
    assert any(proof[128:160] == uint_word(scalar + R) for proof in words)
