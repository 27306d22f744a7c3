"""What the market asks a verifier: a statement that names chain, market, job, round and every figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import get_abi_input_types
from web3 import Web3
from web3.contract import Contract

from market.domain import Phase, Settlement
from tests.contracts.harness import artifact, refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point
from tests.contracts.scenario import Scene
from tests.contracts.views import aggregate_claim, statement


@pytest.fixture
def binding(scene: Scene) -> Contract:
    return scene.chain.deploy("BindingVerifier")


def _argument_type(function: str) -> str:
    (found,) = [entry for entry in artifact("BindingVerifier")["abi"] if entry.get("name") == function]
    return get_abi_input_types(found)[0]


def _proof(job: Job, settlement: Settlement, aggregator: str | None = None) -> bytes:
    told = statement(job, settlement, aggregator or job.scene.aggregators[0])
    return bytes(Web3.keccak(encode([_argument_type("verify")], [told])))


def _evidence(job: Job) -> bytes:
    return bytes(Web3.keccak(encode([_argument_type("verifyFault")], [aggregate_claim(job)])))


def _settling(scene: Scene, binding: Contract, **changes: Any) -> Job:
    job = scene.create(verifier=binding.address, **changes)
    job.open_and_commit(job.join_all(6))
    return job


@pytest.mark.parametrize("excluded", [[], [2]], ids=["all", "but one"])
def test_the_verifier_is_told_everything_and_nothing_else(scene: Scene, binding: Contract, excluded: list[int]) -> None:
    job = _settling(scene, binding)
    settlement = job.settlement(excluded=excluded)
    job.settle(settlement, proof=_proof(job, settlement))
    scene.check()


def test_the_verifier_is_told_of_every_row_and_of_all_that_the_job_carries(scene: Scene, binding: Contract) -> None:
    """Reference, previous aggregate, running sums and memory; and what is missing where it is missing."""
    shares = {"reference": True, "floor_bps": 1_234, "cap_bps": 12_345}
    job = _settling(scene, binding, rounds=4, **shares)
    for number, reference in ((1, True), (2, False), (3, True)):
        if number > 1:
            job.open_and_commit(scene.trainers[:6])
        honest = job.settlement(reference=reference)
        carried = replace(honest.witness, carried=bytes([number]))
        sums = tuple(point((number, i)) for i in range(6))
        posted = replace(honest, next_memory_digest=bytes([number]) * 32, witness=carried, history=sums)
        job.settle(posted, proof=_proof(job, posted))
        assert job.previous == (None if number == 1 else commitment(("aggregate", job.id, number - 1)))
        job.travel_to(Phase.FINAL)
    assert job.state.memory_digest(4) == b"\3" * 32
    scene.check()


def test_every_figure_is_bound(scene: Scene, binding: Contract) -> None:
    job = _settling(scene, binding)
    honest = job.settlement()
    proof = _proof(job, honest)
    swapped = tuple(reversed(honest.payouts))
    for change in (
        {"included": honest.included & ~1, "commitment_ys": honest.commitment_ys[1:]},
        {"gram": honest.gram[:-1] + b"\x7f"},
        {"weights": (1, *honest.weights[1:])},
        {"scores": (1, *honest.scores[1:])},
        {"payouts": swapped},
        {"next_scale_exponent": honest.next_scale_exponent + 1},
        {"aggregate_commitment": b"\1" * 32},
        {"next_memory_digest": b"\1" * 32},
        {"history": tuple((1, 2) for _ in honest.weights)},
        {"witness": replace(honest.witness, carried=b"\1")},
        {"witness": replace(honest.witness, rule_hints=b"\1")},
        {"witness": replace(honest.witness, score_hints=b"\1")},
        {"witness": replace(honest.witness, floor_hints=b"\1")},
    ):
        changed: Settlement = replace(honest, **change)
        with refused("Binding_WrongProof"):
            job.attempt(job.calls.settle(1, changed, proof), scene.aggregators[0])


def test_a_proof_serves_only_the_aggregator_that_it_names(scene: Scene, binding: Contract) -> None:
    """A settlement copied on its way, with an aggregate that there is not, would cost the job the round's model."""
    job = _settling(scene, binding)
    honest, (author, copier) = job.settlement(), scene.aggregators
    proof = _proof(job, honest, author)
    copied = replace(honest, aggregate_root=b"\x11" * 32, aggregate_cid=cid("nothing there"))
    with refused("Binding_WrongProof"):
        job.attempt(job.calls.settle(1, copied, proof), copier)
    job.settle(honest, sender=author, proof=proof)
    scene.check()


def _dressed(settlement: Settlement, job: Job) -> Settlement:
    """Return a settlement with the coordinates of a job's own commitments: without, the market itself refuses it."""
    return replace(settlement, commitment_ys=job.settlement().commitment_ys)


