"""The dashboard's server in a process of its own, over a real job on the embedded chain."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.numpy import load_file
from web3.types import RPCEndpoint

from tests.e2e.stage import COIN, Process, Stage
from tests.unit.api.signing import message, nonce_of, origin_of, sign, verify

pytestmark = pytest.mark.slow
WAIT_SECONDS = 60.0


def until(ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Ask until the answer is as expected; return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


@pytest.fixture
def dashboard(stage: Stage) -> Iterator[tuple[Process, httpx.Client]]:
    """A server of the stage's market."""
    with stage.start("observer", "dashboard", "--port", "0", "--evaluate") as process:
        url = process.wait_for("dashboard-ready")["url"]
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            yield process, client


def market_path(client: httpx.Client) -> str:
    """Return the path of the only market."""
    found = until(lambda: client.get("/api/v1/markets").json()["items"], bool)
    return f"/api/v1/markets/{found[0]['chain_id']}/{found[0]['address']}"


def test_a_job_is_shown_from_its_creation_to_its_pay(
    stage: Stage, dashboard: tuple[Process, httpx.Client], tmp_path: Path
) -> None:
    process, client = dashboard
    stage.create()
    trainers = stage.joined("ada", "bo", "cy")
    job = f"{market_path(client)}/jobs/1"
    state = stage.settled(*trainers)
    rounds = until(lambda: client.get(f"{job}/rounds").json().get("items"), lambda items: items and items[0]["paid"])
    assert state.settled is not None
    assert rounds[0]["paid"] == str(state.settled.paid)
    until(lambda: client.get("/readyz").status_code, lambda status: status == 200)

    updates = client.get(f"{job}/rounds/1").json()["updates"]
    assert {one["trainer"] for one in updates} == {trainer.address for trainer in trainers}
    assert sum(int(one["payout"]) for one in updates) == state.settled.paid
    evidence = client.get(f"{job}/rounds/1/evidence").json()
    assert evidence["log"]["address"] == stage.market
    assert len(client.get(f"{job}/rounds/1/similarity").json()["labels"]) == 3
    assert client.get(f"{job}/contributions").json()["rounds"] == [1]

    name = until(lambda: client.get(job).json()["summary"]["name"], lambda name: name is not None)
    assert name == "test"
    measured = until(lambda: client.get(f"{job}/rounds").json()["items"][0], lambda one: one["accuracy"] is not None)
    assert 0 <= measured["accuracy"] <= 1

    manifest = client.get(f"{job}/files/manifest")
    assert manifest.json()["name"] == "test"
    assert "attachment" in manifest.headers["content-disposition"]
    (tmp_path / "model.safetensors").write_bytes(client.get(f"{job}/files/model").content)
    tensors = load_file(tmp_path / "model.safetensors")
    assert sum(tensor.size for tensor in tensors.values()) == stage.observed().state.terms.dimension
    report = client.get(f"{job}/files/report").json()
    assert {one["trainer"] for one in report["rounds"][0]["updates"]} == {trainer.address for trainer in trainers}
    assert client.get(f"{market_path(client)}/jobs/2/files/model").status_code == 404

    os.kill(process.pid, signal.SIGTERM)
    assert process.finish().data == {"stopped": True}


def test_changes_are_told_and_a_restart_continues(stage: Stage, dashboard: tuple[Process, httpx.Client]) -> None:
    process, client = dashboard
    path = market_path(client)
    with client.stream("GET", "/api/v1/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        stage.create()
        told = next(line for line in lines if line.startswith("data:") and '"job_id":1' in line)
        assert stage.market in told
        os.kill(process.pid, signal.SIGTERM)  # with a stream open
        list(lines)
    assert process.finish().code == 0
    stage.joined("ada", "bo", "cy")
    with stage.start("observer", "dashboard", "--port", "0") as again:
        with httpx.Client(base_url=again.wait_for("dashboard-ready")["url"], trust_env=False) as second:
            job = until(lambda: second.get(f"{path}/jobs/1").json(), lambda one: one["summary"]["trainers"] == 3)
            assert job["summary"]["escrow"] == str(3 * COIN)
        os.kill(again.pid, signal.SIGTERM)
        assert again.finish().code == 0


def test_a_wallet_signs_in(stage: Stage, dashboard: tuple[Process, httpx.Client]) -> None:
    _process, client = dashboard
    owner = stage.actor("owner").account
    market_path(client)
    chain_id = stage.w3.eth.chain_id
    text = message(origin_of(client), nonce_of(client), address=owner.address, chain_id=chain_id)
    answer = verify(client, text, sign(text, owner))
    assert answer.status_code == 200, answer.text
    assert client.get("/api/v1/me").json()["address"] == owner.address


def test_pages_may_use_the_development_chain(stage: Stage, dashboard: tuple[Process, httpx.Client]) -> None:
    _process, client = dashboard
    told = client.get("/api/v1/config")
    assert told.json()["chains"] == [{"chain_id": stage.w3.eth.chain_id, "rpc_url": stage.url, "local": True}]
    assert stage.url in told.headers["content-security-policy"]


def test_a_taken_port_and_an_open_address_are_refused(stage: Stage, dashboard: tuple[Process, httpx.Client]) -> None:
    _process, client = dashboard
    taken = stage.start("other", "dashboard", "--port", str(client.base_url.port))
    with taken:
        answer = taken.finish()
    assert (answer.code, answer.envelope["error"]["code"]) == (3, "config")
    with stage.start("other", "dashboard", "--port", "0", "--host", "0.0.0.0") as exposed:  # noqa: S104 - refused
        told = exposed.finish()
    assert "HOSTS" in told.envelope["error"]["hint"]


def test_reorganised_payouts_disappear(stage: Stage, dashboard: tuple[Process, httpx.Client]) -> None:
    """What a reorganisation takes back is not shown any more."""
    _process, client = dashboard
    stage.create()
    trainers = stage.joined("ada", "bo", "cy")
    stage.open()
    stage.travel(stage.commit(*trainers).opened.commit_end)
    job = f"{market_path(client)}/jobs/1"
    snapshot = _request(stage, "evm_snapshot")
    assert stage.aggregator().step()
    until(lambda: client.get(f"{job}/rounds/1").json(), lambda one: one.get("settlement") is not None)
    assert _request(stage, "evm_revert", snapshot)
    gone = until(lambda: client.get(f"{job}/rounds/1").json(), lambda one: one["settlement"] is None)
    assert all(one["payout"] is None for one in gone["updates"])


def _request(stage: Stage, method: str, *parameters: Any) -> Any:
    return stage.w3.provider.make_request(RPCEndpoint(method), list(parameters))["result"]
