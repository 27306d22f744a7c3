"""settleRound: who, when, with whom; what is recorded; and what the verifier is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aggregator.bn254 import P
from market.domain import Phase, RoundSettled, Settlement
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment
from tests.contracts.scenario import Scene


@pytest.fixture
def job(scene: Scene) -> Job:
    """Give a job in the Settling phase of its first round, with six commitments."""
    job = scene.create()
    job.open_and_commit(job.join_all(6))
    return job


@pytest.fixture
def lax(scene: Scene) -> Job:
    """Give the same with a verifier that accepts anything."""
    job = scene.create(verifier=scene.chain.deploy("PermissiveVerifier").address)
    job.open_and_commit(job.join_all(6))
    return job


def test_a_settlement_is_recorded_and_announced(scene: Scene, job: Job) -> None:
    settlement, now = job.settlement(), scene.chain.now
    paid = sum(settlement.payouts)
    event = job.settle(settlement, sender=scene.aggregators[1])
    assert event == RoundSettled(job.id, 1, scene.aggregators[1], settlement, paid, now + 40)
    view = scene.market.functions
    opened = job.latest.opened
    recorded = (
        *(opened.commit_end, opened.settle_end, now + 40, -7, -9, 6, True, False),
        *(settlement.aggregate_commitment, settlement.aggregate_root, scene.aggregators[1], sum(settlement.weights)),
        *(0, bytes(32), bytes(32), settlement.next_memory_digest),
        *(0b111111, 0, False, False, False),
    )
    assert tuple(scene.chain.call(view.round(job.id, 1))) == recorded
    assert scene.chain.call(view.job(job.id))[4:6] == (1, job.terms.escrow - paid)
    for trainer, amount in zip(scene.trainers[:6], settlement.payouts, strict=True):
        assert tuple(scene.chain.call(view.payoutOf(job.id, 1, trainer))) == (amount, False)
    scene.check()


def test_only_the_jobs_aggregators_settle(scene: Scene, job: Job) -> None:
    other = scene.create(aggregators=[scene.outsider])
    assert other.id != job.id
    for caller in (scene.outsider, scene.owner, scene.trainers[0]):
        with refused("Market_NotAggregator", jobId=job.id, caller=caller):
            job.attempt(job.calls.settle(1, job.settlement()), caller)


def test_a_round_is_settled_in_its_settling_phase(scene: Scene) -> None:
    job = scene.create()
    trainers = job.join_all(6)
    job.open()
    for trainer in trainers:
        job.commit(trainer)
    call, caller = job.calls.settle(1, job.settlement()), scene.aggregators[0]
    opened = job.latest.opened
    for second, phase in (
        (opened.commit_end - 1, Phase.OPEN),
        (opened.commit_end, None),
        (opened.settle_end - 1, None),
        (opened.settle_end, Phase.VOID),
    ):
        scene.chain.travel_to(second)
        if phase is None:
            job.attempt(call, caller)
            continue
        with refused("Market_WrongPhase", jobId=job.id, round=1, phase=phase):
            job.attempt(call, caller)


@pytest.mark.parametrize("number", [0, 2])
def test_a_round_that_is_not_there_is_not_settled(scene: Scene, job: Job, number: int) -> None:
    with refused("Market_WrongPhase", jobId=job.id, round=number, phase=Phase.NONE):
        job.attempt(job.calls.settle(number, job.settlement()), scene.aggregators[0])


def test_too_few_commitments_settle_nothing(scene: Scene) -> None:
    job = scene.create()
    job.open_and_commit(job.join_all()[:4])
    with refused("Market_TooFewTrainers", trainers=4, minTrainers=5):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])


@pytest.mark.parametrize("bit", [6, 64, 255])
def test_trainers_who_did_not_commit_cannot_be_included(scene: Scene, lax: Job, bit: int) -> None:
    included = lax.settlement().included | 1 << bit
    with refused("Market_UnknownTrainers", included=included, committed=6):
        lax.attempt(lax.calls.settle(1, replace(lax.settlement(), included=included)), scene.aggregators[0])


def test_at_most_f_commitments_are_left_out(scene: Scene, job: Job) -> None:
    for excluded in range(6):
        job.attempt(job.calls.settle(1, job.settlement(excluded=[excluded])), scene.aggregators[0])
    for pair in ([0, 1], [4, 5], [0, 5]):
        with refused("Market_TooManyExcluded", excluded=2, byzantine=1):
            job.attempt(job.calls.settle(1, job.settlement(excluded=pair)), scene.aggregators[0])
    with refused("Market_TooManyExcluded", excluded=6, byzantine=1):
        job.attempt(job.calls.settle(1, replace(job.settlement(), included=0)), scene.aggregators[0])


def test_who_is_left_out_is_paid_nothing_and_the_order_stays(scene: Scene, job: Job) -> None:
    settlement = job.settlement(excluded=[2])
    job.settle(settlement)
    assert scene.trainers[2] not in job.latest.payouts
    assert tuple(job.latest.payouts) == (*scene.trainers[:2], *scene.trainers[3:6])
    scene.check()


def test_the_aggregate_needs_a_cid(scene: Scene, job: Job) -> None:
    with refused("Cids_Invalid", cid=b"\0" * 36):
        job.attempt(job.calls.settle(1, replace(job.settlement(), aggregate_cid=b"\0" * 36)), scene.aggregators[0])


@pytest.mark.parametrize("length", [0, 5, 7])
def test_one_payout_for_each_included_trainer(scene: Scene, lax: Job, length: int) -> None:
    with refused("Market_WrongLength", field="payouts", length=length, expected=6):
        lax.attempt(lax.calls.settle(1, replace(lax.settlement(), payouts=(1,) * length)), scene.aggregators[0])


@pytest.mark.parametrize("length", [0, 5, 7])
def test_one_y_for_each_included_commitment(scene: Scene, lax: Job, length: int) -> None:
    ys = (*lax.settlement().commitment_ys, 0)[:length]
    with refused("Market_WrongLength", field="commitmentYs", length=length, expected=6):
        lax.attempt(lax.calls.settle(1, replace(lax.settlement(), commitment_ys=ys)), scene.aggregators[0])


@pytest.mark.parametrize("index", [0, 5])
def test_even_for_a_lax_verifier_points_are_those_committed(scene: Scene, lax: Job, index: int) -> None:
    """The other root, one that is not canonical, and what is no root of x^3 + 3 at all."""
    right = lax.settlement().commitment_ys
    others = (P - right[index], right[index] + P, right[index] + 1, 0, 2**256 - 1, right[index - 1])
    for wrong in others:
        ys = (*right[:index], wrong, *right[index + 1 :])
        with refused("Market_WrongCommitment", index=index):
            lax.attempt(lax.calls.settle(1, replace(lax.settlement(), commitment_ys=ys)), scene.aggregators[0])


def test_even_a_lax_verifier_records_a_sum_of_weights_that_fits(scene: Scene, lax: Job) -> None:
    largest = (1 << 64) - 1
    with refused("Panic", code=0x11):
        lax.attempt(lax.calls.settle(1, replace(lax.settlement(), weights=(largest, 1))), scene.aggregators[0])
    lax.settle(replace(lax.settlement(), weights=(largest,)))
    scene.check()


def test_even_a_lax_verifier_pays_at_most_the_round_budget(scene: Scene, lax: Job) -> None:
    budget = lax.terms.round_budget
    for payouts in ((budget, 1, 0, 0, 0, 0), ((1 << 128) - 1,) * 6):
        with refused("Market_BudgetExceeded", payouts=sum(payouts), roundBudget=budget):
            lax.attempt(lax.calls.settle(1, replace(lax.settlement(), payouts=payouts)), scene.aggregators[0])
    lax.settle(replace(lax.settlement(), payouts=(0, 0, 0, 0, 0, budget)))
    assert lax.state.escrow == budget
    scene.check()


@pytest.mark.parametrize("exponent", [65, -65, 32_767, -32_768])
def test_even_a_lax_verifier_hands_on_a_sound_scale(scene: Scene, lax: Job, exponent: int) -> None:
    with refused("Market_InvalidTerms", field="scaleExponent"):
        lax.attempt(lax.calls.settle(1, replace(lax.settlement(), next_scale_exponent=exponent)), scene.aggregators[0])


@pytest.mark.parametrize("exponent", [64, -64])
def test_a_scale_at_its_bound_is_handed_on(scene: Scene, lax: Job, exponent: int) -> None:
    lax.settle(replace(lax.settlement(), next_scale_exponent=exponent))
    lax.travel_to(Phase.FINAL)
    lax.open()
    assert lax.latest.opened.scale_exponent == exponent
    scene.check()


def test_what_the_verifier_refuses_is_not_settled(scene: Scene) -> None:
    job = scene.create(verifier=scene.chain.deploy("RevertingVerifier").address)
    job.open_and_commit(job.join_all())
    with refused("Reverting_Refused", jobId=job.id, round=1):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])
    job.travel_to(Phase.VOID)
    assert job.state.escrow == job.terms.escrow
    scene.check()


def test_the_verifier_gets_the_proof(scene: Scene, job: Job) -> None:
    with refused("Attested_UnexpectedProof", length=1):
        job.attempt(job.calls.settle(1, job.settlement(), b"\1"), scene.aggregators[0])


def _changed(values: tuple[int, ...], index: int, step: int) -> tuple[int, ...]:
    return (*values[:index], values[index] + step, *values[index + 1 :])


def _gram_entry(settlement: Settlement, entry: int, step: int) -> bytes:
    value = int.from_bytes(settlement.gram[8 * entry : 8 * entry + 8], "big", signed=True) + step
    return settlement.gram[: 8 * entry] + value.to_bytes(8, "big", signed=True) + settlement.gram[8 * entry + 8 :]


@pytest.mark.parametrize("index", [0, 5])
@pytest.mark.parametrize("step", [-1, 1])
def test_one_changed_figure_is_refused(scene: Scene, job: Job, index: int, step: int) -> None:
    honest = job.settlement()
    position = max(range(6), key=lambda i: honest.weights[i]) if index == 0 and step < 0 else index
    changes: list[tuple[str, dict[str, Any]]] = [
        ("Settling_WrongScore", {"scores": _changed(honest.scores, position, step)}),
        ("Settling_WrongScale", {"next_scale_exponent": honest.next_scale_exponent + step}),
        ("Settling_WrongScore", {"gram": _gram_entry(honest, 1, step)}),
    ]
    if honest.weights[position] + step >= 0:
        changes.append(("Settling_WrongWeight", {"weights": _changed(honest.weights, position, step)}))
    if honest.payouts[position] + step >= 0:
        changes.append(("Settling_WrongPayout", {"payouts": _changed(honest.payouts, position, step)}))
    for error, change in changes:
        with refused(error):
            job.attempt(job.calls.settle(1, replace(honest, **change)), scene.aggregators[0])


@pytest.mark.parametrize("field", ["weights", "scores", "payouts"])
@pytest.mark.parametrize("length", [0, 5, 7])
def test_unequal_lengths_are_refused(scene: Scene, job: Job, field: str, length: int) -> None:
    change: dict[str, Any] = {field: (*getattr(job.settlement(), field), 0)[:length]}
    with refused("Settling_WrongLength", field=field, length=length, expected=6):
        job.attempt(job.calls.settle(1, replace(job.settlement(), **change)), scene.aggregators[0])


def test_a_changed_order_of_trainers_is_refused(scene: Scene) -> None:
    """Figures computed for the order of joining do not settle a round whose trainers committed in another order."""
    job = scene.create()
    trainers = job.join_all(6)
    job.open_and_commit(trainers)
    figures = job.settlement()
    other = scene.create()
    other.join_all(6)
    other.open_and_commit(trainers[::-1])
    figures = replace(figures, commitment_ys=other.settlement().commitment_ys)
    with refused("Settling_WrongWeight"):
        other.attempt(other.calls.settle(1, figures), scene.aggregators[0])
    other.attempt(other.calls.settle(1, other.settlement()), scene.aggregators[0])


def test_a_settled_round_is_not_settled_again_by_fewer_and_a_final_one_by_nobody(scene: Scene, job: Job) -> None:
    job.settle()
    for settlement in (job.settlement(), job.settlement(excluded=[0])):
        for caller in scene.aggregators:
            with refused("Market_NotSuperset", jobId=job.id, round=1, included=settlement.included):
                job.attempt(job.calls.settle(1, settlement), caller)
    job.travel_to(Phase.FINAL)
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.FINAL):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])
    assert commitment(("aggregate", job.id, 1)) == scene.chain.call(scene.market.functions.round(job.id, 1))[8]
    assert job.latest.settled is not None
    assert job.latest.settled.settlement.aggregate_cid == cid(("aggregate", job.id, 1))
