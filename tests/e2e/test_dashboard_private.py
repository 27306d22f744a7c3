"""The dashboard in a browser: who is told of what, by webhook, by e-mail, and in the browser itself."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from market.domain import NATIVE_COIN
from tests.e2e.browser import AXE, PHONE, keep, overflow, violations, visit
from tests.e2e.place import Place, confirm, exact, region, short, shown, use_key
from tests.e2e.stage import COIN, STAKE
from tests.unit.api.test_hooks import MailServer, code_at
from tests.unit.api.test_outbound import Receiver, receiver  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
_KEEPS_NOTICES = """
  window.__notices = []
  window.Notification = class extends window.Notification {
    constructor(title, options) {
      super(title, options)
      window.__notices.push([title, options.body])
      window.__last = this
      document.documentElement.dataset.notices = String(window.__notices.length)
    }
  }
"""
_REFUSES = """
  Object.defineProperty(Notification, 'permission', { get: () => window.__asked ? 'denied' : 'default' })
  Notification.requestPermission = async () => { window.__asked = true; return 'denied' }
"""


@pytest.fixture(scope="module")
def mails() -> Iterator[tuple[MailServer, int]]:
    """A mail server and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = MailServer(listener)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server, listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def told(place: Place, mails: tuple[MailServer, int]) -> Iterator[Place]:
    """The market's dashboard on a server that posts to this machine and sends e-mail."""
    changes = {
        "GRAMERCY_DASHBOARD_LOCAL_HOOKS": "1",
        "GRAMERCY_DASHBOARD_SMTP_HOST": "127.0.0.1",
        "GRAMERCY_DASHBOARD_SMTP_PORT": str(mails[1]),
        "GRAMERCY_DASHBOARD_SMTP_FROM": "market@example.org",
    }
    with place.stage.start("hooked", "dashboard", "--port", "0", **changes) as process:
        yield Place(place.stage, process.wait_for("dashboard-ready")["url"])


def _sign_in(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Sign in as")).click()
    expect(region(page, "Add a webhook or e-mail")).to_be_visible()


def test_an_owner_is_told_by_a_webhook(browser: Browser, told: Place, receiver: Receiver) -> None:  # noqa: F811
    stage = told.stage
    number = stage.create(name="Told of").job_id
    with visit(browser, told.origins) as page:
        told.look_at(page, number)
        page.get_by_role("button", name="Notify me of this job").click()
        page.get_by_role("link", name="Set up a webhook or e-mail").click()
        expect(page.get_by_role("heading", level=1, name="Notifications")).to_be_visible()
        expect(page.get_by_role("button", name="Sign in with a wallet")).to_be_visible()
        use_key(page, told.key("owner"))
        _sign_in(page)

        form = region(page, "Add a webhook or e-mail")
        expect(form.get_by_label("Job", exact=True)).to_have_value(str(number))
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_text("The URL to post to.")).to_be_visible()
        form.get_by_label("URL").fill(f"{receiver.url}/told")
        form.get_by_role("button", name="Add").click()
        secret = form.get_by_text(re.compile("^whsec_"))
        expect(secret).to_be_visible()
        page.get_by_role("button", name="I have kept it").click()
        expect(secret).to_have_count(0)

        kept = region(page, "Webhooks and e-mail").get_by_role("listitem")
        expect(kept).to_contain_text("Not confirmed")
        kept.get_by_label("Code that was posted to the URL").fill(code_at(receiver))
        kept.get_by_role("button", name="Confirm").click()
        expect(kept).to_contain_text("Ready")
        kept.get_by_role("button", name="Send a test").click()
        expect(kept).to_contain_text("Delivered")
        keep(page, "notifications-light")
        assert json.loads(receiver.taken[0][2])["type"] == "test"

        receiver.came.clear()
        stage.client("owner").stop_job(number)
        assert receiver.came.wait(30)
        said = json.loads(receiver.taken[1][2])
        assert (said["type"], said["job_id"]) == ("JobStopped", number)

        receiver.status = 500
        kept.get_by_role("button", name="Send a test").click()
        expect(kept).to_contain_text("the receiver answered with status 500")
        expect(kept).to_contain_text("1 message waiting")
        page.reload()
        expect(page.get_by_text("the receiver answered with status 500")).to_be_visible()  # still signed in
        kept.get_by_role("button", name=f"Delete {receiver.url}/told").click()
        kept.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("No webhook or e-mail yet")).to_be_visible()


