"""Whether an account signed a text: by its key, or by the contract that it is (EIP-1271)."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.conversions import to_bytes
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from web3 import Web3
from web3.exceptions import Web3Exception

from market.domain import Address
from market.errors import ChainError

_MAGIC = keccak(text="isValidSignature(bytes32,bytes)")[:4]
_KEY_SIGNATURE_BYTES = 65
MAX_SIGNATURE_BYTES = 4_096


def signed_by(address: Address, text: str, signature: bytes, w3: Web3 | None) -> bool:
    """Whether an account signed a text (EIP-191), by its key or, where it has code and a chain is at hand, EIP-1271."""
    if len(signature) == _KEY_SIGNATURE_BYTES and _recovered(text, signature) == address:
        return True
    return w3 is not None and _contract_agrees(w3, address, text, signature)


def _recovered(text: str, signature: bytes) -> Address | None:
    try:
        return str(Account.recover_message(encode_defunct(text=text), signature=signature))
    except (BadSignature, ValidationError, ValueError):
        return None


def _contract_agrees(w3: Web3, address: Address, text: str, signature: bytes) -> bool:
    prefixed = text.encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n%d" % len(prefixed) + prefixed)
    data = _MAGIC + encode(["bytes32", "bytes"], [digest, signature])
    target = Web3.to_checksum_address(address)
    try:
        if not w3.eth.get_code(target):
            return False
        answer = to_bytes(w3.eth.call({"to": target, "data": Web3.to_hex(data)}))
    except (Web3Exception, ChainError, ValueError):
        return False
    return answer == _MAGIC.ljust(32, b"\0")
