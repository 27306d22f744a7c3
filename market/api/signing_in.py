"""Sign-ins and sessions: nonces serve once, sessions are in the database, cookies hold nothing but a random token."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Connection, Engine, delete, insert, select
from web3 import Web3

from market.api.errors import SignInRefused
from market.api.limits import Limit
from market.api.nonces import Nonces, kept_key, use
from market.api.signatures import signed_by_contract, signed_by_key
from market.api.siwe import SignIn
from market.api.tables import sessions
from market.domain import Address
from market.indexer.database import writing

SESSION_SECONDS = 7 * 86_400
CHAIN_SECONDS = 10.0
"""How long a chain may take to say whether a contract signed."""
MAX_SESSIONS = 20
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, and the token that requests with effects must repeat.

    ``account`` is what private data belong to: the address, or chain and address where a contract signed.
    """

    address: Address
    chain_id: int
    csrf: str
    expires: float
    account: str


@dataclass(frozen=True)
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
    _asking: Limit = field(default_factory=lambda: Limit("signing in by a contract", 4, waiting=4))
    _writing: Limit = field(default_factory=lambda: Limit("signing in", 2, waiting=6, seconds=5.0))

    def begin(self) -> tuple[str, str]:
        """Return a visitor's token, for its cookie, and the nonce that its sign-in message must name."""
        return self._nonces.give(self.clock())

    def complete(
        self,
        visitor: str | None,
        message: str,
        signature: bytes,
        *,
        origin: str,
        chain_ids: frozenset[int],
        before: str | None = None,
    ) -> tuple[str, Session]:
        """Sign a visitor in; return the session's token, for its cookie, and the session.

        The nonce serves one session, on whichever server over the database; one of the same browser from ``before``
        ends.

        Raises
        ------
        SignInRefused
            If message or signature are not acceptable, nothing was begun, or it was completed before.
        Unavailable
            If too many ask chains for contracts' signatures, or theirs does not answer in time.

        """
        now = self.clock()
        nonce = self._nonces.nonce(visitor, now)
        if nonce is None:
            raise _not_begun()
        asked = SignIn.parse(message)
        asked.check(origin=origin, nonce=nonce, chain_ids=chain_ids, now=now)
        account = self._account(asked, message, signature)
        token, session = (
            secrets.token_urlsafe(_BYTES),
            Session(asked.address, asked.chain_id, secrets.token_urlsafe(_BYTES), now + SESSION_SECONDS, account),
        )
        with self._writing.place(), writing(self.engine).begin() as connection:
            if not use(connection, nonce, now):
                raise _not_begun()
            connection.execute(delete(sessions).where(sessions.c.expires <= now))
            if before:
                connection.execute(delete(sessions).where(sessions.c.token == digest(before)))
            _make_room(connection, account)
            connection.execute(
                insert(sessions).values(
                    token=digest(token),
                    csrf=session.csrf,
                    address=session.address,
                    chain_id=session.chain_id,
                    expires=session.expires,
                    account=account,
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
        return None if row is None else Session(row.address, row.chain_id, row.csrf, row.expires, row.account)

    def end(self, token: str) -> None:
        """End a session."""
        with self._writing.place(), writing(self.engine).begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.token == digest(token)))

    def end_all(self, account: str) -> None:
        """End all sessions of an account."""
        with self._writing.place(), writing(self.engine).begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.account == account))

    @cached_property
    def _nonces(self) -> Nonces:
        return Nonces(kept_key(self.engine))

    def _account(self, asked: SignIn, message: str, signature: bytes) -> str:
        """Return whose data a sign-in is to, once its signature is found right."""
        if signed_by_key(asked.address, message, signature):
            return asked.address
        w3 = self.chains.get(asked.chain_id)
        if w3 is not None and self._asking.within(
            CHAIN_SECONDS, lambda: signed_by_contract(w3, asked.address, message, signature)
        ):
            return f"{asked.chain_id}:{asked.address}"
        raise SignInRefused(f"the signature is not of {asked.address}")


def _not_begun() -> SignInRefused:
    return SignInRefused("this browser has begun no sign-in, or too long ago", hint="sign in again")


def _make_room(connection: Connection, account: str) -> None:
    """End an account's oldest sessions if it has as many as it may have."""
    mine = sessions.c.account == account
    kept = select(sessions.c.token).where(mine).order_by(sessions.c.expires.desc()).limit(MAX_SESSIONS - 1)
    tokens = connection.scalars(kept).all()
    connection.execute(delete(sessions).where(mine, sessions.c.token.not_in(tokens)))


def digest(token: str) -> str:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
