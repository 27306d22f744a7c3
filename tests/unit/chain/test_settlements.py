"""Which market is the published one: its code, and the contracts that its constructor made."""

from __future__ import annotations

import pytest
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, HexStr
from web3 import Web3

from market.chain.artifacts import MADE_BY_MARKET, load_artifact
from market.chain.market import MarketClient
from market.chain.settlements import market_is_known, recorded_settlement
from market.chain.transactions import send
from market.domain import Address
from market.errors import ChainError


def _create(w3: Web3, account: LocalAccount, bytecode: str) -> ChecksumAddress:
    factory = w3.eth.contract(abi=[], bytecode=HexStr(bytecode))
    address = send(w3, account, factory.constructor())["contractAddress"]
    assert address is not None
    return Web3.to_checksum_address(address)


def _with_code(w3: Web3, account: LocalAccount, code: bytes) -> ChecksumAddress:
    """Deploy code as it is, constants and all, by a creation code that copies it."""
    copy = bytes.fromhex("61" + len(code).to_bytes(2, "big").hex() + "80600a5f395ff3")
    return _create(w3, account, "0x" + (copy + code).hex())


@pytest.fixture
def genuine(w3: Web3, account: LocalAccount) -> Address:
    return _create(w3, account, load_artifact("Market").bytecode)


def _known(w3: Web3, address: Address) -> bool:
    return market_is_known(MarketClient(w3, address))


def test_a_market_as_published_is_known(w3: Web3, account: LocalAccount, genuine: Address) -> None:
    assert _known(w3, genuine)
    copied = _with_code(w3, account, bytes(w3.eth.get_code(Web3.to_checksum_address(genuine))))
    assert _known(w3, copied)  # it shares forwarder and check of terms with the genuine one, which know of none
    assert not _known(w3, _create(w3, account, load_artifact("Mean").bytecode))


@pytest.mark.parametrize("name", MADE_BY_MARKET)
@pytest.mark.parametrize("everywhere", [True, False])
def test_a_market_that_trusts_another_forwarder_or_check_is_not_known(
    w3: Web3, account: LocalAccount, genuine: Address, name: str, everywhere: bool
) -> None:
    """Also where it names the genuine one in one place, and trusts another in the next."""
    code = bytearray(w3.eth.get_code(Web3.to_checksum_address(genuine)))
    artifact = load_artifact("Market")
    assert artifact.matches(bytes(code))
    places = [
        start
        for start, length in artifact.immutables
        if load_artifact(name).matches(
            bytes(w3.eth.get_code(Web3.to_checksum_address(bytes(code[start + 12 : start + length]))))
        )
    ]
    assert places
    for start in places if everywhere else places[:1]:
        code[start + 12 : start + 32] = bytes.fromhex(account.address[2:])
    forged = _with_code(w3, account, bytes(code))
    assert artifact.matches(bytes(w3.eth.get_code(forged)))
    assert not _known(w3, forged)


def test_a_constant_that_is_no_address_is_not_known(w3: Web3, account: LocalAccount, genuine: Address) -> None:
    code = bytearray(w3.eth.get_code(Web3.to_checksum_address(genuine)))
    for start, _ in load_artifact("Market").immutables:
        code[start] = 1
    assert not _known(w3, _with_code(w3, account, bytes(code)))


def test_a_round_that_is_not_settled_has_no_settlement_on_record(w3: Web3, genuine: Address) -> None:
    with pytest.raises(ChainError, match="not settled"):
        recorded_settlement(MarketClient(w3, genuine), 1, 1)
