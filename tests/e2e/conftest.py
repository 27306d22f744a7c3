"""One embedded chain for the tests of a session, and a market of its own on it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from market.chain.devnet import Devnet
from market.chain.rpc import connect
from market.srs import cache
from tests.e2e.stage import Stage
from tests.evm import quicken

if TYPE_CHECKING:  # playwright is for the browser's tests alone
    from playwright.sync_api import Browser

    from tests.e2e.place import Place


@pytest.fixture(scope="session", autouse=True)
def reference_strings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of reference strings for the session: each is computed and verified once, and the user's is not used."""
    folder = tmp_path_factory.mktemp("srs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cache.FOLDER_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="session")
def devnet() -> Iterator[Devnet]:
    """The embedded chain, in a thread of this process; its time only moves forward."""
    quicken()
    with Devnet() as running:
        yield running


@pytest.fixture
def stage(devnet: Devnet, tmp_path: Path) -> Stage:
    """A market with nobody in it yet."""
    return Stage(connect(devnet.url, expected_chain_id=devnet.chain_id), devnet.url, tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium; each test opens a profile of its own."""
    from tests.e2e.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def place(devnet: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A market with its dashboard on the embedded chain; tests have jobs of their own, or look at the settled one."""
    from tests.e2e.place import dashboard

    folder = tmp_path_factory.mktemp("market")
    with dashboard(Stage(connect(devnet.url, expected_chain_id=devnet.chain_id), devnet.url, folder)) as running:
        yield running
