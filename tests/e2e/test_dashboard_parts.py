"""The dashboard in a browser: the parts of a job and the pages beside it are accessible, fit, and say what is so."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import AXE, DESKTOP, PHONE, keep, overflow, violations, visit
from tests.e2e.place import Place, region

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("look", "size", "dark"), [("light", DESKTOP, False), ("phone", PHONE, True)])
def test_parts_of_a_job_are_accessible_and_fit(
    browser: Browser, place: Place, look: str, size: tuple[int, int], dark: bool
) -> None:
    job_id, _ = place.settled
    account = place.stage.actor("cy").address
    pages = {
        "rounds": (place.job(job_id, "/rounds"), "Rounds, newest first"),
        "trainers": (place.job(job_id, "/trainers"), "Trainers by pay"),
        "terms": (place.job(job_id, "/terms"), "Who may settle rounds"),
        "events": (place.job(job_id, "/events"), "Events, newest first"),
        "account": (f"{place.url}{place.path}/accounts/{account}", "Jobs it trains, newest first"),
        "market": (f"{place.url}{place.path}", "Money by token"),
        "missing": (f"{place.url}/nothing", "There is no such page"),
    }
    with visit(browser, place.origins, size=size, dark=dark) as page:
        place.answer(page, f"/jobs/{job_id}", "Chest X-rays")
        for name, (url, words) in pages.items():
            page.goto(url)
            expect(page.get_by_text(words).first).to_be_attached()
            expect(page.locator("[aria-busy=true]")).to_have_count(0)
            assert overflow(page) <= 0, name
            if AXE.is_file():
                assert not (found := violations(page)), "\n".join([name, *found])
            keep(page, f"{name}-{look}")


def test_terms_name_who_named_an_aggregator(browser: Browser, place: Place) -> None:
    """The owner is not counted as a trainer; a stake that is fixed is told once."""
    job_id, _ = place.settled
    with visit(browser, place.origins) as page:
        place.look_at(page, job_id)
        page.get_by_role("link", name="Terms").click()
        named = region(page, "Aggregators").get_by_role("row").nth(1).get_by_role("cell").first
        expect(named).to_have_text("the owner")
        expect(region(page, "Stakes and bonds")).not_to_contain_text(" to 0.1")
