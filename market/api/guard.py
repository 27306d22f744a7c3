"""What every request passes: known hosts only, bounded bodies, an id, and security headers on every answer.

Plain ASGI: it sees answers of all kinds, streams and errors included.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from market.api.errors import ApiError, BadHost, BodyTooLarge
from market.api.problems import problem, unexpected
from market.api.settings import Settings

MAX_BODY_BYTES = 48 << 10
"""A draft of 32 KiB with room for JSON's escapes; nothing longer is ever expected."""
_BODY_SECONDS = 10.0
_GONE = 499
"""Counted where nobody waited for the answer."""

Observe = Callable[[Scope, int, float], None]
"""Called with a request's scope, its answer's status and the seconds it took."""


class SlowBody(ApiError):
    """A request's body did not arrive in time."""

    code = "slow-body"
    status = 408


@dataclass
class Guard:
    """The outermost layer of the server.

    Parameters
    ----------
    app
        What is guarded.
    settings
        Host names, and what the content security policy allows.
    observe
        Told of every answer.

    """

    app: ASGIApp
    settings: Settings
    observe: Observe

    def __post_init__(self) -> None:
        self._headers = security_headers(self.settings)
        self._hosts = {name.lower().strip("[]") for name in self.settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP (a WebSocket) is turned away."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started, status, number = time.perf_counter(), 0, secrets.token_hex(8)
        scope["gramercy.request_id"] = number

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name.lower() for name, _ in message["headers"]}
                added = [pair for pair in self._headers if pair[0] not in own]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", number.encode())]
            await send(message)

        try:
            self._check_host(scope)
            await self.app(scope, await _bounded(scope, receive), sending)
        except ApiError as error:
            answer = problem(Request(scope), error.status, code=error.code, detail=error.message, hint=error.hint)
            await answer(scope, receive, sending)
        except Exception as error:
            if status:  # the answer has begun: all that is left is to break it off
                raise
            await unexpected(Request(scope), error)(scope, receive, sending)
        finally:
            self.observe(scope, status or _GONE, time.perf_counter() - started)

    def _check_host(self, scope: Scope) -> None:
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        try:
            host = urlsplit(f"//{named[0]}").hostname if len(named) == 1 else None
        except ValueError:
            host = None
        if host is None or host.lower() not in self._hosts:
            raise BadHost(
                "this server does not answer for that host name",
                hint="whoever runs it names its hosts in GRAMERCY_DASHBOARD_HOSTS",
            )


async def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Read a request's body, which must be short, and return a channel that gives it again."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return receive
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not declared.isdigit() or len(declared) > 9 or int(declared) > MAX_BODY_BYTES:  # noqa: PLR2004 - digits of a GB
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise SlowBody(f"the request's body did not arrive within {_BODY_SECONDS:.0f} s") from None
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the request's body is longer than {MAX_BODY_BYTES} bytes", headers={"Connection": "close"})


def security_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer; scripts, styles and connections come from this server and the chains."""
    origins = " ".join(["'self'", *sorted({origin_of(url) for url in settings.chains.values()})])
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": origins,
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "content-security-policy": _joined(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin-allow-popups",  # some wallets open a window and talk to it
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }
    if settings.origin.startswith("https://"):
        headers["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(parts)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, without credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
