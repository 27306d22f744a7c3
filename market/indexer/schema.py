"""Tables of the index. Raw events are the truth; the projections follow from them and can be made anew at any time.

Amounts are decimal text, as no database has integers of 256 bits; they are summed in Python, when they are projected.
What follows from events alone is under `DERIVED`: two indexes of one chain agree on every row of it.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_AMOUNT, _ADDRESS, _ID = 100, 42, 32


class Bytes(LargeBinary):
    """Bytes that go to the driver as they are: both drivers take them, and a wrapper for each costs time."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Return that nothing is to be done."""


def _market() -> Column[int]:
    return Column("market_id", Integer, ForeignKey("markets.id", ondelete="CASCADE"), primary_key=True)


def _number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null, primary_key=key, autoincrement=False)


def _amount(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, String(_AMOUNT), nullable=null)


def _address(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, String(_ADDRESS), nullable=null, primary_key=key)


def _bytes(name: str, *, null: bool = False) -> Column[bytes]:
    return Column(name, Bytes, nullable=null)


def _flag(name: str, *, null: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=null)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


meta = Table("meta", metadata, Column("id", Integer, primary_key=True), _number("version"))
"""One row: a number that grows with every change."""

markets = Table(
    "markets",
    metadata,
    Column("id", Integer, primary_key=True),
    _number("chain_id"),
    _address("address"),
    _address("forwarder"),
    _number("first_block"),
    _number("head", null=True),
    _bytes("head_hash", null=True),
    _number("head_timestamp", null=True),
    _text("fault", null=True),
    _number("fault_block", null=True),
    Index("uq_markets_chain_id_address", "chain_id", "address", unique=True),
)
"""Contracts that are followed, and the block up to which each has been read."""

polls = Table(
    "polls",
    metadata,
    _market(),
    Column("asked_at", Float, nullable=True),
    _number("chain_block", null=True),
    _text("failure", null=True),
    Column("failing_since", Float, nullable=True),
    _flag("caught_up"),
    _flag("ready"),
)
"""What the chain said when it was last asked, by the wall clock."""

changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("market_id", Integer, ForeignKey("markets.id", ondelete="CASCADE"), nullable=False),
    _number("version"),
    _number("job_id", null=True),
    _number("round", null=True),
    Index(None, "version"),
    sqlite_autoincrement=True,
)
"""The latest changes, for those who watch."""

blocks = Table(
    "blocks", metadata, _market(), _number("number", key=True), _bytes("hash"), _number("timestamp"), _flag("eventful")
)
"""Blocks with events, and the latest that were heads."""

events = Table(
    "events",
    metadata,
    _market(),
    _number("block", key=True),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    _bytes("tx"),
    _bytes("topics"),
    _bytes("data"),
    Column("name", String(_ID), nullable=False),
    _number("job_id", null=True),
    _number("round", null=True),
    _address("account", null=True),
    _address("other", null=True),
    _address("token", null=True),
    _amount("amount", null=True),
    _number("gas", null=True),
    Index(None, "market_id", "job_id", "block", "log_index"),
    Index(None, "market_id", "account", "block"),
    Index(None, "market_id", "other", "block"),
)
"""What the contract logged: topics one after the other, data as it is; `gas` is that of settlements' transactions."""

jobs = Table(
    "jobs",
    metadata,
    _market(),
    _number("job_id", key=True),
    _address("owner"),
    _bytes("manifest_cid"),
    _bytes("created_tx"),
    _number("created"),
    _address("token"),
    Column("rule", String(_ID), nullable=False),
    Column("score", String(_ID), nullable=False),
    Column("terms", JSON, nullable=False),
    _amount("round_budget"),
    Column("budget_key", String(_AMOUNT), nullable=False),
    _number("rounds"),
    _number("used"),
    Column("min_trainers", Integer, nullable=False),
    Column("max_trainers", Integer, nullable=False),
    _number("deadline"),
    _flag("refund_void"),
    _flag("closed"),
    Column("trainers", Integer, nullable=False),
    _number("latest"),
    _number("commit_end", null=True),
    _number("settle_end", null=True),
    _number("challenge_end", null=True),
    _flag("settled"),
    _flag("overturned"),
    _flag("refunded"),
    _flag("has_reference"),
    _number("rounds_settled"),
    _amount("escrow"),
    _amount("stakes"),
    _amount("bonds"),
    _amount("unclaimed"),
    _amount("claimed"),
    _amount("volume"),
    _text("fault", null=True),
    Index(None, "market_id", "owner"),
    Index(None, "created"),
    Index(None, "deadline"),
    Index(None, "budget_key"),
    Index(None, "manifest_cid"),
)
"""Jobs; commit_end to refunded are those of the latest round."""

