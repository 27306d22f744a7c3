"""challengeUpdate: an update out of range costs its trainer stake, place and the pay of the round, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_abi.abi import encode
from eth_utils.abi import get_abi_input_types
from web3 import Web3
from web3.contract import Contract

from market.domain import NATIVE_COIN, Phase, TrainerSlashed
from tests.contracts.harness import artifact, refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point, stranger
from tests.contracts.scenario import Scene
from tests.contracts.views import update_claim

SHARE = 3_333


@pytest.fixture
def switch(scene: Scene) -> Contract:
    return scene.chain.deploy("FaultSwitchVerifier")


@pytest.fixture(params=["coin", "token"])
def job(scene: Scene, switch: Contract, request: pytest.FixtureRequest) -> Iterator[Job]:
    """Give a job of seven trainers, six of whom have committed to its round, which waits for its settlement."""
    token = NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address
    job = scene.create(token=token, verifier=switch.address, challenger_share_bps=SHARE, rule="mean")
    trainers = job.join_all(7)
    job.open_and_commit(trainers[:6])
    yield job
    scene.check()


def _find_fault(job: Job, switch: Contract, index: int = 0) -> None:
    word = job.latest.commits[index].commitment
    job.scene.chain.send(switch.functions.setOutOfRange(job.id, job.number, word, True))


def _to(job: Job, phase: Phase) -> None:
    """Bring the round to a later phase of a round that is settled."""
    if phase is not Phase.SETTLING:
        job.settle()
    if phase is Phase.FINAL:
        job.travel_to(phase)


@pytest.mark.parametrize("phase", [Phase.SETTLING, Phase.CHALLENGEABLE], ids=lambda phase: phase.name)
def test_a_slash_goes_where_the_job_says_and_takes_nothing_else(
    scene: Scene, job: Job, switch: Contract, phase: Phase
) -> None:
    _to(job, phase)
    _find_fault(job, switch, 1)
    trainer, before = scene.trainers[1], dict(job.latest.payouts)
    held, stakes = scene.balance(job.terms.token, scene.market.address), dict(job.state.stakes)
    reward, returned, escrow = 107 * SHARE // 10_000, before.get(trainer, 0), job.state.escrow
    assert (returned > 0) == (phase is Phase.CHALLENGEABLE)
    expected = TrainerSlashed(job.id, 1, scene.outsider, trainer, 107, reward, returned)
    assert job.challenge_update(trainer) == expected
    assert (job.free(scene.outsider), job.free(scene.owner)) == (reward, 107 - reward)
    assert job.state.escrow == scene.client.job_account(job.id).escrow == escrow + returned
    assert job.state.stakes == {other: stake for other, stake in stakes.items() if other != trainer}
    assert job.latest.payouts == ({**before, trainer: 0} if before else {})
    assert job.phase is phase  # the round goes on
    assert scene.balance(job.terms.token, scene.market.address) == held


@pytest.mark.parametrize("share", [0, 9_999, *(pytest.param(share, marks=pytest.mark.slow) for share in (1, 10_000))])
def test_the_stake_is_split_to_the_unit(scene: Scene, switch: Contract, share: int) -> None:
    job = scene.create(verifier=switch.address, challenger_share_bps=share)
    job.join_all()
    job.open_and_commit([scene.trainers[3]])
    _find_fault(job, switch)
    event = job.challenge_update(scene.trainers[3])
    assert isinstance(event, TrainerSlashed)
    assert (event.stake, event.reward) == (121, 121 * share // 10_000)
    assert (job.free(scene.outsider), job.free(scene.owner)) == (event.reward, 121 - event.reward)
    scene.check()


def test_a_sound_update_costs_nobody_anything(scene: Scene, job: Job) -> None:
    with refused("FaultSwitch_NoFault", jobId=job.id, round=1):
        job.attempt(job.calls.challenge_update(1, 0), scene.outsider)


def test_a_round_that_is_over_or_never_was_is_not_challenged(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    for number in (0, 2):
        with refused("Market_WrongPhase", jobId=job.id, round=number, phase=Phase.NONE):
            job.attempt(job.calls.challenge_update(number, 0), scene.outsider)
    with scene.undone():
        job.travel_to(Phase.VOID)
        with refused("Market_WrongPhase", phase=Phase.VOID):
            job.attempt(job.calls.challenge_update(1, 0), scene.outsider)
    _to(job, Phase.CHALLENGEABLE)
    assert job.latest.settled is not None
    scene.chain.travel_to(job.latest.settled.challenge_end - 1)
    job.attempt(job.calls.challenge_update(1, 0), scene.outsider)
    scene.chain.travel_to(job.latest.settled.challenge_end)
    with refused("Market_WrongPhase", phase=Phase.FINAL):
        job.attempt(job.calls.challenge_update(1, 0), scene.outsider)


def test_nobody_is_slashed_while_trainers_can_commit(scene: Scene, switch: Contract) -> None:
    job = scene.create(verifier=switch.address)
    trainer = job.join_all()[0]
    job.open()
    job.commit(trainer)
    _find_fault(job, switch)
    commit_end, call = job.latest.opened.commit_end, job.calls.challenge_update(1, 0)
    for second in (scene.chain.now, commit_end - 1):
        scene.chain.travel_to(second)
        with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.OPEN):
            job.attempt(call, scene.outsider)
    scene.chain.travel_to(commit_end)
    job.attempt(call, scene.outsider)
    scene.check()


def test_slashes_and_new_stakes_bring_a_round_no_commitments_beyond_its_seats(scene: Scene, switch: Contract) -> None:
    """What honest trainers put in can always leave: no round has more commitments than places in a mask."""
    job = scene.create(verifier=switch.address, challenger_share_bps=10_000, commit_seconds=200)
    honest, (one, other, *newcomers) = job.join_all(6), scene.trainers[6:10]
    for trainer in (one, other):
        job.join(trainer)
    job.open()
    for trainer in (*honest, one, other):
        job.commit(trainer)
        scene.chain.send(switch.functions.setOutOfRange(job.id, 1, commitment((job.id, 1, trainer)), True))
    for index, trainer in ((6, one), (7, other)):  # who would give its seat to the next one
        with refused("Market_WrongPhase", phase=Phase.OPEN):
            job.attempt(job.calls.challenge_update(1, index), trainer)
    with refused("Market_JobFull", jobId=job.id):
        job.attempt(job.calls.join(100), newcomers[0], job.value(100))
    job.travel_to(Phase.SETTLING)
    for trainer, newcomer in zip((one, other), newcomers, strict=True):
        job.challenge_update(trainer, challenger=trainer)
        job.join(newcomer)
        with refused("Market_WrongPhase", phase=Phase.SETTLING):
            job.attempt(job.calls.commit(1, point("more"), cid("more")), newcomer)
    assert len(job.latest.commits) == job.terms.max_trainers
    job.travel_to(Phase.VOID)
    for trainer in honest:
        job.leave(trainer)
    scene.check()


def test_nobody_is_slashed_twice_nor_without_a_commitment(scene: Scene, job: Job, switch: Contract) -> None:
    _find_fault(job, switch)
    for index in (6, 63, 255, 256, 1 << 255):
        with refused("Market_UnknownTrainers", committed=6):
            job.attempt(job.calls.challenge_update(1, index), scene.outsider)
    job.challenge_update(scene.trainers[0])
    with refused("Market_SlashedTrainers", jobId=job.id, round=1, slashed=1):
        job.attempt(job.calls.challenge_update(1, 0), scene.outsider)
    job.join(scene.trainers[0], 200)  # not even with a new stake
    with refused("Market_SlashedTrainers", slashed=1):
        job.attempt(job.calls.challenge_update(1, 0), scene.outsider)


def test_a_slashed_update_is_not_included_and_counts_neither_as_committed_nor_as_left_out(
    scene: Scene, job: Job, switch: Contract
) -> None:
    _find_fault(job, switch)
    with_it = job.settlement()
    job.challenge_update(scene.trainers[0])
    with refused("Market_SlashedTrainers", slashed=1):
        job.attempt(job.calls.settle(1, with_it), scene.aggregators[0])
    for excluded in ((1,), ()):  # f = 1 of the five sound ones can still be left out
        job.attempt(job.calls.settle(1, job.settlement(excluded=excluded)), scene.aggregators[0])
    with refused("Market_TooManyExcluded", excluded=2, byzantine=1):
        job.attempt(job.calls.settle(1, job.settlement(excluded=[1, 2])), scene.aggregators[0])
    _find_fault(job, switch, 5)
    job.challenge_update(scene.trainers[5])
    with refused("Market_TooFewTrainers", trainers=4, minTrainers=5):
        job.attempt(job.calls.settle(1, job.settlement()), scene.aggregators[0])


def test_who_was_slashed_can_join_again_and_commit_to_the_next_round(scene: Scene, job: Job, switch: Contract) -> None:
    trainer = scene.trainers[0]
    _find_fault(job, switch)
    job.challenge_update(trainer)
    with refused("Market_NotTrainer", caller=trainer):
        job.attempt(job.calls.leave(trainer), trainer)
    job.join(trainer, 300)
    with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.SETTLING):
        job.attempt(job.calls.commit(1, point("again"), cid("again")), trainer)
    with refused("Market_StakeLocked"):  # as for everybody with a commitment to the live round
        job.attempt(job.calls.leave(trainer), trainer)
    _to(job, Phase.FINAL)
    job.play_round(scene.trainers[:7])
    assert job.latest.payouts[trainer] > 0


def test_final_pay_of_earlier_rounds_stays_with_who_is_slashed(scene: Scene, job: Job, switch: Contract) -> None:
    _to(job, Phase.FINAL)
    trainer, earned = scene.trainers[0], job.latest.payouts[scene.trainers[0]]
    job.open_and_commit(scene.trainers[:7])
    _find_fault(job, switch)
    job.challenge_update(trainer)
    job.claim(trainer, [1], stranger("earned"))
    assert scene.balance(job.terms.token, stranger("earned")) == earned > 0


def test_the_others_are_paid_and_the_slashed_one_claims_nothing(scene: Scene, job: Job, switch: Contract) -> None:
    _to(job, Phase.CHALLENGEABLE)
    _find_fault(job, switch)
    job.challenge_update(scene.trainers[0])
    job.travel_to(Phase.FINAL)
    with refused("Market_NothingToClaim", trainer=scene.trainers[0]):
        job.attempt(job.calls.claim([1], scene.trainers[0]), scene.trainers[0])
    for trainer in scene.trainers[1:6]:
        job.claim(trainer)


def test_a_slash_and_an_overturn_of_one_round_return_its_budget_once(scene: Scene, job: Job, switch: Contract) -> None:
    _to(job, Phase.CHALLENGEABLE)
    _find_fault(job, switch)
    scene.chain.send(switch.functions.setFalse(job.id, 1, True))
    job.challenge_update(scene.trainers[0])
    job.challenge()
    assert job.state.escrow == scene.client.job_account(job.id).escrow == job.terms.escrow


def test_the_verifier_is_told_of_the_update_as_an_aggregate_of_one(scene: Scene) -> None:
    (entry,) = [entry for entry in artifact("BindingVerifier")["abi"] if entry.get("name") == "verifyFault"]
    job = scene.create(verifier=scene.chain.deploy("BindingVerifier").address)
    job.open_and_commit(job.join_all(6))
    evidence = Web3.keccak(encode([get_abi_input_types(entry)[0]], [update_claim(job, 2)]))
    for index in (1, 3):
        with refused("Binding_WrongEvidence"):
            job.attempt(job.calls.challenge_update(1, index, bytes(evidence)), scene.outsider)
    job.challenge_update(scene.trainers[2], evidence=bytes(evidence))
    scene.check()
