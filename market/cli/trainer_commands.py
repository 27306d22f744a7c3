"""``gramercy trainer``: stake, train, submit, claim, leave, or all of it in one loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import JobId, Poll, Recipient, parse_amount, parse_recipient
from market.cli.session import Session

if TYPE_CHECKING:
    from market.services.trainer import Trainer

app = typer.Typer(name="trainer", help="For who trains on own data.", no_args_is_help=True)

TaskOption = Annotated[
    str | None, typer.Option(help="Own task file, if the job's task is not built in; its digest must match.")
]
Shard = Annotated[str, typer.Option(help="Use part i of n of the task's data, written i/n.")]
Alpha = Annotated[float | None, typer.Option(help="Dirichlet alpha of the split; default: an even split.")]
SplitSeed = Annotated[int, typer.Option(help="Seed of the split; the same for all trainers.")]
Seed = Annotated[int, typer.Option(help="Seed of the training.")]
BehaviourOption = Annotated[
    str,
    typer.Option(
        help="honest, or an attack to study: sign-flip, label-flip, gaussian, free-rider, copy, alie, ipm, min-max, "
        "min-sum, backdoor."
    ),
]


@command(app, "join")
def join(
    session: Session,
    job_id: JobId,
    stake: Annotated[str | None, typer.Option(help="Default: the job's smallest.")] = None,
) -> dict[str, Any]:
    """Put a stake into a job."""
    from market.chain.transactions import format_coins

    trainer = _trainer(session, job_id)
    amount = parse_amount(stake) if stake else trainer.job.state.terms.stake_min
    if not trainer.joined:
        session.confirm(f"Stake {format_coins(amount)} coins in job {job_id}?")
    amount = trainer.join(amount)
    session.say(f"staked {format_coins(amount)} coins in job {job_id}")
    return {"job": job_id, "stake_wei": amount}


@command(app, "train")
def train(
    session: Session,
    job_id: JobId,
    output: Annotated[Path, typer.Option("--output", "-o", help="safetensors file for the update.")],
    task: TaskOption = None,
    shard: Shard = "1/1",
    alpha: Alpha = None,
    split_seed: SplitSeed = 0,
    seed: Seed = 0,
    behaviour: BehaviourOption = "honest",
) -> dict[str, Any]:
    """Train this round's update and write it to a file; nothing is sent."""
    from market.services.inputs import write_update
    from market.services.trainer import open_round

    trainer = _trainer(session, job_id)
    _equip(session, trainer, task, shard, alpha, split_seed, seed, behaviour)
    state = open_round(trainer.job)
    local = trainer.train(state)
    write_update(output, local.update)
    session.say(f"{output}: update for round {state.number}, training loss {local.report.loss:.4f}")
    return {"job": job_id, "round": state.number, "path": str(output), "loss": local.report.loss}


@command(app, "submit")
def submit(
    session: Session,
    job_id: JobId,
    update: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Update written by `trainer train`.")],
) -> dict[str, Any]:
    """Quantise an update, store it, and commit it on chain."""
    from market.services.inputs import read_update
    from market.services.trainer import open_round
    from market.storage.cid import Cid

    trainer = _trainer(session, job_id)
    state = open_round(trainer.job)
    submission = trainer.submit(state, read_update(update, trainer.job.manifest.dimension))
    session.say(f"committed to round {state.number}")
    return {
        "job": job_id,
        "round": state.number,
        "commitment": "0x" + submission.commitment.hex(),
        "cid": str(Cid.parse(submission.cid)),
        "bytes": submission.payload_bytes,
    }


@command(app, "claim")
def claim(
    session: Session,
    job_id: JobId,
    number: Annotated[list[int] | None, typer.Option("--round", help="Claim this round; default: all owed.")] = None,
    recipient: Recipient = None,
) -> dict[str, Any]:
    """Claim the payouts of final rounds."""
    from market.chain.transactions import format_coins

    trainer = _trainer(session, job_id)
    amount = trainer.claim(parse_recipient(recipient), number)
    session.say(f"{format_coins(amount)} coins paid" if amount else "nothing to claim yet")
    return {"job": job_id, "amount_wei": amount}


