"""What accounts sign for others to send: permits of tokens (EIP-2612) and calls of the market (EIP-712, ERC-2771)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from tests.contracts.calls import calldata
from tests.contracts.harness import Chain

_PERMIT = {
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ]
}
_REQUEST = {
    "ForwardRequest": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "gas", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint48"},
        {"name": "data", "type": "bytes"},
    ]
}


def permit_parts(
    chain: Chain, token: Contract, signer: LocalAccount, spender: str, amount: int, *, deadline: int | None = None
) -> tuple[int, int, bytes, bytes]:
    """Sign a holder's approval of an amount of PermitToken: deadline, v, r, s."""
    deadline = chain.now + 1_000 if deadline is None else deadline
    nonce = chain.call(token.functions.nonces(signer.address))
    message = {
        "owner": signer.address,
        "spender": spender,
        "value": amount,
        "nonce": nonce,
        "deadline": deadline,
    }
    domain = _domain(chain, token, "Permit")
    signed = signer.sign_message(encode_typed_data(domain_data=domain, message_types=_PERMIT, message_data=message))
    return deadline, signed.v, signed.r.to_bytes(32), signed.s.to_bytes(32)


def permit(*arguments: Any, **options: Any) -> bytes:
    """Sign as :func:`permit_parts`; return what the market takes."""
    return encode(["uint256", "uint8", "bytes32", "bytes32"], permit_parts(*arguments, **options))


@dataclass(frozen=True)
class Request:
    """A call that its sender signs and somebody else sends through a forwarder."""

    chain: Chain
    forwarder: Contract
    sender: str
    call: ContractFunction
    deadline: int
    nonce: int
    value: int = 0
    gas: int = 3_000_000

    def signed_by(self, signer: LocalAccount, *, chain_id: int | None = None) -> ContractFunction:
        """Return the call of ``execute``, for the relayer to send with :attr:`value`."""
        data = calldata(self.call)
        message = {
            "from": self.sender,
            "to": self.call.address,
            "value": self.value,
            "gas": self.gas,
            "nonce": self.nonce,
            "deadline": self.deadline,
            "data": data,
        }
        domain = _domain(self.chain, self.forwarder, "Gramercy")
        domain |= {} if chain_id is None else {"chainId": chain_id}
        typed = encode_typed_data(domain_data=domain, message_types=_REQUEST, message_data=message)
        signature = bytes(signer.sign_message(typed).signature)
        fields = (self.sender, self.call.address, self.value, self.gas, self.deadline, data, signature)
        return self.forwarder.functions.execute(fields)

    def but(self, **changes: Any) -> Request:
        """Return the request with changed fields."""
        return replace(self, **changes)


def request(chain: Chain, forwarder: Contract, sender: str, call: ContractFunction, *, value: int = 0) -> Request:
    """Return a request with the sender's next nonce, good for 1 000 seconds."""
    nonce = chain.call(forwarder.functions.nonces(sender))
    return Request(chain, forwarder, sender, call, chain.now + 1_000, nonce, value)


def _domain(chain: Chain, contract: Contract, name: str) -> dict[str, Any]:
    return {"name": name, "version": "1", "chainId": chain.chain_id, "verifyingContract": contract.address}
