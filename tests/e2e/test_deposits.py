"""Deposits of aggregators: one stands behind the settlements of many jobs."""

from __future__ import annotations

import pytest

from market.errors import InsufficientFunds
from market.services.aggregator import Aggregator
from market.services.balances import deposit
from market.services.journal import Journal
from market.services.trainer import open_round
from tests.e2e.several_aggregators import NAMES
from tests.e2e.stage import BOND, COIN, Stage


@pytest.mark.slow
def test_live_settlements_of_two_jobs_each_have_a_bond_behind_them(stage: Stage) -> None:
    token = stage.create(rounds=1).terms.token
    stage.create(rounds=1)
    teams = {job_id: [stage.trainer(name, job_id) for name in NAMES[:3]] for job_id in (1, 2)}
    aggregators = {job_id: stage.aggregator(job_id) for job_id in (1, 2)}
    assert len(stage.told.named("deposited")) == 1, "until something is live, one deposit serves both"
    asked: list[int] = []
    aggregators[2].deposits.approve = asked.append
    for job_id, trainers in teams.items():
        for trainer in trainers:
            trainer.join()
        stage.open(job_id)
        stage.commit(*trainers)
    stage.travel(open_round(stage.observed(2)).opened.commit_end)
    for aggregator in aggregators.values():
        aggregator.job.refresh()
        assert aggregator.step()
        assert aggregator.deposits.held == BOND
    assert asked == [BOND]
    assert stage.client("observer").free_balance(token, stage.actor("aggregator").address) == 0
    ends = [settled.challenge_end for job_id in (1, 2) if (settled := stage.observed(job_id).state.rounds[0].settled)]
    stage.travel(max(ends))
    for aggregator in aggregators.values():
        aggregator.job.refresh()
        while not aggregator.finished:
            assert aggregator.step()
            aggregator.job.refresh()
    assert [told["amount_wei"] for told in stage.told.named("withdrawn")] == [BOND, BOND]


def test_balances_by_command(stage: Stage) -> None:
    stage.create()
    denied = stage.cli("aggregator", "aggregator", "deposit", "1ether")
    assert denied.code == 3
    assert stage.cli("aggregator", "aggregator", "deposit", "1ether", "--yes").data["free_wei"] == COIN + BOND
    assert stage.cli("aggregator", "aggregator", "balance").data["free_wei"] == COIN + BOND
    assert stage.cli("aggregator", "aggregator", "withdraw", "2ether").envelope["error"]["details"] == {
        "error": "Market_InsufficientBalance"
    }
    assert stage.cli("aggregator", "aggregator", "withdraw", "0.5ether").data["amount_wei"] == COIN // 2
    assert stage.cli("aggregator", "aggregator", "withdraw").data["amount_wei"] == COIN
    assert stage.cli("aggregator", "aggregator", "withdraw").data["amount_wei"] == 0


@pytest.mark.slow
def test_a_deposit_that_could_not_be_paid_is_not_taken_for_one(stage: Stage) -> None:
    token = stage.create(rounds=1).terms.token
    trainers = stage.joined(*NAMES[:3])
    assert stage.cli("aggregator", "aggregator", "withdraw").data["amount_wei"] == BOND
    stage.open()
    stage.travel(stage.commit(*trainers).opened.commit_end)
    address = stage.actor("aggregator").address
    stage.w3.manager.request_blocking("anvil_setBalance", [address, hex(BOND // 2)])  # type: ignore[arg-type]
    aggregator = Aggregator(
        stage.job("aggregator"), stage.actor("aggregator").account, stage.encryption_keys("aggregator"),
        Journal(stage.folder / "fresh"), report=stage.told,
    )  # fmt: skip
    for _ in range(3):
        with pytest.raises(InsufficientFunds):
            aggregator.step()
    stage.w3.manager.request_blocking("anvil_setBalance", [address, hex(COIN)])  # type: ignore[arg-type]
    assert aggregator.step()
    settled = aggregator.job.state.rounds[0].settled
    assert settled is not None
    deposit(stage.client("aggregator"), token, BOND // 4)  # for another job
    stage.travel(settled.challenge_end)
    aggregator.job.refresh()
    while not aggregator.finished:
        assert aggregator.step()
        aggregator.job.refresh()
    assert stage.told.named("withdrawn")[-1]["amount_wei"] == BOND
    assert stage.client("observer").free_balance(token, address) == BOND // 4
