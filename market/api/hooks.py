"""Hooks: who is told of what. They are kept, confirmed, and given the messages that they are to get."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from market.api.errors import TooMany
from market.api.mail import Mail
from market.api.outbound import Outbound
from market.api.private_views import Hook, HookGiven, HookKind, NewHook
from market.api.signing_in import digest
from market.api.tables import count, deliveries, hooks, mailings, places
from market.api.watching import News, Place
from market.domain import Address
from market.errors import NotFound
from market.indexer.database import writing
from market.indexer.views import EventView

MAX_HOOKS = 20
MAX_MAILINGS = 5
_DAY_SECONDS = 86_400
_KEPT_SECONDS = 7 * _DAY_SECONDS
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

    def add(self, account: Address, given: HookGiven, *, since: int) -> NewHook:
        """Keep a hook for events after block ``since``; an e-mail address is sent a code first.

        Raises
        ------
        InvalidInput
            If the target is not acceptable.
        TooMany
            If the account has too many hooks, or has asked for too many confirmation mails.

        """
        code = secrets.token_hex(16) if given.kind is HookKind.EMAIL else None
        if code is None:
            self.outbound.target(given.target)
        else:
            self.mail.check(given.target)
        secret = "" if code else "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        number = secrets.token_hex(16)
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
            "code": digest(code) if code else None,
            "active": code is None,
            "since": since,
            "created": self.clock(),
        }
        with writing(self.engine).begin() as connection:
            if count(connection, hooks, hooks.c.account == account) >= MAX_HOOKS:
                raise TooMany(f"an account has {MAX_HOOKS} hooks at most", hint="delete one first")
            if code:
                self._note_mailing(connection, account, given.target)
            connection.execute(insert(hooks).values(row))
        if code:
            self._send_code(given.target, code)
        return NewHook(hook=self._one(account, number), secret=secret)

    def all(self, account: Address) -> tuple[Hook, ...]:
        """Return an account's hooks, newest first."""
        wanted = _WITH_WAITING.where(hooks.c.account == account).order_by(hooks.c.created.desc(), hooks.c.id)
        with self.engine.connect() as connection:
            return tuple(_view(row) for row in connection.execute(wanted))

    def remove(self, account: Address, number: str) -> None:
        """Delete a hook and its messages; NotFound if the account has no such hook."""
        with writing(self.engine).begin() as connection:
            self._require(connection, account, number)
            connection.execute(delete(deliveries).where(deliveries.c.hook_id == number))
            connection.execute(delete(hooks).where(hooks.c.id == number))

    def confirm(self, account: Address, number: str, code: str) -> Hook:
        """Activate an e-mail hook by the code that its address was sent.

        Raises
        ------
        NotFound
            If the account has no such hook, or the code is another; a wrong code deletes the hook, so that codes
            cannot be tried.

        """
        with writing(self.engine).begin() as connection:
            row = self._require(connection, account, number)
            right = row.code is not None and secrets.compare_digest(row.code, digest(code))
            if right:
                connection.execute(update(hooks).where(hooks.c.id == number).values(active=True, code=None))
            elif row.code is not None:
                connection.execute(delete(hooks).where(hooks.c.id == number))
        if not right:
            raise NotFound("that is not the code", hint="make the hook again to get another one")
        return self._one(account, number)

    def try_out(self, account: Address, number: str) -> None:
        """Queue a message that says nothing; NotFound if there is no such hook, TooMany if one waits already."""
        told = {"type": "test", "text": "A test of a hook, as its owner asked for."}
        with writing(self.engine).begin() as connection:
            row = self._require(connection, account, number)
            if not row.active:
                raise NotFound("the hook is not active", hint="confirm its address first")
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
        """Queue messages for new events, each once a hook; called in the watcher's thread."""
        with writing(self.engine).begin() as connection:
            old = self.clock() - _KEPT_SECONDS
            connection.execute(delete(deliveries).where(deliveries.c.due.is_(None), deliveries.c.created < old))
            for one in news:
                self._tell(connection, one)

    def _tell(self, connection: Connection, news: News) -> None:
        here = hooks.c.chain_id == news.chain_id, hooks.c.market == news.market
        listening = connection.execute(select(hooks).where(*here, hooks.c.active)).all() if news.events else []
        for event in news.events:
            message = f"{news.chain_id}-{news.market[2:]}-{event.tx[2:]}-{event.log_index}"
            body = {"type": event.name, "chain_id": news.chain_id, "market": news.market, **_told(event)}
            for hook in listening:
                if _wants(hook, event):
                    self._queue(connection, hook.id, message, body)
        if news.place is not None:
            at = {"block": news.place[0], "log_index": news.place[1], "tx": news.place[2]}
            mine = places.c.chain_id == news.chain_id, places.c.market == news.market
            if not connection.execute(update(places).where(*mine).values(at)).rowcount:
                connection.execute(insert(places).values(chain_id=news.chain_id, market=news.market, **at))

    def _queue(self, connection: Connection, hook_id: str, message: str, body: dict[str, Any]) -> None:
        same = deliveries.c.hook_id == hook_id, deliveries.c.message == message
        if connection.execute(select(deliveries.c.id).where(*same)).first() is None:
            now = self.clock()
            text = json.dumps(body, separators=(",", ":"))
            row = {"hook_id": hook_id, "message": message, "body": text, "attempts": 0, "due": now, "created": now}
            connection.execute(insert(deliveries).values(row))

    def _note_mailing(self, connection: Connection, account: Address, target: str) -> None:
        now = self.clock()
        connection.execute(delete(mailings).where(mailings.c.at < now - _DAY_SECONDS))
        for mine in (mailings.c.account == account, mailings.c.target == target.lower()):
            if count(connection, mailings, mine) >= MAX_MAILINGS:
                raise TooMany("too many confirmation mails were asked for today", hint="try again tomorrow")
        connection.execute(insert(mailings).values(account=account, target=target.lower(), at=now))

    def _send_code(self, target: str, code: str) -> None:
        text = (
            f"Somebody asked to be told here of events of a Gramercy market. If it was you, enter this code:\n\n"
            f"    {code}\n\nIf not, do nothing: no further mail will come.\n"
        )
        self.mail.send(target, "Confirm this address", text)

    def _one(self, account: Address, number: str) -> Hook:
        with self.engine.connect() as connection:
            return _view(self._require(connection, account, number))

    def _require(self, connection: Connection, account: Address, number: str) -> Row[Any]:
        wanted = _WITH_WAITING.where(hooks.c.id == number, hooks.c.account == account)
        row = connection.execute(wanted).one_or_none()
        if row is None:
            raise NotFound("there is no such hook")
        return row


def _wants(hook: Row[Any], event: EventView) -> bool:
    names = json.loads(hook.events)
    return (
        event.block > hook.since
        and hook.job_id in (None, event.job_id)
        and hook.about in (None, event.account)
        and (not names or event.name in names)
    )


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
