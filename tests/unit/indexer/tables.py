"""All rows of an index that follow from the chain, to compare."""

from __future__ import annotations

from sqlalchemy import Engine, select

from market.indexer import schema

Rows = dict[str, list[str]]


def derived(engine: Engine) -> Rows:
    """Return the rows of every table that follows from events, in no order, and the markets' faults."""
    found: Rows = {}
    with engine.connect() as connection:
        for table in schema.DERIVED:
            found[table.name] = sorted(repr(_plain(row)) for row in connection.execute(select(table)))
        columns = schema.markets.c
        faults = connection.execute(select(columns.fault, columns.fault_block).order_by(columns.id))
        found["faults"] = [repr(tuple(row)) for row in faults]
    return found


def _plain(row: object) -> tuple[object, ...]:
    return tuple(row)  # type: ignore[arg-type]
