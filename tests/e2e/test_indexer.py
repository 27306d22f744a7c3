"""The index of a real market: real contracts, real proofs, a chain that takes blocks back, a process that is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from aggregator.errors import InvalidProof
from aggregator.proofs import verify
from market.chain.market import MarketClient
from market.chain.rpc import connect
from market.indexer import Indexer, Reader, open_index, schema
from market.indexer.decoding import recorded_statement
from market.indexer.views import JobStatus, RoundPhase
from market.services.trainer import Trainer
from market.services.view import verdicts
from tests.e2e.stage import BOND, COIN, STAKE, Stage

NAMES = ("t1", "t2", "t3")


@pytest.fixture
def open_new(tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Open a new index each time."""
    opened: list[Engine] = []

    def open_one() -> Engine:
        opened.append(open_index(f"sqlite:///{tmp_path}/index-{len(opened)}.db"))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.dispose()


def rows(engine: Engine) -> dict[str, list[str]]:
    with engine.connect() as connection:
        tables = schema.DERIVED
        return {table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table))) for table in tables}


def rpc(stage: Stage, method: str, *params: Any) -> Any:
    return stage.w3.manager.request_blocking(method, list(params))  # type: ignore[arg-type]


def two_rounds(stage: Stage) -> list[Trainer]:
    """Play a job whose second round can be challenged."""
    stage.create()
    trainers = stage.joined(*NAMES)
    stage.settled(*trainers)
    trainers[0].claim()
    stage.settled(*trainers, final=False)
    return trainers


@pytest.mark.slow
def test_the_index_says_what_the_contract_and_the_job_say(stage: Stage, open_new: Callable[[], Engine]) -> None:
    trainers = two_rounds(stage)
    client, engine = stage.client("observer"), open_new()
    indexer = Indexer(engine, client)
    indexer.catch_up()
    state, place = stage.observed().state, (client.chain_id, stage.market)
    reader = Reader(engine)
    job = reader.job(*place, 1)
    account = client.job_account(1)
    assert (job.summary.escrow, job.summary.rounds_used, job.summary.trainers) == (account.escrow, account.used, 3)
    assert (job.stakes, job.bonds, job.unclaimed) == (
        3 * STAKE,
        BOND,
        state.liabilities - account.escrow - 3 * STAKE - BOND,
    )
    assert job.terms.rule == "multi-krum"
    assert job.terms.round_budget == COIN
    assert job.summary.status is JobStatus.RUNNING
    assert job.aggregators[0].held == BOND
    assert job.aggregators[0].free == client.free_balance(state.terms.token, job.aggregators[0].address)
    for round_state in state.rounds:
        told = reader.round(*place, 1, round_state.number)
        assert int(told.summary.gas_used or 0) == client.settlement_gas(1, round_state.number)
        for update, verdict in zip(told.updates, verdicts(round_state, "multi-krum", 0, {}), strict=True):
            assert (update.trainer, update.accepted, update.reason) == (
                verdict.trainer,
                verdict.accepted,
                verdict.reason,
            )
            assert (update.weight, update.score, update.payout) == (verdict.weight, verdict.score, verdict.payout)
    listed = {one.address: one for one in reader.trainers(*place, 1).items}
    assert listed[trainers[0].address].claimable == 0
    assert listed[trainers[1].address].claimable_rounds == (1,)
    assert listed[trainers[1].address].claimable == state.rounds[0].payouts[trainers[1].address]
    market = reader.market(*place)
    assert (
        sum(getattr(market.amounts[0], name) for name in ("escrow", "stakes", "bonds", "unclaimed", "free"))
        == client.balance()
    )


