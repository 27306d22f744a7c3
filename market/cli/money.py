"""Amounts on the command line: of the native coin in wei, gwei or ether, of an ERC-20 token in its own decimals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from market.cli.options import MAX_AMOUNT, parse_amount, shorten
from market.errors import ConfigError

if TYPE_CHECKING:
    from market.chain.tokens import Token

_TOKENS = "token"


@dataclass(frozen=True, slots=True)
class Money:
    """Reads and writes amounts of one token."""

    token: Token

    @property
    def native(self) -> bool:
        """Whether it is the native coin."""
        return not int(self.token.address, 16)

    def parse(self, text: str) -> int:
        """Return an amount in the smallest units: ``1.5ether`` of the coin, ``1.5token`` of a token.

        Raises
        ------
        ConfigError
            If the text is not an amount of this token: ether means nothing in one, and a bare number could mean both.

        """
        lowered = text.strip().lower()
        if self.native or (lowered.endswith("wei") and not lowered.endswith("gwei")):
            return parse_amount(text)
        number = lowered.removesuffix(_TOKENS).strip()
        whole, _, part = number.partition(".")
        digits = whole + part.ljust(self.token.decimals, "0")
        plain = (whole + part).isascii() and (whole + part).isdigit()
        if not lowered.endswith(_TOKENS) or not plain or len(part) > self.token.decimals or len(digits) > _DIGITS:
            raise ConfigError(
                f"{shorten(text)} is not an amount of {self.token.symbol}",
                hint=f"write 1.5token, with at most {self.token.decimals} places, or 1000wei for its smallest units",
            )
        amount = int(digits or "0")
        if amount > MAX_AMOUNT:
            raise ConfigError(f"{shorten(text)} is more than there can be", hint="amounts end at 2^128 - 1 units")
        return amount

    def format(self, amount: int) -> str:
        """Write an amount exactly, with what it is of: ``1.5 coins``."""
        whole, part = divmod(amount, 10**self.token.decimals)
        shown = f"{whole}.{part:0{self.token.decimals}d}".rstrip("0").rstrip(".") if part else str(whole)
        return f"{shown} {self.token.symbol}"


_DIGITS = 60
"""More are refused before they are read: int() takes thousands only with an error of its own."""
