"""ERC-20 tokens: how amounts of one are written, and approvals signed instead of sent (EIP-2612)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3RPCError, Web3ValueError

from market.chain.rpc import raise_if_busy
from market.domain import NATIVE_COIN, Address
from market.errors import WrongChain

PERMIT_SECONDS = 3_600
"""How long a signed approval can be used."""
MAX_DECIMALS = 36
_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_VERSIONS = ("1", "2")


def _view(name: str, kind: str, *inputs: str) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"name": f"_{place}", "type": each} for place, each in enumerate(inputs)],
        "outputs": [{"name": "", "type": kind}],
    }


ERC20_ABI: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "approve",
        "stateMutability": "nonpayable",
        "inputs": [{"name": "spender", "type": "address"}, {"name": "amount", "type": "uint256"}],
        "outputs": [],  # a bool by the standard, nothing from some tokens: only a revert counts
    },
    _view("allowance", "uint256", "address", "address"),
    _view("balanceOf", "uint256", "address"),
    _view("decimals", "uint8"),
    _view("symbol", "string"),
    _view("name", "string"),
    _view("nonces", "uint256", "address"),
    _view("DOMAIN_SEPARATOR", "bytes32"),
]
_ABSENT = (BadFunctionCallOutput, ContractLogicError, Web3RPCError, Web3ValueError, OverflowError, UnicodeDecodeError)
"""What asking a contract for something that it does not have can raise."""


@dataclass(frozen=True, slots=True)
class Token:
    """What amounts are of: the native coin, or an ERC-20 token; ``decimals`` places after the point."""

    address: Address
    decimals: int
    symbol: str


_SYMBOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9.+-]{1,10}")
_EXPONENT: Final = re.compile(r"e[0-9.+-]+")
_OTHERS: Final = {"coin", "coins", "unit", "units", "token", "tokens", "eth", "ether", "ethers", "wei", "gwei"}
_MULTIPLES: Final = {"thousand", "mn", "mio", "million", "millions", "bn", "billion", "billions", "trillion"}
COIN = Token(NATIVE_COIN, 18, "coins")


def describe(w3: Web3, address: Address) -> Token:
    """Return how amounts of a token are written.

    Raises
    ------
    WrongChain
        If the contract at the address does not tell its decimals.

    """
    if address == NATIVE_COIN:
        return COIN
    contract = _contract(w3, address)
    decimals = _asked(contract, "decimals")
    if not isinstance(decimals, int) or decimals > MAX_DECIMALS:
        raise WrongChain(
            f"the contract at {address} is no ERC-20 token with decimals", hint="check the token's address"
        )
    return Token(address, decimals, shown_symbol(_asked(contract, "symbol"), address))


def shown_symbol(symbol: object, address: Address) -> str:
    """Return what amounts of a token are called: its symbol where that cannot be misread, else its short address.

    A symbol is whatever its author wrote. Accepted are 2 to 11 ASCII letters, digits, points, plus and minus signs, a
    letter first; not the names of the coin and of units, and nothing that reads as a part of the number before it. The
    pages have the same rule (frontend/src/format/symbols.ts).

    Examples
    --------
    >>> shown_symbol("USDC", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
    'USDC'
    >>> shown_symbol("000 USDC", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
    'token 0xA0b8…eB48'

    """
    if isinstance(symbol, str) and _SYMBOL.fullmatch(symbol):
        folded = symbol.lower()
        if folded not in _OTHERS | _MULTIPLES and not _EXPONENT.fullmatch(folded):
            return symbol
    return f"token {address[:6]}…{address[-4:]}"


def sign_permit(w3: Web3, account: LocalAccount, token: Address, spender: Address, amount: int) -> bytes:
    """Return a signed approval of ``amount`` as the market takes it; nothing where the token has no EIP-2612.

    The token's own domain separator decides which domain it signs in: one that cannot be rebuilt is not signed in.
    """
    contract = _contract(w3, token)
    nonce, separator = _asked(contract, "nonces", account.address), _asked(contract, "DOMAIN_SEPARATOR")
    name = _asked(contract, "name")
    if not isinstance(nonce, int) or not isinstance(name, str) or not isinstance(separator, bytes):
        return b""
    chain_id = w3.eth.chain_id
    version = next((one for one in _VERSIONS if _separator(name, one, chain_id, token) == separator), None)
    if version is None:
        return b""
    deadline = int(w3.eth.get_block("latest")["timestamp"]) + PERMIT_SECONDS
    signed = account.sign_typed_data(
        {"name": name, "version": version, "chainId": chain_id, "verifyingContract": Web3.to_checksum_address(token)},
        {
            "Permit": [
                {"name": "owner", "type": "address"},
                {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"},
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ]
        },
        {"owner": account.address, "spender": spender, "value": amount, "nonce": nonce, "deadline": deadline},
    )
    return encode(
        ["uint256", "uint8", "bytes32", "bytes32"],
        [deadline, signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")],
    )


def _contract(w3: Web3, address: Address) -> Contract:
    return w3.eth.contract(address=Web3.to_checksum_address(address), abi=ERC20_ABI)


def _asked(contract: Contract, view: str, *arguments: Any) -> Any:
    try:
        return contract.functions[view](*arguments).call()
    except _ABSENT as error:
        if isinstance(error, Web3RPCError):
            raise_if_busy(error)
        return None


def _separator(name: str, version: str, chain_id: int, token: Address) -> bytes:
    words = [_DOMAIN_TYPE, keccak(name.encode()), keccak(version.encode()), chain_id, Web3.to_checksum_address(token)]
    return bytes(keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], words)))
