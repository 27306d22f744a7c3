"""``gramercy relay``: send calls that others signed, at one's own expense; and how commands sign instead of sending."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from market.cli.command import command
from market.cli.session import Session

_MAX_FILE_BYTES = 1 << 17

RelayerFile = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Sign the call into this file instead of sending it: `gramercy relay` sends it."),
]


@contextlib.contextmanager
def signing(session: Session, path: Path | None) -> Iterator[dict[str, Any]]:
    """Write the request that a signing market raises instead of sending; the value then tells where it is."""
    told: dict[str, Any] = {}
    if path is None:
        yield told
        return
    from market.chain.relays import Signed

    try:
        yield told
    except Signed as signed:
        path.write_text(json.dumps(signed.request.to_record(), indent=1) + "\n")
        session.report("request-signed", {"path": str(path), "deadline": signed.request.deadline})
        told["request"] = str(path)


def relay(
    session: Session,
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Signed requests, in order.")],
) -> dict[str, Any]:
    """Send calls of the market that others signed. You pay the gas, and the native coin that a call takes (a stake)."""
    from market.chain import relays
    from market.errors import ConfigError
    from market.safe_json import parse_json

    sent = []
    for path in files:
        try:
            with path.open("rb") as file:
                record = parse_json(file.read(_MAX_FILE_BYTES))
        except ValueError:
            raise ConfigError(f"{path} is no signed request") from None
        request = relays.Request.from_record(record)
        function = relays.check(session.market, request)
        value = session.money().format(request.value)
        session.confirm(f"Relay {function} of {request.sender}, paying {value} and the gas?")
        receipt = relays.relay(session.market, request)
        told = {
            "path": str(path),
            "sender": request.sender,
            "call": function,
            "value_wei": request.value,
            "gas": receipt["gasUsed"],
            "transaction": "0x" + bytes(receipt["transactionHash"]).hex(),
        }
        session.report("relayed", told)
        sent.append(told)
    return {"relayed": sent}


def add_relay(app: typer.Typer) -> None:
    """Add ``gramercy relay``."""
    command(app, "relay")(relay)
