"""Development chains for the tests of this folder, and the probe contract that says what a chain does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract

from market.chain.anvil import Anvil
from market.chain.devnet import Devnet
from market.chain.rpc import connect, fund
from market.chain.transactions import send
from tests.evm import quicken

PROBE_FILE = Path(__file__).parents[2] / "e2e" / "viem" / "probe.json"
CHAIN_ID = 31337


@pytest.fixture(scope="session")
def probe_artifact() -> dict[str, Any]:
    """ABI and bytecode of tests/e2e/viem/Probe.sol (solc 0.8.37, prague, no metadata)."""
    artifact: dict[str, Any] = json.loads(PROBE_FILE.read_text())
    return artifact


@pytest.fixture(
    scope="module",
    params=["devnet", pytest.param("anvil", marks=[pytest.mark.node, pytest.mark.slow])],
)
def chain(request: pytest.FixtureRequest) -> Iterator[Devnet | Anvil]:
    """The embedded devnet and anvil: what is tested on one must hold on the other."""
    quicken()
    running = Devnet(CHAIN_ID) if request.param == "devnet" else Anvil(CHAIN_ID)
    with running:
        yield running


@pytest.fixture
def w3(chain: Devnet | Anvil) -> Web3:
    return connect(chain.url, expected_chain_id=CHAIN_ID)


@pytest.fixture
def account(w3: Web3) -> LocalAccount:
    """A new account with ten coins."""
    made: LocalAccount = Account.create()
    fund(w3, made.address, 10 * 10**18)
    return made


@pytest.fixture
def probe(w3: Web3, account: LocalAccount, probe_artifact: dict[str, Any]) -> Contract:
    """The probe contract, deployed by ``account``."""
    factory = w3.eth.contract(abi=probe_artifact["abi"], bytecode=probe_artifact["bytecode"])
    receipt = send(w3, account, factory.constructor())
    deployed = w3.eth.contract(address=receipt["contractAddress"], abi=probe_artifact["abi"])
    return cast(Contract, deployed)
