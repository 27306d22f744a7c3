"""What each entry point costs: figures that only move when somebody means it, and the cap on the largest settlement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from web3.contract.contract import ContractFunction

from aggregator.gram import pack_gram
from aggregator.settlement import settle
from market.domain import Phase
from tests.contracts.harness import TRANSACTION_GAS_CAP
from tests.contracts.scenario import Job, Scene, cid, escrow_value, point

AT_MOST = {
    "createJob": 316_000,
    "joinJob": 61_000,
    "openRound": 64_000,
    "commitUpdate": 147_000,
    "settleRound": 460_000,
    "claim": 46_000,
    "leaveJob": 47_000,
    "closeJob": 58_000,
    "withdrawRefund": 39_000,
}
"""Gas of the dearest call of the scenario below, rounded up; native coin, n = 8, f = 1, Multi-Krum."""


class _Meter:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.used: dict[str, int] = {}

    def send(self, function: ContractFunction, sender: str, value: int = 0) -> None:
        receipt = self.scene.chain.send(function, sender=sender, value=value)
        name = str(function.fn_name)
        self.used[name] = max(self.used.get(name, 0), receipt["gasUsed"])
        for job in self.scene.jobs:
            for event in self.scene.client.decode_logs(receipt["logs"]):
                job.feed(event)


def _metered_job(scene: Scene, count: int, **changes: Any) -> tuple[_Meter, Job, Sequence[str]]:
    meter = _Meter(scene)
    terms = scene.terms(**changes)
    with scene.chain.undone():
        meter.send(scene.create_call(terms), scene.owner, escrow_value(terms))
    job = scene.create(**changes)
    trainers = scene.trainers[:count]
    for i, trainer in enumerate(trainers):
        meter.send(job.calls.join(100 + i), trainer, 100 + i)
    meter.send(job.calls.open(), scene.outsider)
    for trainer in trainers:
        meter.send(job.calls.commit(1, point(trainer), cid(trainer)), trainer)
    job.travel_to(Phase.SETTLING)
    meter.send(job.calls.settle(1, job.settlement()), scene.aggregators[0])
    job.travel_to(Phase.FINAL)
    return meter, job, trainers


def test_gas_of_each_entry_point(scene: Scene) -> None:
    meter, job, trainers = _metered_job(scene, 8, rounds=1)
    for trainer, amount in job.latest.payouts.items():
        if amount:
            meter.send(job.calls.claim([1], trainer), trainer)
    meter.send(job.calls.close(), scene.outsider)
    meter.send(job.calls.withdraw(scene.owner), scene.owner)
    for trainer in trainers:
        meter.send(job.calls.leave(trainer), trainer)
    assert set(meter.used) == set(AT_MOST)
    for name, used in meter.used.items():
        assert 0.95 * AT_MOST[name] < used <= AT_MOST[name], (name, used)


@pytest.mark.slow
@pytest.mark.parametrize("byzantine", [0, 19, 30])
def test_invariant_21_the_largest_settlement_fits_a_transaction(scene: Scene, byzantine: int) -> None:
    meter, job, _ = _metered_job(
        scene, 64, max_trainers=64, min_trainers=64, byzantine=byzantine, rounds=1, commit_seconds=300
    )
    assert meter.used["settleRound"] < TRANSACTION_GAS_CAP
    assert job.phase is Phase.FINAL


@pytest.mark.slow
def test_invariant_21_the_dearest_matrix_fits_too(scene: Scene) -> None:
    """Orthogonal updates of growing norms: each distance displaces all the largest ones that Multi-Krum keeps."""
    job = scene.create(max_trainers=64, min_trainers=64, byzantine=30, rounds=1, commit_seconds=300, dimension=64)
    job.open_and_commit(job.join_all(64))
    gram = np.diag(np.arange(1, 65, dtype=np.int64) * 1_000)
    stakes = list(job.state.stakes.values())
    outcome = settle(job.terms.round_rules, gram, stakes, scale_exponent=job.terms.scale_exponent)
    dearest = replace(
        job.settlement(),
        gram=pack_gram(gram),
        weights=outcome.weights,
        scores=outcome.scores,
        payouts=outcome.payouts,
        next_scale_exponent=outcome.next_scale_exponent,
    )
    receipt = scene.chain.send(job.calls.settle(1, dearest), sender=scene.aggregators[0])
    assert receipt["gasUsed"] < TRANSACTION_GAS_CAP // 2
