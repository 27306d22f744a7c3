"""Jobs whose first round is in a given state, the calls that actors make there, and what the market answers."""

from __future__ import annotations

from web3.contract.contract import ContractFunction

from aggregator.proofs.statement import Witness
from market.domain import Phase, Settlement
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point
from tests.contracts.scenario import Scene

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
    "open": (PHASE, OK, AGAIN, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, PHASE, OK, PHASE, LOCKED, OK, OK),
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


def job_in(scene: Scene, state: str) -> Job:
    """Give a job of six trainers, five of whom committed, whose first round is in a state; one names the eighth."""
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    job = scene.create(verifier=verifier.address, aggregator_bond=BOND, challenger_share_bps=2_500)
    for number in range(1, 3):
        scene.chain.send(verifier.functions.setFalse(job.id, number, True))
    named = scene.trainers[7]
    for aggregator in (*scene.aggregators, named):
        job.deposit_bond(aggregator)
    trainers = job.join_all(6)
    job.name(trainers[1], named)
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


def action_in(job: Job, action: str) -> tuple[ContractFunction, str, int]:
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
