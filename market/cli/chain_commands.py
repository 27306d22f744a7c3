"""``gramercy devnet`` and ``gramercy deploy``: chains and contracts."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import parse_address, parse_amount
from market.cli.session import Session

devnet = typer.Typer(name="devnet", help="A chain on this machine, for development.", no_args_is_help=True)

_DEPLOYER_WEI = 10**20
_DEVELOPMENT_POWERS = 1 << 14

SrsPowers = Annotated[
    int,
    typer.Option(min=9, max=1 << 28, help="Powers of the development reference string: a model's entries and 8 more."),
]


@command(devnet, "start")
def start(
    session: Session,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8545,
    number: Annotated[int, typer.Option("--id", min=1, help="Chain id of the new chain.")] = 31337,
    block_time: Annotated[
        float, typer.Option(min=0, help="Mine a block every so many seconds; 0: only with transactions.")
    ] = 1.0,
    srs_powers: SrsPowers = _DEVELOPMENT_POWERS,
    address_book: Annotated[
        Path | None, typer.Option(help="Write chain id, RPC address and contract addresses to this JSON file.")
    ] = None,
) -> dict[str, Any]:
    """Run the embedded chain with the market deployed, until Ctrl-C or SIGTERM. Nothing is kept after that."""
    from eth_account import Account

    from market.chain.deployment import deploy
    from market.chain.devnet import Devnet
    from market.chain.rpc import connect
    from market.srs import cache

    with session.stages() as stages:
        reference = cache.development(srs_powers, stages=stages)
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    with Devnet(chain_id=number, port=port, block_time=block_time or None) as chain:
        deployer = Account.create()
        chain.fund(deployer.address, _DEPLOYER_WEI)
        deployment = deploy(connect(chain.url, expected_chain_id=number), deployer, reference.key)
        book = {"chain_id": number, "rpc_url": chain.url, **asdict(deployment), "srs": reference.key.digest.hex()}
        if address_book:
            write_address_book(address_book, book)
        session.report("devnet-ready", book)
        session.say(f"export GRAMERCY_RPC_URL={chain.url} GRAMERCY_MARKET={deployment.market}")
        while not stop.wait(0.5):
            pass
    return {"stopped": True}


@command(devnet, "fund")
def fund(
    session: Session,
    address: Annotated[str, typer.Argument(help="Account to fund.")],
    amount: Annotated[str, typer.Option(help="How much.")] = "100ether",
) -> dict[str, Any]:
    """Give coins to an account, on development chains only."""
    from market.chain.rpc import fund as add_balance

    recipient, wei = parse_address(address, "the account"), parse_amount(amount)
    add_balance(session.w3, recipient, wei)
    session.say(f"{recipient} +{amount}")
    return {"address": recipient, "amount_wei": wei}


@command(devnet, "advance")
def advance(session: Session, seconds: Annotated[int, typer.Argument(min=1, help="How far.")]) -> dict[str, Any]:
    """Move chain time forward, on development chains only."""
    from market.chain.rpc import fast_forward

    now = fast_forward(session.w3, seconds)
    session.say(f"chain time {now}")
    return {"chain_time": now}


def deploy_contracts(
    session: Session,
    srs: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Reference string of a ceremony; see `gramercy srs`."),
    ] = None,
    srs_powers: SrsPowers = _DEVELOPMENT_POWERS,
    address_book: Annotated[Path | None, typer.Option(help="Write the addresses to this JSON file.")] = None,
) -> dict[str, Any]:
    """Deploy Market and GramVerifier from the role's account; on development chains --srs may be left out."""
    from market.chain.deployment import deploy
    from market.domain import LOCAL_CHAIN_IDS
    from market.errors import ConfigError
    from market.srs import cache

    chain_id = session.w3.eth.chain_id
    if srs is None and chain_id not in LOCAL_CHAIN_IDS:
        raise ConfigError(
            f"chain {chain_id} needs a reference string whose secrets nobody knows",
            hint="pass --srs FILE; `gramercy srs new` starts a ceremony, `gramercy srs import` reads a .ptau file",
        )
    with session.stages() as stages:
        reference = cache.store(srs, stages=stages) if srs else cache.development(srs_powers, stages=stages)
    session.confirm(f"Deploy two contracts on chain {chain_id} from {session.account.address}?")
    book = {
        "chain_id": chain_id,
        **asdict(deploy(session.w3, session.account, reference.key)),
        "srs": reference.key.digest.hex(),
    }
    if address_book:
        write_address_book(address_book, book)
    session.say(f"market   {book['market']}")
    session.say(f"verifier {book['verifier']}")
    return book


def add_deploy(app: typer.Typer) -> None:
    """Add ``gramercy deploy``."""
    command(app, "deploy")(deploy_contracts)


def write_address_book(path: Path, book: dict[str, Any]) -> None:
    """Write an address book whole: readers see the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(book, indent=2) + "\n")
    temporary.replace(path)
