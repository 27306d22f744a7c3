"""The dashboard in a browser: a settlement is compared with the chain, and a server that lies is found out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from market.srs import cache
from tests.e2e.browser import AXE, keep, violations, visit
from tests.e2e.injected import NAME, wallet_of
from tests.e2e.place import Place, check, region

pytestmark = pytest.mark.slow
COMPARED = 7


def _compared(page: Page) -> Locator:
    """Return the part of the page that tells what the chain says, once all was asked."""
    found = region(page, "Compared with the chain")
    expect(found.get_by_text(re.compile("^(The chain|This page) (dis)?agrees"))).to_be_visible()
    return found


def _lie(page: Page, path: str, change: Callable[[Any], None]) -> None:
    """Have the page's server answer a path of the market with something changed."""

    def tamper(route: Route) -> None:
        answer = route.fetch(headers={**route.request.headers, "if-none-match": ""})
        told = answer.json()
        change(told)
        route.fulfill(response=answer, json=told)

    page.route(path, tamper)


def test_the_chain_agrees_with_an_honest_server(browser: Browser, place: Place) -> None:
    job_id, _ = place.settled
    with visit(browser, place.origins) as page:
        place.look_at(page, job_id, "/rounds/1")
        check(page)
        told = _compared(page)
        expect(told.get_by_text("holds", exact=True)).to_have_count(COMPARED + 1)
        expect(told.get_by_text("The chain agrees")).to_be_visible()
        expect(told.get_by_text("the node that this page\N{RIGHT SINGLE QUOTATION MARK}s server names")).to_be_visible()
        expect(told.get_by_text("the published contract, with its forwarder and check of terms")).to_be_visible()
        if AXE.is_file():
            assert not (found := violations(page)), "\n".join(found)
        keep(page, "checked-light")


def test_a_wallet_of_the_browser_is_asked_before_the_servers_node(browser: Browser, place: Place) -> None:
    job_id, _ = place.settled
    with visit(browser, (place.url,)) as page:  # nobody else may be asked
        wallet_of(place.stage.w3).install(page.context)
        place.look_at(page, job_id, "/rounds/1")
        check(page)
        told = _compared(page)
        expect(told.get_by_text(f"Asked of {NAME}")).to_be_visible()
        expect(told.get_by_text("The chain agrees")).to_be_visible()


def _other_words(evidence: Any) -> None:
    words = cache.development(64).key.words()
    evidence["verifying_key"] = "0x" + "".join(f"{word:064x}" for word in words)


def _other_verifier(evidence: Any) -> None:
    evidence["verifier"] = evidence["terms"]["verifier"] = evidence["market"]


def _other_log(evidence: Any) -> None:
    evidence["log"]["data"] = evidence["log"]["data"][:-2] + "01"


def _other_floor(evidence: Any) -> None:
    evidence["terms"]["floor_bps"] += 1


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        (_other_words, ("Verifier", "String")),
        (_other_verifier, ("Terms",)),
        (_other_log, ("Same log",)),
        (_other_floor, ("Terms",)),
    ],
)
def test_a_server_that_changes_the_evidence_is_found_out(
    browser: Browser, place: Place, change: Callable[[Any], None], claims: tuple[str, ...]
) -> None:
    job_id, _ = place.settled
    with visit(browser, place.origins) as page:
        _lie(page, "**/rounds/1/evidence", change)
        place.look_at(page, job_id, "/rounds/1")
        check(page)
        told = _compared(page)
        expect(told.get_by_text("The chain disagrees")).to_be_visible()
        for claim in claims:
            entry = told.get_by_role("listitem").filter(has=page.get_by_text(claim, exact=True))
            expect(entry.get_by_text("fails", exact=True)).to_have_count(1)


def test_a_server_that_shows_other_pay_than_the_log_is_found_out(browser: Browser, place: Place) -> None:
    job_id, _ = place.settled

    def change(detail: Any) -> None:
        detail["updates"][0]["payout"] = str(int(detail["updates"][0]["payout"]) + 1)

    with visit(browser, place.origins) as page:
        _lie(page, "**/api/v1/**/rounds/1", change)
        place.look_at(page, job_id, "/rounds/1")
        check(page)
        told = _compared(page)
        expect(told.get_by_text("as the pay of update 0")).to_be_visible()
        expect(told.get_by_text("This page disagrees with the log")).to_be_visible()


def test_evidence_of_another_round_is_no_evidence(browser: Browser, place: Place) -> None:
    job_id, _ = place.settled
    with visit(browser, place.origins) as page:
        _lie(page, "**/rounds/1/evidence", lambda evidence: evidence.update(job_id=evidence["job_id"] + 1))
        place.look_at(page, job_id, "/rounds/1")
        page.get_by_role("button", name="Check this settlement").click()
        expect(region(page, "Check it yourself").get_by_role("alert")).to_contain_text("evidence of another round")
