"""Settings of the dashboard's server, from its environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from eth_utils.address import is_address, to_checksum_address

from market.domain import Address
from market.errors import ConfigError

_PREFIX = "GRAMERCY_DASHBOARD_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXPLORER = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the dashboard is served. Each field is set by ``GRAMERCY_DASHBOARD_`` and its name in capitals.

    Lists are separated by commas.

    Attributes
    ----------
    database
        URL of the index's database, as SQLAlchemy writes it: ``sqlite:////abs/path`` or ``postgresql+psycopg://...``.
    host, port
        Where to listen. Anything but loopback needs ``hosts`` and should be behind TLS.
    hosts
        Host names that the server answers for, without ports; other Host headers are refused (DNS rebinding).
    origin
        The address that browsers know the dashboard by, such as ``https://market.example``: what sign-in messages must
        name. Default: the request's own scheme and host.
    rpc_urls
        ``CHAIN_ID=URL`` for each chain whose JSON-RPC address browsers may use: it is published and goes into the
        content security policy, so it must carry no secret.
    explorers
        ``CHAIN_ID=URL`` for each chain with a block explorer that pages link to; https only.
    verifiers
        ``CHAIN_ID:MARKET=VERIFIER`` for each verifier that the operator vouches for: the wizard takes it, and pages
        warn of jobs with another. Those of the address books are among them by themselves.
    state
        Folder for fetched and derived files; safe to delete.
    evaluate
        Whether rounds are evaluated where the task is a built-in one and its data set is on this machine.
    local_hooks
        Whether hooks may go to private, loopback and link-local addresses: only where all who can sign in may reach
        whatever this machine can.
    smtp_host, smtp_port, smtp_from
        Mail server for e-mail hooks and the sender's address; empty host: there are none.
    max_lag_seconds
        How old the newest look at a chain may be before the server calls itself not ready.

    """

    database: str = ""
    host: str = "127.0.0.1"
    port: int = 8420
    hosts: tuple[str, ...] = LOOPBACK
    origin: str = ""
    rpc_urls: tuple[str, ...] = ()
    explorers: tuple[str, ...] = ()
    verifiers: tuple[str, ...] = ()
    state: str = ""
    evaluate: bool = False
    local_hooks: bool = False
    smtp_host: str = ""
    smtp_port: int = 25
    smtp_from: str = ""
    max_lag_seconds: float = 120.0

    @property
    def chains(self) -> dict[int, str]:
        """Published JSON-RPC addresses by chain id.

        Raises
        ------
        ConfigError
            If one is not ``CHAIN_ID=URL``.

        """
        found = {}
        for entry in self.rpc_urls:
            number, _, url = entry.partition("=")
            if not number.isdecimal() or not url.startswith(("http://", "https://")):
                raise ConfigError(f"{entry!r} is not CHAIN_ID=URL", hint="such as 31337=http://127.0.0.1:8545")
            found[int(number)] = url
        return found

    @property
    def explorer_urls(self) -> dict[int, str]:
        """Addresses of block explorers by chain id.

        Raises
        ------
        ConfigError
            If one is not ``CHAIN_ID=URL``, or not https.

        """
        found = {}
        for entry in self.explorers:
            number, _, url = entry.partition("=")
            if not number.isdecimal() or not _EXPLORER.fullmatch(url):
                raise ConfigError(f"{entry!r} is not CHAIN_ID=URL with https", hint="such as 1=https://etherscan.io")
            found[int(number)] = url.rstrip("/")
        return found

    @property
    def vouched_verifiers(self) -> dict[tuple[int, Address], tuple[Address, ...]]:
        """Verifiers that the operator vouches for, by chain id and market.

        Raises
        ------
        ConfigError
            If one is not ``CHAIN_ID:MARKET=VERIFIER``.

        """
        found: dict[tuple[int, Address], tuple[Address, ...]] = {}
        for entry in self.verifiers:
            place, _, verifier = entry.partition("=")
            number, _, market = place.partition(":")
            if not number.isdecimal() or not is_address(market) or not is_address(verifier):
                raise ConfigError(f"{entry!r} is not CHAIN_ID:MARKET=VERIFIER", hint="the address book has all three")
            key, one = (int(number), Address(to_checksum_address(market))), Address(to_checksum_address(verifier))
            if one not in found.setdefault(key, ()):
                found[key] = (*found[key], one)
        return found

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """Return the settings in force; what is given and not None counts more than the environment.

        Raises
        ------
        ConfigError
            If a value is malformed.

        """
        variables = os.environ if environment is None else environment
        values = {name: value for name, value in given.items() if value is not None}
        for one in fields(cls):
            text = variables.get(_PREFIX + one.name.upper())
            if one.name not in values and text:
                values[one.name] = _parsed(one.name, text, one.default)
        return cls(**values)


def _parsed(name: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        if isinstance(default, tuple):
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return type(default)(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{_PREFIX}{name.upper()}: {text!r} is not a {type(default).__name__}") from None