@pytest.mark.slow
def test_evidence_is_all_that_a_verifier_needs(stage: Stage, open_new: Callable[[], Engine]) -> None:
    two_rounds(stage)
    client, engine = stage.client("observer"), open_new()
    Indexer(engine, client).catch_up()
    evidence = Reader(engine).evidence(client.chain_id, stage.market, 1, 2)
    words = bytes.fromhex(evidence.verifying_key[2:])
    key = stage.srs.key
    assert words == b"".join(word.to_bytes(32, "big") for word in key.words())
    (log,) = client.w3.eth.get_logs(
        {
            "address": client.w3.to_checksum_address(stage.market),
            "blockHash": bytes.fromhex(evidence.log.block_hash[2:]),  # type: ignore[typeddict-item]
        }
    )
    assert ("0x" + log["data"].hex().removeprefix("0x"), log["logIndex"]) == (evidence.log.data, evidence.log.log_index)
    statement = recorded_statement(bytes.fromhex(evidence.log.data[2:]))
    latest = stage.observed().state.latest
    assert latest is not None
    assert latest.settled is not None
    verify(key, statement, latest.settled.proof)
    with pytest.raises(InvalidProof):
        verify(key, statement, bytes(len(latest.settled.proof)))
    similar = Reader(engine).similarity(client.chain_id, stage.market, 1, 2)
    assert similar.labels[-1] == "previous"
    assert all(row[place] == pytest.approx(1) for place, row in enumerate(similar.cosines))


@pytest.mark.slow
def test_blocks_that_the_chain_took_back_leave_no_trace(stage: Stage, open_new: Callable[[], Engine]) -> None:
    stage.create()
    trainers = stage.joined(*NAMES, "t4")
    stage.settled(*trainers)
    client, engine = stage.client("observer"), open_new()
    indexer = Indexer(engine, client)
    indexer.catch_up()
    snapshot, height = rpc(stage, "evm_snapshot"), client.head().number
    trainers[0].claim()
    trainers[1].claim()
    trainers[0].leave()
    stage.client("t2").deposit(stage.observed().state.terms.token, 77)
    stage.open()
    stage.client("t3").publish_key(b"\x07" * 32)
    assert client.head().number >= height + 6
    indexer.catch_up()
    before = rows(engine)
    rpc(stage, "evm_revert", snapshot)
    stage.client("t2").claim(1, [1], trainers[1].address)
    stage.client("t3").deposit(stage.observed().state.terms.token, 5)
    while client.head().number <= height + 6:
        rpc(stage, "evm_mine")
    indexer.catch_up()
    fresh = open_new()
    Indexer(fresh, client).catch_up()
    assert rows(engine) == rows(fresh)
    assert rows(engine) != before
    told = Reader(engine).round(client.chain_id, stage.market, 1, 1)
    assert told.summary.phase is RoundPhase.FINAL
    assert {update.trainer: update.claimed for update in told.updates} == {
        trainer.address: trainer is trainers[1] for trainer in trainers
    }


_FOLLOW = """
import sys, threading
from market.chain.market import MarketClient
from market.chain.rpc import connect
from market.indexer import Indexer, open_index
client = MarketClient(connect(sys.argv[1], expected_chain_id=None), sys.argv[2])
indexer = Indexer(open_index(sys.argv[3]), client)
indexer._range = 1
while indexer.step():
    indexer._range = 1
    print("step", flush=True)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_where_it_was(
    stage: Stage, open_new: Callable[[], Engine], tmp_path: Path
) -> None:
    two_rounds(stage)
    url = f"sqlite:///{tmp_path}/killed.db"
    arguments = [sys.executable, "-c", _FOLLOW, stage.url, stage.market, url]
    folder = Path(__file__).parents[2]
    for steps in (3, 5):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=folder) as process:
            assert process.stdout is not None
            for _ in range(steps):
                assert process.stdout.readline() == b"step\n"
            process.kill()
    client = MarketClient(connect(stage.url, expected_chain_id=None), stage.market)
    resumed, fresh = open_index(url), open_new()
    head = Reader(resumed).status().markets[0].head
    assert head is not None
    assert 7 <= head.block < client.head().number
    Indexer(resumed, client).catch_up()
    Indexer(fresh, client).catch_up()
    assert rows(resumed) == rows(fresh)
    resumed.dispose()
