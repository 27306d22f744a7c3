"""Whether an account signed a text: by its key, or by the contract that it is (EIP-1271)."""

from __future__ import annotations

import logging

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.conversions import to_bytes
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from web3 import Web3

from market.domain import Address

_MAGIC = keccak(text="isValidSignature(bytes32,bytes)")[:4]
_KEY_SIGNATURE_BYTES = 65
MAX_SIGNATURE_BYTES = 4_096
_LOG = logging.getLogger("gramercy.api")


def signed_by_key(address: Address, text: str, signature: bytes) -> bool:
    """Whether an account's key signed a text (EIP-191)."""
    return len(signature) == _KEY_SIGNATURE_BYTES and _recovered(text, signature) == address


def _recovered(text: str, signature: bytes) -> Address | None:
    try:
        return str(Account.recover_message(encode_defunct(text=text), signature=signature))
    except (BadSignature, ValidationError, ValueError):
        return None


def signed_by_contract(w3: Web3, address: Address, text: str, signature: bytes) -> bool:
    """Whether the contract that an account is on a chain agrees to a text (EIP-1271); False where that cannot be had.

    A contract that wants something fetched first (EIP-3668) is not obeyed: it would choose where this server connects.
    """
    prefixed = text.encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n%d" % len(prefixed) + prefixed)
    data = _MAGIC + encode(["bytes32", "bytes"], [digest, signature])
    target = Web3.to_checksum_address(address)
    try:
        if not w3.eth.get_code(target):
            return False
        answer = to_bytes(w3.eth.call({"to": target, "data": Web3.to_hex(data)}, ccip_read_enabled=False))
    except Exception as error:
        # Whatever a contract or a node answers, it did not agree; what web3 raises then is of many kinds.
        _LOG.info("account %s could not be asked for its signature: %s", target, type(error).__name__)
        return False
    return answer == _MAGIC.ljust(32, b"\0")
