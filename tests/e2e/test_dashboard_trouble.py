"""The dashboard in a browser when something is wrong: servers slow or away, wallets that refuse, lost transactions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from market.domain import Address
from tests.e2e.browser import keep, visit
from tests.e2e.injected import NAME, REJECTED, InjectedWallet, wallet_of
from tests.e2e.place import Place, confirm, region, settle_down, short, simulated
from tests.e2e.stage import Process, Stage

pytestmark = pytest.mark.slow
PENDING = -32002


# -- wallets ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def owners_page(browser: Browser, place: Place, **fields: Any) -> Iterator[tuple[Page, InjectedWallet, int]]:
    """Open a job's page with its owner's wallet connected, and its confirmation of stopping the job."""
    job_id = place.stage.create(name="Wallet trouble").job_id
    with visit(browser, place.origins) as page:
        wallet = wallet_of(place.stage.w3, place.stage.actor("owner").account, **fields)
        wallet.install(page.context)
        place.look_at(page, job_id)
        wallet.connect(page)
        region(page, "Your job").get_by_role("button", name="Stop").click()
        yield page, wallet, job_id


def stopped(place: Place, job_id: int) -> bool:
    """Return whether the chain has it that no further round opens."""
    now = place.stage.w3.eth.get_block("latest")["timestamp"]
    return place.stage.observed(job_id).state.terms.deadline <= now


def test_a_wallet_on_another_network_is_asked_to_switch_before_anything_is_sent(browser: Browser, place: Place) -> None:
    with owners_page(browser, place, chain_id=10) as (page, wallet, job_id):
        expect(page.get_by_role("banner").get_by_text("Other network")).to_be_visible()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("The wallet is on chain 10; this is on Development chain.")).to_be_visible()
        expect(dialog.get_by_role("button", name="Send")).to_have_count(0)
        keep(page, "wrong-network")
        switch = dialog.get_by_role("button", name="Switch to Development chain")
        wallet.refuse("wallet_switchEthereumChain")
        switch.click()
        expect(dialog.get_by_text("You kept the wallet on its network.")).to_be_visible()
        wallet.refuse("wallet_addEthereumChain")
        switch.click()
        expect(dialog.get_by_text("You did not add the network.")).to_be_visible()
        assert wallet.chain_id == 10
        assert wallet.count("eth_sendTransaction") == 0
        switch.click()
        confirm(page, f"Stop job {job_id}")
        asked = [parameters[0] for method, parameters in wallet.asked if method == "wallet_addEthereumChain"]
        assert asked[-1]["chainId"] == hex(place.stage.w3.eth.chain_id)
        assert asked[-1]["rpcUrls"] == [place.stage.url]
        expect(page.get_by_role("banner").get_by_text("Other network")).to_have_count(0)
    assert stopped(place, job_id)


def test_a_network_changed_in_the_wallet_meanwhile_is_noticed(browser: Browser, place: Place) -> None:
    with owners_page(browser, place) as (page, wallet, job_id):
        dialog = simulated(page)
        wallet.known.add(10)
        wallet.change_chain(page, 10)
        expect(dialog.get_by_text("The wallet is on chain 10")).to_be_visible()
        expect(dialog.get_by_role("button", name="Send")).to_have_count(0)
        wallet.change_chain(page, place.stage.w3.eth.chain_id)
        confirm(page)
    assert stopped(place, job_id)


def test_what_the_user_declines_is_not_sent_and_can_be_repeated(browser: Browser, place: Place) -> None:
    with owners_page(browser, place) as (page, wallet, job_id):
        dialog = simulated(page)
        for count in (1, 2):
            wallet.refuse("eth_sendTransaction")
            dialog.get_by_role("button", name="Send").click()
            expect(
                dialog.get_by_text("You declined in the wallet. Nothing was sent, nothing was paid.")
            ).to_be_visible()
            expect(dialog.get_by_role("button", name="Send")).to_be_enabled()
            assert wallet.count("eth_sendTransaction") == count
            assert not stopped(place, job_id)
        keep(page, "declined")
        confirm(page)
    assert stopped(place, job_id)


def test_a_connection_that_the_user_declines_can_be_asked_for_again(browser: Browser, place: Place) -> None:
    with visit(browser, place.origins) as page:
        wallet = wallet_of(place.stage.w3)
        wallet.install(page.context)
        page.goto(place.url)
        page.get_by_role("button", name="Connect").click()
        dialog = page.get_by_role("dialog")
        for code, words in ((REJECTED, "You did not share an account."), (PENDING, "already asks for your permission")):
            wallet.refuse("eth_requestAccounts", code)
            dialog.get_by_role("button", name=NAME).click()
            expect(dialog.get_by_role("alert")).to_contain_text(words)
        keep(page, "connection-declined")
        dialog.get_by_role("button", name=NAME).click()
        expect(dialog).to_have_count(0)
        account = wallet.accounts[0].address
        expect(page.get_by_role("banner").get_by_text(short(Address(account)))).to_be_visible()

        page.reload()  # a page that was let in comes back without being asked
        expect(page.get_by_role("banner").get_by_text(short(Address(account)))).to_be_visible()
        assert wallet.count("eth_requestAccounts") == 3
        page.get_by_role("button", name="account and transactions").click()
        page.get_by_role("button", name="Disconnect").click()
        page.reload()
        expect(page.get_by_role("banner").get_by_role("button", name="Connect")).to_be_visible()


def test_another_account_chosen_meanwhile_sends_nothing(browser: Browser, place: Place) -> None:
    owner = place.stage.actor("owner").account
    with owners_page(browser, place) as (page, wallet, job_id):
        dialog = simulated(page)
        wallet.choose(page, place.stage.actor("bo").account)
        expect(
            dialog.get_by_text(f"This was begun by {owner.address}. Choose that account in the wallet.")
        ).to_be_visible()
        expect(dialog.get_by_role("button", name="Send")).to_be_disabled()
        keep(page, "other-account")
        wallet.choose(page, owner)
        confirm(page)
        assert wallet.count("eth_sendTransaction") == 1
    assert stopped(place, job_id)


def test_a_wallet_that_is_locked_is_asked_to_open(browser: Browser, place: Place) -> None:
    with owners_page(browser, place) as (page, wallet, job_id):
        dialog = simulated(page)
        wallet.locked = True  # without telling
        dialog.get_by_role("button", name="Send").click()
        expect(dialog.get_by_role("alert")).to_contain_text("choose that account in the wallet")
        assert wallet.count("eth_sendTransaction") == 0
        wallet.lock(page)
        dialog.get_by_role("button", name="Connect a wallet").click()
        page.get_by_role("dialog").get_by_role("button", name=NAME).click()
        confirm(page)
    assert stopped(place, job_id)


def test_what_would_fail_is_told_and_not_sent(browser: Browser, place: Place) -> None:
    """The job is closed from elsewhere after the page was read."""
    with owners_page(browser, place) as (page, wallet, job_id):
        dialog = simulated(page)
        place.stage.client("owner").close_job(job_id)
        dialog.get_by_role("button", name="Send").click()
        expect(dialog.get_by_role("alert")).to_contain_text(f"Job {job_id} is closed.")
        keep(page, "refused")
        assert wallet.count("eth_sendTransaction") == 0


# -- servers ----------------------------------------------------------------------------------------------------------

_SHIFTS = """new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__shift = (window.__shift ?? 0) + entry.value
}).observe({ type: 'layout-shift', buffered: true })"""
"""Adds up how far what is seen jumps, without anybody's doing (Cumulative Layout Shift)."""
MOST_SHIFT = 0.1


