"""What each entry point costs: figures that only move when somebody means it, and the cap on the largest settlement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from aggregator.products import Products, pack_products
from aggregator.proofs.statement import Witness
from aggregator.settlement import settle
from market.domain import NATIVE_COIN, Phase
from tests.contracts.calls import escrow_value
from tests.contracts.harness import TRANSACTION_GAS_CAP
from tests.contracts.job import Job
from tests.contracts.labels import cid, point
from tests.contracts.scenario import Scene

AT_MOST = {
    "createJob": 339_000,
    "deposit": 47_100,
    "joinJob": 62_000,
    "openRound": 70_000,
    "commitUpdate": 107_000,
    "settleRound": 495_000,
    "settleRound, again": 465_100,
    "challengeSettlement": 218_000,
    "challengeUpdate": 88_000,
    "releaseBond": 63_000,
    "withdraw": 33_000,
    "nameAggregator": 74_000,
    "extendJob": 53_000,
    "stopJob": 34_000,
    "publishKey": 46_000,
    "claim": 48_000,
    "closeJob": 48_000,
    "leaveJob": 53_000,
}
"""Gas of the dearest call of the scenario below, rounded up; native coin, n = 8, f = 1, Multi-Krum, bonds; what proofs
and evidence cost left aside."""


class _Meter:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.used: dict[str, int] = {}

    def send(self, function: ContractFunction, sender: str, value: int = 0) -> None:
        receipt = self.scene.chain.send(function, sender=sender, value=value)
        name = str(function.fn_name)
        self.used[name] = max(self.used.get(name, 0), receipt["gasUsed"])
        self.scene.feed(receipt["logs"])


def _metered_job(scene: Scene, count: int, **changes: Any) -> tuple[_Meter, Job, Sequence[str]]:
    meter = _Meter(scene)
    terms = scene.terms(**changes)
    meter.send(scene.create_call(terms), scene.owner, escrow_value(terms))
    job = scene.jobs[-1]
    bond = job.terms.aggregator_bond
    for aggregator in scene.aggregators[: 2 if bond else 0]:
        meter.send(scene.market.functions.deposit(NATIVE_COIN, bond, b""), aggregator, bond)
    trainers = scene.trainers[:count]
    for i, trainer in enumerate(trainers):
        meter.send(job.calls.join(100 + i), trainer, 100 + i)
    meter.send(job.calls.open(), scene.outsider)
    for trainer in trainers:
        meter.send(job.calls.commit(1, point(trainer), cid(trainer)), trainer)
    job.travel_to(Phase.SETTLING)
    meter.send(job.calls.settle(1, job.settlement()), scene.aggregators[0])
    return meter, job, trainers


def _challenge(meter: _Meter, job: Job, verifier: Contract) -> None:
    """Overturn the latest round, whatever the evidence costs left aside."""
    meter.scene.chain.send(verifier.functions.setFalse(job.id, job.number, True))
    meter.send(job.calls.challenge(job.number), meter.scene.outsider)


def test_gas_of_each_entry_point(scene: Scene) -> None:
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    meter, job, trainers = _metered_job(
        scene, 8, rounds=1, verifier=verifier.address, aggregator_bond=500, challenger_share_bps=2_500
    )
    _challenge(meter, job, verifier)
    meter.send(scene.withdraw_call(scene.outsider), scene.outsider)
    for trainer in trainers[:2]:
        meter.send(job.calls.name(scene.outsider), trainer)
    job.open_and_commit(trainers)
    meter.send(job.calls.settle(2, job.settlement(excluded=[0])), scene.aggregators[1])
    job.deposit_bond(scene.outsider)
    again = job.calls.settle(2, job.settlement())
    replaced = scene.chain.send(again, sender=scene.outsider)
    scene.feed(replaced["logs"])
    meter.used["settleRound, again"] = replaced["gasUsed"]
    slashed = job.latest.commits[1]
    scene.chain.send(verifier.functions.setOutOfRange(job.id, 2, slashed.commitment, True))
    meter.send(job.calls.challenge_update(2, 1), scene.owner)
    job.travel_to(Phase.FINAL)
    meter.send(job.calls.release(2), scene.outsider)
    deposit = job.state.extension_deposit(2, job.terms.round_budget, scene.chain.now)
    meter.send(job.calls.extend(2, job.terms.round_budget, job.terms.deadline), scene.owner, deposit)
    meter.send(job.calls.stop(), scene.owner)
    meter.send(scene.market.functions.publishKey(b"\1" * 32), scene.aggregators[0])
    for trainer, amount in job.latest.payouts.items():
        if amount:
            meter.send(job.calls.claim([2], trainer), trainer)
    meter.send(job.calls.close(), scene.outsider)
    meter.send(scene.withdraw_call(scene.owner), scene.owner)
    for trainer in list(job.state.stakes):
        meter.send(job.calls.leave(trainer), trainer)
    assert set(meter.used) == set(AT_MOST)
    assert not {name: used for name, used in meter.used.items() if not 0.95 * AT_MOST[name] < used <= AT_MOST[name]}


@pytest.mark.slow
@pytest.mark.parametrize("byzantine", [0, 19, 30])
def test_invariant_21_the_largest_settlement_fits_a_transaction(scene: Scene, byzantine: int) -> None:
    meter, job, _ = _metered_job(
        scene, 64, max_trainers=64, min_trainers=64, byzantine=byzantine, rounds=1, commit_seconds=300
    )
    assert meter.used["settleRound"] < TRANSACTION_GAS_CAP
    assert job.phase is Phase.CHALLENGEABLE


@pytest.mark.slow
def test_invariant_21_the_largest_settlement_can_be_overturned(scene: Scene) -> None:
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    meter, job, _ = _metered_job(
        scene,
        64,
        max_trainers=64,
        min_trainers=64,
        byzantine=0,
        rounds=1,
        commit_seconds=300,
        rule="mean",
        verifier=verifier.address,
        aggregator_bond=500,
        challenger_share_bps=1,
    )
    assert all(job.latest.payouts.values())
    _challenge(meter, job, verifier)
    assert meter.used["challengeSettlement"] < TRANSACTION_GAS_CAP // 20


@pytest.mark.slow
def test_invariant_21_the_dearest_matrix_fits_too(scene: Scene) -> None:
    """Orthogonal updates of growing norms: each distance displaces all the largest ones that Multi-Krum keeps."""
    job = scene.create(max_trainers=64, min_trainers=64, byzantine=30, rounds=1, commit_seconds=300, dimension=64)
    job.open_and_commit(job.join_all(64))
    gram = Products.of_updates(np.diag(np.arange(1, 65, dtype=np.int64) * 1_000).tolist())
    trainers = [bytes.fromhex(commit.trainer[2:]) for commit in job.latest.commits]
    outcome = settle(
        job.terms.round_rules,
        gram,
        list(job.state.stakes.values()),
        scale_exponent=job.terms.scale_exponent,
        trainers=trainers,
    )
    dearest = replace(
        job.settlement(),
        gram=pack_products(gram),
        weights=outcome.weights,
        scores=outcome.scores,
        payouts=outcome.payouts,
        next_scale_exponent=outcome.next_scale_exponent,
        witness=Witness(rule_hints=outcome.rule_hints, score_hints=outcome.score_hints),
    )
    receipt = scene.chain.send(job.calls.settle(1, dearest), sender=scene.aggregators[0])
    assert receipt["gasUsed"] < TRANSACTION_GAS_CAP // 2
