"""Delivery of hooks' messages: a thread sends what is due, signs it, and tries again for a day.

Webhooks follow Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over id, time and body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import smtplib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, Row, select, update

from aggregator.errors import GramercyError
from market.api.hooks import HookStore
from market.api.private_views import HookKind
from market.api.tables import deliveries, hooks
from market.indexer.database import writing

BACKOFF_SECONDS = (5, 60, 300, 1_800, 7_200, 28_800, 86_400)
"""Waits after the first failure, the second and so on; after the last, a message is given up."""
POLL_SECONDS = 1.0
_GONE = 410
_BATCH = 20
_LOG = logging.getLogger("gramercy.api")


@dataclass
class Deliverer:
    """Sends what is due."""

    store: HookStore
    count: Callable[[str], None]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="deliverer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the message under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def deliver_due(self) -> int:
        """Send every message that is due; return how many were tried."""
        chosen = (
            select(deliveries, hooks.c.kind, hooks.c.target, hooks.c.secret)
            .join(hooks, hooks.c.id == deliveries.c.hook_id)
            .where(deliveries.c.due <= self.store.clock(), hooks.c.active)
            .order_by(deliveries.c.due)
            .limit(_BATCH)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(chosen).all()
        for row in rows:
            if self._stop.is_set():
                break
            self._deliver(row)
        return len(rows)

    @property
    def _engine(self) -> Engine:
        return self.store.engine

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                busy = self.deliver_due()
            except Exception:
                _LOG.exception("hooks could not be served")
                busy = 0
            self._stop.wait(0 if busy else POLL_SECONDS)

    def _deliver(self, row: Row[Any]) -> None:
        status, failure = 0, None
        try:
            status = self._send(row)
        except (OSError, http.client.HTTPException, smtplib.SMTPException, GramercyError) as error:
            failure = (error.message if isinstance(error, GramercyError) else type(error).__name__)[:200]
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
        body, at = row.body.encode(), str(int(self.store.clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "gramercy",
            "webhook-id": row.message,
            "webhook-timestamp": at,
            "webhook-signature": signature(row.secret, row.message, at, body),
        }
        return self.store.outbound.post(row.target, body, headers)


def signature(secret: str, message: str, at: str, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([message.encode(), at.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
