"""Updates out of range: who committed one loses the stake, and the round is settled without it."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import pytest

from aggregator.bn254 import compress
from aggregator.commitments import commit
from market.domain import Phase
from market.errors import StorageUnavailable
from market.rounds import RoundState
from market.services.audit import audit
from market.services.trainer import Trainer, draw_blinding, open_round, recipients_of
from market.services.updates import round_binding, seal_update
from market.storage.base import put_bytes
from market.storage.cid import Cid
from tests.e2e.several_aggregators import NAMES
from tests.e2e.stage import BOND, COIN, Stage


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