aggregators = Table(
    "aggregators",
    metadata,
    _market(),
    _number("job_id", key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    _address("address"),
    _flag("by_owner"),
    _flag("dismissed"),
    _amount("held"),
)

members = Table(
    "members",
    metadata,
    _market(),
    _number("job_id", key=True),
    _address("trainer", key=True),
    Column("place", Integer, nullable=False),
    _amount("stake"),
    _number("joined"),
    _number("left", null=True),
    Column("committed", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    _flag("slashed"),
    _amount("paid"),
    _amount("final"),
    Index(None, "market_id", "trainer"),
)
"""Trainers in jobs, by the order in which they first joined; `final` is what they claimed."""

namings = Table(
    "namings", metadata, _market(), _number("job_id", key=True), _address("trainer", key=True), _address("aggregator")
)

rounds = Table(
    "rounds",
    metadata,
    _market(),
    _number("job_id", key=True),
    _number("number", key=True),
    _bytes("tx"),
    Column("scale_exponent", Integer, nullable=False),
    _number("commit_end"),
    _number("settle_end"),
    _number("challenge_end", null=True),
    _amount("budget"),
    _bytes("reference_cid", null=True),
    _bytes("reference_commitment", null=True),
    Column("committed", Integer, nullable=False),
    Column("included", Integer, nullable=True),
    Column("accepted", Integer, nullable=True),
    Column("slashed", Integer, nullable=False),
    _amount("paid", null=True),
    _address("aggregator", null=True),
    _number("gas", null=True),
    _bytes("aggregate_commitment", null=True),
    _address("overturned_by", null=True),
    _bytes("overturned_tx", null=True),
    _flag("refunded"),
)

updates = Table(
    "updates",
    metadata,
    _market(),
    _number("job_id", key=True),
    _number("round", key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    _address("trainer"),
    _bytes("commitment"),
    _bytes("cid"),
    _number("payload_bytes"),
    _bytes("tx"),
    _amount("stake"),
    _flag("included", null=True),
    _flag("accepted", null=True),
    _flag("slashed"),
    _number("weight", null=True),
    _amount("score", null=True),
    _amount("payout", null=True),
    _number("payable_from", null=True),
    _flag("claimed"),
    _text("reason", null=True),
    Index(None, "market_id", "job_id", "trainer"),
    Index(None, "market_id", "trainer", "claimed"),
)
"""Committed updates; `payable_from` is when a payout above zero, unclaimed and not overturned, can be claimed."""

settlements = Table(
    "settlements",
    metadata,
    _market(),
    _number("job_id", key=True),
    _number("round", key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    _flag("stands"),
    _address("aggregator"),
    _bytes("tx"),
    _number("block"),
    Column("log_index", Integer, nullable=False),
    _number("timestamp"),
    _number("gas"),
    _amount("paid"),
    _amount("bond"),
    Column("included", Integer, nullable=False),
    _flag("reference"),
    _bytes("aggregate_commitment"),
    _bytes("aggregate_root"),
    _bytes("aggregate_cid"),
    _number("aggregate_bytes"),
    Column("next_scale_exponent", Integer, nullable=False),
    _number("challenge_end"),
    Column("proof_bytes", Integer, nullable=False),
    Index(None, "market_id", "aggregator"),
)

ledger = Table(
    "ledger",
    metadata,
    _market(),
    _number("block", key=True),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    _address("token"),
    _address("account"),
    _amount("change"),
)
"""What each event adds to, or takes from, a free balance."""

balances = Table(
    "balances", metadata, _market(), _address("token", key=True), _address("account", key=True), _amount("amount")
)

totals = Table(
    "totals",
    metadata,
    _market(),
    _address("token", key=True),
    *(_amount(name) for name in ("escrow", "stakes", "bonds", "unclaimed", "claimed", "free", "volume")),
)
"""A market's money by token: sums over its jobs and free balances."""

keys = Table("keys", metadata, _market(), _address("account", key=True), _bytes("key"))

tokens = Table(
    "tokens",
    metadata,
    _number("chain_id", key=True),
    _address("address", key=True),
    Column("symbol", String(64), nullable=False),
    Column("decimals", Integer, nullable=False),
)

verifiers = Table(
    "verifiers",
    metadata,
    _number("chain_id", key=True),
    _address("address", key=True),
    _bytes("digest", null=True),
    _bytes("words", null=True),
)
"""Verifiers of jobs: digest and words of the reference string; null where the contract or the chain does not tell."""

manifests = Table("manifests", metadata, Column("cid", LargeBinary(64), primary_key=True), _text("name"))
"""Names of jobs, told by who read the manifests."""

notes = Table(
    "notes",
    metadata,
    _market(),
    _number("job_id", key=True),
    _number("round", key=True),
    _address("trainer", key=True),
    _bytes("aggregate_commitment"),
    _text("reason"),
)
"""Why aggregators left updates out, by their own word; told by who read what they published."""

evaluations = Table(
    "evaluations",
    metadata,
    _market(),
    _number("job_id", key=True),
    _number("round", key=True),
    Column("by", String(64), primary_key=True),
    _bytes("aggregate_commitment"),
    Column("accuracy", Float, nullable=True),
    Column("loss", Float, nullable=True),
)
"""What models were worth after rounds, told by who evaluated them."""

JOB_TABLES = (jobs, aggregators, members, namings, rounds, updates, settlements)
"""Projections of single jobs."""
DERIVED = (events, *JOB_TABLES, ledger, balances, totals, keys)
"""What follows from the chain's events alone."""
