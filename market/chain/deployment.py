"""Deployment of the market, of the rules' and scores' contracts, and of their verifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3 import Web3

from aggregator.errors import InvalidSrs
from aggregator.srs import VerifyingKey
from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS, load_artifact
from market.chain.market import ALL_ABIS
from market.chain.transactions import refusals, send
from market.domain import LOCAL_CHAIN_IDS, Address
from market.errors import ChainError


@dataclass(frozen=True, slots=True)
class Deployment:
    """Addresses of a deployment, and the block from which the market can have events."""

    market: Address
    verifier: Address
    first_block: int


def deploy(w3: Web3, account: LocalAccount, key: VerifyingKey) -> Deployment:
    """Deploy the market, and the verifier of Gram proofs with the reference string that ``key`` is of.

    The verifier is told the contracts of all rules and scores, which are deployed before it.

    Raises
    ------
    InvalidSrs
        If the secrets of the reference string are known, and the chain is none of :data:`LOCAL_CHAIN_IDS`.

    """
    with refusals(ALL_ABIS):
        chain_id, first_block = w3.eth.chain_id, int(w3.eth.block_number)
    if (key.development or key.initial) and chain_id not in LOCAL_CHAIN_IDS:
        raise InvalidSrs(
            "the secrets of this reference string are known: with it anybody can forge proofs",
            hint=f"chain {chain_id} needs one from a ceremony with at least one participant whom its users trust",
            chain_id=chain_id,
        )
    market = _create(w3, account, "Market")
    rules, scores = (
        [_create(w3, account, name) for name in contracts.values()] for contracts in (RULE_CONTRACTS, SCORE_CONTRACTS)
    )
    return Deployment(market, _create(w3, account, "GramVerifier", key.words(), rules, scores), first_block)


def _create(w3: Web3, account: LocalAccount, name: str, *arguments: Any) -> Address:
    artifact = load_artifact(name)
    factory = w3.eth.contract(abi=artifact.abi, bytecode=HexStr(artifact.bytecode))
    address: Address | None = send(w3, account, factory.constructor(*arguments), abis=ALL_ABIS)["contractAddress"]
    if address is None:
        raise ChainError(f"the chain gave no address for {name}")
    return address
