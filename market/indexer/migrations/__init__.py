"""Alembic's migrations of the index, run by :func:`market.indexer.database.open_index`."""
