"""Lists in pages: statements that are built once, and cursors that hold the sort key of a page's last entry."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam, func, select, tuple_

from aggregator.errors import InvalidInput
from market.indexer.views import Page, View

LARGEST_PAGE = 200
Item = TypeVar("Item", bound=View)
Key = tuple[int | str, ...]
_LIMIT = bindparam("page_limit", type_=BigInteger())


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
    if not right or not all(map(_is_key, key)):
        raise InvalidInput("the cursor is not one of this list", hint="take it from the page before")
    return tuple(key)


def _is_key(part: int | str) -> bool:
    return 0 <= part < 1 << 63 if isinstance(part, int) else part.isascii() and part.isprintable()


class Listing:
    """A list: the rows of a query in an order that no two of them share.

    Parameters
    ----------
    query
        What is listed; may have parameters.
    by
        The columns of the order.
    descending
        Whether the greatest come first.
    counted
        As many rows, where they can be counted without the query's joins.

    """

    def __init__(
        self,
        query: Select[Any],
        by: Sequence[ColumnElement[Any]],
        *,
        descending: bool,
        counted: Select[Any] | None = None,
    ) -> None:
        self._kinds = [column.type.python_type for column in by]
        keys = [bindparam(f"key_{place}", type_=column.type) for place, column in enumerate(by)]
        columns = [column.label(f"key_{place}") for place, column in enumerate(by)]
        self._keys = [column.name for column in columns]
        order = [column.desc() if descending else column.asc() for column in by]
        rows = query.order_by(None) if counted is None else counted
        self._count = select(func.count()).select_from(rows.subquery())
        self._first = query.add_columns(*columns).order_by(*order).limit(_LIMIT)
        beyond = tuple_(*by) < tuple_(*keys) if descending else tuple_(*by) > tuple_(*keys)
        self._after = self._first.where(beyond)

    def page(
        self,
        connection: Connection,
        make: Callable[[Sequence[Any]], Sequence[Item]],
        values: Mapping[str, object],
        *,
        cursor: str | None,
        limit: int,
    ) -> Page[Item]:
        """Return a page.

        Parameters
        ----------
        connection
            In a transaction that sees one state.
        make
            Called with the page's rows.
        values
            Of the query's parameters.
        cursor
            Where the page before ended; None for the first.
        limit
            Entries of a page, 1 to 200.

        Raises
        ------
        InvalidInput
            If the cursor is not one of this list, or the limit not 1 to 200.

        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput(f"a page has 1 to {LARGEST_PAGE} entries, not {limit}")
        given = {**values, _LIMIT.key: limit + 1}
        if cursor is None:
            rows = connection.execute(self._first, given).all()
        else:
            key = decode_cursor(cursor, self._kinds)
            rows = connection.execute(self._after, {**given, **dict(zip(self._keys, key, strict=True))}).all()
        whole = cursor is None and len(rows) <= limit
        total = len(rows) if whole else int(connection.execute(self._count, given).scalar_one())
        shown = rows[:limit]
        last = encode_cursor([getattr(shown[-1], name) for name in self._keys]) if len(rows) > limit else None
        return Page(items=tuple(make(shown)), next=last, total=total)
