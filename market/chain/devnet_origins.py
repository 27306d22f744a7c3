"""Which browser pages the embedded devnet answers: those of this machine, and wallets.

A page anywhere may have its visitor's browser send requests to 127.0.0.1, and with a host name that it points there
(DNS rebinding) even read the answers. Browsers name the page in the Origin header of every POST; other clients send
none, and are not concerned.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_WALLETS = ("chrome-extension", "moz-extension", "safari-web-extension")


def may_ask(origin: str, host: str) -> bool:
    """Tell whether a page may ask the devnet.

    Parameters
    ----------
    origin
        Of the page: its Origin header.
    host
        What the browser takes the devnet for: the Host header. A name that is not this machine's own is refused.

    Examples
    --------
    >>> may_ask("http://127.0.0.1:8420", "127.0.0.1:8545")
    True
    >>> may_ask("http://market.example", "127.0.0.1:8545"), may_ask("http://market.example", "market.example")
    (False, False)

    """
    asked = _hostname(f"//{host}")
    if asked is None or not (_is_local(asked) or _is_address(asked)):
        return False
    scheme, _, _ = origin.partition("://")
    if scheme in _WALLETS:
        return True
    page = _hostname(origin) if scheme in ("http", "https") else None
    # A dashboard on this machine that is visited by the machine's address in its network has another port only.
    return page is not None and (_is_local(page) or page == asked)


class Origins:
    """ASGI middleware that refuses the requests of pages which :func:`may_ask` does not let in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or pass the request on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not may_ask(origin, headers.get("host", "")):
                refusal = PlainTextResponse("The devnet answers pages of this machine and wallets only.\n", 403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
