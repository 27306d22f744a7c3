"""Deterministic addresses: contracts are created with CREATE2 through the canonical deployment proxy.

The proxy (Arachnid's: 69 bytes of code, no owner, no state) takes a salt and creation code, and creates the contract
with EIP-1014's CREATE2. An address then depends on the proxy's address, the salt, and the creation code with its
arguments, and on nothing else: not on who sends, nor on his nonce. The proxy has one address on all chains because the
one transaction that makes it is signed with values that nobody chose (r and s are all twos): nobody knows its sender's
key, and no chain id is in it, which is why a node has to take transactions of the form before EIP-155.
"""

from __future__ import annotations

import time
from typing import Final, cast

import rlp  # type: ignore[import-untyped]
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress, HexStr
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxParams, TxReceipt, Wei

from market.chain.rpc import is_development_chain, node_message
from market.chain.transactions import RECEIPT_SECONDS, refusals, send
from market.errors import ChainError, ContractRefused, TransactionFailed, WrongChain

PROXY: Final = Web3.to_checksum_address("0x4e59b44847b379578588920ca78fbf26c0b4956c")
PROXY_CODE: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
PROXY_SIGNER: Final = Web3.to_checksum_address("0x3fab184622dc19b6109349b94811493bf2a45362")
PROXY_GAS: Final = 100_000
PROXY_GAS_PRICE_WEI: Final = 100 * 10**9
PROXY_COST_WEI: Final = PROXY_GAS * PROXY_GAS_PRICE_WEI
"""What the signer must have for its transaction to be taken; what it does not use stays with it, for ever."""
PROXY_TRANSACTION: Final = bytes.fromhex(
    f"f8a58085174876e800830186a08080b853604580600e600039806000f350fe{PROXY_CODE.hex()}1ba0{'22' * 32}a0{'22' * 32}"
)
"""Nonce 0, 100 gwei, 100 000 gas, no recipient, v = 27, r = s = 0x2222...22."""
SALT_BYTES: Final = 32
_POLL_SECONDS: Final = 1.0
_DEVELOPMENT_POLL_SECONDS: Final = 0.05
_KNOWN: Final = ("already known", "already imported", "nonce too low")
_HINT: Final = (
    f"the deployment needs the deterministic deployment proxy at {PROXY}: ask the chain's operators for it, "
    "or send its presigned transaction by a node that takes transactions from before EIP-155, then run this again"
)


def create2_address(salt: bytes, creation: bytes) -> ChecksumAddress:
    """Return where the proxy creates a contract (EIP-1014).

    Parameters
    ----------
    salt
        32 bytes.
    creation
        Creation code, followed by the constructor's arguments.

    """
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt has 32 bytes")
    return Web3.to_checksum_address(keccak(b"\xff" + bytes.fromhex(PROXY[2:]) + salt + keccak(creation))[12:])


def create_address(creator: str, nonce: int) -> ChecksumAddress:
    """Return where CREATE puts a contract; the first that a new contract makes has its nonce 1 (EIP-161)."""
    return Web3.to_checksum_address(keccak(rlp.encode([bytes.fromhex(creator[2:]), nonce]))[12:])


def proxy_exists(w3: Web3) -> bool:
    """Whether the proxy is on the chain.

    Raises
    ------
    WrongChain
        If other code is at its address.

    """
    with refusals():
        code = bytes(w3.eth.get_code(PROXY))
    if code and code != PROXY_CODE:
        raise WrongChain(
            f"the code at {PROXY} is not the deterministic deployment proxy's",
            hint="addresses on this chain cannot be known beforehand; do not deploy here",
            address=PROXY,
        )
    return bool(code)


