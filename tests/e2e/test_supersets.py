"""Settlements that others complete: who opens more takes the place of the settlement on record, within its window."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from aggregator.bn254 import compress
from aggregator.commitments import commit
from market.domain import Phase, RoundSettled, UpdateCommitted
from market.errors import ContractRefused, InsufficientFunds, StorageUnavailable
from market.rounds import RoundState
from market.services.aggregator import Aggregator
from market.services.audit import audit
from market.services.balances import deposit
from market.services.gathering import Gathered
from market.services.journal import Journal
from market.services.settling import PreparedSettlement, prepare_settlement
from market.services.trainer import Trainer, draw_blinding, open_round, recipients_of
from market.services.updates import round_binding, seal_update
from market.services.view import exclusions_of
from market.storage.base import put_bytes
from market.storage.cid import Cid
from market.storage.unixfs import compute_cid
from tests.e2e.gate import Gate
from tests.e2e.stage import BOND, COIN, Stage, made_up_update

NAMES = ("ann", "bob", "cyd", "dan")
POLL = ("--poll-seconds", "0.05")
WINDOW = 3_600


def two_aggregators(stage: Stage, **terms: object) -> list[Trainer]:
    """Open a job with two aggregators; return five joined trainers."""
    addresses = [stage.actor(name).address for name in ("aggregator", "second")]
    stage.create(**{"rounds": 2, "byzantine": 1, "min_trainers": 5, "rule": "mean", "aggregators": addresses, **terms})
    return stage.joined(*NAMES, "eve")


def commit_to_second_alone(stage: Stage, trainer: Trainer) -> None:
    """Commit an update that is sealed to one of the two aggregators only: the other leaves it out."""
    trainer.job.refresh()
    state = open_round(trainer.job)
    update = made_up_update(trainer.address, trainer.job.state.terms.dimension)
    entries, blinding = trainer.job.quantiser(state).quantise(update).entries, draw_blinding()
    point = commit(stage.srs.srs, entries, blinding)
    bound_to = round_binding(trainer.job.market.round_id(1, state.number), trainer.address, compress(point))
    key = stage.encryption_keys("second").all()[0].public
    blob = put_bytes(stage.storage, seal_update(entries, blinding, [key], bound_to))
    trainer.job.market.commit_update(1, state.number, point, blob.cid.to_bytes(), blob.size_bytes)


def settled_without_eve(stage: Stage, trainers: list[Trainer]) -> RoundState:
    """Let the first aggregator settle a round in which it cannot open the last trainer's update."""
    stage.open()
    stage.commit(*trainers[:4])
    commit_to_second_alone(stage, trainers[4])
    stage.travel(open_round(stage.observed()).opened.commit_end)
    assert stage.aggregator().step()
    state = stage.observed().state.rounds[-1]
    assert len(state.included) == 4
    return state


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


def taken_away(stage: Stage, commit: UpdateCommitted) -> Path:
    """Take a payload out of the store; return it."""
    cid = Cid.parse(commit.cid)
    kept = stage.folder / f"late-{commit.index}"
    with kept.open("wb") as sink:
        stage.storage.fetch(cid, sink, max_bytes=1 << 20)
    stage.storage.unpin(cid)
    stage.storage.collect_garbage()
    return kept


def put_back(stage: Stage, kept: Path) -> None:
    """Let a payload turn up."""
    with kept.open("rb") as source:
        stage.storage.put(source)


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
    begins = _middle(stage) - WINDOW // 8
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
        stage.travel(_middle(stage) - 60)
        again = stage.aggregator()  # it remembers by what is on chain
        for _ in range(2):
            assert not again.step()
    assert {told["reason"] for told in stage.told.named("settlement-stands")} == {
        "it is our own, completed once already"
    }
    assert len(stage.told.named("settlement-stands")) == 2, "once by each process"
    assert _settled(stage) == completed.settled
    stage.travel(_middle(stage))
    again.job.refresh()
    assert not again.step()
    assert _published(stage, _settled(stage))
    stage.travel(_end(stage))
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
            stage.travel(_end(stage))
            again.wait_for("opened")
        assert not any("proven" in line for line in again.seen), "sent as it was prepared, or not at all"
    state = stage.observed().state.rounds[0]
    assert state.settled is not None
    assert state.settled.settlement.aggregate_cid == cid.to_bytes()
    assert len(state.replaced) == 1
    assert stage.storage.has(cid)


