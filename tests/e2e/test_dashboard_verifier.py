"""The dashboard in a browser: a job's verifier is its owner's choice, and pages tell it from the deployment's."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import keep, visit
from tests.e2e.injected import wallet_of
from tests.e2e.place import Place, check, dashboard, region
from tests.e2e.stage import new_account

pytestmark = pytest.mark.slow
FOREIGN = "Not this market’s own verifier."  # noqa: RUF001 - as it is on the page


def start_from(page: Page, place: Place, job_id: int) -> None:
    """Take a job's terms over, and go to the step with the verifier."""
    page.goto(f"{place.url}/new")
    page.get_by_label("Start from a job of this market").select_option(str(job_id))
    expect(page.get_by_label("Parameters of the model")).not_to_have_value("")
    page.get_by_role("navigation", name="Steps").get_by_role("button", name="Aggregators").click()


def test_a_job_with_another_verifier_is_marked_wherever_money_could_go_into_it(browser: Browser, place: Place) -> None:
    stage, deployments = place.stage, new_account().address
    job_id, _ = place.settled
    offered = stage.create(name="Join me").job_id
    told = f"{stage.w3.eth.chain_id}:{stage.market}={deployments}"
    with dashboard(stage, GRAMERCY_DASHBOARD_VERIFIERS=told) as other, visit(browser, other.origins) as page:
        wallet = wallet_of(stage.w3, stage.actor("gus").account)
        wallet.install(page.context)
        other.look_at(page, offered)
        expect(page.get_by_text(FOREIGN)).to_be_visible()
        expect(page.get_by_text(stage.verifier).first).to_be_visible()
        wallet.connect(page)
        offer = region(page, "Train here")
        expect(offer.get_by_text(FOREIGN)).to_be_visible()
        expect(offer.get_by_role("button", name="Join")).to_be_disabled()
        keep(page, "foreign-verifier")
        offer.get_by_label("I know this verifier").check()
        expect(offer.get_by_role("button", name="Join")).to_be_enabled()

        start_from(page, other, offered)
        expect(page.get_by_text("but not its verifier")).to_be_visible()
        expect(page.get_by_role("textbox", name="Verifier", exact=True)).to_have_value(deployments)

        other.look_at(page, job_id, "/rounds/1")
        check(page)
        expect(region(page, "Check it yourself").get_by_text(FOREIGN)).to_be_visible()


def test_a_server_without_an_address_book_asks_for_the_verifier_and_says_why(browser: Browser, place: Place) -> None:
    template = place.stage.create(name="Template").job_id
    with dashboard(place.stage, GRAMERCY_DASHBOARD_VERIFIERS="") as other, visit(browser, other.origins) as page:
        other.look_at(page, template)
        expect(page.get_by_text(FOREIGN)).to_have_count(0)
        start_from(page, other, template)
        expect(page.get_by_text("This server was not told which verifier is the deployment")).to_be_visible()
        expect(page.get_by_role("textbox", name="Verifier", exact=True)).to_have_value("")
        keep(page, "wizard-without-verifier")


def test_a_job_with_the_deployments_verifier_is_not_marked(browser: Browser, place: Place) -> None:
    job_id = place.stage.create(name="As it should be").job_id
    with visit(browser, place.origins) as page:
        wallet_of(place.stage.w3, place.stage.actor("gus").account).install(page.context)
        place.look_at(page, job_id)
        page.get_by_role("button", name="Connect").click()
        page.get_by_role("dialog").get_by_role("button", name="Test wallet").click()
        expect(region(page, "Train here").get_by_role("button", name="Join")).to_be_enabled()
        expect(page.get_by_text(FOREIGN)).to_have_count(0)
