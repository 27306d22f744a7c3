"""The API over a small market, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from market.api.app import Parts, create_app
from market.api.settings import Settings
from market.indexer.database import open_index
from tests.unit.api.fake_reader import FakeReader
from tests.unit.api.serving import client_of


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return a migrated database in a file."""
    made = open_index(f"sqlite:///{tmp_path_factory.mktemp('api') / 'index.db'}")
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def served(engine: Engine) -> Iterator[tuple[httpx.Client, FakeReader]]:
    reader = FakeReader()
    with client_of(create_app(Settings(), Parts(reader, engine))) as client:
        yield client, reader


@pytest.fixture
def reader(served: tuple[httpx.Client, FakeReader]) -> Iterator[FakeReader]:
    """Return what is served; what a test adds to it is taken away again."""
    yield served[1]
    served[1].extra.clear()
    served[1].change()


@pytest.fixture
def client(served: tuple[httpx.Client, FakeReader], reader: FakeReader) -> httpx.Client:
    served[0].cookies.clear()
    return served[0]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    """Return a database of a test's own."""
    made = open_index(f"sqlite:///{tmp_path / 'own.db'}")
    yield made
    made.dispose()
