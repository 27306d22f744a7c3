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
    *("stopped, settling", "stopped, void", "closed after final", "closed after void", "closed after overturned"),
)
ACTIONS = (
    *("open", "commit", "commit again", "settle", "settle with all", "challenge", "challenge update", "claim"),
    *("release", "extend", "stop", "close", "leave", "join", "name"),
)
PHASE, LOCKED, CLOSED = "Market_WrongPhase", "Market_StakeLocked", "Market_JobClosed"
AGAIN, OUT, FEWER = "Market_AlreadyCommitted", "Market_NotAggregator", "Market_NotSuperset"
FREED, LATE = "Market_NotBonded", "Market_DeadlinePassed"
TABLE: dict[str, tuple[str, ...]] = {
    # open, commit, commit again, settle (with all but one), settle with all (by another), challenge, challenge update,
    # claim, release, extend, stop, close, leave, join, name
    "none": (OK, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, OK, OK, OK, OK, OK, OK),
    "open": (PHASE, OK, AGAIN, PHASE, PHASE, PHASE, OK, PHASE, PHASE, PHASE, OK, PHASE, LOCKED, OK, OK),
    "settling": (PHASE, PHASE, PHASE, OK, OK, PHASE, OK, PHASE, PHASE, PHASE, OK, PHASE, LOCKED, OK, OK),
    "challengeable": (PHASE, PHASE, PHASE, FEWER, OK, OK, OK, PHASE, PHASE, PHASE, OK, PHASE, LOCKED, OK, OK),
    "final": (OK, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, OK, OK, OK, OK, OK, OK, OK, OK),
    "void": (OK, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, OK, OK, OK, OK, OK, OK),
    "overturned": (OK, PHASE, PHASE, OUT, PHASE, PHASE, PHASE, PHASE, PHASE, OK, OK, OK, OK, OK, OK),
    "stopped, settling": (PHASE, PHASE, PHASE, OK, OK, PHASE, OK, PHASE, PHASE, PHASE, LATE, PHASE, LOCKED, OK, OK),
    "stopped, void": (LATE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, OK, LATE, OK, OK, OK, OK),
    "closed after final": (
        *(CLOSED, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, OK, FREED, CLOSED, CLOSED, CLOSED, OK, CLOSED, OK),
    ),
    "closed after void": (
        *(CLOSED, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, CLOSED, CLOSED, CLOSED, OK, CLOSED, OK),
    ),
    "closed after overturned": (
        *(CLOSED, PHASE, PHASE, OUT, PHASE, PHASE, PHASE, PHASE, PHASE, CLOSED, CLOSED, CLOSED, OK, CLOSED, OK),
    ),
}
BOND = 500


EMPTY = Settlement(0, (), (), b"", (), (), (), 0, bytes(32), commitment(0), bytes(32), cid(0), 0, Witness())


def _job_in(scene: Scene, state: str) -> Job:
    """Give a job of six trainers, five of whom committed, whose first round is in a state."""
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(verifier=verifier.address, aggregator_bond=BOND, challenger_share_bps=2_500)
    for number in range(1, 3):
        scene.chain.send(verifier.functions.setFalse(job.id, number, True))
    for aggregator in scene.aggregators:
        job.deposit_bond(aggregator)
    trainers = job.join_all(6)
    if state == "none":
        return job
    job.open()
    for trainer in trainers[:5]:
        job.commit(trainer)
        word = commitment((job.id, 1, trainer))
        scene.chain.send(verifier.functions.setOutOfRange(job.id, 1, word, True))
    if state == "open":
        return job
    if state.startswith("stopped"):
        job.stop()
    job.travel_to(Phase.VOID if state.endswith("void") else Phase.SETTLING)
    if state.endswith(("challengeable", "final", "overturned")):
        job.settle(job.settlement(excluded=[1]))
    if state.endswith("overturned"):
        job.challenge()
    if state.endswith("final"):
        job.travel_to(Phase.FINAL)
    if state.startswith("closed"):
        scene.chain.travel_to(job.terms.deadline - 100)
        job.close(scene.owner)
    return job


