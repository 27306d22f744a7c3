"""The address book of a deployment: JSON for people and programs, with a checksum over all that it says.

The checksum tells a damaged or half-edited file from a whole one. It is no signature: whoever changes a book can give
it another checksum. What a book says is checked against a chain, and against this version's contracts, by ``gramercy
deploy --check``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_utils.address import is_checksum_address

from market.domain import Address
from market.errors import ConfigError
from market.safe_json import parse_json

SCHEMA: Final = "gramercy/address-book/1"
MAX_BYTES: Final = 1 << 20
_HASH_BYTES: Final = 32
_SRS_WORDS: Final = 18
_HINT: Final = "take the file again from whoever deployed, or have `gramercy deploy --address-book FILE` write it anew"


@dataclass(frozen=True, slots=True)
class Entry:
    """One contract of a deployment: its address, and the keccak-256 hash of the code there."""

    address: Address
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class AddressBook:
    """What a deployment consists of, and where it is.

    Attributes
    ----------
    chain_id
        Of the chain that it is on.
    market, verifier, forwarder
        The addresses that jobs and relayers name.
    first_block
        The block in which the market was created, or an earlier one.
    contracts
        Every contract by its name.
    rules, scores
        Addresses by the ids of rules and scores.
    salt
        32 bytes, from which and the code the addresses follow.
    srs
        Digest of the verifier's reference string.
    srs_words
        The eighteen words that it is constructed from, see ``VerifyingKey.words``.
    rpc_url
        Where the chain is, for chains on this machine.

    """

    chain_id: int
    market: Address
    verifier: Address
    forwarder: Address
    first_block: int
    contracts: Mapping[str, Entry]
    rules: Mapping[str, Address]
    scores: Mapping[str, Address]
    salt: bytes
    srs: bytes
    srs_words: tuple[int, ...]
    rpc_url: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object, with its checksum."""
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "chain_id": self.chain_id,
            "market": self.market,
            "verifier": self.verifier,
            "forwarder": self.forwarder,
            "first_block": self.first_block,
            "contracts": {
                name: {"address": entry.address, "code_hash": _hex(entry.code_hash)}
                for name, entry in self.contracts.items()
            },
            "rules": dict(self.rules),
            "scores": dict(self.scores),
            "salt": _hex(self.salt),
            "srs": self.srs.hex(),
            "srs_words": [hex(word) for word in self.srs_words],
        }
        if self.rpc_url is not None:
            told["rpc_url"] = self.rpc_url
        return {**told, "checksum": checksum(told)}


def checksum(book: Mapping[str, Any]) -> str:
    """Return the checksum of a book: SHA-256 of its canonical JSON without the field ``checksum``.

    Canonical is: keys sorted, no white space, UTF-8.

    Examples
    --------
    >>> checksum({"chain_id": 1})
    'sha256:b141d775c94caaf2e00b4dde8327fca83139b2d10939975f691868b2d5483b4b'

    """
    covered = {key: value for key, value in book.items() if key != "checksum"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def write_address_book(path: Path, book: AddressBook) -> None:
    """Write a book whole: readers see the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(book.as_json(), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_address_book(path: Path) -> AddressBook:
    """Read a book.

    Raises
    ------
    ConfigError
        If there is none, it is no address book, its checksum is not that of its content, or a field is malformed.

    """
    try:
        with path.open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"the address book {path} cannot be read: {error.strerror}", hint=_HINT) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path} is too long for an address book", hint=_HINT)
    try:
        document = parse_json(raw, pairs_hook=_without_duplicates)
        found = checksum(document) if isinstance(document, dict) else None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}", hint=_HINT) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConfigError(f"{path} is no address book of the form {SCHEMA}", hint=_HINT)
    if document.get("checksum") != found:
        raise ConfigError(f"the checksum of the address book {path} is wrong: it was changed or damaged", hint=_HINT)
    try:
        return _parsed(document)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the address book {path} is malformed: {error}", hint=_HINT) from None


def _parsed(document: dict[str, Any]) -> AddressBook:
    rpc_url = document.get("rpc_url")
    return AddressBook(
        chain_id=_count(document, "chain_id"),
        market=_address(document["market"]),
        verifier=_address(document["verifier"]),
        forwarder=_address(document["forwarder"]),
        first_block=_count(document, "first_block"),
        contracts={
            str(name): Entry(_address(entry["address"]), _word(entry["code_hash"]))
            for name, entry in _table(document, "contracts").items()
        },
        rules={str(name): _address(address) for name, address in _table(document, "rules").items()},
        scores={str(name): _address(address) for name, address in _table(document, "scores").items()},
        salt=_word(document["salt"]),
        srs=_word("0x" + str(document["srs"])),
        srs_words=_srs_words(document["srs_words"]),
        rpc_url=None if rpc_url is None else str(rpc_url),
    )


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document[name]
    if not isinstance(value, dict):
        raise TypeError(f"{name} is not an object")
    return value


def _count(document: dict[str, Any], name: str) -> int:
    value = document[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is not a number")
    return value


def _address(value: Any) -> Address:
    if not isinstance(value, str) or not is_checksum_address(value):
        raise ValueError(f"{value!r} is not an address with its EIP-55 checksum")
    return Address(value)


def _word(value: Any) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x") or len(value) != 2 + 2 * _HASH_BYTES:
        raise ValueError(f"{value!r} is not 32 bytes in hexadecimal")
    return bytes.fromhex(value[2:])


def _srs_words(values: Any) -> tuple[int, ...]:
    words = tuple(int(value, 16) for value in values)
    if len(words) != _SRS_WORDS or not all(0 <= word < 1 << 256 for word in words):
        raise ValueError("a reference string has eighteen words")
    return words


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
