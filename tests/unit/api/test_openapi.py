"""The committed description is the server's, and no request that follows it makes the server fail (schemathesis)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from market.api.app import Parts, create_app
from market.api.openapi import document
from market.api.settings import Settings
from tests.unit.api.fake_reader import CHAIN, MARKET, TRAINERS, FakeReader
from tests.unit.api.serving import serving
from tests.unit.api.signing import signed_in

COMMITTED = Path(__file__).parents[3] / "frontend" / "openapi.json"
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_KNOWN = {"chain_id": CHAIN, "market": MARKET, "job_id": 1, "number": 1, "address": TRAINERS[0]}
schema = schemathesis.openapi.from_dict(json.loads(document())).exclude(path_regex="/stream$|/logout$")


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
        return {**headers, "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_the_server_fail(case: Any, url: str, credentials: dict[str, str], known: bool) -> None:
    """Answers keep to the description; where ``known``, the paths name what is there."""
    if known:
        case.path_parameters = {name: _KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()}
    answer = case.call(base_url=url, headers={**(case.headers or {}), **credentials})
    case.validate_response(answer, checks=_CHECKS)
