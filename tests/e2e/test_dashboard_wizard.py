"""The dashboard in a browser: owners open jobs, in coins and tokens, at once or later, and what the chain has then."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from web3.contract import Contract

from market.rounds import JobState
from tests.e2e.browser import keep, visit
from tests.e2e.injected import InjectedWallet, wallet_of
from tests.e2e.place import Place, curly, done, exact, region, simulated
from tests.e2e.stage import BOND, COIN, STAKE, Stage
from tests.e2e.test_relays import deployed

pytestmark = pytest.mark.slow


def owners_wallet(place: Place, page: Page) -> InjectedWallet:
    """Put the owner's wallet into the page's browser."""
    wallet = wallet_of(place.stage.w3, place.stage.actor("owner").account)
    wallet.install(page.context)
    return wallet


def fill(page: Page, **fields: str) -> None:
    """Fill the fields of the wizard's step, by label, and go on."""
    for label, value in fields.items():
        page.get_by_role("textbox", name=curly(label.replace("_", " ")), exact=True).fill(value)
    page.get_by_role("button", name="Next").last.click()


def take_over(place: Place, page: Page, template: int) -> None:
    """Start the wizard from a job that there is, and go to its second step."""
    page.goto(f"{place.url}/new")
    page.get_by_label("Start from a job of this market").select_option(str(template))
    expect(page.get_by_label("Parameters of the model")).not_to_have_value("")
    page.get_by_role("button", name="Next").last.click()


def pay_in(page: Page, token: Contract, symbol: str) -> None:
    """Choose a token that the market has not seen, and go to the last step."""
    page.get_by_label("Paid in").select_option("other")
    page.get_by_label("Address of the token").fill(token.address)
    expect(page.get_by_text(f"{symbol}, 18 decimal places.")).to_be_visible()
    page.get_by_role("button", name=re.compile("Review")).click()


def opened(stage: Stage, page: Page) -> JobState:
    """Follow the confirmation's link to the new job; return the job as the chain has it."""
    link = page.get_by_role("dialog").get_by_role("link", name=re.compile(r"^Open job \d+$"))
    job_id = int(link.inner_text().split()[-1])
    link.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(region(page, "Your job")).to_be_visible()
    assert stage.client("observer").job_count() == job_id
    return stage.observed(job_id).state


