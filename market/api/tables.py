"""Tables of what is private, beside the index's in one database: sign-ins, drafts, hooks and their deliveries.

Tokens and codes are kept as SHA-256 digests: whoever reads the database cannot sign in with what stands there.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    select,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_DIGEST, _ADDRESS, _ACCOUNT, _ID = 64, 42, 64, 32

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(_DIGEST), primary_key=True),
    Column("csrf", String(_DIGEST), nullable=False),
    Column("address", String(_ADDRESS), nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("expires", Float, nullable=False),
    Column("account", String(_ACCOUNT), nullable=False),
    Index(None, "expires"),
    Index(None, "account"),
)
"""Who is signed in. An account is an address, or, where a contract signed, its chain's number and address: who holds an
address on one chain need not hold it on another."""

secret_values = Table(
    "secrets",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)
"""What all servers over the database know: the key of nonces, 32 bytes in hexadecimal."""

used_nonces = Table(
    "used_nonces",
    metadata,
    Column("nonce", String(32), primary_key=True),
    Column("expires", Float, nullable=False),
    Index(None, "expires"),
)
"""Nonces of sign-ins that were completed, for as long as they could serve again."""

drafts = Table(
    "drafts",
    metadata,
    Column("id", String(_ID), primary_key=True),
    Column("account", String(_ACCOUNT), nullable=False),
    Column("name", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("changed", Float, nullable=False),
    Index(None, "account"),
)

hooks = Table(
    "hooks",
    metadata,
    Column("id", String(_ID), primary_key=True),
    Column("account", String(_ACCOUNT), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("market", String(_ADDRESS), nullable=False),
    Column("job_id", BigInteger, nullable=True),
    Column("about", String(_ADDRESS), nullable=True),
    Column("events", Text, nullable=False),
    Column("secret", String(128), nullable=False),
    Column("code", String(_DIGEST), nullable=True),
    Column("active", Boolean, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("created", Float, nullable=False),
    Column("delivered", Float, nullable=True),
    Column("failure", Text, nullable=True),
    Index(None, "account"),
    Index(None, "chain_id", "market"),
)
"""Who wants to be told of what; `since` is the block after which events count, `code` shows that the target agrees."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hook_id", String(_ID), ForeignKey("hooks.id", ondelete="CASCADE"), nullable=False),
    Column("message", String(128), nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Float, nullable=True),
    Column("created", Float, nullable=False),
    Index("uq_deliveries_hook_id_message", "hook_id", "message", unique=True),
    Index(None, "due"),
)
"""Messages to hooks; `due` is null once one was delivered or given up."""

mailings = Table(
    "mailings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", String(_ACCOUNT), nullable=False),
    Column("target", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index(None, "at"),
)
"""Codes that were sent, to an inbox or to a webhook's host, so that nobody is flooded with them."""

places = Table(
    "places",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("market", String(_ADDRESS), primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("log_index", Integer, nullable=False),
    Column("tx", String(66), nullable=False),
)
"""The newest event of each market that hooks were told of."""


def count(connection: Connection, table: Table, *where: ColumnElement[Any]) -> int:
    """Return how many rows of a table fulfil conditions."""
    return int(connection.scalar(select(func.count()).select_from(table).where(*where)) or 0)


def lock(connection: Connection, name: str) -> None:
    """Wait until no other transaction has locked this name; SQLite's writers wait for each other in any case."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
