"""Pages that the devnet answers, and those that it does not: other sites, rebound names, pages without an origin."""

from __future__ import annotations

import pytest

from market.chain.devnet_origins import may_ask

HERE = "127.0.0.1:8545"
WALLETS = (
    "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn",
    "moz-extension://5d2f7b1e-0000-4000-8000-000000000000",
    "safari-web-extension://5D2F7B1E-0000-4000-8000-000000000000",
)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8420", HERE),
        ("http://localhost:8420", HERE),
        ("http://localhost:5173", "localhost:8545"),
        ("http://[::1]:8420", "[::1]:8545"),
        ("https://demo.localhost", HERE),
        ("http://192.168.1.5:8420", "192.168.1.5:8545"),
        *((wallet, HERE) for wallet in WALLETS),
    ],
)
def test_pages_of_this_machine_and_wallets_may_ask(origin: str, host: str) -> None:
    assert may_ask(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://market.example", HERE),
        ("http://market.example:8545", "market.example:8545"),  # a name that now points here
        ("http://127.0.0.1:8420", "market.example:8545"),
        ("http://localhost.market.example", HERE),
        ("http://127.0.0.1.market.example", HERE),
        ("http://127.0.0.1@market.example", HERE),
        ("http://192.168.1.5:8420", HERE),
        ("null", HERE),
        ("file://", HERE),
        ("http://[::1", HERE),
        ("", HERE),
        (WALLETS[0], "market.example:8545"),
    ],
)
def test_other_pages_may_not(origin: str, host: str) -> None:
    assert not may_ask(origin, host)
