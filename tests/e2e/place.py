"""A market with its dashboard for browser tests, and how its pages are read and used."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from functools import cached_property

from playwright.sync_api import Locator, Page, expect

from market.domain import Address
from market.rounds import RoundState
from market.services.trainer import open_round
from tests.e2e.browser import WAIT_MS
from tests.e2e.stage import COIN, Stage, made_up_update

HONEST = ("ada", "bo", "cy", "dee")
CHECKS = 9
POLL_SECONDS = 0.05
expect.set_options(timeout=WAIT_MS)


@dataclass(frozen=True)
class Place:
    """A market with its dashboard."""

    stage: Stage
    url: str

    @property
    def origins(self) -> tuple[str, str]:
        """Whom pages ask: their server, and the development chain when no wallet answers for it."""
        return self.url, self.stage.url

    @property
    def path(self) -> str:
        """The market's path, of pages as of the interface."""
        return f"/markets/{self.stage.w3.eth.chain_id}/{self.stage.market}"

    @cached_property
    def settled(self) -> tuple[int, RoundState]:
        """A job and its final round: four trainers who agree, and one whose update is the opposite of theirs."""
        stage = self.stage
        job_id = stage.create(name="Chest X-rays", byzantine=1, min_trainers=5).job_id
        trainers = stage.joined(*HONEST, "eve", job_id=job_id)
        stage.open(job_id)
        stage.commit(*trainers[:-1])
        eve = trainers[-1]
        eve.job.refresh()
        eve.submit(open_round(eve.job), -made_up_update(eve.address, eve.job.state.terms.dimension))
        stage.travel(open_round(stage.observed(job_id)).opened.commit_end)
        assert stage.aggregator(job_id).step()
        latest = stage.observed(job_id).state.latest
        assert latest is not None
        assert latest.settled is not None
        stage.travel(latest.settled.challenge_end)
        return job_id, latest

    def job(self, job_id: int, rest: str = "") -> str:
        """Return a job page's address."""
        return f"{self.url}{self.path}/jobs/{job_id}{rest}"

    def look_at(self, page: Page, job_id: int, rest: str = "") -> None:
        """Open a job's page once the index has the job, as a visitor who follows a link does."""
        self.answer(page, f"/jobs/{job_id}{rest}")
        page.goto(self.job(job_id, rest))

    def answer(self, page: Page, rest: str, words: str = "") -> None:
        """Wait until the server answers of the market, with ``words``."""
        url = f"{self.url}/api/v1{self.path}{rest}"
        deadline = time.monotonic() + WAIT_MS / 1000
        while (told := page.request.get(url)).status != 200 or words not in told.text():
            assert time.monotonic() < deadline, told.text()
            time.sleep(POLL_SECONDS)

    def key(self, name: str) -> str:
        """Return a role's private key as one types it."""
        return "0x" + bytes(self.stage.actor(name).account.key).hex()


@contextlib.contextmanager
def dashboard(stage: Stage, **changes: str) -> Iterator[Place]:
    """Serve a market's dashboard in a process of its own; ``changes`` are of its environment.

    It is told the market's verifier as by an address book.
    """
    told = {"GRAMERCY_DASHBOARD_VERIFIERS": f"{stage.w3.eth.chain_id}:{stage.market}={stage.verifier}"}
    with stage.start("observer", "dashboard", "--port", "0", **{**told, **changes}) as process:
        yield Place(stage, process.wait_for("dashboard-ready")["url"])
        os.kill(process.pid, signal.SIGTERM)
        assert process.finish().code == 0


# -- what pages show --------------------------------------------------------------------------------------------------


def shown(wei: int, symbol: str = "coins") -> re.Pattern[str]:
    """Return how an amount of 18 decimals is shown: four places, cut off."""
    places = (Decimal(wei) / COIN).quantize(Decimal("0.0001"), rounding=ROUND_DOWN).normalize()
    return re.compile(rf"(?<![\d.]){re.escape(f'{places:f}')}\s*{symbol}")


def exact(wei: int, symbol: str = "coins") -> str:
    """Return the whole amount, as a confirmation tells it."""
    return f"{(Decimal(wei) / COIN).normalize():f} {symbol}"


def curly(text: str) -> str:
    """Return a text with apostrophes as pages set them."""
    return text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


def short(address: Address) -> str:
    """Return an address as pages shorten it."""
    return f"{address[:6]}…{address[-4:]}"


def row_of(page: Page, address: Address) -> Locator:
    """Return an account's row in the page's table of updates."""
    table = page.get_by_role("table", name="Committed updates in their order")
    return table.get_by_role("row").filter(has=page.get_by_role("link", name=f"Account {short(address)}"))


def region(page: Page, name: str) -> Locator:
    """Return a part of the page by its heading."""
    return page.get_by_role("region", name=name, exact=True)


def settle_down(page: Page) -> None:
    """Wait until nothing on the page is on its way any more."""
    expect(page.get_by_text("Loading", exact=True)).to_have_count(0)


# -- what people do ---------------------------------------------------------------------------------------------------


def check(page: Page) -> Locator:
    """Have the browser check the settlement; return the list of checks once all were made."""
    page.get_by_role("button", name="Check this settlement").click()
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    made = region(page, "Check it yourself").get_by_role("listitem")
    expect(made).to_have_count(CHECKS)
    return made


def use_key(page: Page, key: str) -> None:
    """Connect the development wallet with a typed key."""
    page.get_by_role("button", name="Connect").click()
    page.get_by_label("Private key").fill(key)
    page.get_by_role("button", name=re.compile("^Use on")).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def simulated(page: Page, *words: str) -> Locator:
    """Return the confirmation once it was read and its call simulated."""
    dialog = page.get_by_role("dialog")
    for word in words:
        expect(dialog.get_by_text(curly(word)).first).to_be_visible()
    expect(dialog.get_by_text("It would succeed on the chain as it is now.")).to_be_visible()
    return dialog


def done(page: Page) -> None:
    """Wait until the transaction of the confirmation is in a block; close the dialog."""
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_have_count(0)


def confirm(page: Page, *words: str) -> None:
    """Read the confirmation, send, and wait until the transaction is in a block; close the dialog."""
    simulated(page, *words).get_by_role("button", name="Send").click()
    done(page)
