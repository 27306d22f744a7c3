"""Settlements as transactions: what was sent, with which proof, and what verifying it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3ValueError

from aggregator.proofs import GramStatement
from market.chain.artifacts import load_artifact
from market.chain.market import ALL_ABIS, MarketClient
from market.chain.market_encoding import decode_settlement, encode_gram_statement
from market.chain.transactions import refusals
from market.domain import Address, Settlement
from market.errors import ChainError


@dataclass(frozen=True, slots=True)
class SettlementCall:
    """A transaction that settled a round: what was asked of the market, by whom."""

    transaction: bytes
    sender: Address
    job_id: int
    number: int
    settlement: Settlement
    proof: bytes


def settlement_call(market: MarketClient, job_id: int, number: int) -> SettlementCall:
    """Return the transaction that settled a round, read back from the chain.

    Raises
    ------
    ChainError
        If the round is not settled, the node does not have the transaction, or another contract called the market on
        the aggregator's behalf, so that the transaction's input is not the market's.

    """
    topics: list[Any] = [market.contract.events["RoundSettled"].topic, _word(job_id), _word(number)]
    with refusals(ALL_ABIS):
        logs = market.w3.eth.get_logs({"address": market.address, "fromBlock": market.first_block, "topics": topics})
        if not logs:
            raise ChainError(f"round {number} of job {job_id} is not settled")
        transaction_hash = bytes(logs[-1]["transactionHash"])
        try:
            transaction = market.w3.eth.get_transaction(logs[-1]["transactionHash"])
        except TransactionNotFound:
            raise ChainError(
                f"the node does not have transaction 0x{transaction_hash.hex()}", hint="ask an archive node"
            ) from None
    try:
        function, arguments = market.contract.decode_function_input(transaction["input"])
    except (ValueError, Web3ValueError):
        function, arguments = None, {}
    if transaction.get("to") != market.address or function is None or function.fn_name != "settleRound":
        raise ChainError(f"transaction 0x{transaction_hash.hex()} does not call settleRound itself")
    return SettlementCall(
        transaction_hash,
        Address(transaction["from"]),
        int(arguments["jobId"]),
        int(arguments["number"]),
        decode_settlement(arguments["settlement"]),
        bytes(arguments["proof"]),
    )


def market_is_known(market: MarketClient) -> bool:
    """Whether the contract at the market's address is the published Market."""
    with refusals(ALL_ABIS):
        return load_artifact("Market").matches(bytes(market.w3.eth.get_code(Web3.to_checksum_address(market.address))))


def verification_gas(market: MarketClient, verifier: Address, statement: GramStatement, proof: bytes) -> int:
    """Return what the node estimates for verifying a Gram proof alone, transaction base and calldata included."""
    contract = market.w3.eth.contract(address=Web3.to_checksum_address(verifier), abi=load_artifact("GramVerifier").abi)
    with refusals(ALL_ABIS):
        return int(contract.functions.verifyGram(encode_gram_statement(statement), proof).estimate_gas())


def _word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()
