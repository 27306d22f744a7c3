"""Databases for the tests of the index: a file, and a database on a real PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from market.indexer import open_index
from tests.unit.indexer.postgres import find_server, running_server

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a server; the tests that need one are skipped only where there is no PostgreSQL."""
    programs = find_server()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: there is no initdb under /usr/lib/postgresql, nor on the path")
    with running_server(programs) as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Return the address of a new database each time."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/index-{next(_NUMBERS)}.db"
    address: str = request.getfixturevalue("postgres")

    def create() -> str:
        name = f"index_{next(_NUMBERS)}"
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{address}/{name}".replace("postgresql:", "postgresql+psycopg:")

    return create


@pytest.fixture
def new_index(new_database: Callable[[], str]) -> Iterator[Callable[[], Engine]]:
    """Open a new index each time; all are closed in the end."""
    opened: list[Engine] = []

    def open_new() -> Engine:
        opened.append(open_index(new_database()))
        return opened[-1]

    yield open_new
    for engine in opened:
        engine.dispose()


@pytest.fixture
def index(new_index: Callable[[], Engine]) -> Engine:
    """A new index."""
    return new_index()
