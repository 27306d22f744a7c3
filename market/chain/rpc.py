"""Connections to a chain's JSON-RPC address, and the clock and coins of development chains."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from eth_typing import URI
from web3 import HTTPProvider, Web3
from web3.exceptions import BadResponseFormat, MethodUnavailable, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.rpc.utils import REQUEST_RETRY_ALLOWLIST, ExceptionRetryConfiguration
from web3.types import RPCEndpoint, RPCResponse

from market.errors import ChainError, ChainUnreachable, WrongChain

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
_RETRIES = 3
_BACKOFF_SECONDS = 0.1
_DEVELOPMENT_CLIENTS = ("gramercy-devnet", "anvil", "hardhat", "ethereumtester")
# What changes something is not sent twice: a lost answer is not a lost request.
_RETRIED = [name for name in REQUEST_RETRY_ALLOWLIST if name not in {"evm", "admin", "eth_sendRawTransaction"}]


def redact_url(url: str) -> str:
    """Return an address fit for messages and logs: scheme, host and port, without user, path or query.

    RPC providers carry their API keys in the path or the query, so those go too.

    Examples
    --------
    >>> redact_url("https://user:secret@rpc.example:8545/v3/0123456789abcdef?key=1")
    'https://rpc.example:8545/...'

    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{_host(parts)}" if parts.scheme else _host(parts)
    return shown + "/..." if parts.path.strip("/") or parts.query else shown


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


class ChainProvider(HTTPProvider):
    """web3's HTTP provider, whose failures are ChainUnreachable and whose messages keep no credentials."""

    def __init__(self, url: str, *, timeout: tuple[float, float]) -> None:
        parts = urlsplit(url)
        kwargs: dict[str, Any] = {"timeout": timeout}
        if parts.username is not None:
            kwargs["auth"] = (unquote(parts.username), unquote(parts.password or ""))
            url = parts._replace(netloc=_host(parts)).geturl()
        # A contract that reverts with OffchainLookup (EIP-3668) would choose URLs that this machine fetches.
        self.global_ccip_read_enabled = False
        super().__init__(
            URI(url),
            request_kwargs=kwargs,
            exception_retry_configuration=ExceptionRetryConfiguration(
                errors=(requests.ConnectionError,),
                retries=_RETRIES,
                backoff_factor=_BACKOFF_SECONDS,
                method_allowlist=_RETRIED,
            ),
        )
        self.shown_url = redact_url(url)
        self.chain_id: int | None = None
        self.is_development: bool | None = None

    def __str__(self) -> str:
        """Name the address without its secrets."""
        return f"RPC connection {self.shown_url}"

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request; ChainUnreachable when there is no JSON-RPC answer."""
        try:
            return super().make_request(method, params)
        except requests.RequestException as error:
            failure = self._unreachable(error)
        except (BadResponseFormat, ValueError, TypeError):
            failure = self._misunderstood(method)
        # Outside the handlers, so that no traceback shows the address that requests puts in its messages.
        raise failure

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        """Send a batch; ChainUnreachable when there is no JSON-RPC answer."""
        try:
            answers = super().make_batch_request(batch_requests)
            if not isinstance(answers, list) or all(isinstance(answer["id"], int) for answer in answers):
                return answers
            failure = self._misunderstood("a batch")
        except requests.RequestException as error:
            failure = self._unreachable(error)
        except (BadResponseFormat, AttributeError, KeyError, ValueError, TypeError):
            failure = self._misunderstood("a batch")
        raise failure

    def _misunderstood(self, asked: str) -> ChainUnreachable:
        return ChainUnreachable(
            f"{self.shown_url} answered {asked}, but not in JSON-RPC.",
            hint="Check that the address is that of a node's JSON-RPC interface.",
            url=self.shown_url,
        )

    def _unreachable(self, error: requests.RequestException) -> ChainUnreachable:
        if error.response is not None:
            return ChainUnreachable(
                f"The chain at {self.shown_url} answered with HTTP status {error.response.status_code}.",
                hint="Check the address and its credentials, and whether the provider limits requests.",
                url=self.shown_url,
                status=error.response.status_code,
            )
        reason = "did not answer in time" if isinstance(error, requests.Timeout) else "cannot be reached"
        return ChainUnreachable(
            f"The chain at {self.shown_url} {reason}.",
            hint="Check that the node runs and that the address is right; `gramercy devnet` starts one here.",
            url=self.shown_url,
        )


def connect(
    url: str,
    *,
    expected_chain_id: int | None,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
) -> Web3:
    """Connect to a chain by HTTP and check that it is the expected one.

    Parameters
    ----------
    url
        JSON-RPC address; ``user:password@`` in it becomes HTTP basic authentication.
    expected_chain_id
        Chain id that it must have; None accepts any.
    connect_seconds, read_seconds
        How long a request waits for a connection, and for an answer.

    Raises
    ------
    ChainUnreachable
        If the address is not HTTP, or gives no JSON-RPC answer. Requests made later raise it too.
    WrongChain
        If the chain id is another one.

    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ChainUnreachable(
            f"{redact_url(url)!r} is not an HTTP address.", hint="Give one like http://127.0.0.1:8545."
        )
    provider = ChainProvider(url, timeout=(connect_seconds, read_seconds))
    w3 = Web3(provider)
    # Chains with a proof-of-authority consensus put more into extraData than web3 takes by itself.
    w3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    try:
        chain_id = w3.eth.chain_id
    except (Web3RPCError, BadResponseFormat) as error:
        raise ChainUnreachable(
            f"{redact_url(url)} does not tell its chain id.",
            hint="Check that the address is that of a node's JSON-RPC interface.",
            url=redact_url(url),
        ) from error
    if expected_chain_id is not None and chain_id != expected_chain_id:
        raise WrongChain(
            f"The chain at {redact_url(url)} has id {chain_id}, not {expected_chain_id}.",
            hint="Point to the chain that the deployment was made on, or choose that deployment's profile.",
            expected=expected_chain_id,
            found=chain_id,
        )
    provider.chain_id = chain_id
    return w3


