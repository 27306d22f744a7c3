"""Delivery of hooks' messages: a few threads send what is due, and try again for a day.

No account's receivers hold up another's: each account has one message under way, and who was served last waits longest.
"""

from __future__ import annotations

import http.client
import json
import logging
import math
import smtplib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, select, update

from aggregator.errors import GramercyError
from market.api import webhooks
from market.api.hooks import HookStore
from market.api.private_views import HookKind
from market.api.tables import deliveries, hooks
from market.indexer.database import writing

BACKOFF_SECONDS = (5, 60, 300, 1_800, 7_200, 28_800, 86_400)
"""Waits after the first failure, the second and so on; after the last, a message is given up."""
POLL_SECONDS = 1.0
THREADS = 4
_TIDY_SECONDS = 3_600.0
_STOP_SECONDS = 3.0
"""How long the end waits for messages under way; one that is cut off is sent again, under the same id."""
CLAIM_SECONDS = 120.0
"""How long a message is the server's that took it; one whose server ends meanwhile is sent again, under the same id."""
_GONE = 410
_BATCH = 20
_EXPECTED = (OSError, http.client.HTTPException, smtplib.SMTPException)
_LOG = logging.getLogger("gramercy.api")


@dataclass
class Deliverer:
    """Sends what is due."""

    store: HookStore
    count: Callable[[str], None]
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: set[str] = field(default_factory=set)
    _waiting: list[str] = field(default_factory=list)
    _served: dict[str, int] = field(default_factory=dict)
    _turn: int = 0
    _looked: float = -math.inf
    _tidied: float = 0.0

    def start(self) -> None:
        """Begin to send."""
        for number in range(THREADS):
            thread = threading.Thread(target=self._run, name=f"deliverer-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End, after the messages under way if they do not take long."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def deliver_due(self) -> int:
        """Send messages that are due, one after another; return how many were tried."""
        tried = 0
        while tried < _BATCH and not self._stop.is_set() and (row := self._take()) is not None:
            try:
                if self._claim(row):
                    self._deliver(row)
            finally:
                with self._lock:
                    self._busy.discard(row.account)
            tried += 1
        return tried

    @property
    def _engine(self) -> Engine:
        return self.store.engine

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._tidy()
                busy = self.deliver_due()
            except Exception:
                _LOG.exception("hooks could not be served")
                busy = 0
            self._stop.wait(0 if busy else POLL_SECONDS)

    def _tidy(self) -> None:
        now = self.store.clock()
        with self._lock:
            if now < self._tidied + _TIDY_SECONDS:
                return
            self._tidied = now
        self.store.tidy()

    def _take(self) -> Row[Any] | None:
        """Return the oldest message that is due of the account that was served the longest ago, and has none under way.

        It is to be given back: no other of its account is taken before.
        """
        with self._lock, self._engine.connect() as connection:
            due = deliveries.c.due <= self.store.clock(), hooks.c.active
            if time.monotonic() > self._looked + POLL_SECONDS:
                self._look(connection, *due)
            if (row := self._next(connection, *due)) is None:
                self._look(connection, *due)
                row = self._next(connection, *due)
            return row

    def _look(self, connection: Connection, *due: ColumnElement[bool]) -> None:
        """Learn which accounts have messages that are due, in the order of their turns."""
        of_hooks = deliveries.join(hooks, hooks.c.id == deliveries.c.hook_id)
        accounts = set(connection.scalars(select(hooks.c.account).select_from(of_hooks).where(*due).distinct()))
        self._served = {account: turn for account, turn in self._served.items() if account in accounts}
        self._waiting = sorted(accounts, key=lambda one: (self._served.get(one, 0), one))
        self._looked = time.monotonic()

    def _next(self, connection: Connection, *due: ColumnElement[bool]) -> Row[Any] | None:
        for account in [one for one in self._waiting if one not in self._busy]:
            self._waiting.remove(account)
            row: Row[Any] | None = connection.execute(_oldest(*due, hooks.c.account == account)).first()
            if row is not None:
                self._waiting.append(account)
                self._turn += 1
                self._served[account] = self._turn
                self._busy.add(account)
                return row
        return None

    def _claim(self, row: Row[Any]) -> bool:
        """Make a message this server's own for a while; False if another over the same database has taken it."""
        mine = deliveries.c.id == row.id, deliveries.c.due == row.due
        with writing(self._engine).begin() as connection:
            claimed = update(deliveries).where(*mine).values(due=self.store.clock() + CLAIM_SECONDS)
            return connection.execute(claimed).rowcount == 1

    def _deliver(self, row: Row[Any]) -> None:
        status, failure = 0, None
        try:
            status = self._send(row)
        except GramercyError as error:
            failure = error.message[:200]
        except Exception as error:
            # Nothing that a receiver does may keep its message at the head of the queue.
            failure = type(error).__name__
            if not isinstance(error, _EXPECTED):
                _LOG.exception("message %s could not be sent", row.message)
        if failure is None and not 200 <= status < 300:  # noqa: PLR2004 - the class of successes
            failure = f"the receiver answered with status {status}"
        now = self.store.clock()
        if failure is None:
            outcome, due = "delivered", None
            told: dict[str, Any] = {"delivered": now, "failure": None}
        else:
            given_up = row.attempts >= len(BACKOFF_SECONDS) or status == _GONE
            outcome, due = ("given-up", None) if given_up else ("failed", now + BACKOFF_SECONDS[row.attempts])
            told = {"failure": failure} | ({"active": False} if status == _GONE else {})
        self.count(outcome)
        with writing(self._engine).begin() as connection:
            mine = deliveries.c.id == row.id
            connection.execute(update(deliveries).where(mine).values(due=due, attempts=row.attempts + 1))
            connection.execute(update(hooks).where(hooks.c.id == row.hook_id).values(told))

    def _send(self, row: Row[Any]) -> int:
        if row.kind == HookKind.EMAIL:
            told = json.loads(row.body)
            where = f"job {told['job_id']}" if told.get("job_id") else "market"
            lines = "\n".join(f"{name}: {value}" for name, value in told.items() if value is not None)
            self.store.mail.send(row.target, f"Gramercy: {told['type']}, {where}", lines + "\n")
            return 200
        store = self.store
        return webhooks.post(store.outbound, row.target, row.secret, row.message, row.body.encode(), store.clock())


def _oldest(*where: ColumnElement[bool]) -> Any:
    return (
        select(deliveries, hooks.c.kind, hooks.c.target, hooks.c.secret, hooks.c.account)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(*where)
        .order_by(deliveries.c.due, deliveries.c.id)
        .limit(1)
    )
