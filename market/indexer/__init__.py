"""The index: markets as their events tell them, in a database, for who reads without a node of their own."""

from market.indexer.database import open_index
from market.indexer.indexer import Indexer
from market.indexer.queries import Notebook, Reader

__all__ = ["Indexer", "Notebook", "Reader", "open_index"]
