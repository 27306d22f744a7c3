"""The dashboard in a browser: trainers put stakes in, take pay out, and choose who reads their updates."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import visit
from tests.e2e.place import Place, confirm, exact, row_of, shown, use_key
from tests.e2e.stage import COIN

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
