"""Requests to addresses that users name: to the public internet only, whatever form the address takes.

The host is resolved once, every answer is checked, and the connection goes to the address that was checked: a name
that resolves to something else a moment later (DNS rebinding) changes nothing. Redirects are answers, never followed;
proxies of the environment are not used, as they would resolve again. One deadline is over each exchange, however its
parts trickle in, and of an answer the status is read, nothing more.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aggregator.errors import InvalidInput
from market.api.limits import Limit

SECONDS = 10.0
"""How long an exchange may take in all, from the look-up of the host to the answer's status."""
PORTS = (80, 443, 8080, 8443)
"""Of public addresses: a mail server, say, would take an HTTP request's body for its own language."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")
"""Of 6to4, given up by RFC 7526."""
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
"""Host and port to addresses."""


class ForbiddenTarget(InvalidInput):
    """A URL is none that this server sends anything to."""

    code = "forbidden-target"


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for a host's addresses."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Target:
    """A URL and the address that it was found to stand for."""

    scheme: str
    host: str
    port: int
    path: str
    address: str


@dataclass(frozen=True, slots=True)
class Outbound:
    """Sends requests to users' URLs.

    Parameters
    ----------
    allow_local
        Whether private, loopback and link-local addresses are allowed.
    resolve
        How hosts are resolved.

    """

    allow_local: bool = False
    resolve: Resolve = resolve
    _resolving: Limit = field(default_factory=lambda: Limit("looking a host up", 32))

    def target(self, url: str) -> Target:
        """Parse a URL, resolve its host and check what it stands for.

        Raises
        ------
        ForbiddenTarget
            If it is no http or https URL, carries credentials, or leads anywhere but to public addresses.
        Unavailable
            If its name server does not answer in time.

        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ForbiddenTarget("the URL is malformed") from None
        if (
            parts.scheme not in ("http", "https")
            or not host
            or not url.isascii()
            or not url.isprintable()
            or " " in url
        ):
            raise ForbiddenTarget("only plain http and https URLs are allowed")
        if parts.username is not None or parts.password is not None:
            raise ForbiddenTarget("URLs with credentials are not allowed")
        number = port or (443 if parts.scheme == "https" else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        address = self._checked(host, number)
        if not self.allow_local and number not in PORTS:
            raise ForbiddenTarget(f"the URL's port is none of {', '.join(map(str, PORTS))}")
        return Target(parts.scheme, host, number, path, address)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body; return the answer's status.

        Raises
        ------
        ForbiddenTarget, Unavailable
            As for :meth:`target`, found anew.
        OSError, http.client.HTTPException
            If nothing, or nothing in HTTP, answers in time.

        """
        end = time.monotonic() + SECONDS
        connection = _connection(self.target(url))
        deadline = threading.Timer(end - time.monotonic(), connection.cut)
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("POST", connection.target.path, body, dict(headers))
            status = connection.getresponse().status
        except Exception:
            connection.require_time()
            raise
        finally:
            deadline.cancel()
            connection.close()
        connection.require_time()  # a header that was cut off reads like a whole one
        return status

    def _checked(self, host: str, port: int) -> str:
        try:
            found = self._resolving.within(SECONDS, lambda: self.resolve(host, port))
        except (OSError, UnicodeError):
            raise ForbiddenTarget("the URL's host cannot be resolved") from None
        if not found:
            raise ForbiddenTarget("the URL's host has no address")
        if not self.allow_local and not all(is_public(address) for address in found):
            raise ForbiddenTarget("the URL leads to an address that is not public")
        return found[0]


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet, also inside IPv6 forms that carry an IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_host(one) for one in _carried(address))


def _is_host(address: IpAddress) -> bool:
    odd = address.is_site_local if isinstance(address, ipaddress.IPv6Address) else address in _RELAYS
    return address.is_global and not (odd or address.is_multicast or address.is_reserved)


def _carried(address: IpAddress) -> list[IpAddress]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _NAT64_LOCAL or int(address) >> 32 == 0:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found: list[IpAddress] = [one for one in inside if one is not None]
    return found if address.ipv4_mapped or address in _NAT64 else [address, *found]


def _connection(target: Target) -> _Pinned:
    return _Pinned(target) if target.scheme == "http" else _PinnedTls(target)


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked address, under the URL's host name, that another thread may cut off."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=SECONDS)
        self.target = target
        self._late = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self.target.address, self.target.port), timeout=SECONDS)
        self.require_time()

    def cut(self) -> None:
        """End whatever is under way."""
        self._late = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                # The plain socket's: a TLS socket's own would have what is still being sent go out in the clear.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def require_time(self) -> None:
        """Raise TimeoutError if the time is over."""
        if self._late:
            raise TimeoutError("the receiver took too long")


class _PinnedTls(_Pinned):
    """The same with TLS, whose certificate must be the host name's."""

    default_port = 443

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        secure = context.wrap_socket(self.sock, server_hostname=self.target.host, do_handshake_on_connect=False)
        self.sock = secure
        self.require_time()
        secure.do_handshake()
