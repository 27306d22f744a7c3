"""``gramercy aggregator``: open and settle rounds; encryption keys; the free balance that bonds are taken from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.balance_commands import add_balance, add_deposit, add_withdraw
from market.cli.command import command
from market.cli.options import JobId, Poll
from market.cli.session import Session

if TYPE_CHECKING:
    from market.services.aggregator import Aggregator
    from market.services.encryption import EncryptionKey, EncryptionKeys

app = typer.Typer(name="aggregator", help="For who aggregates and settles.", no_args_is_help=True)
key = typer.Typer(name="key", help="The key that trainers encrypt their updates to.", no_args_is_help=True)
app.add_typer(key)


@command(app, "run")
def run(
    session: Session,
    job_id: JobId,
    open_at: Annotated[int, typer.Option(min=0, help="Open the first round when so many have joined.")] = 0,
    poll_seconds: Poll = 0.5,
) -> dict[str, Any]:
    """Publish a key, deposit for bonds, open and settle rounds until the job ends. Ctrl-C and start at will."""
    from market.services import loop

    aggregator = _aggregator(session, job_id, open_at)
    _prepare(aggregator)
    loop.run(aggregator, poll_seconds=poll_seconds, report=session.report)
    settled = len(aggregator.job.state.settled_rounds)
    session.say(f"job {job_id}: {settled} rounds settled")
    return {"job": job_id, "rounds": settled}


@command(app, "settle")
def settle(session: Session, job_id: JobId) -> dict[str, Any]:
    """Settle the round that is in its Settling phase; updates that cannot be had now are left out."""
    from market.domain import Phase
    from market.errors import ContractRefused

    aggregator = _aggregator(session, job_id, 0)
    state = aggregator.job.state.latest
    due = state is not None and state.phase(aggregator.job.now) is Phase.SETTLING
    while state is not None and due and state.settled is None and aggregator.settle(state, patient=False):
        state = aggregator.job.state.round(state.number)  # trainers may have been slashed before it is settled
    if state is None or state.settled is None or not due:
        raise ContractRefused(
            f"no round of job {job_id} can be settled now", hint="`gramercy job show` tells phases and times"
        )
    return {"job": job_id, "round": state.number}


@command(app, "recompute")
def recompute(
    session: Session,
    job_id: JobId,
    number: Annotated[int, typer.Argument(min=1, metavar="ROUND", help="A settled round.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the aggregate.")],
) -> dict[str, Any]:
    """Recompute the aggregate of a settled round from its payloads: what `job challenge --aggregate` takes."""
    aggregator = _aggregator(session, job_id, 0, entitled=False)
    state = aggregator.job.require_round(number)
    output.write_bytes(aggregator.recompute(state))
    session.say(f"{output}: the aggregate of round {number}")
    return {"job": job_id, "round": number, "path": str(output)}


@command(key, "show", group="aggregator key")
def show_keys(session: Session) -> dict[str, Any]:
    """Show the public keys made here, and which of them is published."""
    published = session.market.encryption_key(session.account.address)
    rows = [
        {"number": each.number, "key": each.public.hex(), "published": each.public == published}
        for each in _keys(session).all()
    ]
    session.table(
        f"encryption keys of {session.account.address}",
        ["number", "public key", "published"],
        [list(row.values()) for row in rows],
    )
    if published is not None and not any(row["published"] for row in rows):
        session.say(f"published is {published.hex()}, which was not made here: updates sealed to it cannot be opened")
    return {
        "address": session.account.address,
        "published": None if published is None else published.hex(),
        "keys": rows,
    }


@command(key, "publish", group="aggregator key")
def publish_key(session: Session) -> dict[str, Any]:
    """Publish a key on chain, if none made here is published; trainers need it before they commit."""
    return _published(session, rotate=False)


@command(key, "rotate", group="aggregator key")
def rotate_key(session: Session) -> dict[str, Any]:
    """Make a new key and publish it; the old one stays here, for what was sealed to it."""
    return _published(session, rotate=True)


add_deposit(app)
add_withdraw(app)
add_balance(app)


def _prepare(aggregator: Aggregator) -> None:
    aggregator.job.require_srs()
    if not aggregator.finished:
        aggregator.publish_key()
        aggregator.deposit_shortage()


def _published(session: Session, *, rotate: bool) -> dict[str, Any]:
    from market.services.encryption import publish

    found: EncryptionKey = publish(session.market, _keys(session), rotate=rotate, report=session.report)
    session.say(f"{session.account.address} has published key {found.number}: {found.public.hex()}")
    return {"address": session.account.address, "number": found.number, "key": found.public.hex()}


def _keys(session: Session) -> EncryptionKeys:
    from market.services.encryption import EncryptionKeys, encryption_folder

    return EncryptionKeys(encryption_folder(session.settings.state, session.account.address), session.account)


def _aggregator(session: Session, job_id: int, open_at: int, *, entitled: bool = True) -> Aggregator:
    from market.errors import ContractRefused
    from market.services.aggregator import Aggregator, aggregator_folder
    from market.services.journal import Journal

    job = session.job(job_id)
    money = session.money(job.state.terms.token)
    aggregator = Aggregator(
        job,
        session.account,
        _keys(session),
        Journal(aggregator_folder(session.settings.state, session.account.address, job_id)),
        open_at=open_at,
        report=session.report,
        approve=lambda amount: session.confirm(f"Deposit {money.format(amount)} for bonds of job {job_id}?"),
    )
    known = (*job.state.created.aggregators, *job.state.aggregators)
    if entitled and aggregator.address not in known:
        raise ContractRefused(
            f"{aggregator.address} is not an aggregator of job {job_id}",
            hint="the owner names aggregators when the job is created; a trainer names one with "
            "`gramercy trainer name`",
            error="Market_NotAggregator",
        )
    return aggregator
