"""Settlements as the chain records them: what was verified, with which proof, and what verifying it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web3 import Web3

from aggregator.proofs import GramStatement, Statement
from market.chain.artifacts import MADE_BY_MARKET, load_artifact
from market.chain.market import ALL_ABIS, MarketClient
from market.chain.market_encoding import decode_settlement, decode_statement, encode_gram_statement
from market.chain.transactions import refusals
from market.domain import Address, Settlement
from market.errors import ChainError


@dataclass(frozen=True, slots=True)
class RecordedSettlement:
    """A settlement as the market logged it: the statement that it had verified, by whose posting, with which proof."""

    transaction: bytes
    aggregator: Address
    job_id: int
    number: int
    settlement: Settlement
    statement: Statement
    proof: bytes


def recorded_settlement(market: MarketClient, job_id: int, number: int) -> RecordedSettlement:
    """Return the settlement of a round that counts, read back from the chain's logs: all that a replay needs.

    Raises
    ------
    ChainError
        If the round is not settled.

    """
    event = market.contract.events["RoundSettled"]
    topics: list[Any] = [event.topic, _word(job_id), _word(number)]
    with refusals(ALL_ABIS):
        logs = market.w3.eth.get_logs({"address": market.address, "fromBlock": market.first_block, "topics": topics})
    if not logs:
        raise ChainError(f"round {number} of job {job_id} is not settled")
    values = event().process_log(logs[-1])["args"]
    return RecordedSettlement(
        bytes(logs[-1]["transactionHash"]),
        Address(values["aggregator"]),
        job_id,
        number,
        decode_settlement(values["statement"], values["published"]),
        decode_statement(values["statement"]),
        bytes(values["proof"]),
    )


def market_is_known(market: MarketClient) -> bool:
    """Whether the contract at the market's address is the published Market, and the contracts it made are, too.

    They are two: the forwarder, which may speak for others, and the check of terms. Their addresses are constants in
    the market's code, which whoever deployed it could have chosen.
    """
    artifact = load_artifact("Market")
    with refusals(ALL_ABIS):
        code = bytes(market.w3.eth.get_code(Web3.to_checksum_address(market.address)))
        if not artifact.matches(code):
            return False
        # One address each: a market could trust another forwarder than the one that it names.
        words = {code[start : start + length] for start, length in artifact.immutables}
        made = [bytes(market.w3.eth.get_code(Web3.to_checksum_address(word[-20:]))) for word in words]
    addresses = all(not any(word[:-20]) for word in words) and len(words) == len(MADE_BY_MARKET)
    return addresses and all(any(load_artifact(name).matches(found) for found in made) for name in MADE_BY_MARKET)


def verification_gas(market: MarketClient, verifier: Address, statement: GramStatement, proof: bytes) -> int:
    """Return what the node estimates for verifying a Gram proof alone, transaction base and calldata included."""
    contract = market.w3.eth.contract(address=Web3.to_checksum_address(verifier), abi=load_artifact("GramVerifier").abi)
    with refusals(ALL_ABIS):
        return int(contract.functions.verifyGram(encode_gram_statement(statement), proof).estimate_gas())


def _word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()
