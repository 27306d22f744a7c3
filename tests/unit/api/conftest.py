"""The API over a small market, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from market.api.app import create_app
from market.api.settings import Settings
from tests.unit.api.fake_reader import FakeReader
from tests.unit.api.serving import client_of


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[httpx.Client, FakeReader]]:
    reader = FakeReader()
    with client_of(create_app(Settings(), reader)) as client:
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
