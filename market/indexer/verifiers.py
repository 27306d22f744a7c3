"""The words of a verifier's reference string, from the transaction that made the verifier: its code keeps but some."""

from __future__ import annotations

from typing import Any

from eth_hash.auto import keccak
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import BlockNotFound, Web3RPCError

from aggregator.srs import SRS_TAG
from market.chain.artifacts import load_artifact
from market.chain.rpc import raise_if_busy
from market.domain import Address

WORDS_BYTES = 18 * 32


def names_words(digest: bytes, words: bytes) -> bool:
    """Whether these are the eighteen words of the reference string that a digest names."""
    return len(words) == WORDS_BYTES and keccak(SRS_TAG + words) == digest


def read_verifier(w3: Web3, address: Address, digest: bytes, block: int) -> bytes | None:
    """Return the words with which a verifier was made, or None where the chain does not tell them any more.

    Its first block is found by asking for its code, block by block in halves: nodes that keep no earlier states cannot
    tell. The words follow the creation code there, whoever sent it, and are known by their digest.
    """
    try:
        first = _first_block(w3, address, block)
        transactions: Any = w3.eth.get_block(first, full_transactions=True)["transactions"]
    except Web3RPCError as error:
        raise_if_busy(error)
        return None
    except BlockNotFound:
        return None
    for transaction in transactions:
        found = _words_in(bytes(HexBytes(transaction["input"])), digest)
        if found is not None:
            return found
    return None


def _first_block(w3: Web3, address: Address, block: int) -> int:
    contract = Web3.to_checksum_address(address)
    low, high = 0, block
    while low < high:
        middle = (low + high) // 2
        if w3.eth.get_code(contract, middle):
            high = middle
        else:
            low = middle + 1
    return low


def _words_in(data: bytes, digest: bytes) -> bytes | None:
    creation = bytes.fromhex(load_artifact("GramVerifier").bytecode.removeprefix("0x"))
    start = data.find(creation)
    if start < 0:
        return None
    words = data[start + len(creation) :][:WORDS_BYTES]
    return words if names_words(digest, words) else None
