"""Every transaction of a run, read back from the chain: kinds, gas, and the check of the books."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from market.chain.create2 import PROXY, PROXY_SIGNER
from market.chain.market import MarketClient


@dataclass(frozen=True, slots=True)
class Transaction:
    """One mined transaction; ``kind`` is the market's function, ``deploy`` or ``transfer``."""

    hash: str
    block: int
    sender: str
    to: str | None
    kind: str
    value_wei: int
    gas: int
    status: int


def read_transactions(market: MarketClient) -> list[Transaction]:
    """Return all transactions of the chain, in order: for chains that were started for the run."""
    found = []
    for number in range(market.w3.eth.block_number + 1):
        for transaction in market.w3.eth.get_block(number, full_transactions=True)["transactions"]:
            if isinstance(transaction, bytes):  # full_transactions was asked for
                continue
            receipt = market.w3.eth.get_transaction_receipt(transaction["hash"])
            to = transaction.get("to")
            found.append(
                Transaction(
                    hash="0x" + bytes(transaction["hash"]).hex(),
                    block=number,
                    sender=transaction["from"],
                    to=to,
                    kind=_kind(market, to, bytes(transaction["input"])),
                    value_wei=int(transaction["value"]),
                    gas=int(receipt["gasUsed"]),
                    status=int(receipt["status"]),
                )
            )
    return found


def gas_by_kind(transactions: list[Transaction]) -> dict[str, dict[str, int]]:
    """Return count, median, largest and total gas of each kind of transaction."""
    kinds: dict[str, list[int]] = {}
    for transaction in transactions:
        kinds.setdefault(transaction.kind, []).append(transaction.gas)
    return {
        kind: {
            "count": len(gas),
            "median": int(statistics.median(gas)),
            "max": max(gas),
            "total": sum(gas),
        }
        for kind, gas in kinds.items()
    }


def write_transactions(path: Path, transactions: list[Transaction]) -> None:
    """Write one JSON line a transaction."""
    path.write_text("".join(json.dumps(asdict(transaction)) + "\n" for transaction in transactions))


def _kind(market: MarketClient, to: str | None, data: bytes) -> str:
    if to in (None, PROXY, PROXY_SIGNER):
        return "deploy"
    name = market.function_name(data) if to == market.address and len(data) >= 4 else None  # noqa: PLR2004
    return name or "transfer"
