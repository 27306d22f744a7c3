"""Invariant 11: what each function does in each phase, as one table that contract and reducer both obey."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from web3.contract.contract import ContractFunction

from aggregator.proofs.statement import Witness
from market import rounds
from market.domain import Phase, Settlement
from tests.contracts.harness import refused
from tests.contracts.labels import cid, commitment, point
from tests.contracts.scenario import Job, Scene

OK = ""
STATES = (
    *("none", "open", "settling", "challengeable", "final", "void", "overturned"),
    *("closed after final", "closed after void", "closed after overturned"),
)
ACTIONS = (
    *("open", "commit", "commit again", "settle", "challenge", "claim", "close", "leave", "join", "withdraw"),
    *("post bond", "withdraw bond", "withdraw reward"),
)
PHASE, LOCKED, RUNNING, CLOSED = "Market_WrongPhase", "Market_StakeLocked", "Market_JobRunning", "Market_JobClosed"
NOTHING, AGAIN, NO_BOND = "Market_NothingToWithdraw", "Market_AlreadyCommitted", "Market_NotBonded"
OUT, BONDED, BOND_LOCKED = "Market_NotAggregator", "Market_AlreadyBonded", "Market_BondLocked"
TABLE: dict[str, tuple[str, ...]] = {
    # open, commit, commit again, settle, challenge, claim, close, leave, join, withdraw,
    # post bond (again), withdraw bond (of who settles), withdraw reward
    "none": (OK, PHASE, PHASE, PHASE, PHASE, PHASE, RUNNING, OK, OK, NOTHING, BONDED, OK, NOTHING),
    "open": (PHASE, OK, AGAIN, PHASE, PHASE, PHASE, PHASE, LOCKED, OK, NOTHING, BONDED, OK, NOTHING),
    "settling": (PHASE, PHASE, PHASE, OK, PHASE, PHASE, PHASE, LOCKED, OK, NOTHING, BONDED, OK, NOTHING),
    "challengeable": (
        *(PHASE, PHASE, PHASE, PHASE, OK, PHASE, PHASE, LOCKED, OK, NOTHING),
        *(BONDED, BOND_LOCKED, NOTHING),
    ),
    "final": (OK, PHASE, PHASE, PHASE, PHASE, OK, RUNNING, OK, OK, NOTHING, BONDED, OK, NOTHING),
    "void": (OK, PHASE, PHASE, PHASE, PHASE, PHASE, RUNNING, OK, OK, NOTHING, BONDED, OK, NOTHING),
    "overturned": (OK, PHASE, PHASE, OUT, PHASE, PHASE, RUNNING, OK, OK, OK, OUT, NO_BOND, OK),
    "closed after final": (CLOSED, PHASE, PHASE, PHASE, PHASE, OK, CLOSED, OK, CLOSED, OK, CLOSED, OK, NOTHING),
    "closed after void": (CLOSED, PHASE, PHASE, PHASE, PHASE, PHASE, CLOSED, OK, CLOSED, OK, CLOSED, OK, NOTHING),
    "closed after overturned": (CLOSED, PHASE, PHASE, OUT, PHASE, PHASE, CLOSED, OK, CLOSED, OK, OUT, NO_BOND, OK),
}
BOND = 500


EMPTY = Settlement(0, (), (), b"", (), (), (), 0, bytes(32), commitment(0), bytes(32), cid(0), 0, Witness())


def _job_in(scene: Scene, state: str) -> Job:
    """Give a job of six trainers, five of whom committed, whose first round is in a state."""
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(verifier=verifier.address, aggregator_bond=BOND, challenger_share_bps=2_500)
    for number in range(1, 3):
        scene.chain.send(verifier.functions.setFalse(job.id, number, True))
    job.deposit_bond()
    trainers = job.join_all(6)
    if state == "none":
        return job
    job.open()
    for trainer in trainers[:5]:
        job.commit(trainer)
    if state == "open":
        return job
    job.travel_to(Phase.VOID if state.endswith("void") else Phase.SETTLING)
    if state.endswith(("challengeable", "final", "overturned")):
        job.settle()
    if state.endswith("overturned"):
        job.challenge()
    if state.endswith("final"):
        job.travel_to(Phase.FINAL)
    if state.startswith("closed"):
        scene.chain.travel_to(job.terms.deadline)
        job.close()
    return job


def _action(job: Job, action: str) -> tuple[ContractFunction, str, int]:
    """Return the call, who makes it, and the coins that go along."""
    scene, calls = job.scene, job.calls
    committer, idle, newcomer = scene.trainers[0], scene.trainers[5], scene.trainers[6]
    aggregator = scene.aggregators[0]
    settlement = job.settlement() if job.state.rounds else EMPTY
    return {
        "open": (calls.open(), scene.outsider, 0),
        "commit": (calls.commit(1, point("new"), cid("new")), idle, 0),
        "commit again": (calls.commit(1, point("new"), cid("new")), committer, 0),
        "settle": (calls.settle(1, settlement), aggregator, 0),
        "challenge": (calls.challenge(1), scene.outsider, 0),
        "claim": (calls.claim([1], committer), committer, 0),
        "close": (calls.close(), scene.owner, 0),
        "leave": (calls.leave(committer), committer, 0),
        "join": (calls.join(10), newcomer, 10),
        "withdraw": (calls.withdraw(scene.owner), scene.owner, 0),
        "post bond": (calls.deposit_bond(), aggregator, BOND),
        "withdraw bond": (calls.withdraw_bond(aggregator), aggregator, 0),
        "withdraw reward": (calls.withdraw_reward(scene.outsider), scene.outsider, 0),
    }[action]


def _refusal(job: Job, action: str) -> str | None:
    """Return what the reducer predicts."""
    scene, state, now = job.scene, job.state, job.scene.chain.now
    committer, idle, newcomer = scene.trainers[0], scene.trainers[5], scene.trainers[6]
    aggregator = scene.aggregators[0]
    predictions: dict[str, Callable[[], str | None]] = {
        "open": lambda: rounds.refusal_to_open(state, now),
        "commit": lambda: rounds.refusal_to_commit(state, 1, idle, now),
        "commit again": lambda: rounds.refusal_to_commit(state, 1, committer, now),
        "settle": lambda: rounds.refusal_to_settle(state, 1, aggregator, 31, now),
        "challenge": lambda: rounds.refusal_to_challenge(state, 1, now),
        "claim": lambda: rounds.refusal_to_claim(state, 1, committer, now),
        "close": lambda: rounds.refusal_to_close(state, scene.owner, now),
        "leave": lambda: rounds.refusal_to_leave(state, committer, now),
        "join": lambda: rounds.refusal_to_join(state, newcomer, 10),
        "withdraw": lambda: rounds.refusal_to_withdraw(state, scene.owner),
        "post bond": lambda: rounds.refusal_to_post_bond(state, aggregator),
        "withdraw bond": lambda: rounds.refusal_to_withdraw_bond(state, aggregator, now),
        "withdraw reward": lambda: rounds.refusal_to_withdraw_reward(state, scene.outsider),
    }
    return predictions[action]()


@pytest.mark.parametrize("state", STATES)
def test_invariant_11_every_function_in_every_state(scene: Scene, state: str) -> None:
    job = _job_in(scene, state)
    assert len(TABLE[state]) == len(ACTIONS)
    for action, error in zip(ACTIONS, TABLE[state], strict=True):
        call, sender, value = _action(job, action)
        assert (_refusal(job, action) or OK) == error, action
        if error == OK:
            job.attempt(call, sender, value)
            continue
        with refused(error):
            job.attempt(call, sender, value)
    scene.check()


def test_invariant_11_the_table_leaves_out_no_state() -> None:
    assert set(TABLE) == set(STATES)


@pytest.mark.parametrize("state", ["final", "void", "overturned"])
def test_invariant_11_terminal_states_absorb(scene: Scene, state: str) -> None:
    """Whatever is done afterwards, at whatever time, the round stays as it ended."""
    job = _job_in(scene, state)
    ended, number = Phase.FINAL if state == "final" else Phase.VOID, 1
    view = scene.market.functions
    before = scene.chain.call(view.round(job.id, number))
    first, second = scene.trainers[0], scene.aggregators[1]

    def play_on() -> None:
        job.deposit_bond(second)
        job.open_and_commit(scene.trainers[:5])
        job.settle(sender=second)
        job.travel_to(Phase.FINAL)

    steps: list[Callable[[], object]] = [
        play_on,
        lambda: job.claim(first, list(job.state.claimable(first, scene.chain.now))),
        lambda: job.leave(first),
        lambda: job.withdraw_bond(second),
        lambda: scene.chain.travel_to(job.terms.deadline + 10**9),
        job.close,
        job.withdraw,
    ]
    for step in steps:
        step()
        assert scene.chain.call(view.phase(job.id, number)) == ended
        assert scene.chain.call(view.round(job.id, number)) == before
        scene.check()
