"""What explorers verify sources from: inputs that give the committed code again, and the deployment's arguments."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import solcx

from aggregator.srs import development_srs
from market.address_book import AddressBook, Entry, write_address_book
from market.chain.artifacts import load_artifact
from market.chain.deployment_plan import plan_deployment
from market.domain import Address
from scripts import compile_contracts


def _book(path: Path) -> AddressBook:
    key = development_srs(32).key
    plan = plan_deployment(key)
    book = AddressBook(
        chain_id=31337,
        market=Address(plan.market.address),
        verifier=Address(plan.verifier.address),
        forwarder=Address(plan.forwarder),
        first_block=1,
        contracts={name: Entry(Address(address), bytes(32)) for name, address in plan.addresses.items()},
        rules={},
        scores={},
        salt=plan.salt,
        srs=key.digest,
        srs_words=key.words(),
    )
    write_address_book(path, book)
    return book


@pytest.mark.node
def test_every_contract_has_its_input_and_its_arguments(tmp_path: Path) -> None:
    book = _book(tmp_path / "book.json")
    written = compile_contracts.write_standard_json(tmp_path / "inputs", book=tmp_path / "book.json")
    names = set(compile_contracts.PUBLISHED.values())
    assert {path.name for path in written} == {f"{name}.json" for name in names} | {"contracts.json"}
    described = json.loads((tmp_path / "inputs" / "contracts.json").read_text())
    assert set(described) == names == set(book.contracts)
    for name, told in described.items():
        source, _, contract = told["contract"].partition(":")
        assert contract == name
        assert source in json.loads((tmp_path / "inputs" / told["input"]).read_text())["sources"]
        assert told["address"] == book.contracts[name].address
        assert (told["arguments"] == "") == (told["constructor"] == [])
    plan = plan_deployment(development_srs(32).key)
    creation = load_artifact("GramVerifier").bytecode.removeprefix("0x") + described["GramVerifier"]["arguments"]
    assert creation == plan.verifier.creation.hex()


@pytest.mark.node
@pytest.mark.parametrize("name", ["Mean", pytest.param("Market", marks=pytest.mark.slow)])
def test_the_input_compiles_to_the_committed_code(name: str, tmp_path: Path) -> None:
    compile_contracts.write_standard_json(tmp_path, [name])
    told = json.loads((tmp_path / "contracts.json").read_text())[name]
    compiled = compile_contracts.compile_input(json.loads((tmp_path / told["input"]).read_text()))
    solc = solcx.install.get_executable(compile_contracts.SOLC_VERSION)
    told_by_solc = subprocess.run([solc, "--version"], capture_output=True, text=True, check=True).stdout
    assert told["compiler"].removeprefix("v") in told_by_solc
    source, _, contract = told["contract"].partition(":")
    artifact = compile_contracts.artifact(compiled[source][contract])
    committed = load_artifact(name)
    assert (artifact["bytecode"], artifact["deployedBytecode"]) == (committed.bytecode, committed.deployed_bytecode)
