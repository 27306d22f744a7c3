"""Requests to addresses that users name never reach the own network: server-side request forgery, form by form."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from market.api.outbound import ForbiddenTarget, Outbound, is_public


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.came = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.taken.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
        server.came.set()

    do_GET = do_POST  # noqa: N815 - the base class's name

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "0",
        "0.0.0.0",  # noqa: S104 - what is tried
        "localhost",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::a00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ],
)
def test_a_private_address_in_any_form_is_refused(host: str) -> None:
    with pytest.raises(ForbiddenTarget):
        Outbound().target(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://example.com/",
        "//example.com/",
        "http:///path",
        "http://user:word@93.184.215.14/",
        "http://93.184.215.14@127.0.0.1/",
        "http://93.184.215.14:99999/",
        "http://93.184.215.14/\r\nX-Injected: 1",
        "http://93.184.215.14 /",
        "http://[::1",
        "http://exämple.com/",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenTarget):
        Outbound(resolve=lambda _host, _port: ["93.184.215.14"]).target(url)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)


def test_a_name_with_one_private_address_is_refused() -> None:
    outbound = Outbound(resolve=lambda _host, _port: ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(ForbiddenTarget, match="not public"):
        outbound.target("https://two.example/")


def test_a_name_that_is_rebound_gains_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up once; what was checked is what is connected to, under the URL's own host name."""
    answers = iter([["127.0.0.1"], ["10.9.9.9"]])
    outbound = Outbound(allow_local=True, resolve=lambda _host, _port: next(answers))
    assert outbound.post(f"http://rebound.example:{receiver.server_port}/x?y=1", b"{}", {}) == 200
    (path, headers, _body) = receiver.taken[0]
    assert (path, headers["host"]) == ("/x?y=1", f"rebound.example:{receiver.server_port}")
    late = iter([["93.184.215.14"], ["127.0.0.1"]])
    strict = Outbound(resolve=lambda _host, _port: next(late))
    strict.target("http://late.example/")
    with pytest.raises(ForbiddenTarget):
        strict.post("http://late.example/", b"{}", {})


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": f"{receiver.url}/inside"}
    assert Outbound(allow_local=True).post(f"{receiver.url}/hook", b"{}", {}) == 302
    assert [path for path, _, _ in receiver.taken] == ["/hook"]


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert Outbound(allow_local=True).post(receiver.url, b"{}", {}) == 200


def test_local_addresses_serve_where_the_operator_allows_them(receiver: Receiver) -> None:
    assert Outbound(allow_local=True).target(receiver.url).address == "127.0.0.1"
