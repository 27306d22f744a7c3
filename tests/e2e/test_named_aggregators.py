"""Aggregators that trainers name: what they may settle, and what becomes of their aggregates and bonds."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from market.errors import ContractRefused, StorageUnavailable
from market.rounds import RoundState
from market.services.aggregator import Aggregator
from market.services.gathering import Gathered
from market.services.settling import PreparedSettlement, prepare_settlement
from market.services.trainer import Trainer
from market.storage.cid import Cid
from market.storage.unixfs import compute_cid
from tests.e2e.several_aggregators import (
    NAMES,
    end_of_window,
    is_published,
    middle_of_window,
    put_back,
    settled_of,
    settled_without_eve,
    taken_away,
    two_aggregators,
)
from tests.e2e.stage import BOND, COIN, Stage


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
    assert settled_of(stage).aggregator == ours.address
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
        stage.travel(middle_of_window(stage))
        return made

    monkeypatch.setattr(owners, "_prepare", slow)
    assert not owners.step()
    assert settled_of(stage).aggregator == ours.address


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
    assert settled_of(stage).aggregator == ours.address
    assert len(stage.observed().state.rounds[0].included) == 5
    return trainers, ours


@pytest.mark.slow
def test_an_aggregator_that_all_have_named_settles_anew_and_gets_its_bond_back(stage: Stage) -> None:
    trainers, ours = completed_by_ours(stage)
    assert sum(stage.observed().state.rounds[0].payouts.values()) > COIN - 6
    stage.travel(end_of_window(stage))
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
    stage.travel(middle_of_window(stage))
    ours.job.refresh()
    assert (ours.step(), ours.finished) == (False, True)
    assert is_published(stage, settled_of(stage))


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
    assert settled_of(stage).settlement.aggregate_commitment.hex() == made["settlement"]["aggregate_commitment"]
    again = stage.aggregator()
    assert not again.step()
    assert not is_published(stage, settled_of(stage))
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