def test_an_owner_opens_a_job_in_the_coin(browser: Browser, place: Place) -> None:
    stage = place.stage
    template = stage.create(name="Template").job_id
    like = stage.observed(template)
    with visit(browser, place.origins) as page:
        wallet = owners_wallet(place, page)
        place.answer(page, f"/jobs/{template}")
        page.goto(f"{place.url}/new")
        wallet.connect(page)
        cid = page.request.get(f"{place.url}/api/v1{place.path}/jobs/{template}").json()["manifest_cid"]
        dimension = like.state.terms.dimension
        fill(
            page,
            Name_of_this_draft="Skin lesions",
            CID_of_the_manifest=cid,
            Parameters_of_the_model=str(dimension),
            First_scale_exponent="-20",
        )
        keep(page, "wizard-money")
        fill(page, Budget_of_a_round="1.5", Rounds="2", Rounds_open_for="10")
        fill(page, **{"Byzantine trainers, f": "1", "Trainers at least": "5", "Trainers at most": "9"})
        fill(page, Challenge_window="7200")
        page.get_by_label("I commit a reference row before each round").uncheck()
        fill(page, Floor="0", Cap="0")
        expect(page.get_by_role("textbox", name="Verifier", exact=True)).to_have_value(
            stage.verifier
        )  # of the deployment
        fill(page, Aggregators=stage.actor("aggregator").address, **{"Aggregator's bond": "0.5"})
        expect(page.get_by_text(f"{exact(3 * COIN)}, 2 rounds of {exact(3 * COIN // 2)} at most")).to_be_visible()
        keep(page, "wizard-review")
        page.get_by_role("button", name="Open the job").click()
        dialog = simulated(page, f"{exact(3 * COIN)} into the market's escrow")
        keep(page, "confirm-create")
        dialog.get_by_role("button", name="Send").click()
        expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
        state = opened(stage, page)
    terms = state.terms
    assert (state.owner, state.escrow, state.aggregators) == (
        stage.actor("owner").address,
        3 * COIN,
        (stage.actor("aggregator").address,),
    )
    assert (terms.round_budget, terms.rounds, terms.stake_min, terms.stake_max) == (3 * COIN // 2, 2, STAKE, STAKE)
    assert (terms.byzantine, terms.min_trainers, terms.max_trainers) == (1, 5, 9)
    assert (terms.rule, terms.score, terms.reference) == ("multi-krum", "alignment", False)
    assert (terms.challenge_seconds, terms.aggregator_bond, terms.scale_exponent) == (7200, BOND, -20)
    assert stage.observed(state.job_id).manifest.name == like.manifest.name, "the same manifest"
    assert wallet.count("eth_sendTransaction") == 1


def test_an_owner_opens_and_extends_a_job_in_a_token_by_signed_approvals(browser: Browser, place: Place) -> None:
    stage = place.stage
    template = stage.create(name="Template").job_id
    token = deployed(stage, "PermitToken", "owner")
    owner = stage.actor("owner").address
    with visit(browser, place.origins) as page:
        wallet = owners_wallet(place, page)
        place.answer(page, f"/jobs/{template}")
        page.goto(place.url)
        wallet.connect(page)
        take_over(place, page, template)
        pay_in(page, token, "PMT")
        page.get_by_role("button", name="Open the job").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("list", name="Steps").get_by_role("listitem")).to_have_count(2)
        dialog.get_by_role("button", name="Sign and send").click()
        expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
        state = opened(stage, page)
        assert (state.terms.token, state.escrow) == (token.address, 3 * COIN)
        assert token.functions.balanceOf(stage.market).call() == 3 * COIN

        page.get_by_role("button", name="Top up or extend").click()
        page.get_by_label("Budget of a round").fill("1.5")
        page.get_by_role("button", name="Extend", exact=True).click()
        expect(dialog.get_by_text(exact(3 * COIN // 2, "PMT")).first).to_be_visible()
        dialog.get_by_role("button", name="Sign and send").click()
        done(page)
        expect(region(page, "Your job")).to_be_visible()
    state = stage.observed(state.job_id).state
    assert (state.terms.round_budget, state.escrow) == (3 * COIN // 2, 9 * COIN // 2)
    assert token.functions.nonces(owner).call() == 2
    assert token.functions.allowance(owner, stage.market).call() == 0
    assert (wallet.count("eth_signTypedData_v4"), wallet.count("eth_sendTransaction")) == (2, 2)


def test_an_owner_closes_the_page_between_approval_and_payment_and_goes_on_later(
    browser: Browser, place: Place
) -> None:
    """With a token that takes no signed approvals."""
    stage = place.stage
    template = stage.create(name="Template").job_id
    before = stage.client("observer").job_count()
    token = deployed(stage, "StandardToken", "owner")
    owner = stage.actor("owner").address
    with visit(browser, place.origins) as page:
        wallet = owners_wallet(place, page)
        place.answer(page, f"/jobs/{template}")
        page.goto(place.url)
        wallet.connect(page)
        take_over(place, page, template)
        pay_in(page, token, "STD")
        page.get_by_role("button", name="Open the job").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Approve", exact=True).click()
        expect(dialog.get_by_role("button", name="Send")).to_be_enabled()
        assert token.functions.allowance(owner, stage.market).call() == 3 * COIN, "exactly what is paid"
        again = page.context.new_page()
        page.close()

        again.goto(place.url)
        again.get_by_role("button", name="1 transactions under way").click()
        listed = again.get_by_role("dialog").get_by_role("listitem").filter(has_text="Open a job")
        expect(listed).to_contain_text("Waits for you")
        expect(listed).to_contain_text(re.compile(r"Approval[^:]*:\s*confirmed in block"))
        keep(again, "transactions-waiting")
        listed.get_by_role("button", name="Go on").click()
        dialog = again.get_by_role("dialog", name="Open a job")
        expect(dialog.get_by_role("listitem").filter(has_text="Approve STD")).to_have_class(re.compile("done"))
        dialog.get_by_role("button", name="Send").click()
        expect(dialog.get_by_text("Done: the transaction is in block")).to_be_visible()
        dialog.get_by_role("link", name=re.compile("^Open job")).click()
        expect(region(again, "Your job")).to_be_visible()
    assert stage.client("observer").job_count() == before + 1
    state = stage.observed(before + 1).state
    assert (state.terms.token, state.escrow) == (token.address, 3 * COIN)
    assert token.functions.allowance(owner, stage.market).call() == 0
    assert wallet.count("eth_sendTransaction") == 2


def test_drafts_are_kept_for_who_signs_in(browser: Browser, place: Place) -> None:
    """In another browser, too, and for nobody else."""
    place.stage.actor("owner")
    with visit(browser, place.origins) as page:
        wallet = owners_wallet(place, page)
        page.goto(f"{place.url}/new")
        wallet.connect(page)
        page.get_by_label("Name of this draft").fill("Retina scans")
        expect(page.get_by_text("Kept as a draft in this browser")).to_be_visible()
        wallet.refuse("personal_sign")
        page.get_by_role("button", name="Sign in to keep drafts at the server").click()
        expect(page.get_by_text("You declined in the wallet.")).to_be_visible()
        page.get_by_role("button", name="Sign in to keep drafts at the server").click()
        page.get_by_role("button", name="Keep at the server").click()
        expect(page.get_by_text("Kept at the server, for your account only.")).to_be_visible()
        keep(page, "drafts")
    with visit(browser, place.origins) as page:
        wallet = owners_wallet(place, page)
        page.goto(f"{place.url}/new")
        expect(page.get_by_label("Name of this draft")).to_be_visible()
        listed = page.get_by_role("combobox", name=re.compile("^Draft"))
        expect(listed).to_have_count(0)
        wallet.connect(page)
        page.get_by_role("button", name="account and transactions").click()
        drawer = page.get_by_role("dialog")
        drawer.get_by_role("button", name="Sign in").click()
        expect(drawer.get_by_role("button", name="Sign out")).to_be_visible()
        keep(page, "signed-in")
        drawer.get_by_role("button", name="Close").click()
        listed.select_option(index=1)
        expect(page.get_by_label("Name of this draft")).to_have_value("Retina scans")
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("Deleted.")).to_be_visible()
