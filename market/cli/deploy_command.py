"""``gramercy deploy``: contracts on any chain, an address book of them, and its check."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import DEVELOPMENT_POWERS, BookFile, SrsPowers
from market.cli.session import Session
from market.errors import ConfigError

if TYPE_CHECKING:
    from web3 import Web3

    from market.chain.deployment import Deployment, GasUse, Preview

_SALT_BYTES = 32


def deploy_contracts(
    session: Session,
    srs: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Reference string of a ceremony; see `gramercy srs`."),
    ] = None,
    srs_powers: SrsPowers = DEVELOPMENT_POWERS,
    salt: Annotated[
        str | None, typer.Option(help="32 bytes in hexadecimal: another market at other addresses.")
    ] = None,
    book_file: BookFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the chain; print addresses and costs; send nothing.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Only check this address book against the chain.")
    ] = None,
) -> dict[str, Any]:
    """Deploy the market's contracts from the role's account, or what is missing of them: run it again after a crash.

    The addresses depend on the contracts, the reference string and the salt alone. On development chains --srs may be
    left out; on all others --chain-id must be given.
    """
    from market.address_book import write_address_book
    from market.chain.deployment import deploy, preview
    from market.chain.deployment_book import book_of
    from market.chain.deployment_plan import DEFAULT_SALT
    from market.srs import cache

    if check is not None:
        return _check(session, check)
    w3 = _connect(session, srs)
    with session.stages() as stages:
        reference = cache.store(srs, stages=stages) if srs else cache.development(srs_powers, stages=stages)
    chosen = DEFAULT_SALT if salt is None else _parse_salt(salt)
    found, chain_id = preview(w3, reference.key, salt=chosen), w3.eth.chain_id
    if dry_run:
        return _report_preview(session, found, chain_id)
    if found.missing:
        payer, cost = session.account.address, _coins(found.estimated_cost_wei)
        session.confirm(f"Create {len(found.missing)} contracts on chain {chain_id} from {payer}, for about {cost}?")
    deployment = deploy(w3, session.account, reference.key, salt=chosen, told=lambda use: _tell(session, use))
    book = book_of(deployment, chain_id)
    if book_file:
        write_address_book(book_file, book)
    _gas_table(session, deployment)
    for name in ("market", "verifier", "forwarder"):
        session.say(f"{name:<9} {getattr(book, name)}")
    costs = {"gas": [asdict(use) for use in deployment.gas], **_totals(deployment)}
    return {**book.as_json(), **costs}


def _connect(session: Session, srs: Path | None) -> Web3:
    """Connect, and refuse a chain that is not the one that was named, before anything is computed."""
    from market.chain.rpc import connect, redact_url
    from market.domain import LOCAL_CHAIN_IDS

    w3 = connect(session.settings.rpc_url, expected_chain_id=session.settings.chain_id)
    chain_id = w3.eth.chain_id
    if chain_id in LOCAL_CHAIN_IDS:
        return w3
    if srs is None:
        raise ConfigError(
            f"chain {chain_id} needs a reference string whose secrets nobody knows",
            hint="pass --srs FILE; `gramercy srs new` starts a ceremony, `gramercy srs import` reads a .ptau file",
        )
    if session.settings.chain_id is None:
        raise ConfigError(
            f"the address {redact_url(session.settings.rpc_url)} leads to chain {chain_id}; say that you mean it",
            hint=f"pass --chain-id {chain_id}",
        )
    return w3


def _check(session: Session, path: Path) -> dict[str, Any]:
    """Check an address book; no key is needed."""
    from market.address_book import read_address_book
    from market.chain.deployment_book import check_book
    from market.chain.rpc import connect

    book = read_address_book(path)
    w3 = connect(session.settings.rpc_url, expected_chain_id=session.settings.chain_id)
    check_book(w3, book)
    session.say(f"chain {book.chain_id}: {len(book.contracts)} contracts are as published, at the addresses of {path}")
    session.say(f"reference string {book.srs.hex()}: compare it with the ceremony's")
    return {"checked": len(book.contracts), **book.as_json()}


def _report_preview(session: Session, found: Preview, chain_id: int) -> dict[str, Any]:
    from market.chain.create2 import PROXY
    from market.chain.deployment_plan import MARKET

    rows: list[dict[str, Any]] = [
        {
            "contract": contract.name,
            "address": contract.address,
            "present": contract.name in found.present,
            "estimated_gas": contract.estimated_gas,
        }
        for contract in found.plan.contracts
    ]
    made = [
        {"contract": name, "address": address, "present": MARKET in found.present, "estimated_gas": 0}
        for name, address in found.plan.created_by_market.items()
    ]
    session.table(
        f"On chain {chain_id}, salt 0x{found.plan.salt.hex()}",
        ["contract", "address", "there", "gas"],
        [
            [row["contract"], row["address"], "yes" if row["present"] else "no", row["estimated_gas"] or "with Market"]
            for row in [*rows, *made]
        ],
    )
    session.say(f"deployment proxy {PROXY}: {'there' if found.proxy else 'missing, and would be made'}")
    session.say(
        f"to create: {len(found.missing)} of {len(found.plan.contracts)} contracts, about {found.estimated_gas} gas, "
        f"{_coins(found.estimated_cost_wei)} at the present price"
    )
    return {
        "chain_id": chain_id,
        "salt": "0x" + found.plan.salt.hex(),
        "srs": found.plan.key.digest.hex(),
        "contracts": [*rows, *made],
        "proxy": {"address": PROXY, "present": found.proxy},
        "answers": list(found.answers),
        "estimated_gas": found.estimated_gas,
        "gas_price_wei": found.gas_price_wei,
        "estimated_cost_wei": found.estimated_cost_wei,
    }


def _tell(session: Session, use: GasUse) -> None:
    told = {"contract": use.contract, "address": use.address, "gas": use.gas, "transaction": use.transaction}
    session.report("created", told)


def _totals(deployment: Deployment) -> dict[str, int]:
    return {
        "gas_used": sum(use.gas for use in deployment.gas),
        "cost_wei": sum(use.cost_wei for use in deployment.gas),
    }


def _gas_table(session: Session, deployment: Deployment) -> None:
    if not deployment.gas:
        session.say("everything was there already; nothing was sent")
        return
    rows = [[use.contract, use.address, use.gas, _coins(use.cost_wei)] for use in deployment.gas]
    totals = _totals(deployment)
    rows.append(["total", "", totals["gas_used"], _coins(totals["cost_wei"])])
    session.table("Created", ["contract", "address", "gas", "cost"], rows)


def _coins(amount_wei: int) -> str:
    from market.chain.transactions import format_coins

    return f"{format_coins(amount_wei)} coins"


def _parse_salt(text: str) -> bytes:
    try:
        salt = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        salt = b""
    if len(salt) != _SALT_BYTES:
        raise ConfigError(f"the salt {text!r} is not 32 bytes", hint="0x and 64 hexadecimal digits")
    return salt


def add_deploy(app: typer.Typer) -> None:
    """Add ``gramercy deploy``."""
    command(app, "deploy", without=frozenset({"address_book"}))(deploy_contracts)
