"""Requests to addresses that users name never reach the own network: server-side request forgery, form by form."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from market.api import outbound
from market.api.errors import Unavailable
from market.api.outbound import ForbiddenTarget, Outbound, is_public

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def talking(talk: Talk) -> Iterator[str]:
    """Serve one connection after another by a function of the socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(1 << 16)
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


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
        "[fec0::1]",
        "192.88.99.1",
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
    sender = Outbound(resolve=lambda _host, _port: ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(ForbiddenTarget, match="not public"):
        sender.target("https://two.example/")


def test_a_name_that_is_rebound_gains_nothing(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up once; what was checked is what is connected to, under the URL's own host name."""
    answers = iter([["127.0.0.1"], ["10.9.9.9"]])
    sender = Outbound(allow_local=True, resolve=lambda _host, _port: next(answers))
    assert sender.post(f"http://rebound.example:{receiver.server_port}/x?y=1", b"{}", {}) == 200
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


@pytest.mark.parametrize("port", [22, 25, 587, 6379, 8545, 11211])
def test_ports_of_other_services_are_refused(port: int) -> None:
    sender = Outbound(resolve=lambda _host, _port: ["93.184.215.14"])
    assert sender.target("https://example.com:8443/").port == 8443
    with pytest.raises(ForbiddenTarget, match="port"):
        sender.target(f"http://example.com:{port}/")


def test_an_answer_is_read_to_its_limit_only() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(CHUNKED + b"-1\r\n")
        for _ in range(64):
            connection.sendall(bytes(1 << 20))
            sent += 1

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with talking(flood) as url, contextlib.suppress(OSError, http.client.HTTPException):
        Outbound(allow_local=True).post(url, b"{}", {})
    assert sent < 32
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


class Drip:
    """Sends a head, then one part after another, until it is told that its reader is done."""

    def __init__(self, head: bytes, part: bytes) -> None:
        self.head, self.part = head, part
        self.read = threading.Event()
        self.outlasted = False

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self.head)
        for _ in range(600):
            if self.read.wait(0.05):
                return
            with contextlib.suppress(OSError):
                connection.sendall(self.part)
        self.outlasted = True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "part", "done"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x", True),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x", False),
        (b"HTTP/1.1 ", b"2", False),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", False),
    ],
    ids=["body", "header", "status", "continue"],
)
def test_a_slow_answer_takes_no_longer_than_a_silent_one(
    head: bytes, part: bytes, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    drip = Drip(head, part)
    with talking(drip) as url:
        with contextlib.nullcontext() if done else pytest.raises(TimeoutError):
            Outbound(allow_local=True).post(url, b"{}", {})
        drip.read.set()
    assert not drip.outlasted


def test_a_tls_handshake_has_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    drip = Drip(b"", b"\x16")
    with talking(drip) as url:
        with pytest.raises((OSError, ssl.SSLError)):
            Outbound(allow_local=True).post(url.replace("http://", "https://"), b"{}", {})
        drip.read.set()
    assert not drip.outlasted


def test_a_slow_name_server_has_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    answer = threading.Event()

    def resolving(_host: str, _port: int) -> list[str]:
        answer.wait(30)
        return ["127.0.0.1"]

    sender = Outbound(allow_local=True, resolve=resolving)
    try:
        with pytest.raises(Unavailable):
            sender.target("http://slow.example/")
        with pytest.raises(Unavailable):
            sender.post("http://slow.example/", b"{}", {})
    finally:
        answer.set()


@pytest.mark.parametrize("chunk", [b"-5\r\nabc", b"-1\r\n", b"zz\r\n", b"ffffffffffffffff\r\n"])
def test_the_status_counts_whatever_the_body_is(chunk: bytes) -> None:
    with talking(lambda connection: connection.sendall(CHUNKED + chunk)) as url:
        assert Outbound(allow_local=True).post(url, b"{}", {}) == 200
