"""Hooks: told of what they asked for, once, signed, and again where nobody took it."""

from __future__ import annotations

import base64
import contextlib
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
from sqlalchemy import Engine, Table, insert, select
from sqlalchemy import event as event_of_engine

from aggregator.errors import InvalidInput
from market.api import delivering
from market.api import hooks as hooks_of_accounts
from market.api.delivering import BACKOFF_SECONDS, CLAIM_SECONDS, Deliverer
from market.api.errors import TooMany, Unavailable
from market.api.hooks import MAX_HOOKS, MAX_MAILINGS, HookStore, Quota
from market.api.mail import Mail
from market.api.outbound import Outbound
from market.api.private_views import HookGiven, HookKind, NewHook
from market.api.tables import deliveries
from market.api.watching import Watcher
from market.errors import NotFound
from market.indexer import schema
from market.indexer.database import writing
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

    def ask(self, target: str, kind: HookKind, *, account: str = ACCOUNT, since: int = 0, **given: Any) -> NewHook:
        """Make a hook that its target has not agreed to."""
        wanted = HookGiven(kind=kind, target=target, chain_id=CHAIN, market=MARKET, **given)
        return self.store.add(account, wanted, since=since)

    def add(self, at: Receiver, path: str = "/", *, account: str = ACCOUNT, **given: Any) -> NewHook:
        """Make a webhook, and confirm it by the code that its receiver was sent."""
        answers, at.status = at.status, 200
        made = self.ask(at.url + path, HookKind.WEBHOOK, account=account, **given)
        at.status = answers
        code = code_at(at)
        at.came.clear()
        return made.model_copy(update={"hook": self.store.confirm(account, made.hook.id, code)})

    def happen(self, job_id: int, block: int, name: str, number: int | None = None) -> None:
        self.reader.change(event_of(job_id, block, name, number))
        self.look()

    def queued(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            rows = connection.execute(select(deliveries).order_by(deliveries.c.id)).all()
        return [json.loads(row.body) for row in rows if row.due is not None]


def code_at(at: Receiver) -> str:
    """Return the code that a receiver was sent last, and take it from what it keeps."""
    told = json.loads(at.taken.pop()[2])
    assert told["type"] == "confirm"
    return str(told["code"])


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
    made = stand.add(receiver, "/hook", events=("RoundSettled",))
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
def test_a_hook_hears_what_it_asked_for(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    given: dict[str, Any],
    names: list[str],
) -> None:
    stand.add(receiver, **given)
    stand.happen(1, 60, "A")
    stand.happen(2, 61, "B", 1)
    stand.happen(2, 62, "C", 1)
    assert [one["type"] for one in stand.queued()] == names


def test_an_event_is_queued_once_also_across_a_restart(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver)
    stand.happen(1, 60, "A")
    stand.reader.change(event_of(1, 61, "B"))
    stand.watcher = stand.watch()
    stand.look()
    assert [one["type"] for one in stand.queued()] == ["A", "B"]
    stand.watcher = stand.watch()
    stand.look()
    assert len(stand.queued()) == 2


def test_a_reorganised_event_is_told_anew(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver, since=50)
    stand.happen(1, 60, "A")
    stand.reader.extra.clear()
    stand.happen(1, 59, "A")
    assert [one["block"] for one in stand.queued()] == [60, 59]


def test_what_nobody_takes_is_tried_for_a_day_and_given_up(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 500
    stand.add(receiver)
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
    stand.add(receiver, job_id=4)
    stand.add(receiver)
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
    stand.add(receiver)
    stand.happen(1, 60, "A")
    stand.deliverer.deliver_due()
    stand.happen(1, 61, "B")
    assert stand.deliverer.deliver_due() == 0
    (hook,) = stand.store.all(ACCOUNT)
    assert (hook.active, hook.waiting, hook.next_attempt) == (False, 0, None)


def test_a_redirect_is_a_failure(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status, receiver.headers = 307, {"Location": receiver.url}
    stand.add(receiver)
    stand.happen(1, 60, "A")
    stand.deliverer.deliver_due()
    assert stand.outcomes == ["failed"]
    assert len(receiver.taken) == 1


def test_a_target_that_became_private_is_not_told(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver)
    stand.happen(1, 60, "A")
    strict = HookStore(stand.engine, Outbound(), stand.store.mail, lambda: stand.now)
    Deliverer(strict, stand.outcomes.append).deliver_due()
    assert stand.outcomes == ["failed"]
    assert receiver.taken == []
    assert "not public" in str(stand.store.all(ACCOUNT)[0].failure)


def test_the_thread_delivers_by_itself(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver)
    stand.happen(1, 60, "A")
    stand.deliverer.start()
    try:
        assert receiver.came.wait(10)
    finally:
        stand.deliverer.stop()


def test_a_test_message_is_one_at_a_time(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    hook = stand.add(receiver).hook
    stand.store.try_out(ACCOUNT, hook.id)
    with pytest.raises(TooMany):
        stand.store.try_out(ACCOUNT, hook.id)
    stand.deliverer.deliver_due()
    assert json.loads(receiver.taken[0][2])["type"] == "test"
    with pytest.raises(NotFound):
        stand.store.try_out(OTHER.address, hook.id)


def test_mail_goes_to_confirmed_addresses_only(stand: Stand, mails: tuple[Mail, MailServer]) -> None:
    hook = stand.ask("a@example.com", HookKind.EMAIL).hook
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
    hook = stand.ask("a@example.com", HookKind.EMAIL).hook
    with pytest.raises(NotFound):
        stand.store.confirm(ACCOUNT, hook.id, "0" * 32)
    assert stand.store.all(ACCOUNT) == ()


def test_nobody_is_flooded_with_confirmation_mails(stand: Stand) -> None:
    for _ in range(MAX_MAILINGS):
        stand.store.remove(ACCOUNT, stand.ask("a@example.com", HookKind.EMAIL).hook.id)
    with pytest.raises(TooMany):
        stand.ask("b@example.com", HookKind.EMAIL)
    with pytest.raises(TooMany):
        stand.ask("A+tag@example.com", HookKind.EMAIL, account=OTHER.address)
    stand.now += 86_401
    stand.ask("a@example.com", HookKind.EMAIL)


def test_an_account_has_so_many_hooks_and_no_more(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    for _ in range(MAX_HOOKS):
        stand.add(receiver)
    with pytest.raises(TooMany):
        stand.add(receiver)


def test_a_deleted_hook_is_told_nothing_more(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    hook = stand.add(receiver).hook
    stand.happen(1, 60, "A")
    stand.store.remove(ACCOUNT, hook.id)
    assert stand.queued() == []
    with pytest.raises(NotFound):
        stand.store.remove(ACCOUNT, hook.id)


# -- consent --------------------------------------------------------------------------------------------------------


def test_a_webhook_is_told_nothing_before_its_receiver_agreed(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    made = stand.ask(receiver.url, HookKind.WEBHOOK)
    assert not made.hook.active
    stand.happen(1, 60, "A")
    assert stand.queued() == []
    with pytest.raises(NotFound):
        stand.store.try_out(ACCOUNT, made.hook.id)
    code = code_at(receiver)
    with pytest.raises(NotFound):
        stand.store.confirm(OTHER.address, made.hook.id, code)
    assert stand.store.confirm(ACCOUNT, made.hook.id, code).active
    stand.happen(1, 61, "B")
    assert [one["type"] for one in stand.queued()] == ["B"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_receiver_that_refuses_its_code_has_no_hook(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    status: int,
) -> None:
    receiver.status = status
    with pytest.raises(InvalidInput, match=str(status)):
        stand.ask(receiver.url, HookKind.WEBHOOK)
    assert stand.store.all(ACCOUNT) == ()


def test_where_nobody_answers_there_is_no_hook(stand: Stand) -> None:
    with pytest.raises(InvalidInput, match="could not be posted"):
        stand.ask("http://127.0.0.1:9/", HookKind.WEBHOOK)
    assert stand.store.all(ACCOUNT) == ()


def test_where_no_mail_can_be_sent_there_is_no_hook(database: Engine) -> None:
    store = HookStore(database, Outbound(), Mail("127.0.0.1", 9, "market@example.com"))
    given = HookGiven(kind=HookKind.EMAIL, target="a@example.com", chain_id=CHAIN, market=MARKET)
    with pytest.raises(Unavailable):
        store.add(ACCOUNT, given, since=0)
    assert store.all(ACCOUNT) == ()


def test_nobody_uses_up_what_others_may_send_to_a_host(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    receiver.status = 404
    for number in range(4):
        for _ in range(MAX_HOOKS):
            with pytest.raises(InvalidInput, match="404"):
                stand.ask(receiver.url, HookKind.WEBHOOK, account=f"0x{number:040x}")
    with pytest.raises(TooMany):
        stand.ask(receiver.url, HookKind.WEBHOOK, account=f"0x{0:040x}")
    receiver.status = 200
    stand.ask(receiver.url, HookKind.WEBHOOK, account=OTHER.address)


def test_codes_for_webhooks_are_sent_at_a_rate(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quotas = {**hooks_of_accounts.QUOTAS, HookKind.WEBHOOK: Quota(9, None, 2, 600)}
    monkeypatch.setattr(hooks_of_accounts, "QUOTAS", quotas)
    for _ in range(2):
        for number in range(2):
            stand.ask(receiver.url, HookKind.WEBHOOK, account=f"0x{number:040x}")
        with pytest.raises(TooMany):
            stand.ask(receiver.url, HookKind.WEBHOOK)
        stand.ask("a@example.com", HookKind.EMAIL)  # counted apart
        stand.now += 601


def test_one_server_sends_so_many_codes_a_day(
    stand: Stand, mails: tuple[Mail, MailServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = {**hooks_of_accounts.QUOTAS, HookKind.EMAIL: Quota(account=9, target=9, in_all=3)}
    monkeypatch.setattr(hooks_of_accounts, "QUOTAS", quotas)
    for number in range(3):
        stand.ask(f"a{number}@example.com", HookKind.EMAIL, account=f"0x{number:040x}")
    with pytest.raises(TooMany):
        stand.ask("b@example.com", HookKind.EMAIL, account=OTHER.address)
    assert len(mails[1].mails) == 3


def test_one_inbox_gets_so_many_mails_however_its_address_is_written(
    stand: Stand, mails: tuple[Mail, MailServer]
) -> None:
    written = ["victim", "VICTIM", "victim+a", "=?x?q?victim?=", "Victim+B", "=?utf-8?b?dmljdGlt?=", "victim+c"]
    for number, local in enumerate(written * 3):
        with contextlib.suppress(TooMany, InvalidInput):
            stand.ask(f"{local}@example.com", HookKind.EMAIL, account=f"0x{number:040x}")
    assert len(mails[1].mails) == MAX_MAILINGS


def test_a_server_has_so_many_hooks(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks_of_accounts, "MAX_HOOKS_IN_ALL", 2)
    for number in range(2):
        stand.ask(receiver.url, HookKind.WEBHOOK, account=f"0x{number:040x}")
    with pytest.raises(TooMany, match="this server"):
        stand.ask(receiver.url, HookKind.WEBHOOK)


@pytest.mark.parametrize("contract", ["", f"{CHAIN}:"], ids=["key", "contract"])
def test_who_is_in_a_market_has_a_hook_before_who_is_in_none(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    contract: str,
) -> None:
    mine, another, strangers = contract + ACCOUNT, contract + OTHER.address, [f"0x{number:040x}" for number in range(2)]
    with writing(stand.engine).begin() as connection:
        connection.execute(insert(schema.markets).values(**row_of(schema.markets, id=1)))
        for place, address in enumerate((ACCOUNT, OTHER.address)):
            of_account = row_of(schema.events, market_id=1, block=7, log_index=place, account=address)
            connection.execute(insert(schema.events).values(**of_account))
    monkeypatch.setattr(hooks_of_accounts, "MAX_HOOKS_IN_ALL", 3)
    for account in (mine, *strangers):
        stand.ask(receiver.url, HookKind.WEBHOOK, account=account)
        stand.now += 1
    stand.ask(receiver.url, HookKind.WEBHOOK, account=another)
    assert [len(stand.store.all(one)) for one in (mine, *strangers, another)] == [1, 0, 1, 1]
    with pytest.raises(TooMany):
        stand.ask(receiver.url, HookKind.WEBHOOK, account=strangers[0])
    stand.ask(receiver.url, HookKind.WEBHOOK, account=another)
    with pytest.raises(TooMany):  # all are in a market
        stand.ask(receiver.url, HookKind.WEBHOOK, account=another)


def row_of(table: Table, **given: Any) -> dict[str, Any]:
    """Return a row with anything where a column wants something."""
    types = {column.name: column.type.python_type for column in table.columns if not column.nullable}
    return {name: kind() for name, kind in types.items()} | given


def test_what_is_over_is_deleted(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.ask(receiver.url, HookKind.WEBHOOK)
    kept = stand.add(receiver).hook
    stand.happen(1, 60, "A")
    stand.deliverer.deliver_due()
    stand.now += 8 * 86_400
    stand.happen(1, 61, "B")
    stand.store.tidy()
    assert [hook.id for hook in stand.store.all(ACCOUNT)] == [kept.id]
    with stand.engine.connect() as connection:
        bodies = connection.scalars(select(deliveries.c.body)).all()
    assert [json.loads(body)["type"] for body in bodies] == ["B"]


# -- others ---------------------------------------------------------------------------------------------------------


def test_one_receivers_answer_does_not_stop_the_others(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever sending raises: what a receiver may bring about is not known in full."""
    stand.add(receiver, "/bad")
    stand.add(receiver, "/good", account=OTHER.address)
    sending = Outbound.post

    def post(self: Outbound, url: str, *given: Any) -> int:
        if url.endswith("/bad"):
            raise ValueError("invalid literal for int()")
        return sending(self, url, *given)

    monkeypatch.setattr(Outbound, "post", post)
    stand.happen(1, 60, "A")
    assert stand.deliverer.deliver_due() == 2
    assert [path for path, _, _ in receiver.taken] == ["/good"]
    assert sorted(stand.outcomes) == ["delivered", "failed"]


def test_accounts_take_turns_however_much_one_has(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivering, "POLL_SECONDS", -1.0)  # turns are kept across looks as well
    assert OTHER.address < ACCOUNT
    for number in range(3):
        stand.add(receiver, f"/much/{number}", account=OTHER.address)
    for block in range(60, 63):
        stand.happen(1, block, "A")
    stand.add(receiver, "/little", account=ACCOUNT)
    for block in range(70, 72):
        stand.happen(1, block, "B", 1)
    stand.deliverer.deliver_due()
    paths = [path for path, _, _ in receiver.taken]
    assert paths[1] == paths[3] == "/little"
    assert len(paths) == 17


def test_a_slow_receiver_does_not_hold_another_accounts_messages(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand.add(receiver, "/slow")
    stand.add(receiver, "/slow/too")
    stand.add(receiver, "/quick", account=OTHER.address)
    sending, begun, go_on = Outbound.post, threading.Event(), threading.Event()

    def post(self: Outbound, url: str, *given: Any) -> int:
        if url.endswith("/slow"):
            begun.set()
            assert go_on.wait(10)
        return sending(self, url, *given)

    monkeypatch.setattr(Outbound, "post", post)
    stand.happen(1, 60, "A")
    waiting = threading.Thread(target=stand.deliverer.deliver_due)
    waiting.start()
    try:
        assert begun.wait(10)
        stand.deliverer.deliver_due()
        assert "/slow/too" not in [path for path, _, _ in receiver.taken]  # one at a time of an account
        assert "/quick" in [path for path, _, _ in receiver.taken]
    finally:
        go_on.set()
        waiting.join()
    assert len(receiver.taken) == 3


def test_servers_over_one_database_send_a_message_once(
    stand: Stand,
    receiver: Receiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand.add(receiver)
    stand.happen(1, 60, "A")
    another = Deliverer(stand.store, stand.outcomes.append)
    sending = Outbound.post

    def post(self: Outbound, url: str, *given: Any) -> int:
        assert another.deliver_due() == 0  # while it is under way
        return sending(self, url, *given)

    monkeypatch.setattr(Outbound, "post", post)
    taken = another._take()  # both have seen it
    assert taken is not None
    assert stand.deliverer.deliver_due() == 1
    assert not another._claim(taken)
    assert (len(receiver.taken), stand.outcomes) == (1, ["delivered"])


def test_a_message_whose_server_ended_meanwhile_is_sent_again(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    stand.add(receiver)
    stand.happen(1, 60, "A")
    taken = stand.deliverer._take()
    assert taken is not None
    assert stand.deliverer._claim(taken)
    another = Deliverer(stand.store, stand.outcomes.append)
    assert another.deliver_due() == 0
    stand.now += CLAIM_SECONDS
    assert another.deliver_due() == 1


def test_queueing_for_many_hooks_leaves_room_for_others(stand: Stand, receiver: Receiver) -> None:  # noqa: F811
    """Each transaction is short, whatever the number of events, and only hooks that want an event are written for."""
    stand.add(receiver, events=("A",))
    stand.add(receiver, events=("a",))
    begun = []
    event_of_engine.listen(stand.engine, "begin", lambda connection: begun.append(connection.get_execution_options()))
    for block in range(60, 160):
        stand.reader.change(event_of(1, block, "A"))
    stand.look()
    assert len(stand.queued()) == 100
    assert sum(bool(options.get("gramercy_writes")) for options in begun) == 21
