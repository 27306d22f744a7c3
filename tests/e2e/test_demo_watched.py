"""The dashboard beside a run, where the usual port is taken at the last moment."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from market.demo import watched
from market.demo.signals import Signals
from market.demo.stage import Actor
from market.demo.stage import Stage as DemoStage
from market.errors import RoleFailed
from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield int(server.getsockname()[1])


def of(stage: Stage, name: str) -> Actor:
    """Return a role as the demo knows it."""
    actor = stage.actor(name)
    return Actor(name, name, actor.address, actor.keystore)


@pytest.fixture
def demo_stage(stage: Stage) -> DemoStage:
    """A market as the demo sets it."""
    return DemoStage(
        w3=stage.w3,
        rpc_url=stage.url,
        chain_id=stage.w3.eth.chain_id,
        market=stage.market,
        verifier=stage.verifier,
        storage_url=f"local:{stage.folder / 'store'}",
        owner=of(stage, "owner"),
        aggregator=of(stage, "aggregator"),
        trainers=(),
        password_file=stage.password_file,
        srs=stage.srs,
        signals=Signals(),
    )


def test_a_port_that_was_chosen_and_is_taken_meanwhile_is_left(
    demo_stage: DemoStage, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "choose_port", lambda _wanted: taken)
    dashboard = watched.Dashboard(demo_stage, tmp_path / "run", None)
    try:
        url = dashboard.await_address()
        assert not url.endswith(f":{taken}")
        markets = httpx.get(f"{url}/api/v1/markets", trust_env=False).json()["items"]
        assert [one["address"] for one in markets] == [demo_stage.market]
    finally:
        dashboard.stop()


def test_a_port_that_was_asked_for_and_is_taken_is_told(demo_stage: DemoStage, taken: int, tmp_path: Path) -> None:
    dashboard = watched.Dashboard(demo_stage, tmp_path / "run", taken)
    try:
        with pytest.raises(RoleFailed, match="cannot listen"):
            dashboard.await_address()
    finally:
        dashboard.stop()
