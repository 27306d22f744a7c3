"""What every request passes, and the attacks that end there."""

from __future__ import annotations

import socket

import httpx
import pytest
from sqlalchemy import Engine

from market.api.app import Parts, create_app
from market.api.guard import MAX_BODY_BYTES, security_headers
from market.api.settings import Settings
from market.errors import ConfigError
from tests.unit.api.fake_reader import FakeReader
from tests.unit.api.serving import client_of


def test_every_answer_carries_the_security_headers(client: httpx.Client) -> None:
    for path in ("/api/v1/markets", "/api/v1/nothing", "/healthz", "/metrics"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_pages_may_reach_the_chains_that_are_published_and_no_other() -> None:
    told = dict(security_headers(Settings(rpc_urls=("31337=http://127.0.0.1:8545/path?key=1",))))
    policy = told[b"content-security-policy"].decode()
    assert "connect-src 'self' http://127.0.0.1:8545;" in policy


def test_transport_security_is_demanded_where_there_is_some() -> None:
    assert b"strict-transport-security" in dict(security_headers(Settings(origin="https://market.example")))
    assert b"strict-transport-security" not in dict(security_headers(Settings()))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8420", "", "[::1", "127.1"])
def test_dns_rebinding_is_refused(client: httpx.Client, host: str) -> None:
    answer = client.get("/api/v1/markets", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "items" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1:8420", "[::1]:8420", "LOCALHOST"])
def test_own_hosts_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/api/v1/markets", headers={"Host": host}).status_code == 200


def test_two_host_headers_are_refused(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
        raw.sendall(b"GET /api/v1/markets HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert raw.recv(4096).split()[1] in (b"400", b"421")


def test_an_oversized_body_is_refused(client: httpx.Client) -> None:
    answer = client.post("/api/v1/auth/verify", content=b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


def test_an_oversized_body_of_undeclared_length_is_refused(client: httpx.Client) -> None:
    answer = client.post("/api/v1/auth/verify", content=(b" " * 1000 for _ in range(MAX_BODY_BYTES // 1000 + 2)))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fpyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../app.py",
        "/assets/..%2f..%2fapp.py",
        "/assets/%5c..%5c..%5capp.py",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/assets/%00",
    ],
)
def test_path_traversal_is_refused(client: httpx.Client, path: str) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := raw.recv(65536):
            answer += part
    assert b"root:" not in answer
    assert b"create_app" not in answer
    assert b"[project]" not in answer
    assert not answer.startswith(b"HTTP/1.1 5")


def test_a_cross_origin_stream_is_refused(client: httpx.Client) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.get("/api/v1/stream", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-origin")


def test_a_cross_origin_websocket_is_refused(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
        raw.sendall(
            b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Origin: https://evil.example\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert raw.recv(4096).split()[1] == b"403"


def test_no_site_is_let_in_by_cors(client: httpx.Client) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/api/v1/me/drafts", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_settings_come_from_the_environment_and_are_checked(engine: Engine) -> None:
    given = {
        "GRAMERCY_DASHBOARD_PORT": "9000",
        "GRAMERCY_DASHBOARD_HOSTS": "a.example, b.example",
        "GRAMERCY_DASHBOARD_EVALUATE": "true",
    }
    settings = Settings.from_environment(given, host="0.0.0.0", port=None)  # noqa: S104 - a value
    assert (settings.port, settings.hosts, settings.evaluate) == (9000, ("a.example", "b.example"), True)
    with pytest.raises(ConfigError, match="PORT"):
        Settings.from_environment({"GRAMERCY_DASHBOARD_PORT": "many"})
    with pytest.raises(ConfigError, match="CHAIN_ID=URL"):
        create_app(Settings(rpc_urls=("ftp://x",)), Parts(FakeReader(), engine)).build_middleware_stack()


def test_a_server_answers_for_the_hosts_that_it_is_given(engine: Engine) -> None:
    with client_of(create_app(Settings(hosts=("market.example",)), Parts(FakeReader(), engine))) as client:
        assert client.get("/healthz", headers={"Host": "market.example"}).status_code == 200
        assert client.get("/healthz").status_code == 421
