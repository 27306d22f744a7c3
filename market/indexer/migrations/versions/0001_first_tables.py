"""The index's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "manifests",
        sa.Column("cid", sa.LargeBinary(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cid", name=op.f("pk_manifests")),
    )
    op.create_table(
        "markets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("forwarder", sa.String(length=42), nullable=False),
        sa.Column("first_block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("head", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("head_hash", sa.LargeBinary(), nullable=True),
        sa.Column("head_timestamp", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("fault_block", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_markets")),
    )
    op.create_index("uq_markets_chain_id_address", "markets", ["chain_id", "address"], unique=True)
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meta")),
    )
    op.create_table(
        "tokens",
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("symbol", sa.String(length=64), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "address", name=op.f("pk_tokens")),
    )
    op.create_table(
        "verifiers",
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("chain_id", "address", name=op.f("pk_verifiers")),
    )
    op.create_table(
        "aggregators",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("by_owner", sa.Boolean(), nullable=False),
        sa.Column("dismissed", sa.Boolean(), nullable=False),
        sa.Column("held", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_id"], ["markets.id"], name=op.f("fk_aggregators_market_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("market_id", "job_id", "place", name=op.f("pk_aggregators")),
    )
    op.create_table(
        "balances",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=42), nullable=False),
        sa.Column("account", sa.String(length=42), nullable=False),
        sa.Column("amount", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_balances_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "token", "account", name=op.f("pk_balances")),
    )
    op.create_table(
        "blocks",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("eventful", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_blocks_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "number", name=op.f("pk_blocks")),
    )
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("round", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_changes_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_changes_version"), "changes", ["version"], unique=False)
    op.create_table(
        "evaluations",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("round", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("aggregate_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("accuracy", sa.Float(), nullable=True),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["market_id"], ["markets.id"], name=op.f("fk_evaluations_market_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("market_id", "job_id", "round", "by", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "events",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tx", sa.LargeBinary(), nullable=False),
        sa.Column("topics", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("round", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("account", sa.String(length=42), nullable=True),
        sa.Column("other", sa.String(length=42), nullable=True),
        sa.Column("token", sa.String(length=42), nullable=True),
        sa.Column("amount", sa.String(length=100), nullable=True),
        sa.Column("gas", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_events_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "block", "log_index", name=op.f("pk_events")),
    )
    op.create_index(
        op.f("ix_events_market_id_account_block"), "events", ["market_id", "account", "block"], unique=False
    )
    op.create_index(
        op.f("ix_events_market_id_job_id_block_log_index"),
        "events",
        ["market_id", "job_id", "block", "log_index"],
        unique=False,
    )
    op.create_index(op.f("ix_events_market_id_other_block"), "events", ["market_id", "other", "block"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=42), nullable=False),
        sa.Column("manifest_cid", sa.LargeBinary(), nullable=False),
        sa.Column("created_tx", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=42), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("score", sa.String(length=32), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("round_budget", sa.String(length=100), nullable=False),
        sa.Column("budget_key", sa.String(length=100), nullable=False),
        sa.Column("rounds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("min_trainers", sa.Integer(), nullable=False),
        sa.Column("max_trainers", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refund_void", sa.Boolean(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("trainers", sa.Integer(), nullable=False),
        sa.Column("latest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("commit_end", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("settle_end", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("challenge_end", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("overturned", sa.Boolean(), nullable=False),
        sa.Column("refunded", sa.Boolean(), nullable=False),
        sa.Column("has_reference", sa.Boolean(), nullable=False),
        sa.Column("rounds_settled", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("escrow", sa.String(length=100), nullable=False),
        sa.Column("stakes", sa.String(length=100), nullable=False),
        sa.Column("bonds", sa.String(length=100), nullable=False),
        sa.Column("unclaimed", sa.String(length=100), nullable=False),
        sa.Column("claimed", sa.String(length=100), nullable=False),
        sa.Column("volume", sa.String(length=100), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_jobs_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "job_id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_budget_key"), "jobs", ["budget_key"], unique=False)
    op.create_index(op.f("ix_jobs_created"), "jobs", ["created"], unique=False)
    op.create_index(op.f("ix_jobs_deadline"), "jobs", ["deadline"], unique=False)
    op.create_index(op.f("ix_jobs_manifest_cid"), "jobs", ["manifest_cid"], unique=False)
    op.create_index(op.f("ix_jobs_market_id_owner"), "jobs", ["market_id", "owner"], unique=False)
    op.create_table(
        "keys",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=42), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_keys_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "account", name=op.f("pk_keys")),
    )
    op.create_table(
        "ledger",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=42), nullable=False),
        sa.Column("account", sa.String(length=42), nullable=False),
        sa.Column("change", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_ledger_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "block", "log_index", "part", name=op.f("pk_ledger")),
    )
    op.create_table(
        "members",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trainer", sa.String(length=42), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("stake", sa.String(length=100), nullable=False),
        sa.Column("joined", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("left", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("committed", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("slashed", sa.Boolean(), nullable=False),
        sa.Column("paid", sa.String(length=100), nullable=False),
        sa.Column("final", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_members_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "job_id", "trainer", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_market_id_trainer"), "members", ["market_id", "trainer"], unique=False)
    op.create_table(
        "namings",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trainer", sa.String(length=42), nullable=False),
        sa.Column("aggregator", sa.String(length=42), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_namings_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "job_id", "trainer", name=op.f("pk_namings")),
    )
    op.create_table(
        "notes",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("round", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trainer", sa.String(length=42), nullable=False),
        sa.Column("aggregate_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_notes_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "job_id", "round", "trainer", name=op.f("pk_notes")),
    )
    op.create_table(
        "polls",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=True),
        sa.Column("chain_block", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.Float(), nullable=True),
        sa.Column("caught_up", sa.Boolean(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_polls_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", name=op.f("pk_polls")),
    )
    op.create_table(
        "rounds",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tx", sa.LargeBinary(), nullable=False),
        sa.Column("scale_exponent", sa.Integer(), nullable=False),
        sa.Column("commit_end", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("settle_end", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("challenge_end", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("budget", sa.String(length=100), nullable=False),
        sa.Column("reference_cid", sa.LargeBinary(), nullable=True),
        sa.Column("reference_commitment", sa.LargeBinary(), nullable=True),
        sa.Column("committed", sa.Integer(), nullable=False),
        sa.Column("included", sa.Integer(), nullable=True),
        sa.Column("accepted", sa.Integer(), nullable=True),
        sa.Column("slashed", sa.Integer(), nullable=False),
        sa.Column("paid", sa.String(length=100), nullable=True),
        sa.Column("aggregator", sa.String(length=42), nullable=True),
        sa.Column("gas", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("aggregate_commitment", sa.LargeBinary(), nullable=True),
        sa.Column("overturned_by", sa.String(length=42), nullable=True),
        sa.Column("overturned_tx", sa.LargeBinary(), nullable=True),
        sa.Column("refunded", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_rounds_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "job_id", "number", name=op.f("pk_rounds")),
    )
    op.create_table(
        "settlements",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("round", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stands", sa.Boolean(), nullable=False),
        sa.Column("aggregator", sa.String(length=42), nullable=False),
        sa.Column("tx", sa.LargeBinary(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gas", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("paid", sa.String(length=100), nullable=False),
        sa.Column("bond", sa.String(length=100), nullable=False),
        sa.Column("included", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Boolean(), nullable=False),
        sa.Column("aggregate_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("aggregate_root", sa.LargeBinary(), nullable=False),
        sa.Column("aggregate_cid", sa.LargeBinary(), nullable=False),
        sa.Column("aggregate_bytes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("next_scale_exponent", sa.Integer(), nullable=False),
        sa.Column("challenge_end", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("proof_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["market_id"], ["markets.id"], name=op.f("fk_settlements_market_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("market_id", "job_id", "round", "place", name=op.f("pk_settlements")),
    )
    op.create_index(
        op.f("ix_settlements_market_id_aggregator"), "settlements", ["market_id", "aggregator"], unique=False
    )
    op.create_table(
        "totals",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=42), nullable=False),
        sa.Column("escrow", sa.String(length=100), nullable=False),
        sa.Column("stakes", sa.String(length=100), nullable=False),
        sa.Column("bonds", sa.String(length=100), nullable=False),
        sa.Column("unclaimed", sa.String(length=100), nullable=False),
        sa.Column("claimed", sa.String(length=100), nullable=False),
        sa.Column("free", sa.String(length=100), nullable=False),
        sa.Column("volume", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_totals_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "token", name=op.f("pk_totals")),
    )
    op.create_table(
        "updates",
        sa.Column("market_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("round", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trainer", sa.String(length=42), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("cid", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tx", sa.LargeBinary(), nullable=False),
        sa.Column("stake", sa.String(length=100), nullable=False),
        sa.Column("included", sa.Boolean(), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=True),
        sa.Column("slashed", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("score", sa.String(length=100), nullable=True),
        sa.Column("payout", sa.String(length=100), nullable=True),
        sa.Column("payable_from", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["market_id"], ["markets.id"], name=op.f("fk_updates_market_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("market_id", "job_id", "round", "place", name=op.f("pk_updates")),
    )
    op.create_index(
        op.f("ix_updates_market_id_job_id_trainer"), "updates", ["market_id", "job_id", "trainer"], unique=False
    )
    op.create_index(
        op.f("ix_updates_market_id_trainer_claimed"), "updates", ["market_id", "trainer", "claimed"], unique=False
    )
    op.execute("INSERT INTO meta (id, version) VALUES (1, 0)")


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_updates_market_id_trainer_claimed"), table_name="updates")
    op.drop_index(op.f("ix_updates_market_id_job_id_trainer"), table_name="updates")
    op.drop_table("updates")
    op.drop_table("totals")
    op.drop_index(op.f("ix_settlements_market_id_aggregator"), table_name="settlements")
    op.drop_table("settlements")
    op.drop_table("rounds")
    op.drop_table("polls")
    op.drop_table("notes")
    op.drop_table("namings")
    op.drop_index(op.f("ix_members_market_id_trainer"), table_name="members")
    op.drop_table("members")
    op.drop_table("ledger")
    op.drop_table("keys")
    op.drop_index(op.f("ix_jobs_market_id_owner"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_manifest_cid"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_deadline"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_created"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_budget_key"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_events_market_id_other_block"), table_name="events")
    op.drop_index(op.f("ix_events_market_id_job_id_block_log_index"), table_name="events")
    op.drop_index(op.f("ix_events_market_id_account_block"), table_name="events")
    op.drop_table("events")
    op.drop_table("evaluations")
    op.drop_index(op.f("ix_changes_version"), table_name="changes")
    op.drop_table("changes")
    op.drop_table("blocks")
    op.drop_table("balances")
    op.drop_table("aggregators")
    op.drop_table("verifiers")
    op.drop_table("tokens")
    op.drop_table("meta")
    op.drop_index("uq_markets_chain_id_address", table_name="markets")
    op.drop_table("markets")
    op.drop_table("manifests")
