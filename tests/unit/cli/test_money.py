"""Amounts of the native coin and of tokens, read and written exactly."""

from __future__ import annotations

import pytest

from market.chain.tokens import COIN, Token
from market.cli.money import Money
from market.errors import ConfigError

DOLLAR = Money(Token("0x" + "11" * 20, 6, "USD"))
COINS = Money(COIN)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1.5token", 1_500_000), ("1 token", 1_000_000), ("0.000001TOKEN", 1), ("7wei", 7), (".5token", 500_000)],
)
def test_amounts_of_a_token_are_in_its_decimals(text: str, amount: int) -> None:
    assert DOLLAR.parse(text) == amount


@pytest.mark.parametrize(
    "text", ["1ether", "1gwei", "1", "", "token", ".token", "0.0000001token", "-1token", "1e3token", "9" * 50 + "token"]
)
def test_what_is_no_amount_of_a_token_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        DOLLAR.parse(text)


def test_coins_are_read_as_ever() -> None:
    assert COINS.parse("1.5ether") == 15 * 10**17
    with pytest.raises(ConfigError):
        COINS.parse("1token")


def test_amounts_are_written_exactly() -> None:
    assert DOLLAR.format(1_500_000) == "1.5 USD"
    assert DOLLAR.format(1) == "0.000001 USD"
    assert DOLLAR.format(12_000_000) == "12 USD"
    assert COINS.format(10**17) == "0.1 coins"
    assert Money(Token("0x" + "11" * 20, 0, "WHOLE")).format(10) == "10 WHOLE"
    assert Money(Token("0x" + "11" * 20, 0, "WHOLE")).parse("3token") == 3
