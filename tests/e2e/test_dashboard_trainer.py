"""The dashboard in a browser: trainers put stakes in, take pay out, and choose who reads their updates."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import keep, visit
from tests.e2e.injected import wallet_of
from tests.e2e.place import Place, confirm, exact, region, row_of, settle_down, short, shown, use_key
from tests.e2e.stage import COIN, STAKE, new_account

pytestmark = pytest.mark.slow


def test_a_trainer_claims_its_pay(browser: Browser, place: Place) -> None:
    stage = place.stage
    job_id, final = place.settled
    bo = stage.actor("bo").address
    pay = final.payouts[bo]
    before = stage.balance("bo")
    with visit(browser, place.origins) as page:
        place.look_at(page, job_id)
        use_key(page, place.key("bo"))
        own = page.get_by_role("region", name="You train here")
        expect(own).to_contain_text(shown(pay))
        expect(own).to_contain_text("of 1 final round")
        own.get_by_role("button", name="Claim all").click()
        confirm(page, f"Claim the pay of job {job_id}", exact(pay), bo)
        expect(own).to_contain_text("no final round owes you anything")
        expect(own.get_by_role("button", name="Claim all")).to_have_count(0)
        place.look_at(page, job_id, "/rounds/1")
        expect(row_of(page, bo).get_by_role("cell", name="claimed")).to_be_visible()
    claimed = stage.observed(job_id).state.rounds[0].claimed
    assert claimed == {bo}
    fee = before + pay - stage.balance("bo")
    assert 0 < fee < COIN // 100


def test_a_trainer_joins_names_an_aggregator_and_leaves(browser: Browser, place: Place) -> None:
    stage = place.stage
    job_id = stage.create(name="Join me", stake_max=3 * STAKE).job_id
    finn, ours = stage.actor("finn"), new_account().address
    before = stage.balance("finn")
    with visit(browser, place.origins) as page:
        wallet_of(stage.w3, finn.account).install(page.context)
        place.look_at(page, job_id)
        expect(page.get_by_role("heading", name="Not started")).to_be_visible()
        expect(region(page, "Train here")).to_have_count(0)
        page.get_by_role("button", name="Connect").click()
        page.get_by_role("dialog").get_by_role("button", name="Test wallet").click()
        offer = region(page, "Train here")
        stake = offer.get_by_label("Stake")
        expect(stake).to_have_value("0.1")
        stake.fill("0.35")
        expect(offer.get_by_role("button", name="Join")).to_be_disabled()
        stake.fill("0.25")
        keep(page, "join")
        offer.get_by_role("button", name="Join").click()
        confirm(page, f"Join job {job_id}", exact(COIN // 4), stage.verifier)
        assert stage.observed(job_id).state.stakes == {finn.address: COIN // 4}

        own = region(page, "You train here")
        expect(own).to_contain_text(shown(COIN // 4))
        expect(offer).to_have_count(0)
        own.get_by_role("button", name="Name an aggregator").click()
        own.get_by_label("Address of the aggregator").fill(ours[:-1])
        expect(own.get_by_role("button", name="Name it")).to_be_disabled()
        own.get_by_label("Address of the aggregator").fill(ours)
        own.get_by_role("button", name="Name it").click()
        confirm(page, f"Name an aggregator of job {job_id}", ours)
        assert stage.observed(job_id).state.named == {finn.address: ours}
        expect(own.get_by_role("link", name=f"Account {short(ours)}")).to_be_visible()
        keep(page, "trainer-actions")
        own.get_by_role("button", name="Name nobody").click()
        confirm(page, f"Name no aggregator of job {job_id} any more")
        assert stage.observed(job_id).state.named == {}

        own.get_by_role("button", name="Leave").click()
        confirm(page, f"Leave job {job_id}", exact(COIN // 4))
        expect(region(page, "You train here")).to_have_count(0)
        expect(offer).to_be_visible()
    assert stage.observed(job_id).state.stakes == {}
    assert 0 < before - stage.balance("finn") < COIN // 100, "all but the fees is back"


def test_a_trainer_who_is_in_a_round_cannot_leave_and_is_told_why(browser: Browser, place: Place) -> None:
    stage = place.stage
    job_id = stage.create(name="Held").job_id
    trainers = stage.joined("ada", "bo", "cy", job_id=job_id)
    stage.open(job_id)
    stage.commit(*trainers)
    with visit(browser, place.origins) as page:
        wallet = wallet_of(stage.w3, stage.actor("ada").account)
        wallet.install(page.context)
        place.look_at(page, job_id)
        wallet.connect(page)
        own = region(page, "You train here")
        expect(own).to_contain_text("The stake is locked: an update of this account is in round 1")
        expect(own.get_by_role("button", name="Leave")).to_have_count(0)
        expect(own.get_by_role("button", name="Claim all")).to_have_count(0)


def test_an_account_page_tells_what_a_trainer_earned(browser: Browser, place: Place) -> None:
    stage = place.stage
    _, final = place.settled
    dee = stage.actor("dee").address
    with visit(browser, place.origins) as page:
        place.answer(page, f"/accounts/{dee}", str(final.payouts[dee]))
        page.goto(f"{place.url}{place.path}/accounts/{dee}")
        expect(page.get_by_role("heading", level=1, name=f"Account {short(dee)}")).to_be_visible()
        expect(page.get_by_text("Trainer in 1 job")).to_be_visible()
        expect(region(page, "Money on this market")).to_contain_text(shown(final.payouts[dee], ""))
        listed = page.get_by_role("row").filter(has=page.get_by_role("link", name="Chest X-rays"))
        expect(listed).to_contain_text(shown(STAKE))
        settle_down(page)
        keep(page, "account")