def test_an_e_mail_address_is_confirmed_by_its_code(
    browser: Browser, told: Place, mails: tuple[MailServer, int]
) -> None:
    with visit(browser, told.origins) as page:
        page.goto(f"{told.url}/notifications")
        use_key(page, told.key("ada"))
        _sign_in(page)
        form = region(page, "Add a webhook or e-mail")
        form.get_by_label("E-mail", exact=True).check()
        form.get_by_label("E-mail address").fill("ada@example.org")
        form.get_by_role("button", name="Add").click()
        kept = region(page, "Webhooks and e-mail").get_by_role("listitem")
        expect(kept).to_contain_text("Not confirmed")
        code = re.search(r"[0-9a-f]{32}", str(mails[0].mails[-1].get_payload()))
        assert code is not None
        kept.get_by_label("Code from the mail").fill(code[0])
        kept.get_by_role("button", name="Confirm").click()
        expect(kept).to_contain_text("Ready")


def test_a_wrong_code_ends_it_in_words(browser: Browser, told: Place, receiver: Receiver) -> None:  # noqa: F811
    with visit(browser, told.origins, excused="status of 404") as page:
        page.goto(f"{told.url}/notifications")
        use_key(page, told.key("dee"))
        _sign_in(page)
        form = region(page, "Add a webhook or e-mail")
        form.get_by_label("URL").fill(receiver.url)
        form.get_by_role("button", name="Add").click()
        kept = region(page, "Webhooks and e-mail")
        kept.get_by_label("Code that was posted to the URL").fill("0" * 32)
        kept.get_by_role("button", name="Confirm").click()
        expect(kept.get_by_role("alert")).to_contain_text("that is not the code")
        expect(kept.get_by_text("No webhook or e-mail yet")).to_be_visible()


def test_a_server_without_mail_offers_none(browser: Browser, place: Place) -> None:
    with visit(browser, place.origins, excused="status of 422") as page:
        page.goto(f"{place.url}/notifications")
        use_key(page, place.key("ada"))
        _sign_in(page)
        form = region(page, "Add a webhook or e-mail")
        expect(form.get_by_label("E-mail", exact=True)).to_be_disabled()
        expect(form.get_by_text("This server sends no e-mail.")).to_be_visible()
        form.get_by_label("URL").fill("http://127.0.0.1:9/")
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("alert")).to_contain_text("not public")  # the server's words


def test_a_browser_tells_of_a_job_and_of_pay(browser: Browser, place: Place) -> None:
    stage = place.stage
    number = stage.create(name="Followed").job_id
    trainers = stage.joined("ada", "bo", "cy", job_id=number)
    with visit(browser, place.origins) as page:
        _may_notify(page.context, place)
        page.add_init_script(_KEEPS_NOTICES)
        place.look_at(page, number)
        _turn_on(page, "this job")
        place.answer(page, f"/accounts/{trainers[0].address}")
        page.goto(f"{place.url}{place.path}/accounts/{trainers[0].address}")
        _turn_on(page, "this account")
        page.get_by_role("link", name="Notifications").click()
        expect(region(page, "In this browser").get_by_role("listitem")).to_have_count(2)

        stage.open(number)
        notices = page.locator("html")
        expect(notices).to_have_attribute("data-notices", "1")
        stage.travel(stage.commit(*trainers).opened.commit_end)
        assert stage.aggregator(number).step()
        expect(notices).to_have_attribute("data-notices", "3")
        titles = sorted(title for title, _ in page.evaluate("__notices"))
        assert re.match(rf"{short(trainers[0].address)} is paid [\d.]+ coins", titles[0])
        assert titles[1:] == ["Round opened · Followed", "Round settled · Followed"]

        page.evaluate("__last.onclick(new Event('click'))")
        expect(page.get_by_role("heading", level=1, name="Round 1")).to_be_visible()
        page.get_by_role("link", name="Notifications").click()
        for _ in range(2):
            region(page, "In this browser").get_by_role("button", name=re.compile("^Stop notifying")).first.click()
        expect(page.get_by_text("Choose “Notify me” on the page of a job or of an account.")).to_be_visible()
        assert page.evaluate("localStorage.getItem('gramercy.notify')") == "[]"


