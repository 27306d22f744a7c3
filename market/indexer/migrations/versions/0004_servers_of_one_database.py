"""Several servers over one database: a key of nonces that they share, and which were used; see market/api/nonces.py."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables, and the key."""
    keys = op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.bulk_insert(keys, [{"name": "nonces", "value": secrets.token_hex(32)}])
    op.create_table(
        "used_nonces",
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_used_nonces")),
    )
    op.create_index(op.f("ix_used_nonces_expires"), "used_nonces", ["expires"], unique=False)


def downgrade() -> None:
    """Take them away again."""
    op.drop_index(op.f("ix_used_nonces_expires"), table_name="used_nonces")
    op.drop_table("used_nonces")
    op.drop_table("secrets")
