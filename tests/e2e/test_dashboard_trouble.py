"""The dashboard in a browser when something is wrong: slow or absent servers, wallets that refuse, lost transactions."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import visit
from tests.e2e.place import Place
from tests.e2e.stage import Process, Stage

pytestmark = pytest.mark.slow


def test_a_page_says_that_its_server_is_away_and_goes_on_when_it_is_back(browser: Browser, place: Place) -> None:
    stage = place.stage
    first = stage.start("restarted", "dashboard", "--port", "0")
    with first:
        other = Place(stage, first.wait_for("dashboard-ready")["url"])
        with visit(browser, other.origins, excused="net::ERR|Failed to load resource") as page:
            page.goto(other.url)
            status = page.get_by_role("banner").get_by_role("status")
            expect(status).to_have_text("Live")
            first.kill()
            expect(status).to_have_text("Stale")
            expect(page.get_by_text("Connection lost.")).to_be_visible()
            port = other.url.rpartition(":")[2]
            with stage.start("restarted", "dashboard", "--port", port) as second:
                _back(page, stage, second)


def _back(page: Page, stage: Stage, server: Process) -> None:
    server.wait_for("dashboard-ready")
    status = page.get_by_role("banner").get_by_role("status")
    expect(status).to_have_text("Live")
    expect(page.get_by_text("Connection lost.")).to_have_count(0)
    number = stage.create(name="After the restart").job_id
    expect(page.get_by_role("table", name="Jobs").get_by_text(f"#{number}", exact=True)).to_be_visible()
