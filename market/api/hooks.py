"""Hooks: who is told of what. They are kept, confirmed, and given the messages that they are to get."""

from __future__ import annotations

import json
import secrets
import smtplib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from aggregator.errors import InvalidInput
from market.api import webhooks
from market.api.errors import TooMany, Unavailable
from market.api.limits import Limit
from market.api.mail import Mail, inbox
from market.api.outbound import ForbiddenTarget, Outbound
from market.api.private_views import Hook, HookGiven, HookKind, NewHook
from market.api.signing_in import digest
from market.api.tables import count, deliveries, hooks, lock, mailings, places
from market.api.watching import News, Place
from market.domain import Address
from market.errors import NotFound
from market.indexer.database import writing
from market.indexer.schema import events, markets
from market.indexer.views import EventView

MAX_HOOKS = 20
MAX_HOOKS_IN_ALL = 5_000
MAX_MAILINGS = 5
_DAY_SECONDS = 86_400
_KEPT_SECONDS = 7 * _DAY_SECONDS
_EVENTS_AT_ONCE = 5
_ALL = "hooks"  # the lock of what is counted over all accounts


@dataclass(frozen=True, slots=True)
class Quota:
    """How many codes are sent: for one account in a day, to one inbox in a day, and in all in some time."""

    account: int
    target: int | None
    in_all: int
    in_all_seconds: float = _DAY_SECONDS


QUOTAS = {
    HookKind.EMAIL: Quota(MAX_MAILINGS, MAX_MAILINGS, 200),
    HookKind.WEBHOOK: Quota(MAX_HOOKS, None, 100, 600),
}
"""Of webhooks, hosts have none: many share one, and any of them could use it up for the others."""
_DUE = select(func.count()).where(deliveries.c.hook_id == hooks.c.id, deliveries.c.due.is_not(None))
_WITH_WAITING = select(
    hooks,
    _DUE.scalar_subquery().label("waiting"),
    _DUE.with_only_columns(func.min(deliveries.c.due)).scalar_subquery().label("next_attempt"),
)


