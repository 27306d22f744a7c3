"""Health, readiness and metrics."""

from __future__ import annotations

import httpx
import pytest

from market.errors import ConfigError
from market.indexer.views import IndexStatus
from tests.unit.api.fake_reader import FakeReader


def test_a_server_that_answers_is_healthy(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_current_index_is_ready(client: httpx.Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


@pytest.mark.parametrize(("ready", "lag"), [(False, 1.0), (True, 500.0)])
def test_an_index_that_is_behind_is_not_ready(
    client: httpx.Client, reader: FakeReader, monkeypatch: pytest.MonkeyPatch, ready: bool, lag: float
) -> None:
    status = reader.status()
    head = reader.markets()[0].head.model_copy(update={"lag_seconds": lag})
    late = status.markets[0].model_copy(update={"head": head})
    told = status.model_copy(update={"ready": ready, "markets": (late,)})
    monkeypatch.setattr(reader, "status", lambda: told)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)


def test_a_database_that_fails_is_not_ready(
    client: httpx.Client, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> IndexStatus:
        raise ConfigError("the database is gone")

    monkeypatch.setattr(reader, "status", fail)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the database is gone")


def test_metrics_count_answers_by_path_template(client: httpx.Client) -> None:
    for number in (1, 2):
        client.get(f"/api/v1/jobs?limit={number}")
    client.get("/nothing-like-this")
    text = client.get("/metrics").text
    assert 'gramercy_http_requests_total{method="GET",path="/jobs",status="200"} 2.0' in text
    assert "nothing-like-this" not in text
    assert "gramercy_index_block{" in text