def ensure_proxy(w3: Web3, account: LocalAccount) -> TxReceipt | None:
    """Put the proxy on the chain by its presigned transaction, if it is missing; return the receipt, or None.

    Raises
    ------
    ChainError
        If this chain cannot have it: its node takes no transaction without a chain id, gas costs more than the 100 gwei
        that are signed, or the signer's only transaction was spent without success.
    WrongChain
        If other code is at its address.
    InsufficientFunds
        If ``account`` cannot give the signer the 0.01 coins for its gas.

    """
    if proxy_exists(w3):
        return None
    with refusals():
        base_fee = int(w3.eth.get_block("latest").get("baseFeePerGas", 0))
        spent = w3.eth.get_transaction_count(PROXY_SIGNER)
        missing_wei = PROXY_COST_WEI - int(w3.eth.get_balance(PROXY_SIGNER, "pending"))
    if spent:
        raise ChainError("the proxy's only transaction failed on this chain, and there is no other", hint=_HINT)
    if base_fee > PROXY_GAS_PRICE_WEI:
        raise ChainError(
            f"gas costs {base_fee} wei now, and the proxy's transaction offers {PROXY_GAS_PRICE_WEI}",
            hint="run this again when gas is below 100 gwei; " + _HINT,
        )
    if missing_wei > 0:
        send(w3, account, cast(TxParams, {"to": PROXY_SIGNER, "value": Wei(missing_wei), "data": HexStr("0x")}))
    try:
        w3.eth.send_raw_transaction(PROXY_TRANSACTION)
    except Web3RPCError as error:
        reason = node_message(error)
        if not any(text in reason.lower() for text in _KNOWN):
            raise ChainError(
                f"the node does not take the proxy's presigned transaction: {reason}", hint=_HINT, reason=reason
            ) from error
    wait_for_code(w3, PROXY, "the deployment proxy")
    proxy_exists(w3)
    with refusals():
        return w3.eth.get_transaction_receipt(keccak(PROXY_TRANSACTION))  # type: ignore[arg-type]


def check_derivation(w3: Web3) -> None:
    """Ask the proxy, by a call, where it would put a contract: a chain may derive addresses in a way of its own.

    Raises
    ------
    WrongChain
        If it is not where EIP-1014 puts it.

    """
    salt, creation = keccak(b"gramercy/known-answer"), bytes.fromhex("5f5ff3")  # a contract without code
    request = cast(TxParams, {"to": PROXY, "data": HexStr("0x" + (salt + creation).hex())})
    try:
        answer = bytes(w3.eth.call(request))
    except (ContractLogicError, Web3RPCError) as error:
        raise WrongChain(f"the deployment proxy does not create contracts here: {error}") from error
    expected = create2_address(salt, creation)
    if answer != bytes.fromhex(expected[2:]):
        raise WrongChain(
            f"CREATE2 puts a contract at 0x{answer.hex()} where EIP-1014 says {expected}",
            hint="this chain is not one for contracts that are compiled for the EVM",
        )


def create2(w3: Web3, account: LocalAccount, salt: bytes, creation: bytes, name: str) -> TxReceipt | None:
    """Create a contract through the proxy; None if somebody else was first, which comes to the same.

    Anybody may send the same salt and code: a transaction of an earlier run, or a stranger's. The second one fails, and
    the contract is there.

    Raises
    ------
    TransactionFailed, ContractRefused, InsufficientFunds
        If it fails and there is no contract afterwards.

    """
    address = create2_address(salt, creation)
    call = cast(TxParams, {"to": PROXY, "data": HexStr("0x" + (salt + creation).hex())})
    try:
        return send(w3, account, call)
    except (ChainError, ContractRefused):
        if not _is_there_or_coming(w3, address):
            raise
    wait_for_code(w3, address, name)
    return None


def wait_for_code(w3: Web3, address: ChecksumAddress, name: str, *, timeout: float = RECEIPT_SECONDS) -> None:
    """Wait until there is code at an address.

    Raises
    ------
    TransactionFailed
        If there is none in time.

    """
    poll_seconds = _DEVELOPMENT_POLL_SECONDS if is_development_chain(w3) else _POLL_SECONDS
    deadline = time.monotonic() + timeout
    while True:
        with refusals():
            if w3.eth.get_code(address):
                return
        if time.monotonic() >= deadline:
            raise TransactionFailed(
                f"{name} did not appear at {address} within {timeout:g} seconds",
                hint="its transaction may still be mined; run this again, and it goes on from there",
                address=address,
            )
        time.sleep(poll_seconds)


def _is_there_or_coming(w3: Web3, address: ChecksumAddress) -> bool:
    with refusals():
        return any(w3.eth.get_code(address, tag) for tag in ("latest", "pending"))
