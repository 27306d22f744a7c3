"""The committed description is the server's, and the server is its description's: schemathesis looks for a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from sqlalchemy import Engine

from market.api.app import Parts, create_app
from market.api.openapi import document
from market.api.settings import Settings
from tests.unit.api.fake_reader import FakeReader
from tests.unit.api.serving import serving
from tests.unit.api.signing import signed_in

COMMITTED = Path(__file__).parents[3] / "frontend" / "openapi.json"


def test_the_committed_description_is_the_servers() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == document(), "python -m market.api.openapi frontend/openapi.json"


@pytest.fixture(scope="module")
def url(engine: Engine) -> Iterator[str]:
    with serving(create_app(Settings(), Parts(FakeReader(), engine))) as address:
        yield address


@pytest.fixture(scope="module")
def credentials(url: str) -> dict[str, str]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        headers = signed_in(client)
        return {**headers, "Cookie": f"gramercy={client.cookies['gramercy']}"}


schema = schemathesis.openapi.from_dict(httpx.Response(200, text=COMMITTED.read_text(encoding="utf-8")).json())
schema = schema.exclude(path_regex="/stream$")
schema.config.update()
