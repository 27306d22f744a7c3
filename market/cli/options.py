"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from market.errors import ConfigError

JobId = Annotated[int, typer.Argument(help="Number of the job.")]
Recipient = Annotated[str | None, typer.Option(help="Pay to this address instead of the key's own.")]
Poll = Annotated[float, typer.Option(min=0.01, help="Seconds between looks at the chain.")]
Rule = Annotated[
    str | None,
    typer.Option(help="How updates are weighed: multi-krum, mean, ...; the default depends on --reference."),
]
Score = Annotated[str | None, typer.Option(help="How pay is divided: shapley-reference, alignment, ...; likewise.")]
Reference = Annotated[
    bool | None,
    typer.Option(
        "--reference/--no-reference", help="Commit a reference row each round; default: unless --rule is given."
    ),
]

DEVELOPMENT_POWERS = 1 << 14
SrsPowers = Annotated[
    int,
    typer.Option(min=9, max=1 << 28, help="Powers of the development reference string: a model's entries and 8 more."),
]
BookFile = Annotated[
    Path | None,
    typer.Option("--address-book", help="Write chain id, addresses and hashes to this JSON file, with a checksum."),
]

MAX_AMOUNT = (1 << 128) - 1
"""Largest amount that the contract takes, in wei."""
_UNITS = {"wei": 0, "gwei": 9, "ether": 18, "eth": 18}


def parse_amount(text: str) -> int:
    """Return wei from ``1.5ether``, ``20gwei`` or ``1000wei``; a bare number is refused, as it could mean either.

    Raises
    ------
    ConfigError
        If the text is not an amount, finer than a wei, or more than a contract takes.

    Examples
    --------
    >>> parse_amount("0.5ether")
    500000000000000000

    """
    lowered = text.strip().lower().replace("_", "")
    unit = next((name for name in sorted(_UNITS, key=len, reverse=True) if lowered.endswith(name)), None)
    number = lowered.removesuffix(unit).strip() if unit else ""
    whole, _, part = number.partition(".")
    decimals = _UNITS[unit] if unit else 0
    digits = whole + part
    if not digits.isascii() or not digits.isdigit() or len(part) > decimals:
        raise ConfigError(f"{shorten(text)} is not an amount", hint="write 1.5ether, 20gwei or 1000wei")
    significant = digits.lstrip("0") + "0" * (decimals - len(part))
    # int() refuses thousands of digits with an error of its own.
    if len(significant) > len(str(MAX_AMOUNT)) or int(significant or "0") > MAX_AMOUNT:
        raise ConfigError(f"{shorten(text)} is more than there can be", hint="amounts end at 2^128 - 1 wei")
    return int(significant or "0")


def parse_address(text: str, what: str) -> str:
    """Return an account's address, EIP-55 checksummed; ``what`` it is of, for the message.

    Raises
    ------
    ConfigError
        If it is not an address, or its checksum shows a slip of the pen.

    """
    from eth_utils.address import is_hex_address, to_checksum_address

    if not is_hex_address(text) or not text.startswith("0x"):
        raise ConfigError(f"{what}: {shorten(text)} is not an address", hint="0x and 40 hexadecimal digits")
    checksummed = to_checksum_address(text)
    body = text[2:]
    if text != checksummed and body not in (body.lower(), body.upper()):
        raise ConfigError(f"{what}: the checksum of {text} is wrong", hint="look for a mistyped character")
    return checksummed


def parse_recipient(text: str | None) -> str | None:
    """Return the address to pay to, if one was given."""
    return None if text is None else parse_address(text, "--recipient")


def shorten(text: str, limit: int = 60) -> str:
    """Return text quoted for a message, cut after ``limit`` characters."""
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "..."
