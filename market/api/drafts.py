"""Drafts of jobs, as the wizard keeps them: private to the account that wrote them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select, update

from aggregator.errors import InvalidInput
from market.api.errors import TooMany
from market.api.limits import Limit
from market.api.private_views import Draft, DraftGiven
from market.api.tables import count, drafts, lock
from market.errors import NotFound
from market.indexer.database import writing

MAX_DRAFTS = 50
MAX_BYTES = 32 << 10


@dataclass(frozen=True, slots=True)
class DraftStore:
    """The drafts of all accounts."""

    engine: Engine
    clock: Callable[[], float] = field(default=time.time)
    _writing: Limit = field(default_factory=lambda: Limit("keeping a draft", 2, waiting=6, seconds=5.0))

    def all(self, account: str) -> tuple[Draft, ...]:
        """Return an account's drafts, newest first."""
        wanted = select(drafts).where(drafts.c.account == account).order_by(drafts.c.changed.desc(), drafts.c.id)
        with self.engine.connect() as connection:
            return tuple(_view(row) for row in connection.execute(wanted))

    def one(self, account: str, number: str) -> Draft:
        """Return a draft; NotFound if the account has no such draft."""
        wanted = select(drafts).where(drafts.c.id == number, drafts.c.account == account)
        with self.engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            raise NotFound("there is no such draft")
        return _view(row)

    def add(self, account: str, given: DraftGiven) -> Draft:
        """Keep a new draft.

        Raises
        ------
        InvalidInput
            If it is longer than 32 KiB.
        TooMany
            If the account has 50 already.

        """
        number, values = secrets.token_hex(16), self._values(given)
        with self._writing.place(), writing(self.engine).begin() as connection:
            lock(connection, account)
            if count(connection, drafts, drafts.c.account == account) >= MAX_DRAFTS:
                raise TooMany(f"an account has {MAX_DRAFTS} drafts at most", hint="delete one first")
            connection.execute(insert(drafts).values(id=number, account=account, **values))
        return self.one(account, number)

    def replace(self, account: str, number: str, given: DraftGiven) -> Draft:
        """Write a draft anew; errors as for :meth:`add`, and NotFound if the account has no such draft."""
        values = self._values(given)
        mine = drafts.c.id == number, drafts.c.account == account
        with self._writing.place(), writing(self.engine).begin() as connection:
            connection.execute(update(drafts).where(*mine).values(values))
        return self.one(account, number)

    def remove(self, account: str, number: str) -> None:
        """Delete a draft; NotFound if the account has no such draft."""
        mine = drafts.c.id == number, drafts.c.account == account
        with self._writing.place(), writing(self.engine).begin() as connection:
            gone = connection.execute(delete(drafts).where(*mine)).rowcount
        if not gone:
            raise NotFound("there is no such draft")

    def _values(self, given: DraftGiven) -> dict[str, Any]:
        body = json.dumps(given.body, separators=(",", ":"), ensure_ascii=False)
        if len(body.encode()) > MAX_BYTES:
            raise InvalidInput(f"a draft has {MAX_BYTES} bytes at most")
        return {"name": given.name, "body": json.dumps(given.body, separators=(",", ":")), "changed": self.clock()}


def _view(row: Row[Any]) -> Draft:
    return Draft(id=row.id, name=row.name, changed=int(row.changed), body=json.loads(row.body))
