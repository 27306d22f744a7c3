"""``gramercy deploy`` as people and programs use it: look first, deploy, run again, hand the book on, check it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from typer.testing import CliRunner

from market.chain.anvil import Anvil
from market.chain.create2 import PROXY
from market.chain.deployment_plan import plan_deployment
from market.chain.devnet import Devnet
from market.chain.keys import create
from market.cli.app import app
from market.srs import cache

POWERS = 32
PUBLIC_CHAIN_ID = 424_242
PASSWORD = "correct horse"


@pytest.fixture(
    params=["devnet", pytest.param("anvil", marks=[pytest.mark.node, pytest.mark.slow])],
)
def chain(request: pytest.FixtureRequest) -> Iterator[Devnet | Anvil]:
    """A chain without a market."""
    with Devnet() if request.param == "devnet" else Anvil() as running:
        yield running


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployer's folder: a key file, its password, and no other settings."""
    for name in [name for name in os.environ if name.startswith("GRAMERCY_") and name != cache.FOLDER_VARIABLE]:
        if name != "GRAMERCY_ANVIL":
            monkeypatch.delenv(name)
    (tmp_path / "password").write_text(PASSWORD)
    create(tmp_path / "deployer.json", PASSWORD, light=True)
    monkeypatch.setenv("GRAMERCY_CONFIG", os.devnull)
    monkeypatch.setenv("GRAMERCY_KEYSTORE", str(tmp_path / "deployer.json"))
    monkeypatch.setenv("GRAMERCY_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def deployer(tmp_path: Path) -> str:
    """Address of the key."""
    return str(Account.from_key(Account.decrypt((tmp_path / "deployer.json").read_text(), PASSWORD)).address)


def run(*arguments: object) -> tuple[int, str]:
    """Run a command for a person; return exit code and output."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def answer(*arguments: object, code: int = 0) -> Any:
    """Run a command for a program; return data or error of the envelope."""
    status, output = run(*arguments, "--json")
    envelope = json.loads(output.splitlines()[-1])
    assert status == code, output
    assert envelope["ok"] == (code == 0)
    return envelope["data"] if code == 0 else envelope["error"]


@pytest.mark.slow
def test_from_a_dry_run_to_a_checked_book(chain: Devnet | Anvil, deployer: str, tmp_path: Path) -> None:
    rpc = ("--rpc-url", chain.url)
    command = ("deploy", *rpc, "--chain-id", chain.chain_id, "--srs-powers", POWERS)
    plan = plan_deployment(cache.development(POWERS).key)

    foreseen = answer(*command, "--dry-run")
    assert {row["contract"]: row["address"] for row in foreseen["contracts"]} == plan.addresses
    assert not any(row["present"] for row in foreseen["contracts"])
    assert foreseen["proxy"]["address"] == PROXY
    assert len(foreseen["answers"]) > 5
    poor = answer(*command, "--yes", code=8)
    assert (poor["code"], poor["details"]["has_wei"]) == ("insufficient-funds", 0)

    chain.fund(deployer, 10**18)
    asked = answer(*command, code=3)
    assert "confirmation" in asked["message"]
    made = answer(*command, "--yes", "--address-book", "book.json")
    assert made["market"] == plan.market.address
    assert made["gas_used"] == sum(use["gas"] for use in made["gas"])
    assert made["cost_wei"] <= foreseen["estimated_cost_wei"]
    assert made["gas_used"] == pytest.approx(foreseen["estimated_gas"], rel=0.03)

    again = answer(*command, "--yes", "--address-book", "again.json")
    assert (again["gas"], again["gas_used"]) == ([], 0)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "book.json").read_bytes()
    assert all(row["present"] for row in answer(*command, "--dry-run")["contracts"])

    checked = answer("deploy", *rpc, "--check", "book.json")
    assert checked["checked"] == len(plan.addresses)
    assert answer("job", "list", *rpc, "--address-book", "book.json")["jobs"] == []
    status, output = run("deploy", *rpc, "--check", "book.json")
    assert status == 0
    assert made["srs"] in output

    book = (tmp_path / "book.json").read_text()
    (tmp_path / "book.json").write_text(book.replace(f'"first_block": {made["first_block"]}', '"first_block": 0'))
    for use in (("deploy", *rpc, "--check", "book.json"), ("job", "list", *rpc, "--address-book", "book.json")):
        refused = answer(*use, code=3)
        assert "checksum" in refused["message"]


def test_the_book_names_the_chain(chain: Devnet | Anvil, deployer: str) -> None:
    rpc = ("--rpc-url", chain.url)
    chain.fund(deployer, 10**18)
    answer("deploy", *rpc, "--srs-powers", POWERS, "--yes", "--address-book", "book.json")
    with Devnet(chain_id=1337) as other:
        elsewhere = ("--rpc-url", other.url)
        assert answer("job", "list", *elsewhere, "--address-book", "book.json", code=4)["code"] == "wrong-chain"
        assert answer("deploy", *elsewhere, "--check", "book.json", code=4)["code"] == "wrong-chain"
        contradicting = ("--address-book", "book.json", "--chain-id", 1337)
        assert "chain 31337, not of 1337" in answer("job", "list", *elsewhere, *contradicting, code=3)["message"]
    refused = answer("deploy", *rpc, "--chain-id", 5, "--srs-powers", POWERS, "--yes", code=4)
    assert refused["code"] == "wrong-chain"
    assert "32 bytes" in answer("deploy", *rpc, "--salt", "0x12", "--dry-run", code=3)["message"]


@pytest.mark.slow
def test_a_public_chain_wants_to_be_named_and_a_ceremony(deployer: str) -> None:
    """The whole path to a chain where something is at stake: a ceremony, a dry run, the deployment, its check."""
    answer("srs", "new", "0.srs", "--size", 9)
    answer("srs", "contribute", "0.srs", "1.srs", "--name", "alice")
    answer("srs", "development", "known.srs", "--size", 9)
    with Devnet(chain_id=PUBLIC_CHAIN_ID) as public:
        public.fund(deployer, 10**18)
        command = ("deploy", "--rpc-url", public.url)
        assert "reference string" in answer(*command, "--yes", code=3)["message"]
        unnamed = answer(*command, "--srs", "1.srs", "--yes", code=3)
        assert unnamed["hint"] == f"pass --chain-id {PUBLIC_CHAIN_ID}"
        named = (*command, "--chain-id", PUBLIC_CHAIN_ID)
        for known in ("0.srs", "known.srs"):
            for way in ("--dry-run", "--yes"):
                assert answer(*named, "--srs", known, way, code=3)["code"] == "invalid-srs"
        answer(*named, "--srs", "1.srs", "--yes", "--address-book", "book.json")
        assert answer("deploy", "--rpc-url", public.url, "--check", "book.json")["chain_id"] == PUBLIC_CHAIN_ID
