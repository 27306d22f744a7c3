"""What an owner does with a running job: more rounds, money or time; an early end; void rounds that are used up."""

from __future__ import annotations

import pytest

from market.domain import Phase
from market.errors import ContractRefused
from market.services.audit import audit
from market.services.closing import close_job
from tests.e2e.stage import BOND, COIN, Stage

TRAINERS = ("ann", "bob", "cyd")


@pytest.mark.slow
def test_a_job_that_is_extended_goes_on_with_the_new_budget(stage: Stage) -> None:
    stage.create(rounds=1)
    trainers = stage.joined(*TRAINERS)
    first = stage.settled(*trainers)
    assert stage.observed().state.finished(stage.observed().now)
    before = stage.balance("owner")
    told = stage.cli("owner", "owner", "extend", 1, "--rounds", 3, "--budget", "2ether", "--yes").data
    assert (told["deposit_wei"], told["rounds"], told["round_budget_wei"]) == (4 * COIN, 3, 2 * COIN)
    assert 4 * COIN <= before - stage.balance("owner") < 4 * COIN + COIN // 100
    second = stage.settled(*trainers)
    assert sum(first.payouts.values()) <= COIN < sum(second.payouts.values()) <= 2 * COIN
    found = audit(stage.observed())
    assert found.failures == (), "each round is checked with the budget that it had"
    again = stage.cli("owner", "owner", "extend", 1, "--rounds", 3, "--yes")
    assert again.envelope["error"]["details"]["error"] == "Market_NothingToExtend"
    deadline = stage.observed().state.terms.deadline
    later = stage.cli("owner", "owner", "extend", 1, "--deadline", deadline + 5, "--yes").data
    assert (later["deposit_wei"], later["deadline"]) == (0, deadline + 5)
    less = stage.cli("owner", "owner", "extend", 1, "--rounds", 2, "--yes")
    assert (less.code, less.envelope["error"]["details"]["error"]) == (5, "Market_InvalidTerms")
    other = stage.cli("ann", "owner", "extend", 1, "--rounds", 9, "--yes")
    assert other.envelope["error"]["details"]["error"] == "Market_NotOwner"
    for trainer in trainers:
        trainer.job.refresh()
    stage.all_leave(*trainers)


@pytest.mark.slow
def test_an_owner_ends_its_job_early_and_the_live_round_is_paid(stage: Stage) -> None:
    stage.create(rounds=3)
    trainers = stage.joined(*TRAINERS)
    stage.open()
    state = stage.commit(*trainers)
    live = stage.cli("owner", "owner", "close", 1)
    assert (live.code, live.envelope["error"]["details"]["error"]) == (5, "Market_WrongPhase")
    assert "owner stop" in live.envelope["error"]["hint"]
    assert stage.cli("owner", "owner", "stop", 1).data["phase"] == "open"
    assert stage.cli("owner", "owner", "stop", 1).envelope["error"]["details"]["error"] == "Market_DeadlinePassed"
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    settled = aggregator.job.state.rounds[0]
    assert settled.settled is not None
    stage.travel(settled.settled.challenge_end)
    for trainer in trainers:
        trainer.job.refresh()
        while not trainer.finished:
            assert trainer.step()
        assert trainer.paid == settled.payouts[trainer.address] > 0
    aggregator.job.refresh()
    while not aggregator.finished:
        assert aggregator.step()
        aggregator.job.refresh()
    refund = stage.cli("owner", "owner", "close", 1).data["refund_wei"]
    assert refund == 3 * COIN - sum(settled.payouts.values())
    assert stage.client("observer").balance() == 0


@pytest.mark.slow
def test_an_owner_closes_between_rounds_before_any_deadline(stage: Stage) -> None:
    stage.create(rounds=3)
    trainers = stage.joined(*TRAINERS)
    state = stage.settled(*trainers)
    with pytest.raises(ContractRefused) as refused:
        close_job(stage.job("ann"), stage.actor("ann").address)
    assert refused.value.details["error"] == "Market_JobRunning"
    assert stage.cli("owner", "owner", "close", 1).data["refund_wei"] == 3 * COIN - sum(state.payouts.values())
    for trainer in trainers:
        trainer.job.refresh()
        assert trainer.claim() > 0
        trainer.leave()
    assert stage.client("observer").balance() == BOND, "free already: closing put the books of the last round in order"
    stage.aggregator().step()
    assert stage.client("observer").balance() == 0


@pytest.mark.slow
def test_a_void_round_of_a_job_that_refunds_it_is_used_up(stage: Stage) -> None:
    verifier, aggregator = stage.verifier, stage.actor("aggregator").address
    created = stage.cli(
        "owner", "owner", "create", "--verifier", verifier, "--aggregator", aggregator, "--rounds", 2, "--byzantine", 0,
        "--no-reference", "--scale-exponent", -20, "--challenge-seconds", 60, "--refund-void", "--yes",
    ).data  # fmt: skip
    assert created["job"] == 1
    stage.aggregator()
    trainers = stage.joined(*TRAINERS)
    stage.open()
    void = stage.commit(*trainers[:2])
    stage.travel(void.opened.settle_end)
    job = stage.observed()
    assert (job.state.used, job.state.used_by(job.now)) == (0, 1)
    state = stage.settled(*trainers)
    job = stage.observed()
    assert [each.phase(job.now) for each in job.state.rounds] == [Phase.VOID, Phase.FINAL]
    assert job.state.rounds[0].refunded
    assert stage.cli("owner", "owner", "balance").data["free_wei"] == COIN
    assert stage.cli("owner", "owner", "withdraw").data["amount_wei"] == COIN
    shown = stage.cli("ann", "job", "show", 1).data
    assert (shown["used"], shown["rounds"][0]["refunded"], shown["rounds"][1]["round"]) == (2, True, 2)
    with pytest.raises(ContractRefused) as refused:
        stage.client("observer").open_round(1)
    assert refused.value.details["error"] == "Market_AllRoundsUsed"
    assert state.number == 2
    stage.all_leave(*trainers)
