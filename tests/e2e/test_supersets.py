"""Settlements that others complete: who opens more takes the place of the settlement on record, within its window."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from market.services.audit import audit
from market.services.settling import PreparedSettlement
from market.services.trainer import open_round
from market.services.view import exclusions_of
from market.storage.cid import Cid
from tests.e2e.gate import Gate
from tests.e2e.several_aggregators import (
    NAMES,
    POLL,
    WINDOW,
    commit_to_second_alone,
    end_of_window,
    is_published,
    middle_of_window,
    put_back,
    settled_of,
    settled_without_eve,
    taken_away,
    two_aggregators,
)
from tests.e2e.stage import BOND, Stage


def test_who_opens_more_settles_anew_and_everybody_is_paid(stage: Stage) -> None:
    trainers = two_aggregators(stage)
    first = settled_without_eve(stage, trainers)
    stage.travel(stage.observed().now + 60)
    second = stage.aggregator(name="second")
    assert second.step()
    job = stage.observed()
    state = job.state.rounds[0]
    assert state.settled is not None
    assert first.settled is not None
    assert state.settled.aggregator == second.address
    assert [one.aggregator for one in state.replaced] == [stage.actor("aggregator").address]
    assert set(state.payouts) == {trainer.address for trainer in trainers}
    assert state.payouts[trainers[4].address] > 0
    assert state.settled.challenge_end >= first.settled.challenge_end + 60, "the window begins anew"
    assert audit(job).failures == ()
    assert job.state.bonds == BOND  # one settlement, one bond; the other is free again
    assert stage.client("observer").free_balance(job.state.terms.token, stage.actor("aggregator").address) == BOND
    (told,) = [fields for fields in stage.told.named("settled") if "replaces" in fields]
    assert (told["included"], told["replaces"]) == (5, stage.actor("aggregator").address)

    second.job.refresh()
    assert not second.step(), "what is complete stays"
    again = stage.aggregator()
    assert not again.step()
    stage.travel(state.settled.challenge_end)
    stage.settled(*trainers)
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_the_own_settlement_is_completed_once_and_shortly_before_the_middle(stage: Stage) -> None:
    """Trainers who hand in one payload a window must not have an aggregator settle as often."""
    stage.create(rounds=2, rule="mean", byzantine=2, min_trainers=7)
    trainers = stage.joined(*NAMES, "eve", "fay", "gil")
    stage.open()
    state = stage.commit(*trainers)
    late = [taken_away(stage, commit) for commit in state.commits[5:]]
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.settle(aggregator.job.state.rounds[0], patient=False)
    assert len(aggregator.job.state.rounds[0].included) == 5
    put_back(stage, late[0])
    begins = middle_of_window(stage) - WINDOW // 8
    stage.travel(begins - 1)
    aggregator.job.refresh()
    assert not aggregator.step(), "more may turn up"
    stage.travel(begins)
    aggregator.job.refresh()
    assert aggregator.step()
    completed = aggregator.job.state.rounds[0]
    assert len(completed.included) == 6
    assert aggregator.job.state.bonds == BOND
    assert len(stage.told.named("deposited")) == 1, "the bond that gave way backs the new settlement"

    put_back(stage, late[1])
    for _ in range(2):
        stage.travel(middle_of_window(stage) - 60)
        again = stage.aggregator()  # it remembers by what is on chain
        for _ in range(2):
            assert not again.step()
    assert {told["reason"] for told in stage.told.named("settlement-stands")} == {
        "it is our own, completed once already"
    }
    assert len(stage.told.named("settlement-stands")) == 2, "once by each process"
    assert settled_of(stage) == completed.settled
    stage.travel(middle_of_window(stage))
    again.job.refresh()
    assert not again.step()
    assert is_published(stage, settled_of(stage))
    stage.travel(end_of_window(stage))
    stage.all_leave(*trainers)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_aggregator_killed_around_the_sending_of_its_completion(stage: Stage, moment: str) -> None:
    trainers = two_aggregators(stage)
    settled_without_eve(stage, trainers)
    journal = stage.aggregator(name="second").journal
    with Gate(stage.url, "before" if moment == "before" else "after") as gate:
        gate.armed.set()
        with stage.start("second", "aggregator", "run", 1, *POLL, GRAMERCY_RPC_URL=gate.url) as first:
            first.wait_for("proven")
            assert gate.reached.wait(30)
            first.kill()
    (record,) = (json.loads(path.read_text()) for path in journal.folder.glob("settle-*.json"))
    cid = Cid.parse(bytes.fromhex(record["settlement"]["aggregate_cid"]))
    assert not stage.storage.has(cid), "not before the settlement is on chain, or before its sender knows"
    replaced = len(stage.observed().state.rounds[0].replaced)
    assert replaced == (0 if moment == "before" else 1)
    with stage.start("second", "aggregator", "run", 1, *POLL) as again:
        if moment == "before":
            again.wait_for("settled")
        else:
            stage.travel(end_of_window(stage))
            again.wait_for("opened")
        assert not any("proven" in line for line in again.seen), "sent as it was prepared, or not at all"
    state = stage.observed().state.rounds[0]
    assert state.settled is not None
    assert state.settled.settlement.aggregate_cid == cid.to_bytes()
    assert len(state.replaced) == 1
    assert stage.storage.has(cid)


@pytest.mark.slow
def test_two_aggregators_at_work_complete_a_round_and_both_get_their_deposits_back(stage: Stage) -> None:
    trainers = two_aggregators(stage, rounds=1)
    stage.open()
    stage.commit(*trainers[:4])
    commit_to_second_alone(stage, trainers[4])
    with stage.start("second", "aggregator", "run", 1, *POLL) as second:
        os.kill(second.pid, signal.SIGSTOP)
        stage.travel(open_round(stage.observed()).opened.commit_end)
        with stage.start("aggregator", "aggregator", "run", 1, *POLL) as first:
            assert first.wait_for("settled")["included"] == 4
            os.kill(second.pid, signal.SIGCONT)
            told = second.wait_for("settled")
            assert (told["included"], told["replaces"]) == (5, stage.actor("aggregator").address)
            stage.travel(end_of_window(stage))
            assert second.finish().code == 0
            assert first.finish().code == 0
    state = stage.observed().state.rounds[0]
    assert state.settled is not None
    assert state.settled.aggregator == stage.actor("second").address
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_an_aggregate_that_gives_way_is_never_published(stage: Stage) -> None:
    trainers = two_aggregators(stage, rounds=1)
    settled_without_eve(stage, trainers)
    gave_way = settled_of(stage)
    kept = stage.aggregator().journal.folder
    assert not is_published(stage, gave_way)
    assert list(kept.glob("aggregate-*"))
    stage.travel(middle_of_window(stage) - 60)
    second = stage.aggregator(name="second")
    assert second.step()
    assert is_published(stage, settled_of(stage)), "what is complete is published at once"
    for moment in (gave_way.challenge_end, settled_of(stage).challenge_end):
        stage.travel(moment)
        first = stage.aggregator()
        while first.step():
            first.job.refresh()
        assert not is_published(stage, gave_way)
    assert not list(kept.glob("aggregate-*")), "nothing is kept of it"
    assert first.finished
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_an_incomplete_aggregate_is_published_when_nobody_replaces_it_any_more(stage: Stage) -> None:
    trainers = two_aggregators(stage)
    settled_without_eve(stage, trainers)
    settled = settled_of(stage)
    stage.travel(middle_of_window(stage) - 60)
    first = stage.aggregator()
    assert not first.step()
    assert not is_published(stage, settled)
    (told, *again) = stage.told.named("aggregate-withheld")
    assert (told["round"], told["until"]) == (1, middle_of_window(stage))
    assert len(again) == 1, "once by each process"
    assert not first.finished

    found = audit(stage.observed())
    assert [check.name for check in found.pending] == ["aggregate file", "range", "root"]
    assert found.failures == ()
    verified = stage.cli("ann", "job", "verify", 1).data
    assert [one["name"] for one in verified["checks"] if one["pending"]] == ["aggregate file", "range", "root"]
    challenged = stage.cli("ann", "job", "challenge", 1, 1)
    assert challenged.code == 6
    assert "is not published yet" in challenged.envelope["error"]["message"]
    model = stage.cli("ann", "owner", "download", 1, "--output", stage.folder / "model.safetensors")
    assert "is not published yet" in model.envelope["error"]["message"]
    (reason,) = exclusions_of(stage.observed(), stage.observed().state.rounds[0]).values()
    assert "is not published yet" in reason

    stage.travel(middle_of_window(stage))
    late = audit(stage.observed())
    assert [check.name for check in late.failures] == ["aggregate file", "range", "root"], "now it has to be there"
    second = stage.aggregator(name="second")
    for _ in range(2):
        assert not second.step()
        assert [one["reason"] for one in stage.told.named("settlement-stands")] == [
            "half of its challenge window is over"
        ]
    assert settled_of(stage) == settled
    first.job.refresh()
    assert not first.step()
    assert is_published(stage, settled)
    late = audit(stage.observed())
    assert (late.failures, late.pending) == ((), ())
    assert "holds: commitment" in stage.cli("ann", "job", "challenge", 1, 1).envelope["error"]["message"]
    stage.travel(settled.challenge_end)
    stage.settled(*trainers)
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_a_proof_that_took_too_long_is_not_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    trainers = two_aggregators(stage)
    settled_without_eve(stage, trainers)
    settled = settled_of(stage)
    second = stage.aggregator(name="second")
    prepare = second._prepare

    def slowly(*arguments: Any) -> PreparedSettlement | None:
        prepared = prepare(*arguments)
        stage.travel(middle_of_window(stage))
        return prepared

    monkeypatch.setattr(second, "_prepare", slowly)
    assert not second.step()
    assert stage.told.named("proven")[-1]["round"] == 1
    assert settled_of(stage) == settled
    again = stage.aggregator(name="second")  # with what the other had prepared
    assert not again.step()
    assert settled_of(stage) == settled


@pytest.mark.slow
def test_an_aggregator_killed_in_the_first_half_publishes_in_the_second(stage: Stage) -> None:
    trainers = two_aggregators(stage, rounds=1)
    stage.open()
    stage.commit(*trainers[:4])
    commit_to_second_alone(stage, trainers[4])
    stage.travel(open_round(stage.observed()).opened.commit_end)
    for _ in range(2):
        with stage.start("aggregator", "aggregator", "run", 1, *POLL) as killed:
            assert killed.wait_for("aggregate-withheld")["until"] == middle_of_window(stage)
    assert not is_published(stage, settled_of(stage))
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as running:
        running.wait_for("aggregate-withheld")
        stage.travel(middle_of_window(stage))
        running.wait_for("aggregate-published")  # the round is not over: the loop wakes for it
        assert is_published(stage, settled_of(stage))
        stage.travel(end_of_window(stage))
        assert running.finish().code == 0
    stage.all_leave(*trainers)


def test_without_a_window_everything_is_published_at_once(stage: Stage) -> None:
    trainers = two_aggregators(stage, challenge_seconds=0, aggregator_bond=0)
    settled_without_eve(stage, trainers)
    assert is_published(stage, settled_of(stage))
    assert stage.told.named("aggregate-withheld") == []
