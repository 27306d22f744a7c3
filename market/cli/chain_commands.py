"""``gramercy devnet``: a chain on this machine."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import DEVELOPMENT_POWERS, BookFile, SrsPowers, parse_address, parse_amount
from market.cli.session import Session

if TYPE_CHECKING:
    from market.address_book import AddressBook

devnet = typer.Typer(name="devnet", help="A chain on this machine, for development.", no_args_is_help=True)

_DEPLOYER_WEI = 10**20
_SHOWN = ("chain_id", "rpc_url", "market", "verifier", "forwarder", "first_block", "srs")


@command(devnet, "start", without=frozenset({"address_book"}))
def start(
    session: Session,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8545,
    number: Annotated[int, typer.Option("--id", min=1, help="Chain id of the new chain.")] = 31337,
    block_time: Annotated[
        float, typer.Option(min=0, help="Mine a block every so many seconds; 0: only with transactions.")
    ] = 1.0,
    srs_powers: SrsPowers = DEVELOPMENT_POWERS,
    book_file: BookFile = None,
) -> dict[str, Any]:
    """Run the embedded chain with the market deployed, until Ctrl-C or SIGTERM. Nothing is kept after that."""
    from eth_account import Account

    from market.address_book import write_address_book
    from market.chain.deployment import deploy
    from market.chain.deployment_book import book_of
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
        book = book_of(deployment, number, rpc_url=chain.url)
        if book_file:
            write_address_book(book_file, book)
        session.report("devnet-ready", _summary(session, book))
        session.say(f"export GRAMERCY_RPC_URL={chain.url} GRAMERCY_MARKET={deployment.market}")
        while not stop.wait(0.5):
            pass
    return {"stopped": True}


def _summary(session: Session, book: AddressBook) -> dict[str, Any]:
    """Return the whole book for programs; what a person needs of it otherwise."""
    told = book.as_json()
    return told if session.json else {name: told[name] for name in _SHOWN}


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