def _end(stage: Stage) -> int:
    settled = stage.observed().state.rounds[0].settled
    assert settled is not None
    return settled.challenge_end


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
            stage.travel(_end(stage))
            assert second.finish().code == 0
            assert first.finish().code == 0
    state = stage.observed().state.rounds[0]
    assert state.settled is not None
    assert state.settled.aggregator == stage.actor("second").address
    stage.all_leave(*trainers)


# -- at most one aggregate of a round is published --------------------------------------------------------------------


def _settled(stage: Stage) -> RoundSettled:
    settled = stage.observed().state.rounds[0].settled
    assert settled is not None
    return settled


def _published(stage: Stage, settled: RoundSettled) -> bool:
    return stage.storage.has(Cid.parse(settled.settlement.aggregate_cid))


def _middle(stage: Stage) -> int:
    return _settled(stage).challenge_end - WINDOW // 2


@pytest.mark.slow
def test_an_aggregate_that_gives_way_is_never_published(stage: Stage) -> None:
    trainers = two_aggregators(stage, rounds=1)
    settled_without_eve(stage, trainers)
    gave_way = _settled(stage)
    kept = stage.aggregator().journal.folder
    assert not _published(stage, gave_way)
    assert list(kept.glob("aggregate-*"))
    stage.travel(_middle(stage) - 60)
    second = stage.aggregator(name="second")
    assert second.step()
    assert _published(stage, _settled(stage)), "what is complete is published at once"
    for moment in (gave_way.challenge_end, _settled(stage).challenge_end):
        stage.travel(moment)
        first = stage.aggregator()
        while first.step():
            first.job.refresh()
        assert not _published(stage, gave_way)
    assert not list(kept.glob("aggregate-*")), "nothing is kept of it"
    assert first.finished
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_an_incomplete_aggregate_is_published_when_nobody_replaces_it_any_more(stage: Stage) -> None:
    trainers = two_aggregators(stage)
    settled_without_eve(stage, trainers)
    settled = _settled(stage)
    stage.travel(_middle(stage) - 60)
    first = stage.aggregator()
    assert not first.step()
    assert not _published(stage, settled)
    (told, *again) = stage.told.named("aggregate-withheld")
    assert (told["round"], told["until"]) == (1, _middle(stage))
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

    stage.travel(_middle(stage))
    late = audit(stage.observed())
    assert [check.name for check in late.failures] == ["aggregate file", "range", "root"], "now it has to be there"
    second = stage.aggregator(name="second")
    for _ in range(2):
        assert not second.step()
        assert [one["reason"] for one in stage.told.named("settlement-stands")] == [
            "half of its challenge window is over"
        ]
    assert _settled(stage) == settled
    first.job.refresh()
    assert not first.step()
    assert _published(stage, settled)
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
    settled = _settled(stage)
    second = stage.aggregator(name="second")
    prepare = second._prepare

    def slowly(*arguments: Any) -> PreparedSettlement | None:
        prepared = prepare(*arguments)
        stage.travel(_middle(stage))
        return prepared

    monkeypatch.setattr(second, "_prepare", slowly)
    assert not second.step()
    assert stage.told.named("proven")[-1]["round"] == 1
    assert _settled(stage) == settled
    again = stage.aggregator(name="second")  # with what the other had prepared
    assert not again.step()
    assert _settled(stage) == settled


@pytest.mark.slow
def test_an_aggregator_killed_in_the_first_half_publishes_in_the_second(stage: Stage) -> None:
    trainers = two_aggregators(stage, rounds=1)
    stage.open()
    stage.commit(*trainers[:4])
    commit_to_second_alone(stage, trainers[4])
    stage.travel(open_round(stage.observed()).opened.commit_end)
    for _ in range(2):
        with stage.start("aggregator", "aggregator", "run", 1, *POLL) as killed:
            assert killed.wait_for("aggregate-withheld")["until"] == _middle(stage)
    assert not _published(stage, _settled(stage))
    with stage.start("aggregator", "aggregator", "run", 1, *POLL) as running:
        running.wait_for("aggregate-withheld")
        stage.travel(_middle(stage))
        running.wait_for("aggregate-published")  # the round is not over: the loop wakes for it
        assert _published(stage, _settled(stage))
        stage.travel(_end(stage))
        assert running.finish().code == 0
    stage.all_leave(*trainers)


