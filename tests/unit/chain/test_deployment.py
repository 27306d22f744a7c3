"""Deployment with a reference string, and how somebody else tells the deployed verifier from one that pretends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, HexStr
from web3 import Web3

from aggregator.bn254 import GENERATOR
from aggregator.errors import InvalidSrs
from aggregator.rules import RULES
from aggregator.scores import SCORES
from aggregator.srs import VerifyingKey, development_srs
from market.chain.anvil import Anvil
from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS, load_artifact
from market.chain.deployment import Deployment, deploy
from market.chain.devnet import Devnet
from market.chain.market import MarketClient
from market.chain.market_encoding import decode_id, encode_id
from market.chain.rpc import connect, fund
from market.chain.transactions import send
from market.domain import LOCAL_CHAIN_IDS, KeyPublished
from market.errors import WrongChain


@pytest.fixture(scope="module")
def key() -> VerifyingKey:
    return development_srs(32).key


@pytest.fixture(scope="module")
def deployment(chain: Devnet | Anvil, key: VerifyingKey) -> Deployment:
    w3, deployer = connect(chain.url, expected_chain_id=chain.chain_id), Account.create()
    fund(w3, deployer.address, 10 * 10**18)
    return deploy(w3, deployer, key)


@pytest.fixture
def client(w3: Web3, account: LocalAccount, deployment: Deployment) -> MarketClient:
    return MarketClient(w3, deployment.market, account, first_block=deployment.first_block)


def test_what_is_deployed_names_its_reference_string_and_is_known(
    client: MarketClient, deployment: Deployment, key: VerifyingKey
) -> None:
    assert client.srs_digest(deployment.verifier) == key.digest
    assert client.verifier_is_known(deployment.verifier, key)
    assert not client.verifier_is_known(deployment.verifier, development_srs(33).key)
    assert not client.verifier_is_known(deployment.market, key)
    assert not client.verifier_is_known(Account.create().address, key)


def test_a_verifier_that_lies_about_its_reference_string_is_not_known(
    client: MarketClient, w3: Web3, account: LocalAccount, deployment: Deployment, key: VerifyingKey
) -> None:
    """The genuine code, the genuine digest, and another point: a creation code of one's own can do that."""
    code = bytearray(w3.eth.get_code(Web3.to_checksum_address(deployment.verifier)))
    tau_x = key.words()[2].to_bytes(32, "big")
    place = code.find(tau_x)
    assert place > 0
    code[place : place + 32] = b"\7" * 32
    forged = _create(w3, account, _creation(bytes(code)))
    assert client.srs_digest(forged) == key.digest
    assert load_artifact("GramVerifier").matches(bytes(w3.eth.get_code(forged)))
    assert not client.verifier_is_known(forged, key)


@pytest.mark.parametrize("contract_id", ["mean", "shapley"])
def test_a_verifier_that_asks_another_contract_is_not_known(
    contract_id: str, client: MarketClient, w3: Web3, account: LocalAccount, deployment: Deployment, key: VerifyingKey
) -> None:
    """The genuine verifier and reference string, and one rule or score of somebody's own under a genuine id."""
    view = w3.eth.contract(
        address=Web3.to_checksum_address(deployment.verifier), abi=load_artifact("GramVerifier").abi
    ).functions
    word = encode_id(contract_id)
    # PUSH32 id, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN: whatever it is asked, it says its id
    own = _create(w3, account, _creation(b"\x7f" + word + bytes.fromhex("5f5260205ff3")))
    rules = [own if name == contract_id else view.ruleOf(encode_id(name)).call() for name in RULE_CONTRACTS]
    scores = [own if name == contract_id else view.scoreOf(encode_id(name)).call() for name in SCORE_CONTRACTS]
    genuine = load_artifact("GramVerifier")
    factory = w3.eth.contract(abi=genuine.abi, bytecode=HexStr(genuine.bytecode))
    forged = _create(
        w3, account, bytes.fromhex(factory.constructor(key.words(), rules, scores).data_in_transaction[2:])
    )
    assert bytes(w3.eth.get_code(forged)) == bytes(w3.eth.get_code(Web3.to_checksum_address(deployment.verifier)))
    assert not client.verifier_is_known(forged, key)


def test_every_rule_and_score_that_settles_is_deployed(w3: Web3, deployment: Deployment) -> None:
    assert set(RULE_CONTRACTS) == {rule.id for rule in RULES.values() if rule.settles}
    assert set(SCORE_CONTRACTS) == {score.id for score in SCORES.values() if score.settles}
    view = w3.eth.contract(
        address=Web3.to_checksum_address(deployment.verifier), abi=load_artifact("GramVerifier").abi
    ).functions
    assert [decode_id(word) for word in view.rules().call()] == list(RULE_CONTRACTS)
    assert [decode_id(word) for word in view.scores().call()] == list(SCORE_CONTRACTS)


def _creation(code: bytes) -> bytes:
    """Return creation code that makes ``code`` the contract's: PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, ..."""
    return bytes.fromhex("61" + len(code).to_bytes(2, "big").hex() + "80600a5f395ff3") + code


def _create(w3: Web3, account: LocalAccount, creation: bytes) -> ChecksumAddress:
    address = send(w3, account, cast(Any, {"data": HexStr("0x" + creation.hex())}))["contractAddress"]
    assert address is not None
    return address


def test_what_is_no_verifier_names_no_reference_string(client: MarketClient, deployment: Deployment) -> None:
    for address in (deployment.market, Account.create().address):
        with pytest.raises(WrongChain, match="reference string"):
            client.srs_digest(address)


@pytest.mark.parametrize("initial", [False, True])
def test_a_reference_string_with_known_secrets_is_for_local_chains(initial: bool, key: VerifyingKey) -> None:
    public = key
    if initial:
        public = VerifyingKey.of(key.size, key.powers_digest, GENERATOR, key.blinding, key.tau_g2, key.tau2_g2)
    nowhere = SimpleNamespace(eth=SimpleNamespace(chain_id=1, block_number=7))
    with pytest.raises(InvalidSrs, match="known") as refusal:
        deploy(cast(Web3, nowhere), Account.create(), public)
    assert refusal.value.details["chain_id"] == 1
    assert 1 not in LOCAL_CHAIN_IDS


def test_keys_are_read_as_of_a_block(client: MarketClient, w3: Web3, deployment: Deployment) -> None:
    assert client.account is not None
    me = client.account.address
    assert client.encryption_key(me) is None
    blocks = [int(client.publish_key(key)["blockNumber"]) for key in (b"\1" * 32, b"\2" * 32, bytes(32))]
    found = [client.encryption_key(me, block=block) for block in (deployment.first_block + 1, *blocks)]
    assert found[1:] == [b"\1" * 32, b"\2" * 32, None]
    assert client.encryption_key(me) is None
    published = client.keys_published(deployment.first_block, blocks[-1])
    assert published == [KeyPublished(me, key) for key in (b"\1" * 32, b"\2" * 32, bytes(32))]
    assert client.keys_published(blocks[1], blocks[1]) == [KeyPublished(me, b"\2" * 32)]
    assert client.events(deployment.first_block, blocks[-1]) == []
