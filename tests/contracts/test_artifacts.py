"""The committed artifacts are what the committed sources compile to."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from aggregator.srs import development_srs
from market.chain.artifacts import MADE_BY_MARKET, RULE_CONTRACTS, SCORE_CONTRACTS, load_artifact
from scripts import compile_contracts
from tests.contracts.harness import Chain


def test_every_rule_and_score_has_its_contract() -> None:
    folders = {path.stem for kind in ("rules", "scores") for path in (compile_contracts.CONTRACTS / kind).glob("*.sol")}
    assert {*RULE_CONTRACTS.values(), *SCORE_CONTRACTS.values()} == folders


PUBLISHED = list(compile_contracts.PUBLISHED.values())


@pytest.mark.slow
@pytest.mark.node
def test_a_fresh_compilation_gives_the_committed_artifacts() -> None:
    committed = {path.name: path.read_text() for path in compile_contracts.ARTIFACTS.iterdir()}
    assert compile_contracts.build() == committed


@cache
def _arguments(name: str) -> list[Any]:
    return [development_srs(16).key.words()] if name == "GramVerifier" else []


@pytest.mark.parametrize("name", PUBLISHED)
def test_artifact_runs_as_it_says(name: str, chain: Chain) -> None:
    deployed = chain.deploy(name, *_arguments(name))
    code = bytes(chain.w3.eth.get_code(deployed.address))
    assert load_artifact(name).matches(code)
    assert len(code) <= 24_576  # EIP-170


def test_code_matches_where_it_differs_in_immutables_only(chain: Chain) -> None:
    verifier = load_artifact("GramVerifier")
    code = bytes(chain.w3.eth.get_code(chain.deploy("GramVerifier", *_arguments("GramVerifier")).address))
    start, length = verifier.immutables[0]
    assert code[start : start + length] != bytes(length)
    assert code.hex() != verifier.deployed_bytecode.removeprefix("0x")
    for place in (0, start - 1, start + length, len(code) - 1):
        assert not verifier.matches(code[:place] + bytes([code[place] ^ 1]) + code[place + 1 :])
    assert verifier.matches(code[:start] + b"\7" * length + code[start + length :])
    for other in (code[:-1], code + b"\0", b""):
        assert not verifier.matches(other)
    for name in ("TermsCheck", *RULE_CONTRACTS.values(), *SCORE_CONTRACTS.values()):
        assert load_artifact(name).immutables == ()


def test_what_the_market_makes_is_what_is_published() -> None:
    market = load_artifact("Market").bytecode
    for name in MADE_BY_MARKET:
        assert load_artifact(name).bytecode.removeprefix("0x") in market


@pytest.mark.parametrize("name", PUBLISHED)
def test_artifact_names_its_compiler(name: str) -> None:
    expected = {"solc": compile_contracts.SOLC_VERSION, "evmVersion": compile_contracts.EVM_VERSION}
    stored = json.loads((compile_contracts.ARTIFACTS / f"{name}.json").read_text())
    assert stored["compiler"] == expected
