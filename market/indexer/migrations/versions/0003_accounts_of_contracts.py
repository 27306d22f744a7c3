"""Accounts that are contracts are of one chain; nonces are not kept; see market/api/signing_in.py and tables.py."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_OF_ACCOUNTS = ("drafts", "hooks", "mailings")


def upgrade() -> None:
    """Make room for a chain before an account's address; who is signed in signs in anew."""
    op.drop_index(op.f("ix_nonces_expires"), table_name="nonces")
    op.drop_table("nonces")
    _sessions(sa.Column("account", sa.String(length=64), nullable=False))
    op.create_index(op.f("ix_sessions_account"), "sessions", ["account"], unique=False)
    _widen(42, 64)


def downgrade() -> None:
    """Take it away again."""
    _widen(64, 42)
    op.drop_index(op.f("ix_sessions_account"), table_name="sessions")
    _sessions()
    op.create_table(
        "nonces",
        sa.Column("visitor", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("visitor", name=op.f("pk_nonces")),
    )
    op.create_index(op.f("ix_nonces_expires"), "nonces", ["expires"], unique=False)


def _sessions(*more: sa.Column[str]) -> None:
    """Make the table of sessions anew, empty."""
    op.drop_index(op.f("ix_sessions_expires"), table_name="sessions")
    op.drop_table("sessions")
    op.create_table(
        "sessions",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        *more,
        sa.PrimaryKeyConstraint("token", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires"), "sessions", ["expires"], unique=False)


def _widen(before: int, after: int) -> None:
    if op.get_context().dialect.name == "sqlite":  # where lengths bind nobody, and hooks' messages would be lost
        return
    for name in _OF_ACCOUNTS:
        op.alter_column(name, "account", existing_type=sa.String(length=before), type_=sa.String(length=after))
