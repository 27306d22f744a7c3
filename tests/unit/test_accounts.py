"""Free balances: credited and charged to the unit, apart by token and account, never overdrawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market import accounts
from market.accounts import Accounts
from market.domain import (
    NATIVE_COIN,
    BondReleased,
    Deposited,
    JobClosed,
    MarketEvent,
    RoundRefunded,
    TrainerJoined,
    TrainerSlashed,
    Withdrawn,
)
from market.errors import ForbiddenTransition
from tests.unit.rounds.play import (
    AGGREGATOR,
    BONDED_CREATED,
    BONDED_TERMS,
    CHALLENGER,
    OWNER,
    SECOND,
    SLASH,
    settled,
    settlement,
)

TOKEN = "token"
OTHER = replace(BONDED_CREATED, job_id=2, terms=replace(BONDED_TERMS, token=TOKEN), owner=SECOND)
SETTLED = settled(settlement())


def play(*events: MarketEvent) -> Accounts:
    state = Accounts()
    for event in events:
        state = accounts.apply(state, event)
    return state


TWO_JOBS = play(BONDED_CREATED, OTHER)
FUNDED = accounts.apply(TWO_JOBS, Deposited(NATIVE_COIN, AGGREGATOR, 40))


def test_balances_are_apart_by_token_and_account() -> None:
    state = accounts.apply(accounts.apply(FUNDED, Deposited(TOKEN, AGGREGATOR, 5)), Deposited(NATIVE_COIN, SECOND, 2))
    assert [state.free(token, AGGREGATOR) for token in (NATIVE_COIN, TOKEN)] == [40, 5]
    assert [state.owed(token) for token in (NATIVE_COIN, TOKEN, OWNER)] == [42, 5, 0]
    spent = accounts.apply(state, Withdrawn(TOKEN, AGGREGATOR, 5, OWNER))
    assert (TOKEN, AGGREGATOR) not in spent.balances
    assert spent.free(NATIVE_COIN, AGGREGATOR) == 40


def test_a_settlement_is_charged_its_bond_and_a_release_gives_it_back() -> None:
    held = accounts.apply(FUNDED, SETTLED)
    assert held.free(NATIVE_COIN, AGGREGATOR) == 9
    assert accounts.apply(held, BondReleased(1, 1, AGGREGATOR, 31)).balances == FUNDED.balances


@pytest.mark.parametrize(("event", "lost"), [(SLASH, 31), (TrainerSlashed(1, 1, CHALLENGER, "a", 20, 5, 0), 20)])
def test_what_a_fault_costs_is_the_challengers_and_the_owners(event: MarketEvent, lost: int) -> None:
    state = accounts.apply(accounts.apply(FUNDED, SETTLED), event)
    assert state.free(NATIVE_COIN, CHALLENGER) == event.reward  # type: ignore[union-attr]
    assert state.free(NATIVE_COIN, CHALLENGER) + state.free(NATIVE_COIN, OWNER) == lost
    assert state.free(NATIVE_COIN, AGGREGATOR) == 9


def test_an_owner_who_challenges_gets_both_parts() -> None:
    state = accounts.apply(TWO_JOBS, replace(SLASH, challenger=OWNER))
    assert state.free(NATIVE_COIN, OWNER) == 31


def test_refunds_and_closes_go_to_the_owner_in_the_jobs_token() -> None:
    state = accounts.apply(accounts.apply(TWO_JOBS, RoundRefunded(2, 1, 100)), JobClosed(2, 7))
    assert state.balances == {(TOKEN, SECOND): 107}


def test_what_moves_no_free_balance_changes_nothing() -> None:
    assert accounts.apply(FUNDED, TrainerJoined(1, "a", 10)) is FUNDED


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (FUNDED, Withdrawn(NATIVE_COIN, AGGREGATOR, 41, AGGREGATOR)),
        (FUNDED, Withdrawn(TOKEN, AGGREGATOR, 1, AGGREGATOR)),
        (FUNDED, Withdrawn(NATIVE_COIN, AGGREGATOR, 0, AGGREGATOR)),
        (FUNDED, Deposited(NATIVE_COIN, AGGREGATOR, 0)),
        (TWO_JOBS, SETTLED),
        (accounts.apply(FUNDED, SETTLED), replace(SETTLED, number=2)),
        (FUNDED, replace(SETTLED, job_id=2)),
        (FUNDED, replace(SETTLED, job_id=3)),
        (FUNDED, replace(SLASH, reward=32)),
        (FUNDED, OTHER),
        (Accounts(), OTHER),
    ],
)
def test_what_no_sound_contract_emits_is_refused(state: Accounts, event: MarketEvent) -> None:
    with pytest.raises(ForbiddenTransition) as refusal:
        accounts.apply(state, event)
    assert refusal.value.details["event"] == type(event).__name__


def test_refusals_are_named_as_the_contract_names_them() -> None:
    assert accounts.refusal_to_deposit(0) == "Market_ZeroAmount"
    assert accounts.refusal_to_deposit(1) is None
    refusals = [
        accounts.refusal_to_withdraw(FUNDED, NATIVE_COIN, AGGREGATOR, *wanted)
        for wanted in ((0, NATIVE_COIN), (41, NATIVE_COIN), (41, OWNER), (40, OWNER))
    ]
    assert refusals == ["Market_ZeroAmount", "Market_ZeroRecipient", "Market_InsufficientBalance", None]
