"""The dashboard in a browser, over real jobs on the embedded chain: what visitors, trainers and owners see and do."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from web3.types import RPCEndpoint

from market.chain.devnet import Devnet
from market.chain.rpc import connect
from market.domain import NATIVE_COIN, Address
from market.rounds import RoundState
from market.services.trainer import Trainer, open_round
from tests.e2e.browser import AXE, DESKTOP, PHONE, WAIT_MS, chromium, keep, overflow, violations, visit
from tests.e2e.stage import COIN, Process, Stage, made_up_update

pytestmark = pytest.mark.slow
CHECKS = 9
HONEST = ("ada", "bo", "cy", "dee")
expect.set_options(timeout=WAIT_MS)


@dataclass(frozen=True)
class Place:
    """A market with its dashboard."""

    stage: Stage
    url: str
    settled: RoundState

    @property
    def origins(self) -> tuple[str, str]:
        """Whom pages ask: their server, and the development chain when they hold a key."""
        return self.url, self.stage.url

    def job(self, job_id: int, rest: str = "") -> str:
        """Return a job page's address."""
        return f"{self.url}/markets/{self.stage.w3.eth.chain_id}/{self.stage.market}/jobs/{job_id}{rest}"

    def look_at(self, page: Page, job_id: int, rest: str = "") -> None:
        """Open a job's page once the index has the job, as a visitor who follows a link does."""
        self.answer(page, f"/jobs/{job_id}{rest}")
        page.goto(self.job(job_id, rest))

    def answer(self, page: Page, rest: str, words: str = "") -> None:
        """Wait until the server answers of the market, with ``words``."""
        url = f"{self.url}/api/v1/markets/{self.stage.w3.eth.chain_id}/{self.stage.market}{rest}"
        deadline = time.monotonic() + WAIT_MS / 1000
        while (told := page.request.get(url)).status != 200 or words not in told.text():
            assert time.monotonic() < deadline, told.text()
            time.sleep(0.05)

    def key(self, name: str) -> str:
        """Return a role's private key as one types it."""
        return "0x" + bytes(self.stage.actor(name).account.key).hex()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium; each test opens a profile of its own."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def place(browser: Browser, devnet: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A market with its dashboard; each test has a job of its own, except that several look at job 1."""
    stage = Stage(connect(devnet.url, expected_chain_id=devnet.chain_id), devnet.url, tmp_path_factory.mktemp("market"))
    settled = _settle(stage)
    with stage.start("observer", "dashboard", "--port", "0") as process:
        yield Place(stage, process.wait_for("dashboard-ready")["url"], settled)
        os.kill(process.pid, signal.SIGTERM)
        assert process.finish().code == 0


@pytest.fixture(scope="module")
def settled(place: Place) -> RoundState:
    """Job 1's round."""
    return place.settled


def _settle(stage: Stage) -> RoundState:
    """Make job 1 with a final round: four trainers who agree, and one whose update is the opposite of theirs."""
    created = stage.create(name="Chest X-rays", byzantine=1, min_trainers=5)
    assert created.job_id == 1
    trainers = stage.joined(*HONEST, "eve")
    stage.open()
    state = stage.commit(*trainers[:-1])
    _oppose(trainers[-1])
    stage.travel(state.opened.commit_end)
    assert stage.aggregator().step()
    latest = stage.observed().state.latest
    assert latest is not None
    assert latest.settled is not None
    stage.travel(latest.settled.challenge_end)
    return latest


def _oppose(trainer: Trainer) -> None:
    trainer.job.refresh()
    trainer.submit(open_round(trainer.job), -made_up_update(trainer.address, trainer.job.state.terms.dimension))


def shown(wei: int) -> re.Pattern[str]:
    """Return how an amount of the chain's coin is shown: four places, cut off."""
    places = (Decimal(wei) / COIN).quantize(Decimal("0.0001"), rounding=ROUND_DOWN).normalize()
    return re.compile(rf"(?<![\d.]){re.escape(f'{places:f}')}\s*coins")


def exact(wei: int) -> str:
    """Return the whole amount, as a confirmation tells it."""
    return f"{(Decimal(wei) / COIN).normalize():f} coins"


def row_of(page: Page, address: Address) -> Locator:
    """Return an account's row in the page's table of updates."""
    table = page.get_by_role("table", name="Committed updates in their order")
    return table.get_by_role("row").filter(has=page.get_by_role("link", name=f"Account {address[:6]}…{address[-4:]}"))


def check(page: Page) -> Locator:
    """Have the browser check the settlement; return the list of checks once all were made."""
    page.get_by_role("button", name="Check this settlement").click()
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    made = page.get_by_role("region", name="Check it yourself").get_by_role("listitem")
    expect(made).to_have_count(CHECKS)
    return made


def use_key(page: Page, key: str) -> None:
    """Connect the development wallet with a typed key."""
    page.get_by_role("button", name="Connect").click()
    page.get_by_label("Private key").fill(key)
    page.get_by_role("button", name=re.compile("^Use on")).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def confirm(page: Page, *words: str) -> None:
    """Read the confirmation, send, and wait until the transaction is in a block; close the dialog."""
    dialog = page.get_by_role("dialog")
    for word in words:
        expect(dialog.get_by_text(word).first).to_be_visible()
    expect(dialog.get_by_text("It would succeed on the chain as it is now.")).to_be_visible()
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_have_count(0)


