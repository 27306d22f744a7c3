"""The index's database: what migrations make is what the tables say, and what cannot be opened is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from market.errors import ConfigError
from market.indexer import open_index, schema
from market.indexer.database import reading, writing


def test_migrations_make_the_tables(index: Engine) -> None:
    with index.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, schema.metadata)
    known = set(schema.metadata.tables)
    assert [change for change in found if _table(change) in known] == []


def _table(change: object) -> str:
    """Return the table of a difference; the API has tables of its own in the same database."""
    while isinstance(change, list):
        change = change[0]
    assert isinstance(change, tuple)
    found = next(part for part in change[1:] if hasattr(part, "name") or isinstance(part, str))
    table = getattr(found, "table", found)
    return str(getattr(table, "name", table))


def test_an_index_opens_again_as_it_was(new_database: Callable[[], str]) -> None:
    url = new_database()
    first = open_index(url)
    with writing(first).begin() as connection:
        connection.execute(schema.meta.update().values(version=7))
    first.dispose()
    again = open_index(url)
    with reading(again).connect() as connection:
        assert connection.execute(text("SELECT version FROM meta")).scalars().all() == [7]
    again.dispose()


def test_a_reader_sees_one_state(index: Engine) -> None:
    with reading(index).connect() as reader:
        before = reader.execute(text("SELECT version FROM meta")).scalar_one()
        with writing(index).begin() as writer:
            writer.execute(schema.meta.update().values(version=before + 1))
        assert reader.execute(text("SELECT version FROM meta")).scalar_one() == before
    with reading(index).connect() as reader:
        assert reader.execute(text("SELECT version FROM meta")).scalar_one() == before + 1


def test_sqlite_outlasts_a_crash(tmp_path: Path) -> None:
    engine = open_index(f"sqlite:///{tmp_path}/deep/down/index.db")
    with engine.connect() as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
        assert pragmas == ["wal", 2]
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["mysql://127.0.0.1/x", "nothing", "sqlite://", "sqlite:///:memory:", "postgresql://127.0.0.1:1/x", "odd+x://"],
)
def test_what_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        open_index(url)
    assert refusal.value.hint


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/index.db"
    engine = open_index(url)
    with writing(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="another version"):
        open_index(url)
