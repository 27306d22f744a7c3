"""Invariant 11: what each function does in each phase, as one table that contract and reducer both obey."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from market import rounds
from market.domain import Phase
from tests.contracts.harness import refused
from tests.contracts.job import Job
from tests.contracts.scenario import Scene
from tests.contracts.states import ACTIONS, OK, STATES, TABLE, action_in, job_in


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
    job = job_in(scene, state)
    assert len(TABLE[state]) == len(ACTIONS)
    for action, error in zip(ACTIONS, TABLE[state], strict=True):
        call, sender, value = action_in(job, action)
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
    job = job_in(scene, state)
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