def test_a_settlement_is_not_replayed_in_another_round(scene: Scene, binding: Contract) -> None:
    job = _settling(scene, binding)
    settlement = job.settlement()
    proof = _proof(job, settlement)
    job.settle(settlement, proof=proof)
    job.travel_to(Phase.FINAL)
    job.open_and_commit(scene.trainers[:6])
    with refused("Market_WrongLength", field="commitmentYs", length=6, expected=7):
        job.attempt(job.calls.settle(2, settlement, proof), scene.aggregators[0])
    with refused("Binding_WrongProof"):
        job.attempt(job.calls.settle(2, _dressed(settlement, job), proof), scene.aggregators[0])


def test_a_settlement_is_not_replayed_in_another_job(scene: Scene, binding: Contract) -> None:
    job, twin = _settling(scene, binding), _settling(scene, binding)
    settlement = _dressed(job.settlement(), twin)
    with refused("Binding_WrongProof"):
        twin.attempt(twin.calls.settle(1, settlement, _proof(job, job.settlement())), scene.aggregators[0])


def test_a_settlement_is_not_replayed_in_another_market(scene: Scene, binding: Contract) -> None:
    job = _settling(scene, binding)
    elsewhere = Scene(scene.chain, scene.chain.deploy("Market"), binding)
    twin = _settling(elsewhere, binding)
    assert twin.id == job.id
    settlement = job.settlement()
    with refused("Binding_WrongProof"):
        twin.attempt(twin.calls.settle(1, settlement, _proof(job, settlement)), scene.aggregators[0])


def test_settlement_figures_fail_in_a_round_of_another_scale(scene: Scene) -> None:
    """Even without a proof that binds the round: figures of another one fail where stakes, order or scale differ."""
    job = scene.create()
    job.open_and_commit(job.join_all(6))
    settlement = job.settlement()
    job.settle(settlement)
    job.travel_to(Phase.FINAL)
    job.open_and_commit(scene.trainers[:6])
    replayed = replace(_dressed(settlement, job), gram=job.settlement().gram)
    with refused("Settling_WrongScale"):
        job.attempt(job.calls.settle(2, replayed), scene.aggregators[0])


def test_settlement_figures_fail_in_a_job_of_other_stakes(scene: Scene) -> None:
    job, other = scene.create(), scene.create()
    job.open_and_commit(job.join_all(6))
    for i, trainer in enumerate(scene.trainers[:6]):
        other.join(trainer, 200 - 7 * i)
    other.open_and_commit(scene.trainers[:6])
    with refused("Settling_WrongWeight"):
        other.attempt(other.calls.settle(1, _dressed(job.settlement(), other)), scene.aggregators[0])


def test_the_verifier_is_told_all_that_is_on_record_of_a_challenged_aggregate(scene: Scene, binding: Contract) -> None:
    job = _settling(scene, binding)
    settlement = job.settlement(excluded=[1])
    job.settle(settlement, proof=_proof(job, settlement))
    job.challenge(evidence=_evidence(job))
    assert job.phase is Phase.VOID
    scene.check()


def test_evidence_is_not_replayed_against_another_settlement(scene: Scene, binding: Contract) -> None:
    """Nor is evidence of another job, though the same aggregate is on record."""
    job = _settling(scene, binding)
    settlement = job.settlement()
    job.settle(settlement, proof=_proof(job, settlement))
    evidence = _evidence(job)
    job.challenge(evidence=evidence)
    twin = _settling(scene, binding, settle_seconds=1_000)
    job.open_and_commit(scene.trainers[:6])
    same: dict[str, Any] = {
        "aggregate_commitment": settlement.aggregate_commitment,
        "aggregate_root": settlement.aggregate_root,
    }
    for other, sender in ((twin, scene.aggregators[0]), (job, scene.aggregators[1])):
        again: Settlement = replace(other.settlement(), **same)
        other.settle(again, sender=sender, proof=_proof(other, again, sender))
        with refused("Binding_WrongEvidence"):
            other.attempt(other.calls.challenge(other.number, evidence), scene.outsider)
        other.attempt(other.calls.challenge(other.number, _evidence(other)), scene.outsider)


@pytest.mark.parametrize(
    "change",
    [{"aggregate_commitment": commitment("another")}, {"aggregate_root": b"\1" * 32}, {"weights": (1,)}],
    ids=["commitment", "root", "weights"],
)
def test_evidence_is_for_the_recorded_aggregate_only(scene: Scene, binding: Contract, change: dict[str, Any]) -> None:
    job = _settling(scene, binding)
    honest = job.settlement()
    with scene.undone():
        job.settle(honest, proof=_proof(job, honest))
        evidence = _evidence(job)
    other: Settlement = replace(honest, **change)
    job.settle(other, proof=_proof(job, other))
    with refused("Binding_WrongEvidence"):
        job.attempt(job.calls.challenge(1, evidence), scene.outsider)
