"""Amounts, CIDs and events in words."""

from __future__ import annotations

import base64
from typing import Any

from market.indexer.facts import UNREADABLE

_WORDS = {
    "JobCreated": "{who} opened job {job} with {amount}",
    "TrainerJoined": "{who} joined job {job} with a stake of {amount}",
    "TrainerLeft": "{who} left job {job} and took {amount} back",
    "ReferenceCommitted": "The owner of job {job} committed the reference row of round {round}",
    "RoundOpened": "Round {round} of job {job} opened",
    "UpdateCommitted": "{who} committed an update to round {round} of job {job}",
    "RoundSettled": "{who} settled round {round} of job {job}, which pays {amount}",
    "SettlementReplaced": "The settlement of round {round} of job {job} by {who} gave way to one with more updates",
    "SettlementOverturned": "{who} proved the aggregate of round {round} of job {job} false: {other} lost {amount}",
    "TrainerSlashed": "{who} proved an update of round {round} of job {job} out of range: {other} lost {amount}",
    "BondReleased": "The bond of {who} behind round {round} of job {job} was released: {amount}",
    "RoundRefunded": "The budget of the void round {round} of job {job} went back to its owner: {amount}",
    "PayoutClaimed": "{who} was paid {amount} for round {round} of job {job}",
    "JobExtended": "The owner extended job {job} for {amount}",
    "JobStopped": "The owner stopped job {job}: no further round opens",
    "JobClosed": "Job {job} was closed; {amount} went back to its owner",
    "AggregatorNamed": "{who} named the aggregator {other} in job {job}",
    "Deposited": "{who} deposited {amount}",
    "Withdrawn": "{who} withdrew {amount}",
    "KeyPublished": "{who} published an encryption key",
    UNREADABLE: "A log that is not what the market's contract emits",
}
_NOBODY = "0x" + 40 * "0"
_UNNAMED = "{who} names no aggregator in job {job} any more"


def words_of(row: Any) -> str:
    """Return what an event, with its token's symbol and decimals, says."""
    form = _UNNAMED if row.name == "AggregatorNamed" and row.other == _NOBODY else _WORDS.get(row.name, row.name)
    amount = "" if row.amount is None else format_amount(int(row.amount), row.decimals, row.symbol)
    return form.format(who=short(row.account), other=short(row.other), amount=amount, job=row.job_id, round=row.round)


def format_amount(amount: int, decimals: int | None, symbol: str | None) -> str:
    """Write an amount exactly, in its token's units.

    Examples
    --------
    >>> format_amount(1_500_000, 6, "USDC")
    '1.5 USDC'

    """
    places = decimals or 0
    whole, part = divmod(abs(amount), 10**places)
    digits = f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".") if places else str(whole)
    return f"{'-' if amount < 0 else ''}{digits} {symbol or 'units'}"


def short(address: str | None) -> str:
    """Return an address as people read it: its beginning and end."""
    return "somebody" if address is None else f"{address[:6]}…{address[-4:]}"


def hexadecimal(data: bytes) -> str:
    """Return bytes as the API gives them."""
    return "0x" + bytes(data).hex()


def cid_text(data: bytes) -> str:
    """Return the text form (base32) of a CID's bytes, whatever they are."""
    return "b" + base64.b32encode(bytes(data)).decode("ascii").rstrip("=").lower()
