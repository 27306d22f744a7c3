"""The dashboard in a browser: owners steer and end jobs; the chain's state is what counts."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from market.domain import NATIVE_COIN
from tests.e2e.browser import visit
from tests.e2e.place import Place, confirm, exact, use_key
from tests.e2e.stage import COIN

pytestmark = pytest.mark.slow


def test_an_owner_stops_and_closes_a_job_and_takes_the_money_back(browser: Browser, place: Place) -> None:
    stage = place.stage
    number = stage.create(name="Never begun").job_id
    owner = stage.actor("owner").address
    with visit(browser, place.origins) as page:
        place.look_at(page, number)
        expect(page.get_by_role("heading", name="Not started")).to_be_visible()
        expect(page.get_by_role("region", name="Your job")).to_have_count(0)
        use_key(page, place.key("owner"))
        own = page.get_by_role("region", name="Your job")
        own.get_by_role("button", name="Stop").click()
        confirm(page, f"Stop job {number}", "No further round opens.")
        state = stage.observed(number).state
        assert state.finished(stage.w3.eth.get_block("latest")["timestamp"] + 1)
        assert not state.closed
        expect(own.get_by_role("button", name="Stop")).to_have_count(0)

        own.get_by_role("button", name="Close").click()
        confirm(page, f"Close job {number}", f"{exact(3 * COIN)} to the owner's free balance")
        assert stage.observed(number).state.closed
        assert stage.client("observer").free_balance(NATIVE_COIN, owner) == 3 * COIN
        expect(page.get_by_text("Closed", exact=True).first).to_be_visible()

        own.get_by_role("button", name="Withdraw").click()
        confirm(page, "Withdraw the free balance", exact(3 * COIN), owner)
        assert stage.client("observer").free_balance(NATIVE_COIN, owner) == 0


def test_an_owner_extends_a_job(browser: Browser, place: Place) -> None:
    stage = place.stage
    number = stage.create(name="Goes on").job_id
    with visit(browser, place.origins) as page:
        place.look_at(page, number)
        use_key(page, place.key("owner"))
        page.get_by_role("button", name="Top up or extend").click()
        page.get_by_label("Rounds in all").fill("5")
        page.get_by_role("button", name="Extend", exact=True).click()
        confirm(
            page,
            f"Extend job {number}",
            f"{exact(2 * COIN)} into the job's escrow",
            "5 (now 3)",
        )
        expect(page.get_by_text("0 of 5 used")).to_be_visible()
    state = stage.observed(number).state
    assert (state.terms.rounds, state.escrow) == (5, 5 * COIN)
