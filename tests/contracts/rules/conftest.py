"""Fixtures of the tests that compare rule and score contracts with the Python core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.harness import Chain
from tests.contracts.rules.machines import AnvilMachine, PyEvm, anvil_machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need anvil."""
    for item in items:
        if "anvil" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
            item.add_marker("node")


@pytest.fixture
def machine(session_chain: Chain) -> PyEvm:
    """Give py-evm: at hand at once, and counts gas, but takes tens of milliseconds a call."""
    return PyEvm(session_chain)


@pytest.fixture(scope="session")
def anvil() -> Iterator[AnvilMachine]:
    """Give anvil, for comparisons by the thousand."""
    with anvil_machine() as machine:
        yield machine
