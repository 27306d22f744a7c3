"""The dashboard in a browser: false settlements and updates out of range are challenged from the round's page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from market.domain import NATIVE_COIN, Phase
from market.rounds import RoundState
from market.services.evidence_file import SCHEMA
from tests.e2e.browser import AXE, PHONE, keep, violations, visit
from tests.e2e.injected import InjectedWallet, wallet_of
from tests.e2e.place import Place, confirm, curly, dashboard, exact, region, short, shown
from tests.e2e.stage import BOND, STAKE, Stage
from tests.e2e.test_out_of_range import with_an_update_out_of_range
from tests.e2e.test_proven import TRAINERS, opening_of_honest_entries, settle_an_entry_out_of_range

pytestmark = pytest.mark.slow
_DROPPED = """(text) => {
  const held = new DataTransfer()
  held.items.add(new File([text], 'challenge.json'))
  return held
}"""


def challenger_of(place: Place, page: Page) -> InjectedWallet:
    """Open the first round's page with the challenger's wallet connected."""
    wallet = wallet_of(place.stage.w3, place.stage.actor("gus").account)
    wallet.install(page.context)
    place.look_at(page, 1, "/rounds/1")
    wallet.connect(page)
    return wallet


def give(page: Page, name: str, content: dict[str, Any] | bytes) -> Locator:
    """Give the panel a file; return the panel."""
    panel = region(page, "Challenge")
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    file: FilePayload = {"name": name, "mimeType": "application/json", "buffer": body}
    panel.get_by_label("The file that it wrote").set_input_files(file)
    return panel


def free_balance(stage: Stage) -> int:
    """Return the challenger's free balance."""
    return stage.client("observer").free_balance(NATIVE_COIN, stage.actor("gus").address)


def first_round(stage: Stage) -> tuple[RoundState, Phase]:
    """Return the first round as it now stands."""
    job = stage.observed()
    state = job.state.rounds[0]
    return state, state.phase(job.now)


