"""A whole market through the services: its model, its payouts, and what happens when somebody is late or silent."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from web3 import Web3

from aggregator.settlement import RoundRules
from market.chain.transactions import send
from market.domain import Phase
from market.errors import ContractRefused
from market.rounds import RoundState
from market.services import view
from market.services.closing import close_job
from market.services.job import Vector
from market.services.owner import download_model
from market.services.simulation import SimulatedTrainer, simulate
from market.services.trainer import Trainer, open_round
from market.trainer.behaviours import make_behaviour
from market.trainer.parameters import ModelSchema, load_model
from market.trainer.partition import partition
from market.trainer.task import load_task
from tests.e2e.stage import BOND, COIN, STAKE, Stage, Told

TRAINERS = ("ann", "bob", "cyd", "dan", "eve")


@pytest.mark.parametrize("scale_per_tensor", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_market_with_an_attacker_gives_the_simulated_model_and_payouts(
    stage: Stage, tmp_path: Path, scale_per_tensor: bool
) -> None:
    behaviours = ["honest"] * 4 + ["sign-flip"]
    created = stage.create(byzantine=1, min_trainers=5, scale_exponent=None, scale_per_tensor=scale_per_tensor)
    offsets = {tensor.scale_offset for tensor in stage.observed().manifest.tensors}
    assert (len(offsets) > 1) is scale_per_tensor
    task = load_task("digits")
    data = task.load_data()
    parts = partition(data.train.labels.numpy(), 5, 1.0, 0)
    trainers = stage.joined(*TRAINERS)
    for place, trainer in enumerate(trainers):
        trainer.task, trainer.samples = task, data.train.subset(parts[place])
        trainer.behaviour, trainer.seed = make_behaviour(behaviours[place]), place
    owner_before = stage.balance("owner")

    models = _run_rounds(stage, trainers, rounds=3)

    job = stage.observed()
    initial = job.model(0)
    expected = simulate(
        task,
        job.manifest,
        initial,
        [
            SimulatedTrainer(data.train.subset(parts[place]), make_behaviour(behaviours[place]), place, STAKE)
            for place in range(5)
        ],
        RoundRules("multi-krum", "shapley", 1, created.terms.dimension, 16, 5, COIN),
        rounds=3,
        scale_exponent=created.terms.scale_exponent,
        validation=data.validation,
    )
    for state, found, wanted in zip(job.state.rounds, models, expected, strict=True):
        assert found.tobytes() == wanted.model.tobytes()
        assert tuple(state.payouts.values()) == wanted.outcome.payouts
        assert list(state.payouts) == [trainer.address for trainer in trainers]
    assert job.model(3).tobytes() == expected[2].model.tobytes()
    assert expected[2].evaluation.accuracy > 0.85

    for trainer in trainers:
        trainer.job.refresh()
        while not trainer.finished:
            assert trainer.step()
    paid = {trainer.address: trainer.paid for trainer in trainers}
    assert paid[trainers[4].address] == 0
    assert all(paid[trainer.address] > COIN // 4 for trainer in trainers[:4])
    refund = close_job(job := stage.job("owner"), stage.actor("owner").address)
    assert refund == job.state.terms.escrow - sum(paid.values()) < 3 * 5
    assert stage.balance("owner") > owner_before - COIN  # gas, not the escrow twice
    assert job.market.balance() == 0

    schema = ModelSchema(job.manifest.entries)
    assert download_model(job, tmp_path / "model.safetensors") == 3
    assert load_model(tmp_path / "model.safetensors", schema).tobytes() == expected[2].model.tobytes()


def _run_rounds(stage: Stage, trainers: list[Trainer], rounds: int) -> list[Vector]:
    aggregator = stage.aggregator(open_at=len(trainers))
    models = []
    for number in range(1, rounds + 1):
        aggregator.job.refresh()
        assert aggregator.step()
        for trainer in trainers:
            trainer.job.refresh()
            assert trainer.step()
            assert not trainer.step()
        stage.travel(_latest(aggregator.job.state.rounds).opened.commit_end)
        aggregator.job.refresh()
        assert aggregator.step()
        assert not aggregator.step()
        settled = _latest(aggregator.job.state.rounds).settled
        assert settled is not None
        stage.travel(settled.challenge_end)
        observer = stage.observed()
        assert observer.state.phase(observer.now) is Phase.FINAL
        models.append(observer.model(number))
    aggregator.job.refresh()
    assert aggregator.deposits.held == BOND
    assert aggregator.step()  # frees the bond behind the last settlement
    assert (aggregator.deposits.held, aggregator.finished) == (0, False)
    assert aggregator.step()  # and has it paid out
    assert aggregator.finished
    return models


def _latest(rounds: tuple[RoundState, ...]) -> RoundState:
    return rounds[-1]


@pytest.mark.slow
def test_a_job_opens_only_when_as_many_have_joined_as_the_aggregator_waits_for(stage: Stage) -> None:
    stage.create()
    aggregator = stage.aggregator(open_at=4)
    stage.joined("ann", "bob", "cyd")
    aggregator.job.refresh()
    assert not aggregator.step()
    stage.joined("dan")
    aggregator.job.refresh()
    assert aggregator.step()


@pytest.mark.slow
def test_a_trainer_that_joins_late_starts_from_the_model_so_far(stage: Stage) -> None:
    stage.create()
    early = stage.joined("ann", "bob", "cyd")
    stage.settled(*early)
    stage.open()
    (late,) = stage.joined("dan")
    early[0].job.refresh()
    assert late.job.model(1).tobytes() == early[0].job.model(1).tobytes()
    assert late.job.model(1).tobytes() != late.job.model(0).tobytes()
    state = stage.commit(*early, late)
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    settled = _latest(aggregator.job.state.rounds)
    assert len(settled.payouts) == 4
    assert settled.payouts[late.address] > 0
    assert settled.settled is not None
    stage.travel(settled.settled.challenge_end)
    stage.all_leave(*early, late)


@pytest.mark.slow
def test_a_round_settles_without_a_trainer_that_falls_silent(stage: Stage) -> None:
    stage.create()
    trainers = stage.joined(*TRAINERS[:4])
    stage.settled(*trainers)
    state = stage.settled(*trainers[:3])
    assert trainers[3].address not in state.payouts
    assert sum(state.payouts.values()) > COIN - 4
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_a_void_round_pays_nothing_and_the_job_goes_on(stage: Stage) -> None:
    stage.create()
    trainers = stage.joined(*TRAINERS[:3])
    stage.open()
    void = stage.commit(*trainers[:2])
    stage.travel(void.opened.commit_end)
    aggregator = stage.aggregator()
    assert not aggregator.step()
    assert not aggregator.step()
    assert stage.told.named("unsettleable") == [{"round": 1, "reason": "Market_TooFewTrainers"}]
    with pytest.raises(ContractRefused) as refused:
        trainers[0].leave()
    assert refused.value.details["error"] == "Market_StakeLocked"

    stage.travel(void.opened.settle_end)
    escrow = aggregator.job.state.escrow
    state = stage.settled(*trainers)
    assert state.number == 2
    assert state.opened.scale_exponent == void.opened.scale_exponent
    observer = stage.observed()
    assert [each.phase(observer.now) for each in observer.state.rounds] == [Phase.VOID, Phase.FINAL]
    assert observer.state.escrow == escrow - sum(state.payouts.values())
    assert observer.model(1).tobytes() != observer.model(0).tobytes()
    stage.all_leave(*trainers)


def test_an_update_trained_past_the_deadline_is_neither_stored_nor_sent(stage: Stage) -> None:
    stage.create()
    (trainer, *_) = stage.joined(*TRAINERS[:3])
    task = load_task("digits")
    trainer.task, trainer.samples, trainer.behaviour = task, task.load_data().validation, make_behaviour("honest")
    state = stage.open()

    def run_out_of_time(event: str, fields: dict[str, object]) -> None:
        if event == "trained":
            stage.travel(state.opened.commit_end)

    trainer.report = run_out_of_time
    trainer.job.refresh()
    kept = len(list((stage.folder / "store" / "pins").iterdir()))
    with pytest.raises(ContractRefused) as refused:
        trainer.step()
    assert refused.value.details["error"] == "Market_WrongPhase"
    assert len(list((stage.folder / "store" / "pins").iterdir())) == kept
    assert not list(trainer.journal.folder.glob("commit-*"))
    trainer.job.refresh()
    assert not trainer.step()  # the loop goes on with the next round


@pytest.mark.slow
def test_two_aggregators_that_settle_at_once_settle_once(stage: Stage) -> None:
    names = ("aggregator", "second aggregator")
    stage.create(aggregators=[stage.actor(name).address for name in names])
    trainers = stage.joined(*TRAINERS[:3])
    stage.open()
    stage.travel(stage.commit(*trainers).opened.commit_end)
    ready = threading.Barrier(2)
    told = [Told(), Told()]
    done: list[bool] = []

    def settle(name: str, reports: Told) -> None:
        def report(event: str, fields: dict[str, object]) -> None:
            reports(event, fields)
            if event == "aggregated":
                ready.wait(30)

        done.append(stage.aggregator(name=name, report=report).step())

    threads = [threading.Thread(target=settle, args=pair) for pair in zip(names, told, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True, True]
    assert sorted(len(reports.named("settled")) for reports in told) == [0, 1]
    assert sorted(len(reports.named("settled-by-another")) for reports in told) == [0, 1]
    state = _latest(stage.observed().state.rounds)
    assert state.settled is not None
    stage.travel(state.settled.challenge_end)
    stage.settled(*trainers)  # whoever lost goes on with the next round
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_a_restarted_chain_does_not_find_the_models_of_the_one_before(stage: Stage) -> None:
    stage.create()
    trainers = stage.joined(*TRAINERS[:3])
    snapshot = stage.w3.manager.request_blocking("evm_snapshot", [])  # type: ignore[arg-type]
    stage.settled(*trainers)
    before = trainers[0].job
    before.refresh()
    first = before.model(1)
    stage.w3.manager.request_blocking("evm_revert", [snapshot])  # type: ignore[arg-type]

    again = [stage.trainer(name) for name in TRAINERS[:3]]
    stage.open()
    for trainer in again:
        trainer.job.refresh()
        other = np.random.default_rng(int(trainer.address, 16)).normal(size=before.manifest.dimension)
        trainer.submit(open_round(trainer.job), (0.001 * (1 + 0.1 * other)).astype(np.float32))
    state = open_round(again[0].job)
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    job = stage.job(TRAINERS[0])
    assert job.workdir == before.workdir
    assert job.model(1).tobytes() != first.tobytes()


@pytest.mark.slow
def test_verdicts_tell_who_was_rejected_and_how_far_off_it_was(stage: Stage) -> None:
    stage.create(byzantine=1, min_trainers=5)
    trainers = stage.joined(*TRAINERS)
    stage.open()
    stage.commit(*trainers[:4])
    state = open_round(stage.observed())
    trainers[4].job.refresh()
    dimension = trainers[4].job.manifest.dimension
    noise = np.random.default_rng(3).normal(size=dimension) * 0.02
    trainers[4].submit(state, noise.astype(np.float32))
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    found = view.verdicts(_latest(aggregator.job.state.rounds), "multi-krum", 1, {})
    assert [verdict.trainer for verdict in found] == [trainer.address for trainer in trainers]
    assert not found[4].accepted
    assert (found[4].weight, found[4].score, found[4].payout) == (0, 0, 0)
    assert "rejected: " in found[4].reason
    assert float(found[4].reason.split()[1]) > 10
    assert any(verdict.accepted and verdict.payout > 0 for verdict in found)


@pytest.mark.node
@pytest.mark.slow
def test_a_job_in_an_erc20_token_pays_stakes_and_rewards_in_it(stage: Stage) -> None:
    from tests.contracts.harness import artifact

    code = artifact("BlocklistToken")
    owner = stage.actor("owner")
    factory = stage.w3.eth.contract(abi=code["abi"], bytecode=code["bytecode"])
    address = send(stage.w3, owner.account, factory.constructor())["contractAddress"]
    assert address is not None
    token = stage.w3.eth.contract(address=address, abi=code["abi"])
    for name in ("owner", "aggregator", *TRAINERS[:3]):
        send(stage.w3, owner.account, token.functions.mint(stage.actor(name).address, 10 * COIN))
    stage.create(token=Web3.to_checksum_address(address), rounds=1)
    trainers = stage.joined(*TRAINERS[:3])
    assert token.functions.balanceOf(stage.market).call() == COIN + BOND + 3 * STAKE
    assert stage.client("observer").balance() == 0

    state = stage.settled(*trainers)
    assert stage.observed().state.bonds == BOND
    stage.all_leave(*trainers)
    assert token.functions.balanceOf(stage.actor("aggregator").address).call() == 10 * COIN
    for trainer in trainers:
        assert token.functions.balanceOf(trainer.address).call() == 10 * COIN + state.payouts[trainer.address]
    assert token.functions.balanceOf(stage.market).call() == 0
    assert token.functions.balanceOf(owner.address).call() == 10 * COIN - sum(state.payouts.values())