@command(app, "leave")
def leave(session: Session, job_id: JobId, recipient: Recipient = None) -> dict[str, Any]:
    """Take the stake back, once no live round holds a commitment."""
    from market.chain.transactions import format_coins

    amount = _trainer(session, job_id).leave(parse_recipient(recipient))
    session.say(f"{format_coins(amount)} coins of stake returned")
    return {"job": job_id, "stake_wei": amount}


@command(app, "status")
def status(session: Session, job_id: JobId) -> dict[str, Any]:
    """Show stake, commitments, pay by round and what can be claimed."""
    from market.chain.transactions import format_coins

    trainer = _trainer(session, job_id)
    state, now = trainer.job.state, trainer.job.now
    rows = []
    for each in state.rounds:
        amount = each.payouts.get(trainer.address, 0)
        rows.append(
            {
                "round": each.number,
                "phase": each.phase(now).name.lower(),
                "committed": each.commit_of(trainer.address) is not None,
                "payout_wei": amount,
                "claimed": trainer.address in each.claimed,
            }
        )
    claimable = sum(state.claimable(trainer.address, now).values())
    session.say(
        f"{trainer.address}: stake {format_coins(state.stakes.get(trainer.address, 0))}, "
        f"claimable {format_coins(claimable)}"
    )
    session.table(
        f"job {job_id}", ["round", "phase", "committed", "payout (wei)", "claimed"], [list(r.values()) for r in rows]
    )
    return {
        "job": job_id,
        "address": trainer.address,
        "stake_wei": state.stakes.get(trainer.address, 0),
        "claimable_wei": claimable,
        "rounds": rows,
    }


@command(app, "run")
def run(
    session: Session,
    job_id: JobId,
    stake: Annotated[str | None, typer.Option(help="Default: the job's smallest.")] = None,
    task: TaskOption = None,
    shard: Shard = "1/1",
    alpha: Alpha = None,
    split_seed: SplitSeed = 0,
    seed: Seed = 0,
    behaviour: BehaviourOption = "honest",
    poll_seconds: Poll = 0.5,
) -> dict[str, Any]:
    """Join, train and submit in every round, then claim and leave when the job ends. Ctrl-C and start again at will."""
    from market.chain.transactions import format_coins
    from market.services import loop

    trainer = _trainer(session, job_id)
    _equip(session, trainer, task, shard, alpha, split_seed, seed, behaviour)
    amount = parse_amount(stake) if stake else trainer.job.state.terms.stake_min
    if not trainer.joined and not trainer.job.state.finished(trainer.job.now):
        session.confirm(f"Stake {format_coins(amount)} coins in job {job_id}?")
        trainer.stake = amount
    loop.run(trainer, poll_seconds=poll_seconds, report=session.report)
    session.say(f"paid {format_coins(trainer.paid)} in all; no stake left in job {job_id}")
    return {"job": job_id, "paid_wei": trainer.paid}


def _trainer(session: Session, job_id: int) -> Trainer:
    from market.services.journal import Journal
    from market.services.trainer import Trainer, trainer_folder

    folder = trainer_folder(session.settings.state, session.account.address, job_id)
    return Trainer(session.job(job_id), session.account, Journal(folder), report=session.report)


def _equip(
    session: Session,
    trainer: Trainer,
    task: str | None,
    shard: str,
    alpha: float | None,
    split_seed: int,
    seed: int,
    behaviour: str,
) -> None:
    """Give the trainer its task, its data and its behaviour."""
    from market.services.inputs import load_job_task, require_schema, training_shard
    from market.trainer.behaviours import make_behaviour

    trainer.task = load_job_task(trainer.job.manifest, task)
    require_schema(trainer.task, trainer.job.manifest)
    trainer.samples = training_shard(trainer.task, shard, alpha=alpha, seed=split_seed)
    trainer.behaviour = make_behaviour(behaviour)
    trainer.seed = seed
    session.report("ready", {"task": trainer.job.manifest.task, "samples": len(trainer.samples)})
