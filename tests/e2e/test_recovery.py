"""Roles that die and come back, or never: nothing happens twice, and everybody gets out what is theirs."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from market.chain.settlements import recorded_settlement
from market.domain import Phase
from market.services.settling import PreparedSettlement
from market.services.trainer import Trainer, open_round
from market.trainer.behaviours import make_behaviour
from market.trainer.task import load_task
from tests.e2e.gate import Gate
from tests.e2e.stage import BOND, COIN, STAKE, Stage, made_up_update

TRAINERS = ("ann", "bob", "cyd")
POLL = ("--poll-seconds", "0.05")


@pytest.fixture
def trainers(stage: Stage) -> list[Trainer]:
    """A job of two rounds with three trainers in it."""
    stage.create(rounds=2)
    return stage.joined(*TRAINERS)


def restarted_settles(stage: Stage, trainers: list[Trainer], number: int = 1) -> None:
    """Start the aggregator again: round ``number`` gets exactly one settlement, and everybody gets out."""
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as again:
        settled = again.wait_for("settled")
    assert settled["round"] == number
    job = stage.observed()
    assert [state.number for state in job.state.settled_rounds] == list(range(1, number + 1))
    account = stage.client("observer").job_account(1)
    assert (account.used, account.escrow) == (number, job.state.escrow)
    state = job.state.settled_rounds[-1]
    assert len(state.payouts) == len(trainers)
    assert all(state.payouts.values())
    assert state.settled is not None
    stage.travel(state.settled.challenge_end)
    stage.settled(*trainers)  # the second round: nothing is in its way
    stage.all_leave(*trainers)


@contextmanager
def store_locked(stage: Stage) -> Iterator[None]:
    """Let nobody put anything into the store, as its garbage collection does."""
    with (stage.folder / "store" / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.slow
def test_an_aggregator_killed_before_any_round_opens_and_settles_after_its_restart(
    stage: Stage, trainers: list[Trainer]
) -> None:
    with stage.start("aggregator", "aggregator", "run", 1, "--open-at", 4, *POLL) as first:
        first.kill()
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as second:
        second.wait_for("opened")
        stage.travel(stage.commit(*trainers).opened.commit_end)
        assert second.wait_for("settled")["round"] == 1
    assert len(stage.observed().state.settled_rounds) == 1


@pytest.mark.slow
def test_an_aggregator_killed_in_the_open_phase(stage: Stage, trainers: list[Trainer]) -> None:
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as first:
        first.wait_for("opened")
        stage.commit(trainers[0])
    state = stage.commit(*trainers[1:])
    assert len(state.commits) == 3
    stage.travel(state.opened.commit_end)
    restarted_settles(stage, trainers)


@pytest.mark.slow
def test_an_aggregator_killed_in_the_settling_phase_before_it_fetched(stage: Stage, trainers: list[Trainer]) -> None:
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as first:
        first.wait_for("opened")
        state = stage.commit(*trainers)
        os.kill(first.pid, signal.SIGSTOP)
        stage.travel(state.opened.commit_end)
        first.kill()
    assert not any("gathered" in line for line in first.finish().stdout.splitlines())
    restarted_settles(stage, trainers)


@pytest.mark.slow
def test_an_aggregator_killed_after_it_gathered_and_before_it_published(stage: Stage, trainers: list[Trainer]) -> None:
    stage.open()
    state = stage.commit(*trainers)
    stage.travel(state.opened.commit_end)
    with store_locked(stage), stage.start("aggregator", "aggregator", "run", 1, *POLL) as first:
        assert first.wait_for("gathered")["opened"] == 3
        first.kill()
    assert not any("aggregated" in line for line in first.seen)
    restarted_settles(stage, trainers)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"], ids=["before-sending", "after-sending"])
def test_an_aggregator_killed_around_the_sending_of_its_settlement(
    stage: Stage, trainers: list[Trainer], moment: Literal["before", "after"]
) -> None:
    stage.open()
    state = stage.commit(*trainers)
    stage.travel(state.opened.commit_end)
    journal = stage.aggregator().journal  # and the deposit is made: the settlement is the first thing that is sent
    with Gate(stage.url, moment) as gate:
        gate.armed.set()
        with stage.start("aggregator", "aggregator", "run", 1, *POLL, GRAMERCY_RPC_URL=gate.url) as first:
            first.wait_for("proven")
            assert gate.reached.wait(30)
            first.kill()
    (record,) = (json.loads(path.read_text()) for path in journal.folder.glob("settle-*.json"))
    observer = stage.observed()
    assert observer.state.phase(observer.now) is (Phase.SETTLING if moment == "before" else Phase.CHALLENGEABLE)
    if moment == "before":
        with stage.start("aggregator", "aggregator", "run", 1, *POLL) as again:
            again.wait_for("settled")
        assert not any("aggregated" in line or "proven" in line for line in again.seen)  # sent as it was prepared
        observer.refresh()
    recorded = recorded_settlement(stage.client("observer"), 1, 1)
    assert recorded.proof.hex() == record["proof"]
    assert recorded.settlement == PreparedSettlement.from_record(record, b"").settlement
    assert len(observer.state.settled_rounds) == 1
    settled = observer.state.settled_rounds[0].settled
    assert settled is not None
    stage.travel(settled.challenge_end)
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as again:
        assert again.wait_for("opened")["round"] == 2
        stage.travel(stage.commit(*trainers).opened.commit_end)
        assert again.wait_for("settled")["round"] == 2
        observer.refresh()
        latest = observer.state.rounds[-1]
        assert latest.settled is not None
        stage.travel(latest.settled.challenge_end)
        assert again.wait_for("bond-released")["bond_wei"] == BOND
        assert again.wait_for("withdrawn")["amount_wei"] == BOND
        assert again.finish().data == {"job": 1, "rounds": 2}
    stage.all_leave(*trainers)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"], ids=["before-sending", "after-sending"])
def test_a_trainer_killed_around_the_sending_of_its_commitment_commits_once_and_the_same(
    stage: Stage, trainers: list[Trainer], moment: Literal["before", "after"]
) -> None:
    state = stage.open()
    with Gate(stage.url, moment) as gate:
        gate.armed.set()
        through = {"GRAMERCY_RPC_URL": gate.url}
        arguments: list[object] = ["run", 1, "--shard", "1/3", *POLL]
        with stage.start("ann", "trainer", *arguments, **through) as first:
            stored = first.wait_for("stored")
            assert gate.reached.wait(30)
            first.kill()
        gate.armed.clear()
    with stage.start("ann", "trainer", *arguments) as again:
        again.wait_for("ready")
        if moment == "before":
            assert again.wait_for("committed")["cid"] == stored["cid"]
        stage.commit(*trainers[1:])
        stage.travel(state.opened.commit_end)
        aggregator = stage.aggregator()
        assert aggregator.step()
        settled = aggregator.job.state.settled_rounds[0]
        assert settled.settled is not None
        assert sorted(settled.payouts) == sorted(trainer.address for trainer in trainers)
        assert settled.payouts[trainers[0].address] > 0
        stage.travel(settled.settled.challenge_end)
        stage.open()
        assert again.wait_for("trained")["round"] == 2  # and had not trained for the first again


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_owner_killed_around_the_sending_of_its_job_pays_one_escrow(
    stage: Stage, moment: Literal["before", "after"]
) -> None:
    aggregator = stage.actor("aggregator").address
    arguments = ["owner", "create", "--verifier", stage.verifier, "--aggregator", aggregator, "--scale-exponent", "-20"]
    before = stage.balance("owner")
    with Gate(stage.url, moment) as gate:
        gate.armed.set()
        through = {"GRAMERCY_RPC_URL": gate.url}
        with stage.start("owner", *arguments, **through) as first:
            first.wait_for("manifest-stored")
            assert gate.reached.wait(30)
            first.kill()
    again = stage.cli("owner", *arguments, "--yes").data
    assert again["job"] == 1
    assert stage.client("observer").job_count() == 1
    assert before - stage.balance("owner") < 5 * COIN + COIN // 1000
    assert stage.client("observer").balance() == 5 * COIN
    assert stage.cli("owner", *arguments, "--yes").data["job"] == 2  # finished: the same words mean another job


def test_a_commitment_that_somebody_sent_first_is_replaced_and_the_thief_left_out(stage: Stage) -> None:
    stage.create(byzantine=1, min_trainers=5, rule="mean")
    ann, *others, thief = stage.joined("ann", "bob", "cyd", "dan", "mallory")
    task = load_task("digits")
    ann.task, ann.samples, ann.behaviour = task, task.load_data().validation, make_behaviour("honest")
    state = stage.open()
    ann.job.refresh()
    stolen = ann._prepare(state, made_up_update(ann.address, ann.job.state.terms.dimension))
    thief.job.market.commit_update(1, 1, stolen.point, stolen.cid, stolen.payload_bytes)
    assert ann.step()
    assert stage.told.named("commitment-taken") == [{"round": 1}]
    ann.job.refresh()
    assert ann.step()
    state = stage.commit(*others)
    assert len({commit.commitment for commit in state.commits}) == 5
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    (excluded,) = stage.told.named("excluded")
    assert excluded["trainer"] == thief.address
    assert "sealed for another commitment" in excluded["reason"]
    assert thief.address not in aggregator.job.state.rounds[0].payouts


def test_without_the_aggregator_everybody_gets_out_by_commands(stage: Stage, trainers: list[Trainer]) -> None:
    created = stage.job("owner").state.terms
    before = {name: stage.balance(name) for name in TRAINERS}
    first = stage.settled(*trainers)
    stage.open()
    locked = stage.commit(*trainers)  # the aggregator is never seen again
    denied = stage.cli("ann", "trainer", "leave", 1)
    assert (denied.code, denied.envelope["error"]["details"]["error"]) == (5, "Market_StakeLocked")
    stage.travel(locked.opened.settle_end)
    early = stage.cli("ann", "owner", "close", 1)
    assert (early.code, early.envelope["error"]["details"]["error"]) == (5, "Market_JobRunning")

    stage.travel(created.deadline)
    for name, trainer in zip(TRAINERS, trainers, strict=True):
        status = stage.cli(name, "trainer", "status", 1).data
        assert (status["stake_wei"], status["claimable_wei"]) == (STAKE, first.payouts[trainer.address])
        assert [row["phase"] for row in status["rounds"]] == ["final", "void"]
        assert stage.cli(name, "trainer", "claim", 1).data["amount_wei"] == first.payouts[trainer.address]
        assert stage.cli(name, "trainer", "leave", 1).data["stake_wei"] == STAKE
        gained = stage.balance(name) - before[name]
        assert STAKE + first.payouts[trainer.address] - COIN // 1000 < gained <= STAKE + first.payouts[trainer.address]
    owner_before = stage.balance("owner")
    refund = stage.cli("owner", "owner", "close", 1).data["refund_wei"]
    assert refund == 2 * COIN - sum(first.payouts.values())
    assert refund - COIN // 1000 < stage.balance("owner") - owner_before <= refund
    assert stage.client("observer").balance() == BOND  # the aggregator's own, whenever it comes back
    assert stage.cli("owner", "owner", "close", 1).data["refund_wei"] == 0


@pytest.mark.slow
def test_roles_that_were_killed_during_settling_up_finish_it(stage: Stage, trainers: list[Trainer]) -> None:
    stage.settled(*trainers)
    stage.settled(*trainers)
    trainers[0].job.refresh()
    assert trainers[0].claim() > 0  # killed here: claimed, not left
    ended = stage.cli("ann", "trainer", "run", 1, "--shard", "1/3", "--yes").data
    trainers[0].job.refresh()
    assert ended == {"job": 1, "paid_wei": trainers[0].paid, "slashed": False}
    assert not trainers[0].joined
    spent = stage.balance("ann")
    assert stage.cli("ann", "trainer", "run", 1, "--shard", "1/3", "--yes").data == ended
    assert stage.balance("ann") == spent
    stage.client("stranger").close_job(1)  # by anybody: the owner still gets its refund
    stage.all_leave(*trainers)


def test_a_record_of_a_payload_that_the_store_lost_is_not_committed(stage: Stage, trainers: list[Trainer]) -> None:
    state = stage.open()
    trainer = trainers[0]
    trainer.job.refresh()
    submission = trainer._prepare(state, made_up_update(trainer.address, trainer.job.state.terms.dimension))
    assert trainer._recorded(state) == submission
    for pin in (stage.folder / "store" / "pins").iterdir():
        pin.unlink()
    assert stage.trainer("ann")._recorded(open_round(trainer.job)) is None
