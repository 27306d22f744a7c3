"""``gramercy owner publish``: what it tells is what a job needs that is opened elsewhere, by hand or in the wizard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from market.storage.cid import Cid
from tests.e2e.browser import visit
from tests.e2e.place import Place
from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow


def publish(stage: Stage, *options: object) -> dict[str, Any]:
    """Publish by the command; return what it told."""
    answer = stage.cli("visitor", "owner", "publish", "--verifier", stage.verifier, *options, GRAMERCY_KEYSTORE="")
    return answer.data


def test_a_job_of_what_was_published_settles(stage: Stage) -> None:
    template = stage.create()
    before = stage.w3.eth.block_number
    told = publish(stage, "--name", "by hand", "--seed", "3")
    assert stage.w3.eth.block_number == before, "nothing was sent"

    terms = replace(
        template.terms,
        dimension=told["dimension"],
        scale_exponent=told["scale_exponent"],
        bits=told["bits"],
    )
    aggregators = [stage.actor("aggregator").address]
    job_id, _ = stage.client("owner").create_job(terms, aggregators, Cid.parse(told["manifest_cid"]).to_bytes())
    state = stage.settled(*stage.joined("ada", "bo", "cy", job_id=job_id))
    assert state.settled is not None
    assert state.settled.paid > 0
    job = stage.observed(job_id)
    assert job.manifest.name == "by hand"
    assert job.model(1).size == told["dimension"]


def test_it_publishes_what_creating_would(stage: Stage) -> None:
    created = stage.cli(
        "owner", "owner", "create", "--verifier", stage.verifier, "--aggregator", stage.actor("aggregator").address,
        "--name", "twice", "--seed", "1", "--yes",
    ).data  # fmt: skip
    told = publish(stage, "--name", "twice", "--seed", "1")
    same = ("manifest_cid", "dimension", "scale_exponent")
    assert [told[key] for key in same] == [created[key] for key in same]
    assert publish(stage, "--name", "twice", "--seed", "2")["manifest_cid"] != told["manifest_cid"]


def test_its_link_fills_in_the_wizard(browser: Browser, place: Place) -> None:
    stage = place.stage
    told = publish(stage, "--name", "X-rays & more", "--dashboard", place.url)
    link = urlsplit(told["link"])
    assert link.path == f"{place.path}/new"
    assert parse_qs(link.query)["manifest"] == [told["manifest_cid"]]
    with visit(browser, place.origins) as page:
        page.goto(told["link"] + "&verifier=" + stage.actor("eve").address)
        expect(page.get_by_label("Name of this draft")).to_have_value("X-rays & more")
        expect(page.get_by_label("CID of the manifest")).to_have_value(told["manifest_cid"])
        expect(page.get_by_label("Parameters of the model")).to_have_value(str(told["dimension"]))
        expect(page.get_by_label("First scale exponent")).to_have_value(str(told["scale_exponent"]))
        expect(page.get_by_text("gramercy owner publish")).to_be_visible()
        expect(page.get_by_text(stage.actor("eve").address)).to_have_count(0)  # no link names who checks
        page.get_by_role("button", name="Aggregators").click()
        expect(page.get_by_label("Verifier")).not_to_have_value(stage.actor("eve").address)
