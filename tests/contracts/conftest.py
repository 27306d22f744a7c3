"""Fixtures of the contract tests: one chain for the session, put back to where it was after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web3.contract import Contract

from tests.contracts.harness import Chain
from tests.contracts.scenario import Scene


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests whose verifier is a double, compiled here; in the quick run the native coin stands for tokens."""
    for item in items:
        if "tests/contracts" not in item.path.as_posix():
            continue
        if "verifier" in getattr(item, "fixturenames", ()):
            item.add_marker("node")
        if "token" in item.name.partition("[")[2]:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def session_chain() -> Chain:
    """Hold what a whole session shares; tests use ``chain``."""
    return Chain()


@pytest.fixture(scope="session")
def verifier(session_chain: Chain) -> Contract:
    """Deploy the verifier that believes every matrix, which keeps no state, once."""
    return session_chain.deploy("AttestedVerifier")


@pytest.fixture
def chain(session_chain: Chain) -> Iterator[Chain]:
    """Give a chain that forgets what the test did."""
    with session_chain.undone():
        yield session_chain


@pytest.fixture(scope="session")
def market(session_chain: Chain) -> Contract:
    """Deploy the market once; tests put it back to having no jobs."""
    return session_chain.deploy("Market")


@pytest.fixture(scope="session")
def batch(session_chain: Chain) -> Contract:
    """Deploy the contract that asks many views in one call, which keeps no state, once."""
    return session_chain.deploy("Batch")


@pytest.fixture
def scene(chain: Chain, market: Contract, verifier: Contract, batch: Contract) -> Scene:
    """Give a market with actors and no jobs, settled without proofs."""
    return Scene(chain, market, verifier, batch)
