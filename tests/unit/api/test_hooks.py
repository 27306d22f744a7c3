"""Hooks: told of what they asked for, once, signed, and again where nobody took it."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select

from aggregator.errors import InvalidInput
from market.api.delivering import BACKOFF_SECONDS, Deliverer
from market.api.errors import TooMany
from market.api.hooks import MAX_HOOKS, MAX_MAILINGS, HookStore
from market.api.mail import Mail
from market.api.outbound import Outbound
from market.api.private_views import HookGiven, HookKind
from market.api.tables import deliveries
from market.api.watching import Watcher
from market.errors import NotFound
from tests.unit.api.fake_reader import CHAIN, MARKET, OWNER, FakeReader, event_of
from tests.unit.api.signing import OTHER, WALLET
from tests.unit.api.test_outbound import Receiver, receiver  # noqa: F401 - a fixture

ACCOUNT = WALLET.address


class Stand:
    """A market, its hooks and their delivery, with a clock that is set by hand."""

    def __init__(self, engine: Engine, mail: Mail) -> None:
        self.now = 1_800_000_000.0
        self.reader = FakeReader()
        self.store = HookStore(engine, Outbound(allow_local=True), mail, lambda: self.now)
        self.outcomes: list[str] = []
        self.deliverer = Deliverer(self.store, self.outcomes.append)
        self.engine = engine
        self.watcher = self.watch()
        self.look()

    def watch(self) -> Watcher:
        return Watcher(self.reader, [self.store.tell], self.store.place)

    def look(self) -> None:
        self.store.tell(self.watcher.look())

    def add(self, target: str, *, since: int = 0, kind: HookKind = HookKind.WEBHOOK, **given: Any) -> Any:
        wanted = HookGiven(kind=kind, target=target, chain_id=CHAIN, market=MARKET, **given)
        return self.store.add(ACCOUNT, wanted, since=since)

    def happen(self, job_id: int, block: int, name: str, number: int | None = None) -> None:
        self.reader.change(event_of(job_id, block, name, number))
        self.look()

    def queued(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            rows = connection.execute(select(deliveries).order_by(deliveries.c.id)).all()
        return [json.loads(row.body) for row in rows if row.due is not None]


class MailServer:
    """Takes mails by SMTP (RFC 5321), as little of it as is needed."""

    def __init__(self, listener: socket.socket) -> None:
        self.mails: list[email.message.Message] = []
        self._listener = listener

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        say("220 mail")
        for line in stream:
            verb = line[:4].upper()
            if verb == b"DATA":
                say("354 go on")
                lines = []
                while (part := stream.readline()) != b".\r\n":
                    lines.append(part)
                self.mails.append(email.message_from_bytes(b"".join(lines)))
            say("221 bye" if verb == b"QUIT" else "250 ok")
            if verb == b"QUIT":
                return


@pytest.fixture
def mails() -> Iterator[tuple[Mail, MailServer]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MailServer(listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield Mail("127.0.0.1", listener.getsockname()[1], "market@example.com"), server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def stand(database: Engine, mails: tuple[Mail, MailServer]) -> Stand:
    return Stand(database, mails[0])


def test_a_webhook_is_told_in_the_standards_form(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    made = stand.add(f"{receiver.url}/hook", events=("RoundSettled",))
    stand.happen(2, 60, "RoundOpened", 3)
    stand.happen(2, 61, "RoundSettled", 3)
    assert stand.deliverer.deliver_due() == 1
    ((path, headers, body),) = receiver.taken
    told = json.loads(body)
    assert (path, told["type"], told["job_id"], told["round"]) == ("/hook", "RoundSettled", 2, 3)
    assert told["amount"] == str(5 * 10**18)
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert stand.deliverer.deliver_due() == 0
    assert stand.store.all(ACCOUNT)[0].delivered == int(stand.now)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["A", "B", "C"]),
        ({"job_id": 2}, ["B", "C"]),
        ({"events": ("A", "C")}, ["A", "C"]),
        ({"about": OWNER}, ["A", "B", "C"]),
        ({"about": OTHER.address}, []),
        ({"since": 61}, ["C"]),
    ],
    ids=str,
)
def test_a_hook_hears_what_it_asked_for(stand: Stand, given: dict[str, Any], names: list[str]) -> None:
    stand.add("http://127.0.0.1:9/", **given)
    stand.happen(1, 60, "A")
    stand.happen(2, 61, "B", 1)
    stand.happen(2, 62, "C", 1)
    assert [one["type"] for one in stand.queued()] == names


def test_an_event_is_queued_once_also_across_a_restart(stand: Stand) -> None:
    stand.add("http://127.0.0.1:9/")
    stand.happen(1, 60, "A")
    stand.reader.change(event_of(1, 61, "B"))
    stand.watcher = stand.watch()
    stand.look()
    assert [one["type"] for one in stand.queued()] == ["A", "B"]
    stand.watcher = stand.watch()
    stand.look()
    assert len(stand.queued()) == 2


def test_a_reorganised_event_is_told_anew(stand: Stand) -> None:
    stand.add("http://127.0.0.1:9/", since=50)
    stand.happen(1, 60, "A")
    stand.reader.extra.clear()
    stand.happen(1, 59, "A")
    assert [one["block"] for one in stand.queued()] == [60, 59]


def test_what_nobody_takes_is_tried_for_a_day_and_given_up(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 500
    stand.add(receiver.url)
    stand.happen(1, 60, "A")
    for wait in BACKOFF_SECONDS:
        assert stand.deliverer.deliver_due() == 1
        stand.now += wait - 1
        assert stand.deliverer.deliver_due() == 0
        stand.now += 1
    assert stand.deliverer.deliver_due() == 1
    stand.now += 10**6
    assert stand.deliverer.deliver_due() == 0
    assert stand.outcomes == ["failed"] * len(BACKOFF_SECONDS) + ["given-up"]
    ids = {headers["webhook-id"] for _, headers, _ in receiver.taken}
    assert len(ids) == 1
    assert "500" in str(stand.store.all(ACCOUNT)[0].failure)


def test_a_hook_tells_what_waits_and_when_it_is_tried_again(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 503
    stand.add("http://127.0.0.1:9/", job_id=4)
    stand.add(receiver.url)
    stand.happen(1, 60, "A")
    stand.happen(1, 61, "B")
    hook, other = sorted(stand.store.all(ACCOUNT), key=lambda one: one.waiting, reverse=True)
    assert (hook.waiting, hook.next_attempt) == (2, int(stand.now))
    assert (other.waiting, other.next_attempt) == (0, None)
    stand.deliverer.deliver_due()
    (hook,) = (one for one in stand.store.all(ACCOUNT) if one.failure)
    assert (hook.waiting, hook.next_attempt) == (2, int(stand.now) + BACKOFF_SECONDS[0])
    receiver.status = 204
    stand.now += BACKOFF_SECONDS[0]
    stand.deliverer.deliver_due()
    (hook,) = (one for one in stand.store.all(ACCOUNT) if one.delivered)
    assert (hook.waiting, hook.next_attempt, hook.failure) == (0, None, None)


def test_a_receiver_that_is_gone_is_left_alone(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 410
    stand.add(receiver.url)
    stand.happen(1, 60, "A")
    stand.deliverer.deliver_due()
    stand.happen(1, 61, "B")
    assert stand.deliverer.deliver_due() == 0
    (hook,) = stand.store.all(ACCOUNT)
    assert (hook.active, hook.waiting, hook.next_attempt) == (False, 0, None)


def test_a_redirect_is_a_failure(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status, receiver.headers = 307, {"Location": receiver.url}
    stand.add(receiver.url)
    stand.happen(1, 60, "A")
    stand.deliverer.deliver_due()
    assert stand.outcomes == ["failed"]
    assert len(receiver.taken) == 1


def test_a_target_that_became_private_is_not_told(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver.url)
    stand.happen(1, 60, "A")
    strict = HookStore(stand.engine, Outbound(), stand.store.mail, lambda: stand.now)
    Deliverer(strict, stand.outcomes.append).deliver_due()
    assert stand.outcomes == ["failed"]
    assert receiver.taken == []
    assert "not public" in str(stand.store.all(ACCOUNT)[0].failure)


def test_the_thread_delivers_by_itself(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver.url)
    stand.happen(1, 60, "A")
    stand.deliverer.start()
    try:
        assert receiver.came.wait(10)
    finally:
        stand.deliverer.stop()


def test_a_test_message_is_one_at_a_time(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    hook = stand.add(receiver.url).hook
    stand.store.try_out(ACCOUNT, hook.id)
    with pytest.raises(TooMany):
        stand.store.try_out(ACCOUNT, hook.id)
    stand.deliverer.deliver_due()
    assert json.loads(receiver.taken[0][2])["type"] == "test"
    with pytest.raises(NotFound):
        stand.store.try_out(OTHER.address, hook.id)


def test_mail_goes_to_confirmed_addresses_only(stand: Stand, mails: tuple[Mail, MailServer]) -> None:
    hook = stand.add("a@example.com", kind=HookKind.EMAIL).hook
    assert not hook.active
    stand.happen(1, 60, "A")
    assert stand.queued() == []
    code = re.search(r"[0-9a-f]{32}", str(mails[1].mails[0].get_payload()))
    assert code is not None
    assert stand.store.confirm(ACCOUNT, hook.id, code[0]).active
    stand.happen(1, 61, "RoundSettled", 2)
    stand.deliverer.deliver_due()
    mail = mails[1].mails[1]
    assert (mail["To"], mail["Subject"]) == ("a@example.com", "Gramercy: RoundSettled, job 1")
    assert "round: 2" in str(mail.get_payload())


def test_a_wrong_code_deletes_the_hook(stand: Stand) -> None:
    hook = stand.add("a@example.com", kind=HookKind.EMAIL).hook
    with pytest.raises(NotFound):
        stand.store.confirm(ACCOUNT, hook.id, "0" * 32)
    assert stand.store.all(ACCOUNT) == ()


@pytest.mark.parametrize("address", ["a@b\r\nBcc: c@d", "a b@c.de", "@c.de", "a@", "a@b@c", "<a@b.c>", "a@b.c,d@e.f"])
def test_an_address_that_smuggles_headers_is_refused(stand: Stand, address: str) -> None:
    with pytest.raises(InvalidInput):
        stand.store.mail.check(address)


def test_nobody_is_flooded_with_confirmation_mails(stand: Stand) -> None:
    for _ in range(MAX_MAILINGS):
        stand.store.remove(ACCOUNT, stand.add("a@example.com", kind=HookKind.EMAIL).hook.id)
    with pytest.raises(TooMany):
        stand.add("b@example.com", kind=HookKind.EMAIL)
    wanted = HookGiven(kind=HookKind.EMAIL, target="A@example.com", chain_id=CHAIN, market=MARKET)
    with pytest.raises(TooMany):
        stand.store.add(OTHER.address, wanted, since=0)
    stand.now += 86_401
    stand.add("a@example.com", kind=HookKind.EMAIL)


def test_an_account_has_so_many_hooks_and_no_more(stand: Stand) -> None:
    for _ in range(MAX_HOOKS):
        stand.add("http://127.0.0.1:9/")
    with pytest.raises(TooMany):
        stand.add("http://127.0.0.1:9/")


def test_a_deleted_hook_is_told_nothing_more(stand: Stand) -> None:
    hook = stand.add("http://127.0.0.1:9/").hook
    stand.happen(1, 60, "A")
    stand.store.remove(ACCOUNT, hook.id)
    assert stand.queued() == []
    with pytest.raises(NotFound):
        stand.store.remove(ACCOUNT, hook.id)
