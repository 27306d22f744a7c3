"""What amounts of a token are called: its symbol only where that cannot be misread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from market.chain.tokens import COIN, shown_symbol

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "symbols.json").read_text())


@pytest.mark.parametrize("symbol", CASES["kept"])
def test_a_plain_symbol_is_kept(symbol: str) -> None:
    assert shown_symbol(symbol, CASES["address"]) == symbol


@pytest.mark.parametrize("symbol", [*CASES["refused"], COIN.symbol, None, 7, b"USDC"])
def test_any_other_gives_way_to_the_address(symbol: object) -> None:
    assert shown_symbol(symbol, CASES["address"]) == CASES["otherwise"]
