"""Address books: whole or refused, and believed in nothing when they are checked against a chain."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web3 import Web3

from aggregator.errors import GramercyError, InvalidSrs
from aggregator.srs import development_srs
from market.address_book import AddressBook, Entry, checksum, read_address_book, write_address_book
from market.chain.anvil import Anvil
from market.chain.deployment import Deployment, deploy
from market.chain.deployment_book import book_of, check_book, key_of
from market.chain.devnet import Devnet
from market.chain.rpc import connect
from market.domain import Address
from market.errors import ConfigError, WrongChain
from tests.unit.chain.interception import Request, intercept, result

KEY = development_srs(32).key
STRANGER = Address("0x000000000000000000000000000000000000dEaD")


@pytest.fixture(scope="module")
def deployment(chain: Devnet | Anvil) -> Deployment:
    w3, deployer = connect(chain.url, expected_chain_id=None), Account.create()
    chain.fund(deployer.address, 10**18)
    return deploy(w3, deployer, KEY)


@pytest.fixture
def book(deployment: Deployment, w3: Web3) -> AddressBook:
    return book_of(deployment, w3.eth.chain_id, rpc_url="http://127.0.0.1:1")


@pytest.fixture
def path(tmp_path: Path, book: AddressBook) -> Path:
    write_address_book(tmp_path / "book.json", book)
    return tmp_path / "book.json"


def test_what_is_written_is_read(path: Path, book: AddressBook, deployment: Deployment) -> None:
    assert read_address_book(path) == book
    assert (book.market, book.verifier) == (deployment.market, deployment.verifier)
    assert {str(entry.address) for entry in book.contracts.values()} == {
        str(address) for address in deployment.plan.addresses.values()
    }
    assert [file.name for file in path.parent.iterdir()] == ["book.json"]


def test_the_checksum_is_over_sorted_keys_without_white_space() -> None:
    assert checksum({"b": 1, "a": "é", "checksum": "x"}) == checksum({"a": "é", "b": 1})
    # printf '{"a":[1,2],"b":"x"}' | sha256sum
    expected = "d0f56dda38d34376527524ddd98f7ec117d5cbfb240f86e11bfb9d2d01a717d9"
    assert checksum({"b": "x", "a": [1, 2]}) == f"sha256:{expected}"


def test_a_good_book_is_confirmed(w3: Web3, book: AddressBook) -> None:
    assert check_book(w3, book).addresses["Market"] == book.market
    assert key_of(book.srs_words) == KEY


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damaged_book_is_read(data: st.DataObject, path: Path, book: AddressBook) -> None:
    raw = bytearray(json.dumps(book.as_json()).encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = path.with_name("damaged.json")
    damaged.write_bytes(raw)
    with contextlib.suppress(ConfigError):
        assert read_address_book(damaged) == book  # white space is not covered


def _changed(path: Path, **fields: Any) -> Path:
    """Write a book with a field changed, and the checksum made right again."""
    told = json.loads(path.read_text()) | fields
    told["checksum"] = checksum(told)
    other = path.with_name("changed.json")
    other.write_text(json.dumps(told))
    return other


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": "gramercy/address-book/2"},
        {"market": "0x00"},
        {"market": "0x000000000000000000000000000000000000dead"},
        {"chain_id": "1"},
        {"first_block": -1},
        {"chain_id": True},
        {"contracts": []},
        {"contracts": {"Market": {"address": str(STRANGER)}}},
        {"salt": "0x00"},
        {"srs": 5},
        {"srs_words": ["0x1"]},
        {"srs_words": ["0x1"] * 17 + [hex(1 << 256)]},
    ],
    ids=str,
)
def test_a_malformed_book_is_refused_even_with_its_checksum(fields: dict[str, Any], path: Path) -> None:
    with pytest.raises(ConfigError, match=r"malformed|no address book"):
        read_address_book(_changed(path, **fields))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"\xff", b'{"a": 1, "a": 1}', b'{"a": "\\ud800"}', b"[" * 100, b" " * ((1 << 20) + 1)]
)
def test_what_is_no_book_is_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "book").write_bytes(raw)
    with pytest.raises(ConfigError):
        read_address_book(tmp_path / "book")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_address_book(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"chain_id": 7}, "chain 7"),
        ({"market": STRANGER}, "market"),
        ({"verifier": STRANGER}, "verifier"),
        ({"forwarder": STRANGER}, "forwarder"),
        ({"salt": bytes(32)}, "salt"),
        ({"rules": {}}, "rule centred-clipping"),
        ({"scores": {"alignment": STRANGER}}, "score alignment"),
        ({"contracts": {}}, "contract Alignment"),
        ({"srs": bytes(32)}, "digest"),
    ],
    ids=str,
)
def test_a_book_that_tells_something_else_is_refused(
    fields: dict[str, Any], match: str, w3: Web3, book: AddressBook
) -> None:
    with pytest.raises((WrongChain, ConfigError), match=match):
        check_book(w3, dataclasses.replace(book, **fields))


def test_a_book_of_another_reference_string_is_refused(w3: Web3, book: AddressBook) -> None:
    other = development_srs(33).key
    with pytest.raises(WrongChain, match="GramVerifier"):
        check_book(w3, dataclasses.replace(book, srs=other.digest, srs_words=other.words()))
    nonsense = (book.srs_words[0], book.srs_words[1], 5, 5, *book.srs_words[4:])
    with pytest.raises(GramercyError):
        check_book(w3, dataclasses.replace(book, srs_words=nonsense))


def test_a_book_with_another_hash_is_refused(w3: Web3, book: AddressBook) -> None:
    contracts = {**book.contracts, "Mean": Entry(book.contracts["Mean"].address, bytes(32))}
    with pytest.raises(WrongChain, match="hash of the code of Mean"):
        check_book(w3, dataclasses.replace(book, contracts=contracts))


def test_a_development_string_is_refused_elsewhere(w3: Web3, book: AddressBook) -> None:
    def elsewhere(ask: Request, method: str, params: Any) -> Any:
        return result("0x5") if method == "eth_chainId" else ask(method, params)

    intercept(w3, elsewhere)
    with pytest.raises(InvalidSrs, match="known"):
        check_book(w3, dataclasses.replace(book, chain_id=5))
