"""Cursors of lists: the sort key of the last entry, opaque to who passes it on."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from aggregator.errors import InvalidInput
from market.indexer.views import Page, View

LARGEST_PAGE = 200
Item = TypeVar("Item", bound=View)
Key = tuple[int | str, ...]


def encode_cursor(key: Sequence[int | str]) -> str:
    """Return the cursor of a sort key."""
    return base64.urlsafe_b64encode(json.dumps(list(key), separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, kinds: Sequence[type]) -> Key:
    """Return the sort key behind a cursor.

    Raises
    ------
    InvalidInput
        If it is none, or not one of this list.

    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        key = None
    right = isinstance(key, list) and [type(part) for part in key] == list(kinds)
    if not right or any(isinstance(part, int) and not 0 <= part < 1 << 63 for part in key):
        raise InvalidInput("the cursor is not one of this list", hint="take it from the page before")
    return tuple(key)


def page(
    connection: Connection,
    query: Select[Any],
    make: Callable[[Sequence[Any]], Sequence[Item]],
    *,
    by: Sequence[ColumnElement[Any]],
    descending: bool,
    cursor: str | None,
    limit: int,
) -> Page[Item]:
    """Return a page of a query's rows in the order of ``by``, which no two rows share.

    Raises
    ------
    InvalidInput
        If the cursor is not one of this list, or the limit not 1 to 200.

    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput(f"a page has 1 to {LARGEST_PAGE} entries, not {limit}")
    total = connection.execute(select(func.count()).select_from(query.order_by(None).subquery())).scalar_one()
    columns = [column.label(f"key_{place}") for place, column in enumerate(by)]
    part = query.add_columns(*columns)
    if cursor is not None:
        after = tuple_(*decode_cursor(cursor, [column.type.python_type for column in by]))
        part = part.where(tuple_(*by) < after if descending else tuple_(*by) > after)
    part = part.order_by(*(column.desc() if descending else column.asc() for column in by)).limit(limit + 1)
    rows = connection.execute(part).all()
    shown = rows[:limit]
    key = [getattr(shown[-1], column.name) for column in columns] if len(rows) > limit else None
    return Page(items=tuple(make(shown)), next=None if key is None else encode_cursor(key), total=total)
