"""The market's state machine as a pure reducer: (state, event) -> state, and who may do what at which chain time.

It serves the services' loops, the projection of chain events, and the model that stateful tests run the contract
against. Phases are not stored: like the contract, the state derives them from chain time. Each ``refusal_to_*`` names
the custom error with which the contract would revert, or returns None; the order of checks is the contract's. Free
balances, which belong to no one job, are in :mod:`market.accounts`.
"""

from market.rounds.reducer import apply, start
from market.rounds.refusals import (
    refusal_to_challenge,
    refusal_to_challenge_update,
    refusal_to_claim,
    refusal_to_close,
    refusal_to_commit,
    refusal_to_commit_reference,
    refusal_to_extend,
    refusal_to_join,
    refusal_to_leave,
    refusal_to_name,
    refusal_to_open,
    refusal_to_release_bond,
    refusal_to_settle,
    refusal_to_stop,
)
from market.rounds.state import JobState, RoundState

__all__ = [
    "JobState",
    "RoundState",
    "apply",
    "refusal_to_challenge",
    "refusal_to_challenge_update",
    "refusal_to_claim",
    "refusal_to_close",
    "refusal_to_commit",
    "refusal_to_commit_reference",
    "refusal_to_extend",
    "refusal_to_join",
    "refusal_to_leave",
    "refusal_to_name",
    "refusal_to_open",
    "refusal_to_release_bond",
    "refusal_to_settle",
    "refusal_to_stop",
    "start",
]
