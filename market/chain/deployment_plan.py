"""What a deployment consists of, and where: known beforehand from code, arguments and a salt, without any chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from aggregator.srs import VerifyingKey
from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS, Artifact, load_artifact
from market.chain.create2 import create2_address, create_address

DEFAULT_SALT: Final = keccak(b"gramercy/deployment/1")
VERIFIER: Final = "GramVerifier"
MARKET: Final = "Market"
FORWARDER: Final = "Forwarder"
TERMS_CHECK: Final = "TermsCheck"
CREATED_BY_MARKET: Final[Mapping[str, int]] = MappingProxyType({FORWARDER: 1, TERMS_CHECK: 2})
"""Contracts that the market's constructor makes, and the market's nonce then."""
_VERIFIER_ARGUMENTS: Final = ("uint256[18]", "address[]", "address[]")

# Gas figures of the Yellow Paper and of EIP-2028, 3860.
_TRANSACTION_GAS, _ZERO_BYTE_GAS, _BYTE_GAS = 21_000, 4, 16
_CREATE_GAS, _CODE_BYTE_GAS, _HASH_WORD_GAS, _CREATION_WORD_GAS, _COPY_WORD_GAS = 32_000, 200, 6, 2, 3
_CONSTRUCTOR_GAS: Final[Mapping[str, int]] = MappingProxyType({VERIFIER: 1_191_000, MARKET: 1_200_000})
"""What constructors use, measured: the verifier's pairings and registry; the two contracts that the market makes."""


@dataclass(frozen=True, slots=True)
class PlannedContract:
    """One contract of a deployment.

    Attributes
    ----------
    name
        Name of the contract and of its artifact.
    arguments
        The constructor's, ABI-encoded.
    address
        Where it will be.

    """

    name: str
    arguments: bytes
    address: ChecksumAddress

    @property
    def artifact(self) -> Artifact:
        """Its ABI and code."""
        return load_artifact(self.name)

    @property
    def creation(self) -> bytes:
        """Creation code with the arguments."""
        return creation_of(self.name, self.arguments)

    @property
    def estimated_gas(self) -> int:
        """Gas of the transaction that creates it through the proxy, by Ethereum's prices, to a few percent."""
        creation = self.creation
        words = -(-len(creation) // 32)
        zeros = creation.count(0)
        calldata = _ZERO_BYTE_GAS * zeros + _BYTE_GAS * (len(creation) - zeros + 32)
        memory = 3 * words + words * words // 512
        creating = _CREATE_GAS + words * (_HASH_WORD_GAS + _CREATION_WORD_GAS + _COPY_WORD_GAS) + memory
        code = _CODE_BYTE_GAS * (len(self.artifact.deployed_bytecode) // 2 - 1)
        return _TRANSACTION_GAS + calldata + creating + code + _CONSTRUCTOR_GAS.get(self.name, 0)


@dataclass(frozen=True)
class DeploymentPlan:
    """All contracts of a deployment with one reference string.

    Attributes
    ----------
    key
        What the verifier is told of the reference string.
    salt
        32 bytes; another salt is another market.
    rules, scores
        Their contracts by id, in the order in which the verifier is told them.
    verifier, market
        The other two that are created through the proxy.

    """

    key: VerifyingKey
    salt: bytes
    rules: Mapping[str, PlannedContract]
    scores: Mapping[str, PlannedContract]
    verifier: PlannedContract
    market: PlannedContract

    @property
    def contracts(self) -> tuple[PlannedContract, ...]:
        """The contracts created through the proxy, each after those that it asks."""
        return (*self.rules.values(), *self.scores.values(), self.verifier, self.market)

    @cached_property
    def created_by_market(self) -> dict[str, ChecksumAddress]:
        """Addresses of the contracts that the market's constructor makes."""
        return {name: create_address(self.market.address, nonce) for name, nonce in CREATED_BY_MARKET.items()}

    @property
    def forwarder(self) -> ChecksumAddress:
        """Address of the forwarder that the market trusts."""
        return self.created_by_market[FORWARDER]

    @property
    def addresses(self) -> dict[str, ChecksumAddress]:
        """All addresses by the contracts' names."""
        return {contract.name: contract.address for contract in self.contracts} | self.created_by_market


def plan_deployment(key: VerifyingKey, salt: bytes = DEFAULT_SALT) -> DeploymentPlan:
    """Return what would be deployed, and where.

    Raises
    ------
    ValueError
        If the salt is not 32 bytes long.

    """
    rules, scores = (
        {identity: _planned(name, b"", salt) for identity, name in contracts.items()}
        for contracts in (RULE_CONTRACTS, SCORE_CONTRACTS)
    )
    addresses = ([contract.address for contract in group.values()] for group in (rules, scores))
    arguments = encode(_VERIFIER_ARGUMENTS, [list(key.words()), *addresses])
    return DeploymentPlan(key, salt, rules, scores, _planned(VERIFIER, arguments, salt), _planned(MARKET, b"", salt))


def creation_of(name: str, arguments: bytes = b"") -> bytes:
    """Return a contract's creation code with encoded arguments."""
    return bytes.fromhex(load_artifact(name).bytecode.removeprefix("0x")) + arguments


def _planned(name: str, arguments: bytes, salt: bytes) -> PlannedContract:
    return PlannedContract(name, arguments, create2_address(salt, creation_of(name, arguments)))