def chain_id_of(w3: Web3) -> int:
    """Return the chain id, as ``connect`` found it, or by asking."""
    known = w3.provider.chain_id if isinstance(w3.provider, ChainProvider) else None
    return w3.eth.chain_id if known is None else known


def is_development_chain(w3: Web3) -> bool:
    """Tell whether the node is a development chain (embedded devnet, anvil, Hardhat), asked once a connection."""
    provider = w3.provider
    if isinstance(provider, ChainProvider) and provider.is_development is not None:
        return provider.is_development
    try:
        answer = w3.client_version.lower().startswith(_DEVELOPMENT_CLIENTS)
    except MethodUnavailable:
        answer = False
    if isinstance(provider, ChainProvider):
        provider.is_development = answer
    return answer


_BUSY_CODES = (-32005, -32029, 429)
_BUSY_WORDS = ("rate limit", "too many requests", "request count exceeded", "capacity")


def raise_if_busy(error: Web3RPCError) -> None:
    """Raise ChainUnreachable if a node answered a call only that it had no time: of the contract this says nothing."""
    told: Any = (error.rpc_response or {}).get("error")
    code, words = told.get("code") if isinstance(told, dict) else None, node_message(error)
    if "revert" not in words.lower() and (code in _BUSY_CODES or any(part in words.lower() for part in _BUSY_WORDS)):
        raise ChainUnreachable(f"The node limits requests: {words}.", hint="It is asked again later.") from error


def node_message(error: Web3RPCError) -> str:
    """Return what the node said in a JSON-RPC error, without web3's wrapping."""
    told: Any = (error.rpc_response or {}).get("error")
    message = told.get("message") if isinstance(told, dict) else None
    return str(message or error.message).rstrip(".")


def chain_time(w3: Web3) -> int:
    """Return the timestamp of the newest block, in seconds. It stands still while no block is mined."""
    return int(w3.eth.get_block("latest")["timestamp"])


def next_block_time(w3: Web3) -> int:
    """Return the timestamp that the next block would have if mined now, or the newest one's if the node hides it."""
    try:
        return int(w3.eth.get_block("pending")["timestamp"])
    except Web3RPCError:
        return chain_time(w3)


def fast_forward(w3: Web3, seconds: int) -> int:
    """Move a development chain's clock forward, mine a block there, and return its timestamp.

    Raises
    ------
    ChainError
        If the chain has no such control.

    """
    _develop(w3, "evm_increaseTime", seconds)
    _develop(w3, "evm_mine")
    return chain_time(w3)


def set_time(w3: Web3, timestamp: int) -> int:
    """Mine a block with this timestamp on a development chain, whose clock runs on from there; return it.

    Raises
    ------
    ChainError
        If the chain has no such control, or its newest block is later.

    """
    _develop(w3, "evm_setNextBlockTimestamp", timestamp)
    _develop(w3, "evm_mine")
    return chain_time(w3)


def fund(w3: Web3, address: str, amount_wei: int) -> None:
    """Add to an account's balance on a development chain, out of nothing, in wei.

    Raises
    ------
    ChainError
        If the chain has no such control.

    """
    balance = w3.eth.get_balance(Web3.to_checksum_address(address))
    _develop(w3, "anvil_setBalance", address, hex(balance + amount_wei))


def _develop(w3: Web3, method: str, *params: Any) -> None:
    try:
        w3.manager.request_blocking(RPCEndpoint(method), list(params))
    except Web3RPCError as error:
        raise ChainError(
            f"The chain refuses {method}: {node_message(error)}.",
            hint="Only development chains move their clock and give coins, and time never runs back.",
            method=method,
        ) from error
