"""What users' servers, mail addresses and contracts answer stays small, short, and harmless to everybody else."""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_abi.abi import encode
from sqlalchemy import Engine
from web3 import Web3
from web3.providers.base import BaseProvider

from aggregator.errors import GramercyError
from market.api import outbound
from market.api.delivering import Deliverer
from market.api.errors import TooMany
from market.api.hooks import MAX_MAILINGS, HookStore
from market.api.mail import Mail
from market.api.outbound import Outbound, is_public
from market.api.private_views import HookGiven, HookKind
from market.api.signatures import signed_by
from tests.unit.api.fake_reader import CHAIN, MARKET
from tests.unit.api.signing import OTHER, WALLET
from tests.unit.api.test_outbound import Receiver, receiver  # noqa: F401 - a fixture

pytestmark = pytest.mark.xfail(strict=True, reason="known faults: each test says what should hold")
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


def webhook(store: HookStore, account: str, target: str) -> None:
    given = HookGiven(kind=HookKind.WEBHOOK, target=target, chain_id=CHAIN, market=MARKET)
    made = store.add(account, given, since=0)
    store.try_out(account, made.hook.id)


def test_one_receivers_answer_does_not_stop_the_others(database: Engine, receiver: Receiver) -> None:  # noqa: F811
    store = HookStore(database, Outbound(allow_local=True), Mail("", 25, ""))
    outcomes: list[str] = []
    deliverer = Deliverer(store, outcomes.append)
    with talking(lambda connection: connection.sendall(CHUNKED + b"-5\r\nabc")) as bad:
        webhook(store, WALLET.address, bad)
        webhook(store, OTHER.address, receiver.url)
        for _ in range(3):
            with contextlib.suppress(ValueError):
                deliverer.deliver_due()
    assert len(receiver.taken) == 1
    assert sorted(outcomes) == ["delivered", "failed"]


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


def drip(connection: socket.socket, head: bytes, byte: bytes) -> None:
    connection.sendall(head)
    for _ in range(40):
        connection.sendall(byte)
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x"),
        (b"HTTP/1.1 ", b"2"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "header", "status", "continue"],
)
def test_a_slow_answer_takes_no_longer_than_a_silent_one(
    head: bytes, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    with talking(lambda connection: drip(connection, head, part)) as url:
        started = time.monotonic()
        with contextlib.suppress(OSError, http.client.HTTPException):
            Outbound(allow_local=True).post(url, b"{}", {})
        took = time.monotonic() - started
    assert took < 1.0


@pytest.mark.parametrize("address", ["fec0::1", "192.88.99.1"])
def test_addresses_that_are_no_hosts_of_the_internet(address: str) -> None:
    assert not is_public(address)


# -- mail -----------------------------------------------------------------------------------------------------------


class Post(Mail):
    """Notes the header that a mail would have, as the parser of addresses writes it."""

    def send(self, address: str, subject: str, text: str) -> None:
        from email.message import EmailMessage

        message = EmailMessage()
        message["To"] = address
        sent.append(message.as_bytes().split(b"\n")[0].decode())


sent: list[str] = []


def asked(store: HookStore, number: int, target: str) -> None:
    given = HookGiven(kind=HookKind.EMAIL, target=target, chain_id=CHAIN, market=MARKET)
    store.add(f"0x{number:040x}", given, since=0)


def test_one_inbox_gets_a_days_mails_however_its_address_is_written(database: Engine) -> None:
    sent.clear()
    store = HookStore(database, Outbound(), Post("mail", 25, "market@example.com"))
    written = ["victim", "=?x?q?victim?=", "=?y?q?victim?=", "=?utf-8?q?vict=69m?=", "=?utf-8?b?dmljdGlt?="]
    with contextlib.suppress(TooMany):
        for number, local in enumerate(written * 2):
            asked(store, number, f"{local}@example.com")
    assert sum(header == "To: victim@example.com" for header in sent) <= MAX_MAILINGS


@pytest.mark.parametrize("local", ["=?utf-8?q??=", "=?utf-8?q?a=0D=0Ab?="])
def test_no_address_is_a_defect_of_the_server(database: Engine, local: str) -> None:
    store = HookStore(database, Outbound(), Post("mail", 25, "market@example.com"))
    with contextlib.suppress(GramercyError):
        asked(store, 1, f"{local}@example.com")


def test_a_mail_names_no_other_recipients(database: Engine) -> None:
    sent.clear()
    store = HookStore(database, Outbound(), Post("mail", 25, "market@example.com"))
    with contextlib.suppress(GramercyError):
        asked(store, 1, "=?utf-8?q?victim=40example.com=2Cme?=@attacker.example")
    assert not any("victim@example.com" in header for header in sent)


# -- contracts ------------------------------------------------------------------------------------------------------


class Lookup(BaseProvider):
    """A node on which an account is a contract that has its caller fetch something (EIP-3668)."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def make_request(self, method: Any, params: Any) -> Any:
        if method != "eth_call":
            return {"jsonrpc": "2.0", "id": 1, "result": "0x01"}
        arguments = (params[0]["to"], [self.url], b"", b"\1\2\3\4", b"")
        data = "0x556f1830" + encode(["address", "string[]", "bytes", "bytes4", "bytes"], arguments).hex()
        return {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "reverted", "data": data}}


def test_a_contract_that_signs_in_sends_this_server_nowhere() -> None:
    came = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(3)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                came.set()
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        w3 = Web3(Lookup(f"https://[::ffff:127.0.0.1]:{port}/{{sender}}/{{data}}"))
        assert not signed_by(OTHER.address, "a text", bytes(65), w3)
        came.wait(0.3)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert not came.is_set()


def test_a_contract_of_one_chain_is_not_who_has_its_address_on_another(database: Engine) -> None:
    """Whoever controls an address on a chain that is shown reads what its holder on another keeps here."""
    from market.api.drafts import DraftStore
    from market.api.private_views import DraftGiven
    from market.api.signing_in import SignIns
    from tests.unit.api.signing import message

    class Agrees(BaseProvider):
        def make_request(self, method: Any, params: Any) -> Any:
            magic = "0x1626ba7e" + "00" * 28
            return {"jsonrpc": "2.0", "id": 1, "result": "0x01" if method == "eth_getCode" else magic}

    victim = OTHER.address
    drafts = DraftStore(database)
    drafts.add(victim, DraftGiven(name="secret", body={}))
    sign_ins = SignIns(database, {1: Web3(), 31337: Web3(Agrees())})
    visitor, nonce = sign_ins.begin()
    text = message("http://localhost", nonce, address=victim, chain_id=31337)
    session = None
    with contextlib.suppress(GramercyError):
        _, session = sign_ins.complete(visitor, text, b"\0", origin="http://localhost", chain_ids=frozenset({1, 31337}))
    assert session is None or not drafts.all(session.address)
