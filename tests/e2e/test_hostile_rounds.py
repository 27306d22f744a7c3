"""Rounds in which somebody means harm to an honest aggregator, to trainers, or to another trainer's privacy."""

from __future__ import annotations

import numpy as np
import pytest

from aggregator.bn254 import compress, decompress
from aggregator.commitments import commit
from market.domain import Phase, Settlement
from market.errors import NoRecipient, UnknownCid
from market.services.trainer import draw_blinding, open_round
from market.services.updates import round_binding, seal_update
from market.storage.base import put_bytes
from market.storage.cid import Cid
from tests.e2e.stage import Stage, made_up_update

DIMENSION = 4810
HONEST = ("ann", "bob", "cyd", "dan", "eve")
LOW_ORDER_KEY = b"\1" + bytes(31)


@pytest.mark.slow
def test_an_old_commitment_copied_into_a_later_round_stops_nobody(stage: Stage) -> None:
    """The aggregator opened it in a round that became void; here it belongs to another trainer and opens nothing."""
    stage.create(rounds=3, byzantine=1, min_trainers=5, max_trainers=9)
    honest, thieves = stage.joined(*HONEST), stage.joined("mal", "moe")
    aggregator = stage.aggregator()
    stage.open()
    for thief in thieves:  # two payloads that nobody has: one more than may be left out
        thief.job.refresh()
        point = commit(stage.srs.srs, np.ones(DIMENSION, dtype=np.int16), draw_blinding())
        nowhere = Cid.parse(bytes.fromhex("01551220") + bytes.fromhex(thief.address[2:]).rjust(32, b"\1"))
        thief.job.market.commit_update(1, 1, point, nowhere.to_bytes(), 1_000)
    state = stage.commit(*honest)
    stage.travel(state.opened.commit_end)
    aggregator.job.refresh()
    with pytest.raises(UnknownCid):
        aggregator.step()
    stage.travel(state.opened.settle_end)
    old = stage.observed().state.rounds[0].commits[3]
    aggregator.job.refresh()
    assert aggregator.step(), "the next round opens"
    thief = thieves[0]
    thief.job.refresh()
    blob = put_bytes(stage.storage, b"junk")
    thief.job.market.commit_update(1, 2, decompress(old.commitment), blob.cid.to_bytes(), blob.size_bytes)
    state = stage.commit(*honest)
    stage.travel(state.opened.commit_end)
    aggregator.job.refresh()
    assert aggregator.step()
    job = stage.observed()
    assert job.state.rounds[1].phase(job.now) is Phase.CHALLENGEABLE
    assert {commit.trainer for commit in job.state.rounds[1].included} == {trainer.address for trainer in honest}


def test_one_aggregators_useless_key_does_not_stop_trainers(stage: Stage) -> None:
    stage.create(aggregators=[stage.actor("aggregator").address, stage.actor("evil").address])
    stage.client("evil").publish_key(LOW_ORDER_KEY)
    ann, *_ = stage.joined("ann", "bob", "cyd")
    stage.open()
    ann.job.refresh()
    ann.submit(open_round(ann.job), made_up_update(ann.address, DIMENSION))
    assert len(stage.observed().state.rounds[0].commits) == 1


def test_a_job_whose_only_key_is_useless_is_told_so(stage: Stage) -> None:
    stage.create(aggregators=[stage.actor("evil").address])
    stage.client("evil").publish_key(LOW_ORDER_KEY)
    ann, *_ = stage.joined("ann", "bob", "cyd")
    stage.client("ann").open_round(1)
    ann.job.refresh()
    with pytest.raises(NoRecipient):
        ann.submit(open_round(ann.job), made_up_update(ann.address, DIMENSION))


@pytest.mark.slow
def test_an_aggregate_is_published_only_once_it_is_on_chain(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference of two aggregates with different trainers included can be a single trainer's update."""
    names = ("aggregator", "second")
    addresses = [stage.actor(name).address for name in names]
    stage.create(rounds=2, byzantine=1, min_trainers=5, max_trainers=9, aggregators=addresses)
    honest, (mal,) = stage.joined(*HONEST), stage.joined("mal")
    first, second = stage.aggregator(), stage.aggregator(name="second")
    stage.open()
    stage.commit(*honest)
    mal.job.refresh()
    entries, blinding = np.full(DIMENSION, 30_000, dtype=np.int16), draw_blinding()
    point = commit(stage.srs.srs, entries, blinding)
    bound_to = round_binding(mal.job.market.round_id(1, 1), mal.address, compress(point))
    blob = put_bytes(stage.storage, seal_update(entries, blinding, [first.keys.all()[0].public], bound_to))
    mal.job.market.commit_update(1, 1, point, blob.cid.to_bytes(), blob.size_bytes)
    stage.travel(open_round(stage.observed()).opened.commit_end)
    for aggregator in (first, second):
        aggregator.job.refresh()
    prepared: list[Settlement] = []
    for aggregator in (second, first):  # each prepares; neither sends
        with monkeypatch.context() as patch:
            patch.setattr(aggregator, "_send", lambda _, made: prepared.append(made.settlement))
            aggregator.settle(aggregator.job.state.rounds[0], patient=False)
    cids = [Cid.parse(settlement.aggregate_cid) for settlement in prepared]
    assert cids[0] != cids[1]
    assert not any(stage.storage.has(cid) for cid in cids)
    assert first.step()
    assert second.step(), "somebody else settled"
    assert [stage.storage.has(cid) for cid in cids] == [False, True]


@pytest.mark.slow
def test_an_aggregate_that_nobody_can_fetch_is_made_again_for_the_next_round(stage: Stage) -> None:
    stage.create(rounds=2, byzantine=1, min_trainers=5)
    honest = stage.joined(*HONEST)
    state = stage.settled(*honest)
    assert state.settled is not None
    stage.storage.unpin(Cid.parse(state.settled.settlement.aggregate_cid))
    stage.storage.collect_garbage()
    later = stage.settled(*honest)
    assert later.settled is not None
    assert [told["round"] for told in stage.told.named("recomputing")] == [1]
