"""Nonces of sign-ins: nothing is kept of those that are given out; of those that were used, until they expire."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from market.api.tables import secret_values, used_nonces

NONCE_SECONDS = 300
_TIME_DIGITS, _MAC_DIGITS = 10, 32


@dataclass(frozen=True, slots=True)
class Nonces:
    """Gives visitors nonces, and knows its own again.

    A visitor's token holds when it was given and an HMAC of that; its nonce is another HMAC of the token. The key is
    the database's, so all servers over one know each other's. Who knows it can make nonces, and lets nobody in by it.
    """

    key: bytes

    def give(self, now: float) -> tuple[str, str]:
        """Return a visitor's token, for its cookie, and the nonce that its message must name."""
        plain = f"{int(now):0{_TIME_DIGITS}d}{secrets.token_hex(16)}"
        visitor = plain + self._mac("visitor", plain)
        return visitor, self._mac("nonce", visitor)

    def nonce(self, visitor: str | None, now: float) -> str | None:
        """Return a visitor's nonce, or None if its token is none, or too old; it may have been used."""
        at = self._given_at(visitor or "")
        if visitor is None or at is None or not now - NONCE_SECONDS < at <= now:
            return None
        return self._mac("nonce", visitor)

    def _given_at(self, visitor: str) -> int | None:
        plain, mac = visitor[:-_MAC_DIGITS], visitor[-_MAC_DIGITS:]
        if not hmac.compare_digest(self._mac("visitor", plain).encode(), mac.encode("utf-8", "replace")):
            return None
        return int(plain[:_TIME_DIGITS])

    def _mac(self, purpose: str, text: str) -> str:
        told = f"{purpose}|{text}".encode("utf-8", "replace")
        return hmac.new(self.key, told, hashlib.sha256).hexdigest()[:_MAC_DIGITS]


def kept_key(engine: Engine) -> bytes:
    """Return the key of a database's nonces, which was made with its tables."""
    with engine.connect() as connection:
        return bytes.fromhex(
            connection.scalars(select(secret_values.c.value).where(secret_values.c.name == "nonces")).one()
        )


def use(connection: Connection, nonce: str, now: float) -> bool:
    """Use a nonce up, whichever server gave it, with what else its sign-in writes; return whether it had not been.

    Only who has signed writes here, so that nobody's nonce has to give way to those of others.
    """
    connection.execute(delete(used_nonces).where(used_nonces.c.expires <= now))
    try:
        with connection.begin_nested():
            connection.execute(insert(used_nonces).values(nonce=nonce, expires=now + NONCE_SECONDS))
    except IntegrityError:
        return False
    return True
