"""Something between a connection and its node: a node that lies, refuses, or goes away at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from web3 import Web3
from web3.middleware import Web3Middleware
from web3.types import RPCEndpoint

Request = Callable[[str, Any], Any]


def intercept(w3: Web3, answer: Callable[[Request, str, Any], Any]) -> None:
    """Have ``answer(ask, method, params)`` answer instead of the node, which ``ask(method, params)`` reaches."""

    class _Between(Web3Middleware):
        def wrap_make_request(self, make_request: Any) -> Any:
            def ask(method: str, params: Any) -> Any:
                return make_request(RPCEndpoint(method), params)

            return lambda method, params: answer(ask, method, params)

    w3.middleware_onion.inject(_Between, layer=0)


def result(value: Any) -> dict[str, Any]:
    """Return a JSON-RPC answer."""
    return {"jsonrpc": "2.0", "id": 1, "result": value}


def refusal(message: str) -> dict[str, Any]:
    """Return a JSON-RPC error."""
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": message}}
