"""The dashboard in a browser: a wallet that sends and then breaks off does not make its user pay twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect

from market.chain.anvil import Anvil
from market.chain.rpc import connect
from tests.e2e.browser import keep, visit
from tests.e2e.injected import InjectedWallet, _Refused
from tests.e2e.place import Place, dashboard, region, simulated
from tests.e2e.stage import Stage
from tests.e2e.test_dashboard_pending import node

pytestmark = [pytest.mark.slow, pytest.mark.node]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A market on a chain that mines when it is told to."""
    with Anvil() as anvil:
        w3 = connect(anvil.url, expected_chain_id=anvil.chain_id)
        with dashboard(Stage(w3, anvil.url, tmp_path_factory.mktemp("held"))) as place:
            yield place


@dataclass
class Breaking(InjectedWallet):
    """A wallet whose connection to the page ends once it has sent."""

    def _send(self, asked: dict[str, str]) -> str:
        super()._send(asked)
        raise _Refused(-32603, "The extension was disconnected.")


def test_what_a_wallet_sent_before_it_broke_off_is_found_and_paid_once(browser: Browser, held: Place) -> None:
    stage = held.stage
    job_id = stage.create(name="Pay once").job_id
    owner = stage.actor("owner")
    with visit(browser, held.origins) as page:
        wallet = Breaking(stage.w3, [owner.account])
        wallet.install(page.context)
        held.look_at(page, job_id)
        wallet.connect(page)
        own = region(page, "Your job")
        own.get_by_role("button", name="Top up or extend").click()
        rounds = own.get_by_label("Rounds in all")
        rounds.fill(str(int(rounds.input_value()) + 1))
        own.get_by_role("button", name="Extend", exact=True).click()
        dialog = simulated(page)
        before = stage.observed(job_id).state.escrow
        node(held, "evm_setAutomine", False)
        try:
            dialog.get_by_role("button", name="Send").click()
            expect(
                dialog.get_by_text("The wallet gave no clear answer: The extension was disconnected.")
            ).to_be_visible()
            expect(dialog.get_by_text("Sent twice it could be paid twice")).to_be_visible()
            keep(page, "broke-off")
            page.reload()
            page.get_by_role("button", name="account and transactions").click()
            page.get_by_role("dialog").get_by_role("button", name="Look again").click()
            dialog = page.get_by_role("dialog", name=f"Extend job {job_id}")
            expect(dialog.get_by_text("did not say what became of it")).to_be_visible()
            expect(dialog.get_by_role("button", name="Send", disabled=False)).to_have_count(0)
            assert wallet.count("eth_sendTransaction") == 1
        finally:
            node(held, "evm_setAutomine", True)
            node(held, "evm_mine")
        dialog.get_by_role("button", name="Look again").click()
        expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
        assert wallet.count("eth_sendTransaction") == 1
    after = stage.observed(job_id).state
    assert after.escrow - before == after.terms.round_budget