def test_without_a_window_everything_is_published_at_once(stage: Stage) -> None:
    trainers = two_aggregators(stage, challenge_seconds=0, aggregator_bond=0)
    settled_without_eve(stage, trainers)
    assert _published(stage, _settled(stage))
    assert stage.told.named("aggregate-withheld") == []


# -- aggregators that trainers name -----------------------------------------------------------------------------------


def named_by(stage: Stage, trainers: list[Trainer], name: str) -> Aggregator:
    """Let trainers name an aggregator, which gets ready."""
    for trainer in trainers:
        assert trainer.name(stage.actor(name).address)
        assert not trainer.name(stage.actor(name).address), "once is enough"
    return stage.aggregator(name=name)


def test_whom_only_trainers_named_settles_first_with_a_proof_of_its_own(stage: Stage) -> None:
    """Another's proof serves it nothing: whoever copies a settlement on its way is refused."""
    stage.create(byzantine=1, min_trainers=5, rounds=1, aggregator_bond=0)
    trainers = stage.joined(*NAMES, "eve")
    ours = named_by(stage, trainers, "ours")
    assert stage.observed().state.aggregators == (stage.actor("aggregator").address, ours.address)
    stage.open()
    state = stage.commit(*trainers)
    assert [told["recipients"] for told in stage.told.named("stored")] == [2] * 5
    stage.travel(state.opened.commit_end)
    owners = stage.aggregator()
    opened = owners.gatherer.gather(state).opened
    theirs = prepare_settlement(owners.gatherer.inputs(state), owners.job.srs, opened, {}, owners.address)
    with pytest.raises(ContractRefused) as refused:
        ours.job.market.settle_round(1, 1, theirs.settlement, theirs.proof)
    assert refused.value.details["error"] == "Gram_WrongProof"
    ours.job.refresh()
    assert ours.step()
    assert _settled(stage).aggregator == ours.address
    owners.job.refresh()
    assert not owners.settle_anew(stage.observed().state.rounds[0]), "the settlement is complete"


