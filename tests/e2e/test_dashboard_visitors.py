"""The dashboard in a browser: what visitors see, over a real round on the embedded chain."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from safetensors.numpy import load_file
from web3.types import RPCEndpoint

from tests.e2e.browser import AXE, DESKTOP, PHONE, keep, overflow, violations, visit
from tests.e2e.place import CHECKS, HONEST, Place, check, row_of, settle_down, short, shown

pytestmark = pytest.mark.slow


def test_a_visitor_follows_a_round_to_its_pay_and_checks_the_settlement(browser: Browser, place: Place) -> None:
    stage = place.stage
    job_id, final = place.settled
    assert final.settled is not None
    with visit(browser, place.origins) as page:
        place.answer(page, f"/jobs/{job_id}", "Chest X-rays")  # the name is read from storage
        page.goto(place.url)
        expect(page.get_by_role("heading", level=1, name="Market overview")).to_be_visible()
        listed = page.get_by_role("table", name="Jobs").get_by_role("row").filter(has_text="Chest X-rays")
        expect(listed).to_contain_text("Running")
        expect(listed).to_contain_text(shown(final.settled.paid))
        listed.get_by_role("link", name="Chest X-rays").click()

        expect(page.get_by_role("heading", level=1, name="Chest X-rays")).to_be_visible()
        expect(page.get_by_role("heading", name="Round 1 of 3")).to_be_visible()
        expect(page.get_by_text("5 with a stake; at least 5, at most 8")).to_be_visible()
        page.get_by_role("link", name="Open the round").click()

        expect(page.get_by_role("heading", level=1, name="Round 1")).to_be_visible()
        expect(page.get_by_text("5 committed, 5 included, 4 accepted")).to_be_visible()
        for name in HONEST:
            row = row_of(page, stage.actor(name).address)
            expect(row).to_contain_text("Accepted")
            expect(row).to_contain_text(shown(final.payouts[stage.actor(name).address]))
            expect(row).to_contain_text(re.compile(r"accepted: [\d.]+ x the median distance to its neighbours"))
        eve = row_of(page, stage.actor("eve").address)
        expect(eve).to_contain_text("Rejected")
        expect(eve).to_contain_text(re.compile(r"rejected: [\d.]+ x the median distance to its neighbours"))
        expect(eve.get_by_role("cell", name="0 coins")).to_be_visible()

        made = check(page)
        expect(made.filter(has=page.get_by_text("holds", exact=True))).to_have_count(CHECKS)
        expect(page.get_by_role("status").filter(has_text=f"All {CHECKS} checks hold").first).to_be_visible()


def test_a_tampered_log_fails_its_checks(browser: Browser, place: Place) -> None:
    """A server that raises one payout by a wei is caught by the page."""
    job_id, final = place.settled
    assert final.settled is not None
    payout = final.settled.settlement.payouts[0]

    def tamper(route: Route) -> None:
        answer = route.fetch()
        evidence = answer.json()
        before, after = f"{payout:064x}", f"{payout + 1:064x}"
        assert before in evidence["log"]["data"]
        evidence["log"]["data"] = evidence["log"]["data"].replace(before, after, 1)
        route.fulfill(response=answer, json=evidence)

    with visit(browser, place.origins) as page:
        page.route("**/rounds/1/evidence", tamper)
        place.look_at(page, job_id, "/rounds/1")
        made = check(page)
        expect(made.filter(has=page.get_by_text("Payouts", exact=True))).to_contain_text("fails")
        expect(page.get_by_role("status").filter(has_text=f"of {CHECKS} checks fail").first).to_be_visible()


def test_pay_that_a_reorganisation_takes_back_disappears(browser: Browser, place: Place) -> None:
    stage = place.stage
    number = stage.create(name="Taken back").job_id
    trainers = stage.joined("ada", "bo", "cy", job_id=number)
    stage.open(number)
    stage.travel(stage.commit(*trainers).opened.commit_end)
    with visit(browser, place.origins, excused="status of 404") as page:  # of what was taken back meanwhile
        place.look_at(page, number, "/rounds/1")
        expect(page.get_by_text("Not settled yet")).to_be_visible()
        snapshot = stage.w3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
        assert stage.aggregator(number).step()
        ada = row_of(page, trainers[0].address)
        expect(ada).to_contain_text("Accepted")  # by itself: the stream tells the page
        paid = stage.job("observer", number).state.rounds[0].payouts[trainers[0].address]
        expect(ada).to_contain_text(shown(paid))
        assert stage.w3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])["result"]
        expect(page.get_by_text("Not settled yet")).to_be_visible()
        expect(ada).to_contain_text("Committed")
        expect(ada).not_to_contain_text(shown(paid))


def downloaded(page: Page, name: str, folder: Path) -> Path:
    """Press a button of the job's downloads; return the file."""
    with page.expect_download() as download:
        page.get_by_role("region", name="Downloads").get_by_role("button", name=name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_model_report_and_manifest_can_be_taken_away(browser: Browser, place: Place, tmp_path: Path) -> None:
    job_id, final = place.settled
    observed = place.stage.observed(job_id)
    assert final.settled is not None
    with visit(browser, place.origins) as page:
        place.look_at(page, job_id)
        model = load_file(downloaded(page, "Model", tmp_path))
        assert sum(tensor.size for tensor in model.values()) == observed.state.terms.dimension
        report = downloaded(page, "Report", tmp_path).read_text()
        for trainer, payout in final.payouts.items():
            assert trainer in report
            assert str(payout) in report
        assert json.loads(downloaded(page, "Manifest", tmp_path).read_bytes())["name"] == "Chest X-rays"


def test_links_go_to_the_explorer_where_there_is_one(browser: Browser, place: Place) -> None:
    job_id, _ = place.settled
    explorer = "https://explorer.example"

    def named(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        for market in body["items"]:
            market["explorer"] = explorer
        route.fulfill(response=answer, json=body)

    owner = place.stage.actor("owner").address
    with visit(browser, place.origins) as page:
        place.look_at(page, job_id, "/rounds/1")
        settle_down(page)
        links = page.locator(f"a[href^='{explorer}']")
        expect(links).to_have_count(0)
        page.route("**/api/v1/markets", named)
        place.look_at(page, job_id, "/rounds/1")
        expect(page.locator(f"a[href^='{explorer}/tx/0x']").first).to_be_visible()
        place.look_at(page, job_id)
        of_owner = page.locator(f"a[href='{explorer}/address/{owner}']").first
        expect(of_owner).to_be_visible()
        assert "noreferrer" in (of_owner.get_attribute("rel") or "")
        expect(page.get_by_role("link", name=f"Account {short(owner)}").first).to_be_visible()


@pytest.mark.parametrize(
    ("look", "size", "dark"), [("light", DESKTOP, False), ("dark", DESKTOP, True), ("phone", PHONE, False)]
)
def test_pages_are_accessible_and_fit(
    browser: Browser, place: Place, look: str, size: tuple[int, int], dark: bool
) -> None:
    """By axe-core's rules, where the frontend's packages are installed."""
    job_id, _ = place.settled
    pages = {
        "overview": (place.url, "Chest X-rays"),
        "job": (place.job(job_id), "Contribution by trainer and round"),
        "round": (place.job(job_id, "/rounds/1"), "median distance to its neighbours"),
        "wizard": (f"{place.url}/new", "Step 1 of"),
    }
    with visit(browser, place.origins, size=size, dark=dark) as page:
        place.answer(page, f"/jobs/{job_id}", "Chest X-rays")
        for name, (url, words) in pages.items():
            page.goto(url)
            expect(page.get_by_text(words).first).to_be_visible()
            settle_down(page)
            assert overflow(page) <= 0, name
            if AXE.is_file():
                assert not (found := violations(page)), "\n".join([name, *found])
            keep(page, f"{name}-{look}")
