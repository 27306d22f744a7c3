"""Clients that send or read nothing more, or connect again and again, do not take the places of others."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from market.api import connections
from tests.unit.api.serving import serving

sending_ended = threading.Event()
WHOLE = b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """The address of a small server: /x answers shortly, /much with more than buffers hold."""
    app = FastAPI()
    app.get("/x")(lambda: 7)

    async def parts_of_much() -> AsyncIterator[bytes]:
        sending_ended.clear()
        try:
            for _ in range(256):
                yield bytes(1 << 20)
        finally:
            sending_ended.set()

    app.get("/much")(lambda: StreamingResponse(parts_of_much()))

    with serving(app) as url:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port


def ended(connection: socket.socket, seconds: float = 5.0) -> bool:
    """Whether the server ends a connection in time; what it sends is read."""
    connection.settimeout(seconds)
    with contextlib.suppress(ConnectionResetError):
        try:
            while connection.recv(1 << 20):
                pass
        except TimeoutError:
            return False
    return True


def asked(connection: socket.socket) -> bytes:
    """Send a whole request; return the answer."""
    connection.sendall(WHOLE)
    connection.settimeout(5)
    answer = b""
    while not answer.endswith(b"\r\n\r\n7"):
        part = connection.recv(1 << 10)
        assert part, answer
        answer += part
    return answer


@pytest.mark.parametrize("again", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("part", [b"", b"GET /x HT", b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", WHOLE[:-2]])
def test_half_a_head_is_not_waited_for(
    address: tuple[str, int], again: bool, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with socket.create_connection(address) as connection:
        if again:
            asked(connection)
            part = part or b"G"
        connection.sendall(part)
        assert ended(connection, 3.0)  # uvicorn itself ends idle ones after five


def test_a_head_in_drops_has_no_more_time(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    sent = 0
    with socket.create_connection(address) as connection, contextlib.suppress(OSError):
        for letter in b"GET /x HTTP/1.1\r\nX: " + b"x" * 400:
            connection.sendall(bytes([letter]))
            sent += 1
            if ended(connection, 0.02):
                break
    assert 0 < sent < 200


def test_whoever_asks_is_answered_and_may_ask_again(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with socket.create_connection(address) as connection:
        for _ in range(3):
            assert asked(connection).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_is_not_waited_for(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TAKEN_SECONDS", 0.2)
    with socket.create_connection(address) as connection:
        connection.sendall(WHOLE.replace(b"/x", b"/much"))
        connection.settimeout(5)
        connection.recv(1)
        assert sending_ended.wait(10)  # though nothing was read
        total = 0
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1 << 20):
                total += len(part)
        assert total < 200 << 20


def test_who_reads_slowly_gets_all(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TAKEN_SECONDS", 1.0)
    url = f"http://{address[0]}:{address[1]}/much"
    with httpx.stream("GET", url, trust_env=False) as answer:
        assert sum(len(part) for part in answer.iter_raw()) == 256 << 20


class Transport:
    """Stands in for a transport of which so much waits to be read at each look."""

    def __init__(self, *waiting: int) -> None:
        self.waiting = list(waiting)

    def get_write_buffer_size(self) -> int:
        return self.waiting[0] if len(self.waiting) == 1 else self.waiting.pop(0)

    def abort(self) -> None:
        raise InterruptedError


@pytest.mark.parametrize(("after", "ends"), [((60_000, 30_000), False), ((60_000, 59_999), True), ((90_000,), True)])
def test_a_whole_answer_may_take_as_long_as_its_reader_reads(after: tuple[int, ...], ends: bool) -> None:
    made: Any = connections.Connection.__new__(connections.Connection)
    made.transport, looks = Transport(90_000, *(one for each in after for one in (each, each))), []
    made.loop = SimpleNamespace(call_later=lambda _seconds, look, *given: looks.append((look, given)))
    made._watch_taken()
    with pytest.raises(InterruptedError) if ends else contextlib.nullcontext():
        for _ in after:
            look, given = looks.pop()
            look(*given)


def test_a_crowd_of_one_client_ends_its_own_connections(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 6)
    with contextlib.ExitStack() as stack:
        mine = stack.enter_context(socket.create_connection(address, source_address=("127.0.0.2", 0)))
        crowd = [stack.enter_context(socket.create_connection(address)) for _ in range(12)]
        assert all(ended(one) for one in crowd[:7])
        assert asked(mine).startswith(b"HTTP/1.1 200")
        assert not ended(crowd[-1], 0.1)