@pytest.mark.slow
def test_whom_only_trainers_named_first_lets_those_settle_who_can_open_everything(stage: Stage) -> None:
    """Who did not name it would else have to be included anew within half a challenge window."""
    stage.create(byzantine=1, min_trainers=5, rounds=1, rule="mean")
    trainers = stage.joined(*NAMES, "eve")
    ours = named_by(stage, trainers[:4], "ours")
    stage.open()
    state = stage.commit(*trainers)
    stage.travel(state.opened.commit_end)
    ours.job.refresh()
    with pytest.raises(StorageUnavailable):
        ours.step()
    stage.travel((state.opened.commit_end + state.opened.settle_end) // 2)
    ours.job.refresh()
    assert ours.step(), "nobody did"
    assert len(stage.observed().state.rounds[0].included) == 4


@pytest.mark.slow
def test_a_first_settlement_that_took_too_long_is_not_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's, in part, is on record by then, and its aggregate public: two would tell what was added."""
    stage.create(byzantine=1, min_trainers=5, rounds=1, rule="mean")
    trainers = stage.joined(*NAMES, "eve")
    ours = named_by(stage, trainers[:4], "ours")
    stage.open()
    state = stage.commit(*trainers)
    stage.travel(state.opened.commit_end)
    owners = stage.aggregator()
    prepare = owners._prepare

    def slow(state: RoundState, gathered: Gathered) -> PreparedSettlement | None:
        made = prepare(state, gathered)
        ours.job.refresh()
        assert ours.settle(ours.job.state.rounds[0], patient=False)
        stage.travel(_middle(stage))
        return made

    monkeypatch.setattr(owners, "_prepare", slow)
    assert not owners.step()
    assert _settled(stage).aggregator == ours.address


def test_a_named_aggregator_opens_who_named_it_and_is_told_what_it_cannot_do(stage: Stage) -> None:
    trainers = two_aggregators(stage)
    ours = named_by(stage, trainers[:2], "ours")
    settled_without_eve(stage, trainers)
    stage.told.clear()
    ours.job.refresh()
    for _ in range(3):
        assert not ours.step()
    assert stage.told.named("gathered") == [], "it can open nothing that is missing"


def completed_by_ours(stage: Stage, **terms: object) -> tuple[list[Trainer], Aggregator]:
    """Let trainers' own aggregator settle anew what the owner's could open in part only."""
    stage.create(**{"rounds": 1, "rule": "mean", "byzantine": 1, "min_trainers": 5, **terms})
    trainers = stage.joined(*NAMES, "eve")
    ours = named_by(stage, trainers, "ours")
    stage.open()
    state = stage.commit(*trainers)
    late = taken_away(stage, state.commits[4])
    stage.travel(state.opened.commit_end)
    owners = stage.aggregator()
    assert owners.settle(owners.job.state.rounds[0], patient=False)
    put_back(stage, late)
    ours.job.refresh()
    assert ours.step()
    assert _settled(stage).aggregator == ours.address
    assert len(stage.observed().state.rounds[0].included) == 5
    return trainers, ours


@pytest.mark.slow
def test_an_aggregator_that_all_have_named_settles_anew_and_gets_its_bond_back(stage: Stage) -> None:
    trainers, ours = completed_by_ours(stage)
    assert sum(stage.observed().state.rounds[0].payouts.values()) > COIN - 6
    stage.travel(_end(stage))
    for trainer in trainers:  # with them its place goes, and not its bond
        trainer.claim()
        trainer.leave()
    ours.job.refresh()
    assert ours.job.state.aggregators == (stage.actor("aggregator").address,)
    assert (ours.deposits.held, ours.finished) == (BOND, False)
    while not ours.finished:
        assert ours.step()
        ours.job.refresh()
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_who_is_no_aggregator_any_more_stays_until_its_aggregate_is_published(stage: Stage) -> None:
    stage.create(rounds=1, rule="mean", byzantine=2, min_trainers=7, aggregator_bond=0)
    trainers = stage.joined(*NAMES, "eve", "fay", "gil")
    ours = named_by(stage, trainers[:6], "ours")
    stage.open()
    state = stage.commit(*trainers)  # the last of them seals to the owner's aggregator alone
    late = taken_away(stage, state.commits[6]), taken_away(stage, state.commits[5])
    stage.travel(state.opened.commit_end)
    owners = stage.aggregator()
    assert owners.settle(owners.job.state.rounds[0], patient=False)
    put_back(stage, late[1])
    ours.job.refresh()
    assert ours.step()
    assert len(stage.observed().state.rounds[0].included) == 6
    for trainer in trainers[:6]:
        assert trainer.name(None)
    ours.job.refresh()
    assert (ours.step(), ours.finished) == (False, False)
    stage.travel(_middle(stage))
    ours.job.refresh()
    assert (ours.step(), ours.finished) == (False, True)
    assert _published(stage, _settled(stage))


@pytest.mark.slow
@pytest.mark.parametrize("refused", [True, False], ids=["refused", "never-sent"])
def test_an_aggregate_is_published_whoever_settled_with_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """Another proves the same at the same time, with a CID that leads nowhere."""
    trainers = two_aggregators(stage, rounds=1)
    stage.open()
    stage.travel(stage.commit(*trainers).opened.commit_end)
    first, second = stage.aggregator(), stage.aggregator(name="second")
    send, second_state = first._send, second.job.state.rounds[0]
    opened = second.gatherer.gather(second_state).opened
    theirs = prepare_settlement(second.gatherer.inputs(second_state), second.job.srs, opened, {}, second.address)

    def overtaken(state: RoundState, prepared: PreparedSettlement) -> bool:
        nowhere = replace(theirs.settlement, aggregate_cid=compute_cid(io.BytesIO(b"nowhere")).cid.to_bytes())
        stage.client("second").settle_round(1, 1, nowhere, theirs.proof)
        return refused and send(state, prepared)

    monkeypatch.setattr(first, "_send", overtaken)
    assert first.step() is refused
    (made,) = (json.loads(path.read_text()) for path in first.journal.folder.glob("settle-*.json"))
    own = Cid.parse(bytes.fromhex(made["settlement"]["aggregate_cid"]))
    assert _settled(stage).settlement.aggregate_commitment.hex() == made["settlement"]["aggregate_commitment"]
    again = stage.aggregator()
    assert not again.step()
    assert not _published(stage, _settled(stage))
    assert stage.storage.has(own)
    assert [told["cid"] for told in stage.told.named("aggregate-published")] == [str(own)]
    assert not again.aggregates.unpublished


@pytest.mark.slow
def test_who_leaves_names_nobody_and_may_join_again(stage: Stage) -> None:
    stage.create()
    ours = stage.actor("ours").address
    joined = stage.cli("ann", "trainer", "join", 1, "--aggregator", ours, "--yes").data
    assert joined["aggregator"] == ours
    assert stage.observed().state.named == {stage.actor("ann").address: ours}
    stage.cli("ann", "trainer", "leave", 1)
    assert stage.observed().state.named == {}
    ann, *others = stage.joined("ann", "bob", "cyd")
    assert stage.observed().state.named == {}
    ann.aggregator = ours
    ann.job.refresh()
    assert ann.step()
    assert ann.named == ours
    shown = stage.cli("ann", "job", "show", 1).data
    assert [(one["address"], one["named_by"]) for one in shown["aggregators"]] == [
        (stage.actor("aggregator").address, "the owner"),
        (ours, ann.address),
    ]
    assert stage.cli("ann", "trainer", "name", 1).data["aggregator"] is None
    assert stage.cli("dan", "trainer", "name", 1, ours).code == 5
    stage.settled(ann, *others)
    stage.all_leave(ann, *others)


def test_a_stranger_cannot_run_as_an_aggregator(stage: Stage) -> None:
    stage.create()
    refused = stage.cli("stranger", "aggregator", "run", 1, "--yes")
    assert refused.envelope["error"]["details"]["error"] == "Market_NotAggregator"
    assert "trainer name" in refused.envelope["error"]["hint"]


# -- updates out of range ---------------------------------------------------------------------------------------------


def commit_out_of_range(stage: Stage, trainer: Trainer, entry: int = 30_000) -> None:
    """Commit an update with one entry that the job's 12 bits do not hold, and a payload that opens it."""
    trainer.job.refresh()
    state = open_round(trainer.job)
    entries, blinding = np.full(trainer.job.state.terms.dimension, 3, dtype=np.int16), draw_blinding()
    entries[4_700] = entry
    point = commit(stage.srs.srs, entries, blinding)
    bound_to = round_binding(trainer.job.market.round_id(1, state.number), trainer.address, compress(point))
    blob = put_bytes(stage.storage, seal_update(entries, blinding, recipients_of(trainer.job), bound_to))
    trainer.job.market.commit_update(1, state.number, point, blob.cid.to_bytes(), blob.size_bytes)


def with_an_update_out_of_range(stage: Stage, *, honest: int) -> tuple[list[Trainer], Trainer, RoundState]:
    """Open a job of 12 bits; return honest trainers, one that commits what is out of range, and the round to settle."""
    stage.create(rounds=1, byzantine=1, min_trainers=5, bits=12, scale_exponent=-14)
    trainers, (mal,) = stage.joined(*(*NAMES, "eve")[:honest]), stage.joined("mal")
    stage.open()
    stage.commit(*trainers)
    commit_out_of_range(stage, mal)
    state = open_round(stage.observed())
    stage.travel(state.opened.commit_end)
    return trainers, mal, state


@pytest.mark.slow
def test_an_update_out_of_range_costs_its_trainer_the_stake(stage: Stage) -> None:
    trainers, mal, _ = with_an_update_out_of_range(stage, honest=5)
    stake = mal.job.state.terms.stake_min
    aggregator = stage.aggregator()
    assert aggregator.step()
    (told,) = stage.told.named("trainer-slashed")
    assert (told["trainer"], told["stake_wei"], told["reward_wei"]) == (mal.address, stake, stake // 2)
    assert told["fault"] == "entry 4700 is 30000, beyond the bound 2047"
    assert mal.address not in aggregator.job.state.stakes
    assert aggregator.step()
    state = aggregator.job.state.rounds[0]
    assert set(state.payouts) == {trainer.address for trainer in trainers}
    assert audit(stage.observed()).failures == ()
    assert state.settled is not None
    aggregator.job.refresh()
    assert not aggregator.step(), "the slashed update is not missing"

    mal.job.refresh()
    assert mal.finished
    assert not mal.step()
    mal.stake = stake
    assert not mal.step(), "it does not join again by itself"
    shown = stage.cli("mal", "job", "show", 1).data
    assert shown["slashed"] == shown["rounds"][0]["slashed"] == [mal.address]
    stage.travel(state.settled.challenge_end)
    aggregator.job.refresh()
    while not aggregator.finished:
        assert aggregator.step()
        aggregator.job.refresh()
    assert stage.told.named("withdrawn")[-1]["amount_wei"] == BOND + stake // 2, "the reward comes with the deposit"
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_a_store_that_fails_between_two_fetches_saves_no_stake(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is out of range is fetched once more to be opened all the same."""
    _, mal, state = with_an_update_out_of_range(stage, honest=5)
    aggregator, fetched = stage.aggregator(), list[Cid]()
    fetch = aggregator.job.storage.fetch

    def failing(cid: Cid, sink: BinaryIO, *, max_bytes: int) -> int:
        fetched.append(cid)
        if fetched.count(cid) == 2 and cid.to_bytes() == state.commits[-1].cid:
            raise StorageUnavailable("the store is away")
        return fetch(cid, sink, max_bytes=max_bytes)

    monkeypatch.setattr(aggregator.job.storage, "fetch", failing)
    with pytest.raises(StorageUnavailable):
        aggregator.step()
    assert aggregator.step()
    assert [told["trainer"] for told in stage.told.named("trainer-slashed")] == [mal.address]


@pytest.mark.slow
def test_where_every_commitment_is_needed_the_round_is_settled_before_one_is_slashed(stage: Stage) -> None:
    trainers, mal, _ = with_an_update_out_of_range(stage, honest=4)
    aggregator = stage.aggregator()
    assert aggregator.step()
    assert aggregator.job.state.phase(aggregator.job.now) is Phase.CHALLENGEABLE
    assert not stage.told.named("trainer-slashed")
    assert aggregator.step()
    assert [told["trainer"] for told in stage.told.named("trainer-slashed")] == [mal.address]
    state = aggregator.job.state.rounds[0]
    assert len(state.payouts) == 4
    assert state.settled is not None
    stage.travel(state.settled.challenge_end)
    stage.all_leave(*trainers)


def test_a_challenge_of_an_update_by_command(stage: Stage) -> None:
    _, mal, state = with_an_update_out_of_range(stage, honest=5)
    index = len(state.commits) - 1
    fine = stage.cli("aggregator", "job", "challenge", 1, 1, "--update", 0)
    assert fine.code == 3
    assert "is in range" in fine.envelope["error"]["message"]
    blind = stage.cli("ann", "job", "challenge", 1, 1, "--update", index)
    assert blind.envelope["error"]["code"] == "not-for-us"
    before = stage.balance("aggregator")
    done = stage.cli("aggregator", "job", "challenge", 1, 1, "--update", index).data
    stake = mal.job.state.terms.stake_min
    assert done["reward_wei"] == stake // 2
    assert stage.balance("aggregator") > before + stake // 2 - COIN // 100
    again = stage.cli("aggregator", "job", "challenge", 1, 1, "--update", index)
    assert again.envelope["error"]["details"]["error"] == "Market_SlashedTrainers"
    assert stage.cli("aggregator", "job", "challenge", 1, 1, "--update", 9).code == 5
    ended = stage.cli("mal", "trainer", "run", 1, "--shard", "1/5", "--yes").data
    assert ended == {"job": 1, "paid_wei": 0, "slashed": True}


# -- one deposit, many jobs -------------------------------------------------------------------------------------------


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
