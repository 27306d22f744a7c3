"""Sign-In with Ethereum messages (EIP-4361), read by the grammar and nothing looser, and checked field by field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from eth_utils.address import is_checksum_address

from market.api.errors import SignInRefused

MAX_MESSAGE = 4_096
MAX_AGE_SECONDS = 600
_SKEW_SECONDS = 60
_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*"
_MESSAGE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?P<domain>[A-Za-z0-9\-._~!$&'()*+,;=:\[\]%@]+) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n"
    r"\n"
    r"(?:(?P<statement>[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;= ]+)\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: (?P<version>1)\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,19})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,64})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[A-Za-z0-9\-._~!$&'()*+,;=:@%]*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?"
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in message's fields."""

    scheme: str | None
    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expiration_time: datetime | None
    not_before: datetime | None

    @classmethod
    def parse(cls, text: str) -> SignIn:
        """Read a message.

        Raises
        ------
        SignInRefused
            If it does not follow EIP-4361's grammar to the letter, or its address has no EIP-55 checksum.

        """
        found = _MESSAGE.fullmatch(text) if len(text) <= MAX_MESSAGE else None
        if found is None:
            raise SignInRefused("the message is not one of Sign-In with Ethereum (EIP-4361)")
        if not is_checksum_address(found["address"]):
            raise SignInRefused("the message's address has a wrong EIP-55 checksum")
        return cls(
            scheme=found["scheme"],
            domain=found["domain"],
            address=found["address"],
            uri=found["uri"],
            chain_id=int(found["chain_id"]),
            nonce=found["nonce"],
            issued_at=_required(found["issued_at"]),
            expiration_time=_time(found["expiration_time"]),
            not_before=_time(found["not_before"]),
        )

    def check(self, *, origin: str, nonce: str, chain_ids: frozenset[int], now: float) -> None:
        """Check all but the signature.

        Parameters
        ----------
        origin
            Scheme, host and port of the page that may ask for this sign-in.
        nonce
            What this visitor was given.
        chain_ids
            Chains of the markets that are shown.
        now
            Unix seconds.

        Raises
        ------
        SignInRefused
            If the message was made for another site, visitor or chain, or for another time.

        """
        own, named = urlsplit(origin), urlsplit(self.uri)
        if self.domain != own.netloc or self.scheme not in (None, own.scheme):
            raise SignInRefused(f"the message is for {self.domain}, this is {own.netloc}")
        if (named.scheme, named.netloc) != (own.scheme, own.netloc):
            raise SignInRefused("the message's URI is of another site")
        if self.nonce != nonce:
            raise SignInRefused("the message's nonce is not the one this browser was given", hint="sign in again")
        if self.chain_id not in chain_ids:
            raise SignInRefused(f"no market on chain {self.chain_id} is shown here", hint="switch the wallet's network")
        issued = self.issued_at.timestamp()
        if not now - MAX_AGE_SECONDS <= issued <= now + _SKEW_SECONDS:
            raise SignInRefused("the message was not issued just now", hint="check this machine's clock")
        if self.expiration_time is not None and self.expiration_time.timestamp() <= now:
            raise SignInRefused("the message has expired", hint="sign in again")
        if self.not_before is not None and self.not_before.timestamp() > now:
            raise SignInRefused("the message is not valid yet")


def _time(text: str | None) -> datetime | None:
    return None if text is None else _required(text)


def _required(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SignInRefused(f"{text} is not a time") from None