@dataclass(frozen=True, slots=True)
class HookStore:
    """The hooks of all accounts.

    Parameters
    ----------
    engine
        The database.
    outbound, mail
        Check targets, and send confirmation mails.
    clock
        Unix seconds.

    """

    engine: Engine
    outbound: Outbound
    mail: Mail
    clock: Callable[[], float] = field(default=time.time)
    _writing: Limit = field(default_factory=lambda: Limit("changing a hook", 2, waiting=6, seconds=5.0))
    _reaching: Limit = field(default_factory=lambda: Limit("sending a code", 2, waiting=2))

    def add(self, account: str, given: HookGiven, *, since: int) -> NewHook:
        """Keep a hook for events after block ``since``, and send its target a code: it is told nothing before.

        Raises
        ------
        InvalidInput
            If the target is not acceptable, or does not take the code.
        TooMany
            If there are too many hooks, or too many codes were asked for, of the account or in all.
        Unavailable
            If the mail server does not take the code, or too many hooks are being made.

        """
        code, number = secrets.token_hex(16), secrets.token_hex(16)
        by_mail = given.kind is HookKind.EMAIL
        secret = "" if by_mail else webhooks.new_secret()
        row = {
            "id": number,
            "account": account,
            "kind": given.kind.value,
            "target": given.target,
            "chain_id": given.chain_id,
            "market": given.market,
            "job_id": given.job_id,
            "about": given.about,
            "events": json.dumps(given.events),
            "secret": secret,
            "code": digest(code),
            "active": False,
            "since": since,
            "created": self.clock(),
        }
        with self._reaching.place():
            if by_mail:
                self.mail.check(given.target)
            else:
                self.outbound.target(given.target)
            with self._writing.place(), writing(self.engine).begin() as connection:
                lock(connection, _ALL)
                self._require_room(connection, account, given)
                connection.execute(insert(hooks).values(row))
            try:
                self._send_code(given, row, code)
            except BaseException:
                self.remove(account, number)
                raise
        return NewHook(hook=self._one(account, number), secret=secret)

    def all(self, account: str) -> tuple[Hook, ...]:
        """Return an account's hooks, newest first."""
        wanted = _WITH_WAITING.where(hooks.c.account == account).order_by(hooks.c.created.desc(), hooks.c.id)
        with self.engine.connect() as connection:
            return tuple(_view(row) for row in connection.execute(wanted))

    def remove(self, account: str, number: str) -> None:
        """Delete a hook and its messages; NotFound if the account has no such hook."""
        with self._writing.place(), writing(self.engine).begin() as connection:
            self._require(connection, account, number)
            connection.execute(delete(deliveries).where(deliveries.c.hook_id == number))
            connection.execute(delete(hooks).where(hooks.c.id == number))

    def confirm(self, account: str, number: str, code: str) -> Hook:
        """Activate a hook by the code that its target was sent.

        Raises
        ------
        NotFound
            If the account has no such hook, or the code is another; a wrong code deletes the hook, so that codes
            cannot be tried.

        """
        with self._writing.place(), writing(self.engine).begin() as connection:
            row = self._require(connection, account, number)
            right = row.code is not None and secrets.compare_digest(row.code, digest(code))
            if right:
                connection.execute(update(hooks).where(hooks.c.id == number).values(active=True, code=None))
            elif row.code is not None:
                connection.execute(delete(hooks).where(hooks.c.id == number))
        if not right:
            raise NotFound("that is not the code", hint="make the hook again to get another one")
        return self._one(account, number)

    def try_out(self, account: str, number: str) -> None:
        """Queue a message that says nothing; NotFound if there is no such hook, TooMany if one waits already."""
        told = {"type": "test", "text": "A test of a hook, as its owner asked for."}
        with self._writing.place(), writing(self.engine).begin() as connection:
            lock(connection, account)
            row = self._require(connection, account, number)
            if not row.active:
                raise NotFound("the hook is not active", hint="confirm it first, by the code that was sent")
            waiting = deliveries.c.hook_id == number, deliveries.c.due.is_not(None), deliveries.c.message.like("test-%")
            if count(connection, deliveries, *waiting):
                raise TooMany("a test of this hook is on its way already")
            self._queue(connection, number, f"test-{secrets.token_hex(8)}", told)

    def place(self, chain_id: int, market: Address) -> Place | None:
        """Return the newest event that hooks were told of."""
        wanted = select(places).where(places.c.chain_id == chain_id, places.c.market == market)
        with self.engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else (row.block, row.log_index, row.tx)

    def tell(self, news: list[News]) -> None:
        """Queue messages for new events, each once a hook; called in the watcher's thread.

        In short transactions, so that nobody waits long; ended in between, it is done again from the last place on.
        """
        for one in news:
            for start in range(0, len(one.events) if self._is_heard(one) else 0, _EVENTS_AT_ONCE):
                with writing(self.engine).begin() as connection:
                    for event in one.events[start : start + _EVENTS_AT_ONCE]:
                        connection.execute(self._messages(one, event))
            if one.place is not None and one.place != self.place(one.chain_id, one.market):
                self._note_place(one.chain_id, one.market, one.place)

    def tidy(self) -> None:
        """Delete what is over: old messages, and hooks that nobody confirmed in a day."""
        now = self.clock()
        over = deliveries.c.due.is_(None), deliveries.c.created < now - _KEPT_SECONDS
        with writing(self.engine).begin() as connection:
            connection.execute(delete(deliveries).where(*over))
            connection.execute(delete(hooks).where(hooks.c.code.is_not(None), hooks.c.created < now - _DAY_SECONDS))

    def _is_heard(self, news: News) -> bool:
        here = hooks.c.chain_id == news.chain_id, hooks.c.market == news.market
        with self.engine.connect() as connection:
            return (
                bool(news.events) and connection.execute(select(hooks.c.id).where(*here).limit(1)).first() is not None
            )

    def _messages(self, news: News, event: EventView) -> Any:
        """Return the statement that queues an event for all active hooks that want it and have not got it."""
        message = f"{news.chain_id}-{news.market[2:]}-{event.tx[2:]}-{event.log_index}"
        body = {"type": event.name, "chain_id": news.chain_id, "market": news.market, **_told(event)}
        wanted = (
            hooks.c.chain_id == news.chain_id,
            hooks.c.market == news.market,
            hooks.c.active,
            hooks.c.since < event.block,
            or_(hooks.c.job_id.is_(None), hooks.c.job_id == event.job_id),
            or_(hooks.c.about.is_(None), hooks.c.about == event.account),
            or_(hooks.c.events == "[]", hooks.c.events != func.replace(hooks.c.events, f'"{event.name}"', "")),
            ~exists().where(deliveries.c.hook_id == hooks.c.id, deliveries.c.message == message),
        )
        return insert(deliveries).from_select(*self._rows(message, body, hooks.c.id, *wanted))

    def _rows(self, message: str, body: dict[str, Any], hook_id: Any, *where: Any) -> tuple[list[str], Any]:
        now = self.clock()
        row = {
            "hook_id": hook_id,
            "message": literal(message),
            "body": literal(json.dumps(body, separators=(",", ":"))),
            "attempts": literal(0),
            "due": literal(now),
            "created": literal(now),
        }
        return list(row), select(*row.values()).where(*where)

    def _queue(self, connection: Connection, hook_id: str, message: str, body: dict[str, Any]) -> None:
        connection.execute(
            insert(deliveries).from_select(*self._rows(message, body, hooks.c.id, hooks.c.id == hook_id))
        )

    def _note_place(self, chain_id: int, market: Address, place: Place) -> None:
        at = {"block": place[0], "log_index": place[1], "tx": place[2]}
        mine = places.c.chain_id == chain_id, places.c.market == market
        with writing(self.engine).begin() as connection:
            if not connection.execute(update(places).where(*mine).values(at)).rowcount:
                connection.execute(insert(places).values(chain_id=chain_id, market=market, **at))

    def _require_room(self, connection: Connection, account: str, given: HookGiven) -> None:
        if count(connection, hooks, hooks.c.account == account) >= MAX_HOOKS:
            raise TooMany(f"an account has {MAX_HOOKS} hooks at most", hint="delete one first")
        if count(connection, hooks) >= MAX_HOOKS_IN_ALL and not self._make_room(connection, account):
            raise TooMany("this server has as many hooks as it may have", hint="ask whoever runs it")
        now, target, quota = self.clock(), _target(given), QUOTAS[given.kind]
        connection.execute(delete(mailings).where(mailings.c.at < now - _DAY_SECONDS))
        # A webhook's target is told from an inbox by having no @ in it.
        alike = mailings.c.target.contains("@") if given.kind is HookKind.EMAIL else ~mailings.c.target.contains("@")
        for mine, bound in (
            (mailings.c.account == account, quota.account),
            (mailings.c.target == target, quota.target),
            (mailings.c.at > now - quota.in_all_seconds, quota.in_all),
        ):
            if bound is not None and count(connection, mailings, alike, mine) >= bound:
                raise TooMany("too many codes were asked for", hint="try again later, at the latest tomorrow")
        connection.execute(insert(mailings).values(account=account, target=target, at=now))

    def _make_room(self, connection: Connection, account: str) -> bool:
        """Delete the oldest hook of who is in no market, for who is in one; return whether there was such a hook."""
        # After the chain's number and a colon, where the account is a contract.
        address = func.substr(hooks.c.account, func.length(hooks.c.account) - 41)
        if not connection.scalar(select(_is_active(literal(account[-42:])))):
            return False
        oldest = select(hooks.c.id).where(~_is_active(address)).order_by(hooks.c.created, hooks.c.id).limit(1)
        number = connection.scalar(oldest)
        connection.execute(delete(deliveries).where(deliveries.c.hook_id == number))
        return connection.execute(delete(hooks).where(hooks.c.id == number)).rowcount == 1

    def _send_code(self, given: HookGiven, row: Mapping[str, Any], code: str) -> None:
        asked = "Somebody asked to be told here of events of a Gramercy market."
        if given.kind is HookKind.EMAIL:
            text = (
                f"{asked} If it was you, enter this code:\n\n"
                f"    {code}\n\nIf not, do nothing: no further mail will come.\n"
            )
            try:
                self.mail.send(given.target, "Confirm this address", text)
            except (OSError, smtplib.SMTPException):
                raise Unavailable("the mail with the code could not be sent", hint="try again later") from None
            return
        text = f"{asked} If it was you, enter the code there; if not, do nothing: no further message will come."
        body = json.dumps({"type": "confirm", "code": code, "text": text}).encode()
        try:
            status = webhooks.post(
                self.outbound, given.target, row["secret"], f"confirm-{row['id']}", body, self.clock()
            )
        except ForbiddenTarget:
            raise
        except Exception as error:  # whatever the receiver does
            raise InvalidInput(
                f"the code could not be posted to the URL: {type(error).__name__}", hint="let the receiver run"
            ) from None
        if not 200 <= status < 300:  # noqa: PLR2004 - the class of successes
            raise InvalidInput(
                f"the receiver answered with status {status} to the code", hint="it has to answer with 2xx"
            )

    def _one(self, account: str, number: str) -> Hook:
        with self.engine.connect() as connection:
            return _view(self._require(connection, account, number))

    def _require(self, connection: Connection, account: str, number: str) -> Row[Any]:
        wanted = _WITH_WAITING.where(hooks.c.id == number, hooks.c.account == account)
        row = connection.execute(wanted).one_or_none()
        if row is None:
            raise NotFound("there is no such hook")
        return row


def _is_active(address: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether any market has an event of an address."""
    of_any = events.c.market_id.in_(select(markets.c.id))  # by the index of markets' accounts
    return exists().where(of_any, events.c.account == address)


def _target(given: HookGiven) -> str:
    """Return what codes are counted by."""
    return inbox(given.target) if given.kind is HookKind.EMAIL else (urlsplit(given.target).hostname or "").rstrip(".")


def _told(event: EventView) -> dict[str, Any]:
    return event.model_dump(mode="json", exclude={"name"})


def _view(row: Row[Any]) -> Hook:
    return Hook(
        id=row.id,
        kind=HookKind(row.kind),
        target=row.target,
        chain_id=row.chain_id,
        market=row.market,
        job_id=row.job_id,
        about=row.about,
        events=tuple(json.loads(row.events)),
        active=row.active,
        created=int(row.created),
        delivered=None if row.delivered is None else int(row.delivered),
        failure=row.failure,
        waiting=row.waiting if row.active else 0,
        next_attempt=int(row.next_attempt) if row.active and row.next_attempt is not None else None,
    )
