"""Path and query parameters, checked once: what does not fit is a 422 before any query."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from eth_utils.address import to_checksum_address
from fastapi import Path, Query
from pydantic import AfterValidator

from market.indexer.cursors import LARGEST_PAGE

MAX_INTEGER = (1 << 63) - 1
"""Largest integer of a column."""
_ADDRESS = "^0x[0-9a-fA-F]{40}$"


@lru_cache(maxsize=4_096)
def address_of(text: str) -> str:
    """Return an address of the right form with its checksum."""
    return str(to_checksum_address(text))


def _optional(text: str | None) -> str | None:
    return None if text is None else address_of(text)


ChainId = Annotated[int, Path(ge=1, le=MAX_INTEGER, examples=[31337])]
MarketAddress = Annotated[str, Path(pattern=_ADDRESS, description="The Market contract"), AfterValidator(address_of)]
JobId = Annotated[int, Path(ge=1, le=MAX_INTEGER)]
Number = Annotated[int, Path(ge=1, le=MAX_INTEGER, description="Number of the round")]
AccountAddress = Annotated[str, Path(pattern=_ADDRESS), AfterValidator(address_of)]
Cursor = Annotated[
    str | None, Query(max_length=512, pattern="^[A-Za-z0-9_=.~-]*$", description="`next` of the page before")
]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
OfChain = Annotated[int | None, Query(ge=1, le=MAX_INTEGER)]
OfAddress = Annotated[str | None, Query(pattern=_ADDRESS), AfterValidator(_optional)]
OfRound = Annotated[int | None, Query(ge=1, le=MAX_INTEGER)]