def test_a_visitor_follows_a_round_to_its_pay_and_checks_the_settlement(
    browser: Browser, place: Place, settled: RoundState
) -> None:
    stage = place.stage
    assert settled.settled is not None
    with visit(browser, place.origins) as page:
        place.answer(page, "/jobs/1", "Chest X-rays")  # the name is read from storage
        page.goto(place.url)
        expect(page.get_by_role("heading", level=1, name="Market overview")).to_be_visible()
        listed = page.get_by_role("table", name="Jobs").get_by_role("row").filter(has_text="Chest X-rays")
        expect(listed).to_contain_text("Running")
        expect(listed).to_contain_text(shown(settled.settled.paid))
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
            expect(row).to_contain_text(shown(settled.payouts[stage.actor(name).address]))
            expect(row).to_contain_text(re.compile(r"accepted: [\d.]+ x the median distance to its neighbours"))
        eve = row_of(page, stage.actor("eve").address)
        expect(eve).to_contain_text("Rejected")
        expect(eve).to_contain_text(re.compile(r"rejected: [\d.]+ x the median distance to its neighbours"))
        expect(eve.get_by_role("cell", name="0 coins")).to_be_visible()

        made = check(page)
        expect(made.filter(has=page.get_by_text("holds", exact=True))).to_have_count(CHECKS)
        expect(page.get_by_role("status").filter(has_text=f"All {CHECKS} checks hold").first).to_be_visible()


def test_a_tampered_log_fails_its_checks(browser: Browser, place: Place, settled: RoundState) -> None:
    """A server that raises one payout by a wei is caught by the page."""
    assert settled.settled is not None
    payout = settled.settled.settlement.payouts[0]

    def tamper(route: Route) -> None:
        answer = route.fetch()
        evidence = answer.json()
        before, after = f"{payout:064x}", f"{payout + 1:064x}"
        assert before in evidence["log"]["data"]
        evidence["log"]["data"] = evidence["log"]["data"].replace(before, after, 1)
        route.fulfill(response=answer, json=evidence)

    with visit(browser, place.origins) as page:
        page.route("**/rounds/1/evidence", tamper)
        place.look_at(page, 1, "/rounds/1")
        made = check(page)
        expect(made.filter(has=page.get_by_text("Payouts", exact=True))).to_contain_text("fails")
        expect(page.get_by_role("status").filter(has_text=f"of {CHECKS} checks fail").first).to_be_visible()


def test_a_trainer_claims_its_pay(browser: Browser, place: Place, settled: RoundState) -> None:
    stage = place.stage
    bo = stage.actor("bo").address
    pay = settled.payouts[bo]
    before = stage.balance("bo")
    with visit(browser, place.origins) as page:
        place.look_at(page, 1)
        use_key(page, place.key("bo"))
        own = page.get_by_role("region", name="You train here")
        expect(own).to_contain_text(shown(pay))
        expect(own).to_contain_text("of 1 final round")
        own.get_by_role("button", name="Claim all").click()
        confirm(page, "Claim the pay of job 1", exact(pay), bo)
        expect(own).to_contain_text("no final round owes you anything")
        expect(own.get_by_role("button", name="Claim all")).to_have_count(0)
        place.look_at(page, 1, "/rounds/1")
        expect(row_of(page, bo).get_by_role("cell", name="claimed")).to_be_visible()
    claimed = stage.observed().state.rounds[0].claimed
    assert claimed == {bo}
    fee = before + pay - stage.balance("bo")
    assert 0 < fee < COIN // 100


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
        confirm(
            page, f"Close job {number}", f"{exact(3 * COIN)} to the owner\N{RIGHT SINGLE QUOTATION MARK}s free balance"
        )
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
            f"{exact(2 * COIN)} into the job\N{RIGHT SINGLE QUOTATION MARK}s escrow",
            "5 (now 3)",
        )
        expect(page.get_by_text("0 of 5 used")).to_be_visible()
    state = stage.observed(number).state
    assert (state.terms.rounds, state.escrow) == (5, 5 * COIN)


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


def test_a_page_says_that_its_server_is_away_and_goes_on_when_it_is_back(browser: Browser, place: Place) -> None:
    stage = place.stage
    first = stage.start("restarted", "dashboard", "--port", "0")
    with first:
        other = Place(stage, first.wait_for("dashboard-ready")["url"], place.settled)
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


@pytest.mark.parametrize(
    ("look", "size", "dark"), [("light", DESKTOP, False), ("dark", DESKTOP, True), ("phone", PHONE, False)]
)
def test_pages_are_accessible_and_fit(
    browser: Browser, place: Place, settled: RoundState, look: str, size: tuple[int, int], dark: bool
) -> None:
    """By axe-core's rules, where the frontend's packages are installed."""
    assert settled.settled is not None
    pages = {
        "overview": (place.url, "Chest X-rays"),
        "job": (place.job(1), "Contribution by trainer and round"),
        "round": (place.job(1, "/rounds/1"), "median distance to its neighbours"),
        "wizard": (f"{place.url}/new", "Step 1 of"),
    }
    with visit(browser, place.origins, size=size, dark=dark) as page:
        place.answer(page, "/jobs/1", "Chest X-rays")
        for name, (url, words) in pages.items():
            page.goto(url)
            expect(page.get_by_text(words).first).to_be_visible()
            expect(page.locator("[aria-busy=true]")).to_have_count(0)
            assert overflow(page) <= 0, name
            if AXE.is_file():
                assert not (found := violations(page)), "\n".join([name, *found])
            keep(page, f"{name}-{look}")