def test_a_false_settlement_is_overturned_from_its_page(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    stage.create(rounds=2, bits=8, rule="mean", scale_exponent=-14)
    settle_an_entry_out_of_range(stage, stage.joined(*TRAINERS))
    path = tmp_path / "challenge.json"
    made = stage.cli("stranger", "job", "challenge", 1, 1, "--write-evidence", path, GRAMERCY_KEYSTORE="").data
    assert made["path"] == str(path)
    assert made["fault"].startswith("entry 4700 is -")
    assert first_round(stage)[1] is Phase.CHALLENGEABLE, "nothing is sent"
    file = json.loads(path.read_text())
    assert (file["schema"], file["kind"], file["update"]) == (SCHEMA, "settlement", None)
    assert file["accused"] == stage.actor("aggregator").address

    with dashboard(stage) as place, visit(browser, place.origins) as page:
        wallet = challenger_of(place, page)
        panel = region(page, "Challenge")
        expect(panel).to_contain_text(shown(BOND // 2))
        expect(panel).to_contain_text("gramercy job challenge 1 1 --write-evidence challenge.json")
        for content, words in (
            (b"{", "This is no file of"),
            (b" " * 200_000, "The file is too large"),
            ({**file, "round": 2}, "The file is of round 2; this is round 1."),
            ({**file, "chain_id": 1}, "The file is of chain 1"),
        ):
            give(page, "wrong.json", content)
            expect(panel.get_by_role("alert")).to_contain_text(words)
            expect(panel.get_by_role("button", name="Challenge", exact=True)).to_have_count(0)
        give(page, "challenge.json", file)
        expect(panel.get_by_role("alert")).to_have_count(0)
        if AXE.is_file():
            assert not (found := violations(page)), "\n".join(found)
        keep(page, "challenge")
        panel.get_by_role("button", name="Challenge", exact=True).click()
        confirm(
            page,
            "Challenge the settlement of round 1",
            "that the aggregate has an entry out of range, from place 4700 on",
            f"{exact(BOND // 2)} of that bond, as free balance",
        )
        expect(region(page, "Settlement")).to_contain_text("Overturned by")
        gus = short(stage.actor("gus").address)
        expect(region(page, "Settlement").get_by_role("link", name=f"Account {gus}")).to_be_visible()
        expect(panel).to_have_count(0)
        keep(page, "overturned")
        assert wallet.count("eth_sendTransaction") == 1
    state, phase = first_round(stage)
    assert phase is Phase.VOID
    assert state.payouts == {}
    assert free_balance(stage) == BOND // 2


def test_a_challenge_that_does_not_hold_is_not_sent(browser: Browser, stage: Stage) -> None:
    """An honest settlement's entries, opened truly, are no fault: the market says so before anybody pays for gas."""
    stage.create()
    state = stage.settled(*stage.joined(*TRAINERS), final=False)
    settled = state.settled
    assert settled is not None
    file = {
        "schema": SCHEMA,
        "chain_id": stage.w3.eth.chain_id,
        "market": stage.market,
        "job": 1,
        "round": 1,
        "kind": "settlement",
        "accused": settled.aggregator,
        "update": None,
        "commitment": "0x" + settled.settlement.aggregate_commitment.hex(),
        "evidence": "0x" + opening_of_honest_entries(stage, state).hex(),
    }
    with dashboard(stage) as place, visit(browser, place.origins, size=PHONE) as page:
        wallet = challenger_of(place, page)
        panel = give(page, "made-up.json", {**file, "commitment": "0x" + "ab" * 32})
        expect(panel.get_by_role("alert")).to_contain_text("another settlement than the one on record now")
        give(page, "made-up.json", file).get_by_role("button", name="Challenge", exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("alert")).to_contain_text("The evidence does not hold")
        expect(dialog.get_by_role("button", name="Send")).to_have_count(0)
        keep(page, "challenge-refused")
        dialog.get_by_role("button", name="Cancel").click()
        assert panel.evaluate("(panel) => panel.scrollWidth - panel.clientWidth") <= 0
        assert wallet.count("eth_sendTransaction") == 0
    assert first_round(stage)[1] is Phase.CHALLENGEABLE


def test_an_update_out_of_range_is_challenged_before_its_round_is_settled(
    browser: Browser, stage: Stage, tmp_path: Path
) -> None:
    _, mal, state = with_an_update_out_of_range(stage, honest=5)
    index, path = len(state.commits) - 1, tmp_path / "challenge.json"
    made = stage.cli("aggregator", "job", "challenge", 1, 1, "--update", index, "--write-evidence", path).data
    assert (made["kind"], made["update"], made["accused"]) == ("update", index, mal.address)
    fine = stage.cli("aggregator", "job", "challenge", 1, 1, "--update", 0, "--write-evidence", tmp_path / "fine")
    assert "is in range" in fine.envelope["error"]["message"]
    assert not (tmp_path / "fine").exists()

    with dashboard(stage) as place, visit(browser, place.origins) as page:
        challenger_of(place, page)
        panel = region(page, "Challenge")
        expect(panel).to_contain_text(curly("Its trainer loses the stake"))
        dropped = page.evaluate_handle(_DROPPED, path.read_text())
        panel.get_by_role("group", name="Evidence").dispatch_event("drop", {"dataTransfer": dropped})
        panel.get_by_role("button", name="Challenge", exact=True).click()
        confirm(
            page,
            f"Challenge update {index} of round 1",
            mal.address,
            f"{exact(STAKE // 2)} of that stake, as free balance",
        )
        table = page.get_by_role("table", name="Committed updates in their order")
        expect(table.get_by_role("row").nth(index + 1)).to_contain_text("slashed", ignore_case=True)
        expect(panel.get_by_role("alert")).to_contain_text(f"The trainer of update {index} is slashed already.")
    job = stage.observed()
    assert mal.address not in job.state.stakes
    assert free_balance(stage) == STAKE // 2
