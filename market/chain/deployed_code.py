"""What lies at the addresses of a deployment: nothing yet, the right code to the last immutable, or something else.

An address that CREATE2 gives already names the creation code. That the code found there is what this creation code
makes is checked all the same: a node may lie, and a chain may have rules of its own.
"""

from __future__ import annotations

from typing import Final, cast

from eth_abi.abi import encode
from eth_typing import ChecksumAddress, HexStr
from eth_utils.crypto import keccak
from web3 import Web3
from web3.types import TxParams

from aggregator.bn254 import R
from market.chain.artifacts import load_artifact
from market.chain.deployment_plan import FORWARDER, MARKET, VERIFIER, DeploymentPlan, PlannedContract
from market.chain.market_encoding import encode_id
from market.chain.rpc import chain_id_of
from market.chain.transactions import refusals
from market.errors import ContractRefused, NodeRefused, WrongChain

FORWARDER_NAME: Final = "Gramercy"
FORWARDER_VERSION: Final = "1"
"""Of the EIP-712 domain in which requests to the forwarder are signed."""
_DOMAIN_TYPE: Final = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_KEPT_WORDS: Final = (slice(0, 1), slice(2, 8), slice(10, 18))
"""What a verifier keeps of a reference string's words; of the others only the digest tells."""


def is_deployed(w3: Web3, plan: DeploymentPlan, contract: PlannedContract) -> bool:
    """Whether a contract of the plan is at its address already.

    Raises
    ------
    WrongChain
        If other code is there.

    """
    code = _code(w3, contract.address)
    if code:
        _require_code(plan, chain_id_of(w3), contract.name, contract.address, code)
    return bool(code)


def verify_deployment(w3: Web3, plan: DeploymentPlan) -> dict[str, bytes]:
    """Check that all contracts of a plan are deployed and know each other; return the hashes of their code by name.

    Raises
    ------
    WrongChain
        If a contract is missing, has other code or immutables, or asks other contracts.

    """
    chain_id, hashes = chain_id_of(w3), {}
    for name, address in plan.addresses.items():
        code = _code(w3, address)
        if not code:
            raise WrongChain(
                f"there is no {name} at {address} on chain {chain_id}",
                hint="`gramercy deploy` puts there what is missing",
                contract=name,
                address=address,
            )
        _require_code(plan, chain_id, name, address, code)
        hashes[name] = keccak(code)
    _check_links(w3, plan)
    return hashes


def find_first_block(w3: Web3, address: ChecksumAddress) -> int:
    """Return the block in which a contract was created, or 0 where the node has forgotten the state of that time."""
    with refusals():
        low, high = 0, int(w3.eth.block_number)
    exact = True
    while low < high:
        middle = (low + high) // 2
        there = _had_code(w3, address, middle)
        if there:
            high = middle
        else:
            low, exact = middle + 1, there is not None
    return low if exact else 0


def expected_immutables(plan: DeploymentPlan, name: str, chain_id: int) -> frozenset[bytes]:
    """Return the words that a contract's constructor leaves in its code, by the sources; none for most."""
    if name == VERIFIER:
        words = plan.key.words()
        kept = [word.to_bytes(32, "big") for part in _KEPT_WORDS for word in words[part]]
        return frozenset({*kept, plan.key.digest, R.to_bytes(32, "big")})
    if name == MARKET:
        return frozenset(_word(address) for address in plan.created_by_market.values())
    if name == FORWARDER:
        return _forwarder_words(plan.forwarder, chain_id)
    return frozenset()


def _require_code(plan: DeploymentPlan, chain_id: int, name: str, address: ChecksumAddress, code: bytes) -> None:
    artifact = load_artifact(name)
    found = frozenset(code[start : start + length] for start, length in artifact.immutables)
    if not artifact.matches(code) or found != expected_immutables(plan, name, chain_id):
        raise WrongChain(
            f"the code at {address} is not that of {name}",
            hint="the node shows another chain, or this version of gramercy has other contracts; "
            "if you trust the node, deploy with another --salt",
            contract=name,
            address=address,
            code_hash="0x" + keccak(code).hex(),
        )


def _forwarder_words(address: ChecksumAddress, chain_id: int) -> frozenset[bytes]:
    """Return what OpenZeppelin's EIP712 keeps of a domain: its separator and what that is made of."""
    name, version = FORWARDER_NAME.encode(), FORWARDER_VERSION.encode()
    separator = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [_DOMAIN_TYPE, keccak(name), keccak(version), chain_id, address],
        )
    )
    short = (text.ljust(31, b"\0") + bytes([len(text)]) for text in (name, version))
    return frozenset({separator, chain_id.to_bytes(32, "big"), _word(address), keccak(name), keccak(version), *short})


def _check_links(w3: Web3, plan: DeploymentPlan) -> None:
    """Ask the contracts for each other: what is in their storage, not in their code."""
    verifier = plan.verifier.address
    asked: list[tuple[str, ChecksumAddress, bytes, bytes]] = [
        ("the market's forwarder", plan.market.address, _selector("trustedForwarder()"), _word(plan.forwarder)),
        ("the verifier's reference string", verifier, _selector("srsDigest()"), plan.key.digest),
    ]
    for kind, contracts in (("rule", plan.rules), ("score", plan.scores)):
        ids = [encode_id(identity) for identity in contracts]
        asked.append((f"the verifier's {kind}s", verifier, _selector(f"{kind}s()"), encode(["bytes32[]"], [ids])))
        selector = _selector(f"{kind}Of(bytes32)")
        for identity, contract in contracts.items():
            what = f"the verifier's {kind} {identity}"
            asked.append((what, verifier, selector + encode_id(identity), _word(contract.address)))
    for what, address, data, expected in asked:
        request = cast(TxParams, {"to": address, "data": HexStr("0x" + data.hex())})
        try:
            with refusals():
                found = bytes(w3.eth.call(request))
        except ContractRefused as error:
            raise WrongChain(f"{what} cannot be asked for") from error
        if found != expected:
            raise WrongChain(
                f"{what} is 0x{found.hex()}, not 0x{expected.hex()}", hint="do not use this deployment", address=address
            )


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


def _code(w3: Web3, address: ChecksumAddress) -> bytes:
    with refusals():
        return bytes(w3.eth.get_code(address))


def _had_code(w3: Web3, address: ChecksumAddress, block: int) -> bool | None:
    """Whether a contract was there after a block; None if the node cannot say."""
    try:
        with refusals():
            return bool(w3.eth.get_code(address, block))
    except NodeRefused:
        return None


def _word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")