def test_a_slow_server_shows_that_figures_are_on_their_way_and_nothing_jumps(browser: Browser, place: Place) -> None:
    job_id, final = place.settled
    assert final.settled is not None
    held: list[Route] | None = []

    def slowly(route: Route) -> None:
        if held is None or "stream" in route.request.url:
            route.continue_()
        else:
            held.append(route)

    with visit(browser, place.origins) as page:
        page.add_init_script(_SHIFTS)
        page.route("**/api/v1/**", slowly)
        place.answer(page, f"/jobs/{job_id}", "Chest X-rays")
        page.goto(place.job(job_id))
        expect(page.get_by_text("Loading", exact=True).first).to_be_attached()
        expect(page.get_by_role("main").get_by_text(re.compile(r"\d\s*coins"))).to_have_count(0)
        keep(page, "loading")
        waiting, held = held or [], None
        for route in waiting:
            route.continue_()
        expect(page.get_by_text("5 with a stake; at least 5, at most 8")).to_be_visible()
        settle_down(page)
        assert page.evaluate("window.__shift ?? 0") < MOST_SHIFT


def test_an_error_of_the_server_can_be_tried_again(browser: Browser, place: Place) -> None:
    job_id, _ = place.settled
    problem = {"type": "about:blank", "title": "The index cannot be read", "status": 500, "hint": "Look at its log."}
    with visit(browser, place.origins, excused="status of 500") as page:
        page.route(
            f"**/api/v1/**/jobs/{job_id}",
            lambda route: route.fulfill(status=500, json=problem, content_type="application/problem+json"),
        )
        page.goto(place.job(job_id))
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The index cannot be read")
        expect(alert).to_contain_text("Look at its log.")
        keep(page, "server-error")
        page.unroute(f"**/api/v1/**/jobs/{job_id}")
        alert.get_by_role("button", name=re.compile("again", re.IGNORECASE)).click()
        expect(page.get_by_text("5 with a stake; at least 5, at most 8")).to_be_visible()
        expect(alert).to_have_count(0)


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
