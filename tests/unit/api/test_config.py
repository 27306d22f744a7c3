"""How a server is set up, as pages are told: which verifiers its operator vouches for, and explorers."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from market.address_book import AddressBook
from market.api.app import Parts, create_app
from market.api.server import vouched
from market.api.settings import Settings
from market.errors import ConfigError
from tests.unit.api.fake_reader import FakeReader
from tests.unit.api.serving import client_of

MARKET, GOOD, NEWER = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20


def book(verifier: str = GOOD) -> AddressBook:
    """Return an address book whose market has this verifier."""
    return AddressBook(31337, MARKET, verifier, MARKET, 1, {}, {}, {}, bytes(32), bytes(32), (0,) * 18)


def told(engine: Engine, settings: Settings) -> Any:
    with client_of(create_app(settings, Parts(FakeReader(), engine))) as client:
        return client.get("/api/v1/config").json()["deployments"]


def test_pages_are_told_the_address_books_verifier_and_never_a_jobs(engine: Engine) -> None:
    """A form that took it from a job would take whatever that job's owner, anybody, wrote there."""
    assert told(engine, Settings()) == []
    settings = vouched(Settings(), [book()])
    assert told(engine, settings) == [{"chain_id": 31337, "market": MARKET, "verifiers": [GOOD]}]


def test_what_the_environment_vouches_for_comes_after_the_books() -> None:
    settings = Settings.from_environment({"GRAMERCY_DASHBOARD_VERIFIERS": f"31337:{MARKET}={NEWER}, 1:{MARKET}={GOOD}"})
    assert vouched(settings, [book(), book()]).vouched_verifiers == {
        (31337, MARKET): (GOOD, NEWER),
        (1, MARKET): (GOOD,),
    }


@pytest.mark.parametrize(
    "entry", ["x", f"{MARKET}={GOOD}", f"1:{MARKET}=0x22", f"1:{GOOD[:-1]}={GOOD}", f"x:{MARKET}={GOOD}"]
)
def test_a_malformed_verifier_stops_the_server(entry: str) -> None:
    with pytest.raises(ConfigError, match="CHAIN_ID:MARKET=VERIFIER"):
        vouched(Settings(verifiers=(entry,)), [])


def test_explorers_by_chain() -> None:
    settings = Settings.from_environment(
        {"GRAMERCY_DASHBOARD_EXPLORERS": "1=https://etherscan.io/,5=https://x.example/a"}
    )
    assert settings.explorer_urls == {1: "https://etherscan.io", 5: "https://x.example/a"}


@pytest.mark.parametrize(
    "entry",
    [
        "1=http://etherscan.io",
        "1=javascript:alert(1)",
        "https://etherscan.io",
        "1=https://",
        '1=https://x/"',
        "1=https://u:p@x",
    ],
)
def test_a_malformed_explorer_stops_the_server(entry: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        _ = Settings(explorers=(entry,)).explorer_urls
