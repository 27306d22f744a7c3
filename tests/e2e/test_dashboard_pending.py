"""The dashboard in a browser while transactions wait: sped up, cancelled, lost, and pages loaded anew meanwhile.

On anvil, which keeps transactions back until it is told to mine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from web3.types import RPCEndpoint

from market.chain.anvil import Anvil
from market.chain.rpc import connect
from tests.e2e.browser import WAIT_MS, keep, visit
from tests.e2e.injected import InjectedWallet, wallet_of
from tests.e2e.place import POLL_SECONDS, Place, dashboard, region, simulated
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.node]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A market on a chain that mines when it is told to."""
    with Anvil() as anvil:
        w3 = connect(anvil.url, expected_chain_id=anvil.chain_id)
        with dashboard(Stage(w3, anvil.url, tmp_path_factory.mktemp("held"))) as place:
            yield place


def node(place: Place, method: str, *parameters: Any) -> Any:
    """Ask the chain's node."""
    answer = place.stage.w3.provider.make_request(RPCEndpoint(method), list(parameters))
    assert "error" not in answer, answer
    return answer["result"]


@contextlib.contextmanager
def waiting(browser: Browser, place: Place) -> Iterator[tuple[Page, InjectedWallet, int, str]]:
    """Send an owner's transaction that waits; its hash, and the panel closed."""
    job_id = place.stage.create(name="Waits").job_id
    with visit(browser, place.origins) as page:
        wallet = wallet_of(place.stage.w3, place.stage.actor("owner").account)
        wallet.install(page.context)
        page.clock.install()
        place.look_at(page, job_id)
        wallet.connect(page)
        region(page, "Your job").get_by_role("button", name="Stop").click()
        dialog = simulated(page)
        node(place, "evm_setAutomine", False)
        try:
            dialog.get_by_role("button", name="Send").click()
            expect(dialog.get_by_text("Sent; it waits for a block.")).to_be_visible()
            (sent,) = node(place, "eth_getBlockByNumber", "pending", False)["transactions"]
            keep(page, "pending")
            dialog.get_by_role("button", name="Close").last.click()
            yield page, wallet, job_id, sent
        finally:
            node(place, "evm_setAutomine", True)


def listed(page: Page, job_id: int) -> Locator:
    """Open the list of what was sent; return the entry of stopping the job."""
    page.get_by_role("button", name="transactions under way").click()
    return page.get_by_role("dialog").get_by_role("listitem").filter(has_text=f"Stop job {job_id}")


def until(page: Page, condition: str) -> None:
    """Wait until an expression holds in the page; its policy lets it wait for none itself."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(1000 * POLL_SECONDS)


def stopped(place: Place, job_id: int) -> bool:
    """Return whether the chain has it that no further round opens."""
    return bool(
        place.stage.observed(job_id).state.terms.deadline <= place.stage.w3.eth.get_block("latest")["timestamp"]
    )


def test_a_page_loaded_anew_goes_on_following(browser: Browser, held: Place) -> None:
    with waiting(browser, held) as (page, wallet, job_id, _):
        page.reload()
        entry = listed(page, job_id)
        expect(entry).to_contain_text("Pending")
        keep(page, "pending-reloaded")
        assert not stopped(held, job_id)
        node(held, "evm_mine")
        expect(entry).to_contain_text("Done")
        expect(entry).to_contain_text("1 of 1")
        assert wallet.count("eth_sendTransaction") == 1
    assert stopped(held, job_id)


def test_a_transaction_that_the_wallet_sped_up_is_the_same(browser: Browser, held: Place) -> None:
    with waiting(browser, held) as (page, wallet, job_id, sent):
        other = wallet.speed_up()
        assert other != sent
        node(held, "evm_mine")
        expect(region(page, "Your job").get_by_role("button", name="Stop")).to_have_count(0)
        page.get_by_role("button", name="account and transactions").click()
        entry = page.get_by_role("dialog").get_by_role("listitem").filter(has_text=f"Stop job {job_id}")
        expect(entry).to_contain_text("Done")
        expect(entry).to_contain_text(other[:10])
    assert stopped(held, job_id)


def test_a_transaction_that_the_wallet_cancelled_can_be_sent_again(browser: Browser, held: Place) -> None:
    with waiting(browser, held) as (page, wallet, job_id, _):
        until(page, "JSON.stringify(localStorage).includes('shown\\\\\":true')")  # known by its nonce
        wallet.cancel()
        node(held, "evm_mine")
        entry = listed(page, job_id)
        expect(entry).to_contain_text("cancelled in the wallet")
        expect(entry).to_contain_text("Waits for you")
        keep(page, "cancelled")
        assert not stopped(held, job_id)
        again(held, page, entry, "cancelled")
        assert wallet.count("eth_sendTransaction") == 2
    assert stopped(held, job_id)


def test_a_transaction_that_no_node_knows_any_more_can_be_sent_again(browser: Browser, held: Place) -> None:
    with waiting(browser, held) as (page, wallet, job_id, sent):
        node(held, "anvil_dropTransaction", sent)
        entry = listed(page, job_id)
        expect(entry).to_contain_text("Pending")
        until(page, "JSON.stringify(localStorage).includes('unseenSince\\\\\":1')")  # missed for the first time
        page.clock.fast_forward("01:40")
        expect(entry).to_contain_text("dropped: no node knows it any more")
        keep(page, "dropped")
        again(held, page, entry, "dropped")
        assert wallet.count("eth_sendTransaction") == 2
    assert stopped(held, job_id)


def again(place: Place, page: Page, entry: Locator, became: str) -> None:
    """Send once more what was not mined, to a chain that mines at once."""
    node(place, "evm_setAutomine", True)
    entry.get_by_role("button", name="Go on").click()
    dialog = page.get_by_role("dialog", name="Stop job")
    expect(dialog.get_by_text(f"The transaction sent before was {became}.")).to_be_visible()
    if became == "dropped":  # it may still come: who sends it twice has to say that it is gone
        expect(dialog.get_by_role("button", name="Send")).to_be_disabled()
        dialog.get_by_label("It did not go through; send it again").check()
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
