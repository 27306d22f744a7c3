"""Rounds that several aggregators can settle, and their updates sealed to some of them: what tests of that share."""

from __future__ import annotations

from pathlib import Path

from aggregator.bn254 import compress
from aggregator.commitments import commit
from market.domain import RoundSettled, UpdateCommitted
from market.rounds import RoundState
from market.services.trainer import Trainer, draw_blinding, open_round
from market.services.updates import round_binding, seal_update
from market.storage.base import put_bytes
from market.storage.cid import Cid
from tests.e2e.stage import Stage, made_up_update

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


def settled_of(stage: Stage) -> RoundSettled:
    """Return the settlement of the first round that is on record."""
    settled = stage.observed().state.rounds[0].settled
    assert settled is not None
    return settled


def end_of_window(stage: Stage) -> int:
    """Return when the first round's challenge window ends, in chain time."""
    return settled_of(stage).challenge_end


def middle_of_window(stage: Stage) -> int:
    """Return from when on an incomplete aggregate is published."""
    return end_of_window(stage) - WINDOW // 2


def is_published(stage: Stage, settled: RoundSettled) -> bool:
    """Whether a settlement's aggregate is in the store."""
    return stage.storage.has(Cid.parse(settled.settlement.aggregate_cid))
