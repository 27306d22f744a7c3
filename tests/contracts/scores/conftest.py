"""Fixtures of the tests that compare score contracts with the Python core: those of the rules."""

from __future__ import annotations

from tests.contracts.rules.conftest import anvil, machine, pytest_collection_modifyitems

__all__ = ["anvil", "machine", "pytest_collection_modifyitems"]