def test_a_refused_permission_is_told_in_words(browser: Browser, place: Place) -> None:
    number = place.stage.create(name="Not followed").job_id
    with visit(browser, place.origins) as page:
        page.add_init_script(_REFUSES)
        place.look_at(page, number)
        page.get_by_role("button", name="Notify me of this job").click()
        page.get_by_role("button", name="Notify me in this browser").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("The browser was told not to show notifications of this page.").first).to_be_visible()
        expect(dialog.get_by_role("button", name="Notify me in this browser")).to_be_disabled()


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_is_accessible_and_fits_a_phone(browser: Browser, told: Place, dark: bool) -> None:
    with visit(browser, told.origins, size=PHONE, dark=dark) as page:
        page.goto(f"{told.url}/notifications")
        use_key(page, told.key("bo"))
        _sign_in(page)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert overflow(page) <= 0
        if AXE.is_file():
            assert not (found := violations(page)), "\n".join(found)
        keep(page, f"notifications-phone-{'dark' if dark else 'light'}")


def test_an_account_takes_all_its_money_out_on_its_page(browser: Browser, place: Place) -> None:
    stage = place.stage
    number = stage.create(name="Pays out").job_id
    trainers = stage.joined("fay", "bo", "cy", job_id=number)
    fay = trainers[0].address
    pay = stage.settled(*trainers).payouts[fay]
    stage.client("fay").deposit(NATIVE_COIN, 2 * COIN)
    with visit(browser, place.origins) as page:
        place.answer(page, f"/accounts/{fay}", str(2 * COIN))
        page.goto(f"{place.url}{place.path}/accounts/{fay}")
        expect(region(page, "Money on this market")).to_be_visible()
        expect(region(page, "Yours to take")).to_have_count(0)  # it is nobody's page before a wallet says whose
        use_key(page, place.key("fay"))
        own = region(page, "Yours to take")
        expect(own.get_by_role("row").filter(has_text="Pay").first).to_contain_text(shown(pay))
        keep(page, "account-light")
        own.get_by_role("button", name=f"Claim the pay of job {number}").click()
        confirm(page, exact(pay), fay)
        expect(own.get_by_role("button", name=f"Claim the pay of job {number}")).to_have_count(0)
        own.get_by_role("button", name="Withdraw the free balance").click()
        confirm(page, exact(2 * COIN), fay)
        own.get_by_role("button", name=f"Leave job {number}").click()
        confirm(page, exact(STAKE), "your whole stake")
        expect(own.get_by_text("Nothing just now")).to_be_visible()
    assert stage.observed(number).state.rounds[0].claimed == {fay}
    assert stage.client("observer").free_balance(NATIVE_COIN, fay) == 0
    assert fay not in stage.observed(number).state.stakes


def test_a_stake_that_a_live_round_holds_cannot_be_taken(browser: Browser, place: Place) -> None:
    stage = place.stage
    number = stage.create(name="Holds stakes").job_id
    trainers = stage.joined("gil", "bo", "cy", job_id=number)
    stage.open(number)
    stage.commit(*trainers)
    with visit(browser, place.origins) as page:
        place.answer(page, f"/accounts/{trainers[0].address}/jobs", '"committed":1')
        page.goto(f"{place.url}{place.path}/accounts/{trainers[0].address}")
        use_key(page, place.key("gil"))
        own = region(page, "Yours to take")
        expect(own.get_by_text("held", exact=True)).to_be_visible()
        expect(own.get_by_role("button", name=f"Leave job {number}")).to_have_count(0)


def _may_notify(context: BrowserContext, place: Place) -> None:
    context.grant_permissions(["notifications"], origin=place.url)


def _turn_on(page: Page, what: str) -> None:
    page.get_by_role("button", name=f"Notify me of {what}").click()
    page.get_by_role("button", name="Notify me in this browser").click()
    expect(page.get_by_role("dialog").get_by_text("On. You are told of what happens from now on.")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
