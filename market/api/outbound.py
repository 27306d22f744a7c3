"""Requests to addresses that users name: to the public internet only, whatever form the address takes.

The host is resolved once, every answer is checked, and the connection goes to the address that was checked: a name
that resolves to something else a moment later (DNS rebinding) changes nothing. Redirects are answers, never followed;
proxies of the environment are not used, as they would resolve again.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aggregator.errors import InvalidInput

SECONDS = 10.0
_MAX_ANSWER_BYTES = 1 << 14
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
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

    def target(self, url: str) -> Target:
        """Parse a URL, resolve its host and check what it stands for.

        Raises
        ------
        ForbiddenTarget
            If it is no http or https URL, carries credentials, or leads anywhere but to public addresses.

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
        return Target(parts.scheme, host, number, path, self._checked(host, number))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body; return the answer's status.

        Raises
        ------
        ForbiddenTarget
            As for :meth:`target`, found anew.
        OSError, http.client.HTTPException
            If nothing, or nothing in HTTP, answers in time.

        """
        target = self.target(url)
        connection = _connection(target)
        try:
            connection.request("POST", target.path, body, dict(headers))
            answer = connection.getresponse()
            answer.read(_MAX_ANSWER_BYTES)
            return answer.status
        finally:
            connection.close()

    def _checked(self, host: str, port: int) -> str:
        try:
            found = self.resolve(host, port)
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
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _carried(address))


def _carried(address: IpAddress) -> list[IpAddress]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _NAT64_LOCAL or int(address) >> 32 == 0:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found: list[IpAddress] = [one for one in inside if one is not None]
    return found if address.ipv4_mapped or address in _NAT64 else [address, *found]


def _connection(target: Target) -> http.client.HTTPConnection:
    if target.scheme == "http":
        return _Pinned(target)
    return _PinnedTls(target)


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked address, under the URL's host name."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=SECONDS)
        self._target = target

    def connect(self) -> None:
        self.sock = socket.create_connection((self._target.address, self._target.port), timeout=SECONDS)


class _PinnedTls(_Pinned):
    """The same with TLS, whose certificate must be the host name's."""

    default_port = 443

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._target.host)
