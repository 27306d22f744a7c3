"""What the contracts need of a chain, asked by calls with known answers before anything is sent.

A chain may lack a precompile or an opcode, or have other rules under the same number; contracts then fail after they
hold money, not when they are made. All calls are read-only; those without a recipient run as creation code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from eth_typing import HexStr
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxParams

from market.chain.rpc import chain_id_of, node_message
from market.chain.transactions import refusals
from market.errors import WrongChain

CODE_LIMIT: Final = 24_576
"""Bytes of code that a contract may have (EIP-170)."""
CREATION_LIMIT: Final = 49_152
"""Bytes of creation code (EIP-3860)."""
TRANSACTION_GAS_LIMIT: Final = 16_777_216
"""What one transaction may use (EIP-7825)."""

_WORD_BYTES: Final = 32
_G1 = (1, 2)
_G1_NEGATED = (1, 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD45)
_G1_TWICE = (
    0x030644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD3,
    0x15ED738C0E0A7C92E7845F96B2AE9C0A68A6A449E3538FC7FF3EBF7A5A18A2C4,
)
_G1_NINE_TIMES = (
    0x039730EA8DFF1254C0FEE9C0EA777D29A9C710B7E616683F194F18C43B43B869,
    0x073A5FFCC6FC7A28C30723D6E58CE577356982D65B833A5A5C15BF9024B43D98,
)
_G2 = (
    0x198E9393920D483A7260BFB731FB5D25F1AA493335A9E71297E485B7AEF312C2,
    0x1800DEEF121F1E76426A00665E5C4479674322D4F75EDADD46DEBD5CD992F6ED,
    0x090689D0585FF075EC9E99AD690C3395BC4B313370B38EF355ACDADCD122975B,
    0x12C85EA5DB8C6DEB4AAB71808DCB408FE3D1E7690C43D37B4CE6CC0166FA7DAA,
)
_GROUP_ORDER = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
# The key 1 signed keccak256("gramercy") with the nonce of RFC 6979; its address is the well-known one.
_SIGNED = (
    0x1B9A1E444CF7508CCC4E2207D46EB6A5300DB98F379654BEB12C1AE7022137CF,
    28,
    0x22C27CE263A3BECAD7D69C18E5EADED5B208E0A329F6EEC228BC913101739F1D,
    0x580B47C102B63CFC1BB0274C64645F69F4E63D374F4E47D670D30074E5BC0B74,
)
_SIGNER = 0x7E5F4552091A69125D5DFCB7B8C2659029395BDF


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A call and what it returns on a chain that the contracts can run on.

    Attributes
    ----------
    name
        What is asked for, with the EIP that says so.
    to
        Number of the precompile; None runs ``data`` as creation code.
    data, answer
        Bytes sent, and bytes expected.

    """

    name: str
    to: int | None
    data: bytes
    answer: bytes


def known_answers(chain_id: int) -> list[KnownAnswer]:
    """Return what a chain of this id has to answer."""
    pair, other = _words(*_G1, *_G2), _words(*_G1_NEGATED, *_G2)
    inverse = _words(32, 32, 32, 3, _GROUP_ORDER - 2, _GROUP_ORDER)
    return [
        KnownAnswer("precompile 1, ecRecover", 1, _words(*_SIGNED), _words(_SIGNER)),
        KnownAnswer("precompile 5, modExp (EIP-198)", 5, inverse, _words(pow(3, -1, _GROUP_ORDER))),
        KnownAnswer("precompile 6, ecAdd (EIP-196)", 6, _words(*_G1, *_G1), _words(*_G1_TWICE)),
        KnownAnswer("precompile 7, ecMul (EIP-196)", 7, _words(*_G1, 9), _words(*_G1_NINE_TIMES)),
        KnownAnswer("precompile 8, ecPairing (EIP-197)", 8, pair + other, _words(1)),
        KnownAnswer("precompile 8, ecPairing, of a product that is not one", 8, pair + pair, _words(0)),
        _opcode("PUSH0 (EIP-3855)", "602a5f52", 42),
        _opcode("MCOPY (EIP-5656)", "602a608052" + "602060806000" + "5e", 42),
        _opcode("TSTORE and TLOAD (EIP-1153)", "602a60015d" + "60015c" + "600052", 42),
        _opcode("CHAINID (EIP-1344)", "46600052", chain_id),
        KnownAnswer(
            f"contracts of {CODE_LIMIT} bytes (EIP-170)", None, bytes.fromhex("6160006000f3"), bytes(CODE_LIMIT)
        ),
    ]


def check_chain(w3: Web3) -> list[str]:
    """Ask a chain everything that :func:`known_answers` lists; return the names of what it answered.

    Raises
    ------
    WrongChain
        If it answers anything otherwise, or its blocks have no base fee (EIP-1559).

    """
    with refusals():
        block = w3.eth.get_block("latest")
    if "baseFeePerGas" not in block:
        raise WrongChain("blocks of this chain have no base fee (EIP-1559)", hint="choose a chain with London's rules")
    asked = known_answers(chain_id_of(w3))
    for known in asked:
        _check(w3, known)
    return [known.name for known in asked]


def _check(w3: Web3, known: KnownAnswer) -> None:
    request = {"data": HexStr("0x" + known.data.hex())}
    if known.to is not None:
        request["to"] = HexStr(f"0x{known.to:040x}")
    try:
        answer = bytes(w3.eth.call(cast(TxParams, request)))
    except (ContractLogicError, Web3RPCError) as error:
        reason = node_message(error) if isinstance(error, Web3RPCError) else str(error)
        raise _refused(known, f"the chain does not run it: {reason}") from error
    if answer != known.answer:
        shown = f"0x{answer[:_WORD_BYTES].hex()}" if answer else "nothing"
        raise _refused(known, f"it answers {shown}{' ...' if len(answer) > _WORD_BYTES else ''}")


def _refused(known: KnownAnswer, reason: str) -> WrongChain:
    return WrongChain(
        f"the contracts cannot run on this chain: {known.name}: {reason}",
        hint="they need the rules of Cancun or later, as Ethereum has them; nothing was sent",
        missing=known.name,
    )


def _opcode(name: str, code: str, answer: int) -> KnownAnswer:
    """Return a known answer that is the first word of memory after ``code``."""
    return KnownAnswer(f"opcode {name}", None, bytes.fromhex(code + "60206000f3"), _words(answer))


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(_WORD_BYTES, "big") for value in values)