def _action(job: Job, action: str) -> tuple[ContractFunction, str, int]:
    """Return the call, who makes it, and the coins that go along."""
    scene, calls = job.scene, job.calls
    committer, idle, newcomer = scene.trainers[0], scene.trainers[5], scene.trainers[6]
    first, second = scene.aggregators
    partial, whole = (job.settlement(excluded=[1]), job.settlement()) if job.state.rounds else (EMPTY, EMPTY)
    deposit = job.state.extension_deposit(5, job.terms.round_budget, scene.chain.now)
    return {
        "open": (calls.open(), scene.outsider, 0),
        "commit": (calls.commit(1, point("new"), cid("new")), idle, 0),
        "commit again": (calls.commit(1, point("new"), cid("new")), committer, 0),
        "settle": (calls.settle(1, partial), first, 0),
        "settle with all": (calls.settle(1, whole), second, 0),
        "challenge": (calls.challenge(1), scene.outsider, 0),
        "challenge update": (calls.challenge_update(1, 0), scene.outsider, 0),
        "claim": (calls.claim([1], committer), committer, 0),
        "release": (calls.release(1), scene.outsider, 0),
        "extend": (calls.extend(5, job.terms.round_budget, job.terms.deadline), scene.owner, deposit),
        "stop": (calls.stop(), scene.owner, 0),
        "close": (calls.close(), scene.owner, 0),
        "leave": (calls.leave(committer), committer, 0),
        "join": (calls.join(10), newcomer, 10),
        "name": (calls.name(scene.outsider), idle, 0),
    }[action]


def _refusal(job: Job, action: str) -> str | None:
    """Return what the reducer predicts."""
    scene, state, now = job.scene, job.state, job.scene.chain.now
    committer, idle, newcomer = scene.trainers[0], scene.trainers[5], scene.trainers[6]
    first, second = scene.aggregators
    terms = state.terms
    predictions: dict[str, Callable[[], str | None]] = {
        "open": lambda: rounds.refusal_to_open(state, now),
        "commit": lambda: rounds.refusal_to_commit(state, 1, idle, now),
        "commit again": lambda: rounds.refusal_to_commit(state, 1, committer, now),
        "settle": lambda: rounds.refusal_to_settle(state, 1, first, 0b11101, now, job.free(first)),
        "settle with all": lambda: rounds.refusal_to_settle(state, 1, second, 0b11111, now, job.free(second)),
        "challenge": lambda: rounds.refusal_to_challenge(state, 1, now),
        "challenge update": lambda: rounds.refusal_to_challenge_update(state, 1, 0, now),
        "claim": lambda: rounds.refusal_to_claim(state, 1, committer, now),
        "release": lambda: rounds.refusal_to_release_bond(state, 1, now),
        "extend": lambda: rounds.refusal_to_extend(state, scene.owner, 5, terms.round_budget, terms.deadline, now),
        "stop": lambda: rounds.refusal_to_stop(state, scene.owner, now),
        "close": lambda: rounds.refusal_to_close(state, scene.owner, now),
        "leave": lambda: rounds.refusal_to_leave(state, committer, now),
        "join": lambda: rounds.refusal_to_join(state, newcomer, 10),
        "name": lambda: rounds.refusal_to_name(state, idle),
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
    if state == "final":
        job.release()  # the one thing that still changes
    before = scene.chain.call(view.round(job.id, number))
    first, second = scene.trainers[0], scene.aggregators[1]

    def play_on() -> None:
        job.open_and_commit(scene.trainers[:5])
        job.settle(sender=second)
        job.travel_to(Phase.FINAL)

    steps: list[Callable[[], object]] = [
        play_on,
        lambda: job.claim(first, list(job.state.claimable(first, scene.chain.now))),
        lambda: job.leave(first),
        lambda: scene.chain.travel_to(job.terms.deadline + 10**9),
        job.close,
        lambda: job.withdraw(second),
        job.withdraw,
    ]
    for step in steps:
        step()
        assert scene.chain.call(view.phase(job.id, number)) == ended
        assert scene.chain.call(view.round(job.id, number)) == before
        scene.check()
