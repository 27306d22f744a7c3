"""A wallet as browsers have them: announced by EIP-6963, asked by EIP-1193, with keys and a will of its own.

The page meets a script like an extension's; what the page asks of it is answered here, as wallets answer: reads are
passed on to the node of the chain that the wallet is on, accounts are told to pages that were let in alone, and what
needs the user is agreed to, unless the test has the user refuse.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from playwright.sync_api import BrowserContext, Page
from web3 import Web3
from web3.types import RPCEndpoint

NAME = "Test wallet"
REJECTED, UNAUTHORIZED, UNSUPPORTED, UNKNOWN_CHAIN, INVALID = 4001, 4100, 4200, 4902, -32602
_TIP = 10**9
_ASKS_USER = (
    "eth_requestAccounts",
    "eth_sendTransaction",
    "eth_signTypedData_v4",
    "personal_sign",
    "wallet_switchEthereumChain",
    "wallet_addEthereumChain",
)
_SCRIPT = """(() => {
  const listeners = new Map()
  const heard = (event) => listeners.get(event) ?? listeners.set(event, new Set()).get(event)
  window.__walletEmit = (event, value) => [...heard(event)].forEach((listener) => listener(value))
  const provider = {
    async request(call) {
      const { result, error, events } = await window.__walletRequest(JSON.stringify(call))
      events.forEach(([event, value]) => window.__walletEmit(event, value))
      if (error) throw Object.assign(new Error(error.message), { code: error.code, data: error.data })
      return result
    },
    on: (event, listener) => void heard(event).add(listener),
    removeListener: (event, listener) => void heard(event).delete(listener),
  }
  const icon = 'data:image/svg+xml,' + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg"/>')
  const info = { uuid: crypto.randomUUID?.() ?? '1', name: '%s', icon, rdns: 'example.wallet' }
  const announce = () =>
    window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
  window.addEventListener('eip6963:requestProvider', announce)
  announce()
})()"""


class _Refused(Exception):
    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": data}


@dataclass
class InjectedWallet:
    """One wallet of one browser profile.

    Attributes
    ----------
    w3
        The node of the market's chain.
    accounts
        Whose keys it has, the chosen one first.
    chain_id
        Which chain it is on; reads of another chain than the market's have no answer.
    known
        Chains that it can switch to.
    locked
        Whether its password has to be given first.
    asked
        Every request that needs the user, with its parameters, in order.
    """

    w3: Web3
    accounts: list[LocalAccount]
    chain_id: int = 0
    known: set[int] = field(default_factory=set)
    locked: bool = False
    asked: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    _sent: dict[str, Any] = field(default_factory=dict)
    _let_in: bool = False
    _refusals: dict[str, list[_Refused]] = field(default_factory=lambda: defaultdict(list))
    _events: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain_id = self.chain_id or self.w3.eth.chain_id
        self.known |= {self.chain_id}

    # -- what tests do --------------------------------------------------------------------------------------------

    def install(self, context: BrowserContext) -> None:
        """Put the wallet into a browser profile, before its pages are opened."""
        context.expose_function("__walletRequest", self._answer)
        context.add_init_script(_SCRIPT % NAME)

    def connect(self, page: Page) -> None:
        """Connect it to the page, as the user does."""
        page.get_by_role("button", name="Connect").first.click()
        page.get_by_role("dialog").get_by_role("button", name=NAME).click()
        page.get_by_role("dialog", name="Connect a wallet").wait_for(state="detached")

    def refuse(self, method: str, code: int = REJECTED, message: str = "User rejected the request.") -> None:
        """Have the user, or the wallet, refuse the next request of a method."""
        self._refusals[method].append(_Refused(code, message))

    def choose(self, page: Page, account: LocalAccount) -> None:
        """Choose another account in the wallet."""
        self.accounts = [account, *(one for one in self.accounts if one.address != account.address)]
        page.evaluate("(accounts) => __walletEmit('accountsChanged', accounts)", self._shared())

    def change_chain(self, page: Page, chain_id: int) -> None:
        """Choose another network in the wallet."""
        self.chain_id = chain_id
        page.evaluate("(id) => __walletEmit('chainChanged', id)", hex(chain_id))

    def lock(self, page: Page) -> None:
        """Lock it: it tells pages that there is no account any more."""
        self.locked = True
        page.evaluate("() => __walletEmit('accountsChanged', [])")

    def speed_up(self) -> str:
        """Send the last transaction once more for more gas, as wallets do while it waits; return its hash."""
        fees = {name: 3 * self._sent[name] for name in ("maxPriorityFeePerGas", "maxFeePerGas")}
        return self._signed(self.accounts[0], {**self._sent, **fees})

    def cancel(self) -> str:
        """Put nothing in the place of the last transaction, as wallets do while it waits; return its hash."""
        self._sent = {**self._sent, "to": self.accounts[0].address, "value": 0, "data": "0x"}
        return self.speed_up()

    def count(self, method: str) -> int:
        """Return how often the user was asked for something."""
        return sum(name == method for name, _ in self.asked)

    # -- what it answers ------------------------------------------------------------------------------------------

    def _answer(self, text: str) -> dict[str, Any]:
        call = json.loads(text)
        method, params = call["method"], call.get("params") or []
        answer: dict[str, Any]
        try:
            answer = {"result": self._request(method, params)}
        except _Refused as refused:
            answer = {"error": refused.error}
        events, self._events = self._events, []
        return {**answer, "events": events}

    def _request(self, method: str, params: Sequence[Any]) -> Any:
        if method in _ASKS_USER:
            self.asked.append((method, params))
            if self._refusals[method]:
                raise self._refusals[method].pop(0)
        own: dict[str, Callable[[], Any]] = {
            "eth_accounts": self._shared,
            "eth_requestAccounts": self._let_page_in,
            "eth_chainId": lambda: hex(self.chain_id),
            "wallet_switchEthereumChain": lambda: self._switch(int(params[0]["chainId"], 16)),
            "wallet_addEthereumChain": lambda: self._add(params[0]),
            "personal_sign": lambda: self._sign(params[1], encode_defunct(hexstr=params[0])),
            "eth_signTypedData_v4": lambda: self._sign(
                params[0], encode_typed_data(full_message=json.loads(params[1]))
            ),
            "eth_sendTransaction": lambda: self._send(params[0]),
        }
        if method in own:
            return own[method]()
        if method.startswith("wallet_"):
            raise _Refused(UNSUPPORTED, f"{method} is not supported")
        return self._passed_on(method, params)

    def _let_page_in(self) -> list[str]:
        self._let_in, self.locked = True, False
        return self._shared()

    def _sign(self, address: str, message: SignableMessage) -> str:
        return Web3.to_hex(bytes(self._account(address).sign_message(message).signature))

    def _shared(self) -> list[str]:
        return [account.address for account in self.accounts] if self._let_in and not self.locked else []

    def _account(self, address: str) -> LocalAccount:
        if self.locked:
            raise _Refused(UNAUTHORIZED, "The wallet is locked.")
        for account in self.accounts if self._let_in else ():
            if account.address.lower() == address.lower():
                return account
        raise _Refused(UNAUTHORIZED, "The requested account has not been authorized by the user.")

    def _switch(self, chain_id: int) -> None:
        if chain_id not in self.known:
            raise _Refused(UNKNOWN_CHAIN, f'Unrecognized chain ID "{hex(chain_id)}".')
        self.chain_id = chain_id
        self._events.append(("chainChanged", hex(chain_id)))

    def _add(self, asked: dict[str, Any]) -> None:
        """As wallets do: the chain's node has to answer with the chain's id."""
        node = Web3(Web3.HTTPProvider(asked["rpcUrls"][0]))
        if hex(node.eth.chain_id) != asked["chainId"]:
            raise _Refused(INVALID, f"the node is on chain {node.eth.chain_id}, not {asked['chainId']}")
        self.known.add(node.eth.chain_id)
        self._switch(node.eth.chain_id)

    def _send(self, asked: dict[str, str]) -> str:
        account = self._account(asked["from"])
        if int(asked.get("chainId", hex(self.chain_id)), 16) != self.chain_id:
            raise _Refused(INVALID, "the transaction is for another chain")
        base = self.w3.eth.get_block("latest").get("baseFeePerGas", 0)
        nonce = self._passed_on("eth_getTransactionCount", [account.address, "pending"])
        transaction: dict[str, Any] = {
            "chainId": self.chain_id,
            "nonce": int(nonce, 16),
            "gas": int(asked["gas"], 16),
            "maxPriorityFeePerGas": _TIP,
            "maxFeePerGas": 2 * base + _TIP,
            "to": Web3.to_checksum_address(asked["to"]),
            "value": int(asked.get("value", "0x0"), 16),
            "data": asked.get("data", "0x"),
        }
        self._sent = transaction
        return self._signed(account, transaction)

    def _signed(self, account: LocalAccount, transaction: dict[str, Any]) -> str:
        raw = account.sign_transaction(transaction).raw_transaction
        told: str = self._passed_on("eth_sendRawTransaction", [Web3.to_hex(raw)])
        return told

    def _passed_on(self, method: str, params: Sequence[Any]) -> Any:
        if self.chain_id != self.w3.eth.chain_id:
            raise _Refused(-32603, f"there is no node of chain {self.chain_id}")
        answer = self.w3.provider.make_request(RPCEndpoint(method), list(params))
        if error := answer.get("error"):
            assert not isinstance(error, str)
            raise _Refused(error["code"], error["message"], error.get("data"))
        return answer["result"]


def wallet_of(w3: Web3, *accounts: LocalAccount, **fields: Any) -> InjectedWallet:
    """Return a wallet that holds these accounts; a new one where none is given."""
    return InjectedWallet(w3, list(accounts) or [Account.create()], **fields)
