"""The index's database: SQLite in a file, or PostgreSQL; made and migrated when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from market.errors import ConfigError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
_LOCK = 0x6772616D  # of PostgreSQL's advisory locks: "gram"
_WRITES = "gramercy_writes"
_POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 56}
"""More connections than a server has threads: who waits to write never keeps others from reading."""


def open_index(url: str, *, revision: str = "head") -> Engine:
    """Open an index, making or migrating its tables.

    Parameters
    ----------
    url
        ``sqlite:////absolute/path`` or ``postgresql+psycopg://user@host/name``.
    revision
        Up to which migration.

    Raises
    ------
    ConfigError
        If the address is none of a database that can be used, or the database was made by a later version.

    """
    try:
        engine = _engine(url)
        _migrate(engine, revision)
    except (ArgumentError, NoSuchModuleError, OperationalError) as error:
        raise ConfigError(
            f"the index's database cannot be opened: {_first_line(error)}",
            hint="give sqlite:////path/to/index.db or postgresql+psycopg://user@host/name",
        ) from None
    except CommandError as error:
        raise ConfigError(
            f"the index's database was made by another version of gramercy: {error}",
            hint="update gramercy, or give another database: an index can be made anew",
        ) from error
    return engine


def writing(engine: Engine) -> Engine:
    """Return the engine for transactions that write: they wait for each other from their first statement on."""
    return engine.execution_options(**{_WRITES: True})


def reading(engine: Engine) -> Engine:
    """Return the engine for transactions that read: all their statements see the same state."""
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url)
    if backend == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, **_POOL)
    raise ConfigError(f"{backend} is no database for the index", hint="SQLite and PostgreSQL are")


def _sqlite(url: str) -> Engine:
    database = make_url(url).database
    if not database or database == ":memory:":
        raise ConfigError("the index needs a file", hint="give sqlite:////path/to/index.db")
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, **_POOL)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions by itself, and late
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that read first cannot always write later: another may have written in between.
        immediate = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _migrate(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with writing(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
