"""Sign-ins and sessions, kept in the database: nonces serve once, and cookies hold nothing but a random token."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, delete, insert, select
from web3 import Web3

from market.api.errors import SignInRefused, TooMany
from market.api.signatures import signed_by
from market.api.siwe import SignIn
from market.api.tables import count, nonces, sessions
from market.domain import Address
from market.indexer.database import writing

NONCE_SECONDS = 300
SESSION_SECONDS = 7 * 86_400
_MAX_NONCES = 20_000
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, and the token that requests with effects must repeat."""

    address: Address
    chain_id: int
    csrf: str
    expires: float


@dataclass(frozen=True, slots=True)
class SignIns:
    """Begins, completes and ends sign-ins.

    Parameters
    ----------
    engine
        The database.
    chains
        Connections by chain id, for accounts that are contracts.
    clock
        Unix seconds.

    """

    engine: Engine
    chains: Mapping[int, Web3]
    clock: Callable[[], float] = field(default=time.time)

    def begin(self) -> tuple[str, str]:
        """Return a visitor's token, for its cookie, and the nonce that its sign-in message must name.

        Raises
        ------
        TooMany
            If too many were begun in the last minutes.

        """
        visitor, nonce, now = secrets.token_urlsafe(_BYTES), secrets.token_hex(_BYTES // 2), self.clock()
        with writing(self.engine).begin() as connection:
            connection.execute(delete(nonces).where(nonces.c.expires <= now))
            if count(connection, nonces) >= _MAX_NONCES:
                raise TooMany("too many people sign in at the moment", hint="try again in five minutes")
            connection.execute(insert(nonces).values(visitor=digest(visitor), nonce=nonce, expires=now + NONCE_SECONDS))
        return visitor, nonce

    def complete(
        self, visitor: str | None, message: str, signature: bytes, *, origin: str, chain_ids: frozenset[int]
    ) -> tuple[str, Session]:
        """Sign a visitor in; return the session's token, for its cookie, and the session.

        The nonce is used up whatever comes of it.

        Raises
        ------
        SignInRefused
            If message or signature are not acceptable, or nothing was begun.

        """
        now = self.clock()
        nonce = self._take_nonce(visitor, now)
        asked = SignIn.parse(message)
        asked.check(origin=origin, nonce=nonce, chain_ids=chain_ids, now=now)
        if not signed_by(asked.address, message, signature, self.chains.get(asked.chain_id)):
            raise SignInRefused(f"the signature is not of {asked.address}")
        token, session = (
            secrets.token_urlsafe(_BYTES),
            Session(asked.address, asked.chain_id, secrets.token_urlsafe(_BYTES), now + SESSION_SECONDS),
        )
        with writing(self.engine).begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires <= now))
            connection.execute(
                insert(sessions).values(
                    token=digest(token),
                    csrf=session.csrf,
                    address=session.address,
                    chain_id=session.chain_id,
                    expires=session.expires,
                )
            )
        return token, session

    def session(self, token: str | None) -> Session | None:
        """Return the session of a cookie's token, if it lasts."""
        if not token:
            return None
        wanted = select(sessions).where(sessions.c.token == digest(token), sessions.c.expires > self.clock())
        with self.engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else Session(row.address, row.chain_id, row.csrf, row.expires)

    def end(self, token: str) -> None:
        """End a session."""
        with writing(self.engine).begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.token == digest(token)))

    def _take_nonce(self, visitor: str | None, now: float) -> str:
        refused = SignInRefused("this browser has begun no sign-in, or too long ago", hint="sign in again")
        if not visitor:
            raise refused
        mine = nonces.c.visitor == digest(visitor)
        with writing(self.engine).begin() as connection:
            row = connection.execute(delete(nonces).where(mine).returning(nonces)).one_or_none()
        if row is None or row.expires <= now:
            raise refused
        return str(row.nonce)


def digest(token: str) -> str:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
