"""``gramercy trainer``: stake, name an aggregator, train, submit, claim, leave, or all of it in one loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import JobId, Poll, Recipient, parse_address, parse_recipient
from market.cli.relay_commands import RelayerFile, signing
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


Aggregator = Annotated[
    str | None,
    typer.Option(help="Name this aggregator, too: updates are sealed to it as well, and it may settle the job."),
]


@command(app, "join")
def join(
    session: Session,
    job_id: JobId,
    stake: Annotated[str | None, typer.Option(help="Default: the job's smallest.")] = None,
    aggregator: Aggregator = None,
    relayer_file: RelayerFile = None,
) -> dict[str, Any]:
    """Put a stake into a job."""
    from market.errors import ConfigError

    if aggregator is not None and relayer_file is not None:
        raise ConfigError("one request is one call", hint="join first, then use `gramercy trainer name`")
    named = None if aggregator is None else parse_address(aggregator, "--aggregator")
    trainer = _trainer(session, job_id, relayer_file)
    money = session.money(trainer.job.state.terms.token)
    amount = money.parse(stake) if stake else trainer.job.state.terms.stake_min
    if not trainer.joined:
        session.confirm(f"Stake {money.format(amount)} in job {job_id}?")
    with signing(session, relayer_file) as signed:
        amount = trainer.join(amount)
    if relayer_file is None and named is not None:
        trainer.name(named)
    done = "signed a stake of" if signed else "staked"
    session.say(f"{done} {money.format(amount)} in job {job_id}")
    return {"job": job_id, "stake_wei": amount, "aggregator": trainer.named, **signed}


@command(app, "name")
def name(
    session: Session,
    job_id: JobId,
    aggregator: Annotated[str | None, typer.Argument(help="Its address; left out: nobody any more.")] = None,
    relayer_file: RelayerFile = None,
) -> dict[str, Any]:
    """Name one aggregator beside the owner's, to whom updates are sealed and who may settle the job."""
    chosen = None if aggregator is None else parse_address(aggregator, "the aggregator")
    trainer = _trainer(session, job_id, relayer_file)
    with signing(session, relayer_file) as signed:
        trainer.name(chosen)
    session.say(f"job {job_id}: {chosen or 'no aggregator'} named beside the owner's")
    return {"job": job_id, "aggregator": chosen, **signed}


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
    relayer_file: RelayerFile = None,
) -> dict[str, Any]:
    """Quantise an update, store it, and commit it on chain."""
    from market.services.inputs import read_update
    from market.services.trainer import open_round
    from market.storage.cid import Cid

    trainer = _trainer(session, job_id, relayer_file)
    state = open_round(trainer.job)
    entries = read_update(update, trainer.job.manifest.dimension)
    with signing(session, relayer_file) as signed:
        trainer.submit(state, entries)
    submission = trainer.submission(state)
    session.say(f"{'signed for' if signed else 'committed to'} round {state.number}")
    return {
        "job": job_id,
        "round": state.number,
        "commitment": "0x" + submission.commitment.hex(),
        "cid": str(Cid.parse(submission.cid)),
        "bytes": submission.payload_bytes,
        **signed,
    }


@command(app, "claim")
def claim(
    session: Session,
    job_id: JobId,
    number: Annotated[list[int] | None, typer.Option("--round", help="Claim this round; default: all owed.")] = None,
    recipient: Recipient = None,
    relayer_file: RelayerFile = None,
) -> dict[str, Any]:
    """Claim the payouts of final rounds."""
    trainer = _trainer(session, job_id, relayer_file)
    amount = 0
    with signing(session, relayer_file) as signed:
        amount = trainer.claim(parse_recipient(recipient), number)
    money = session.money(trainer.job.state.terms.token)
    if not signed:
        session.say(f"{money.format(amount)} paid" if amount else "nothing to claim yet")
    return {"job": job_id, "amount_wei": amount, **signed}


@command(app, "leave")
def leave(
    session: Session, job_id: JobId, recipient: Recipient = None, relayer_file: RelayerFile = None
) -> dict[str, Any]:
    """Take the stake back, once no live round holds a commitment. One may join again."""
    trainer = _trainer(session, job_id, relayer_file)
    amount = trainer.job.state.stakes.get(trainer.address, 0)
    with signing(session, relayer_file) as signed:
        amount = trainer.leave(parse_recipient(recipient))
    done = "signed for" if signed else "returned"
    session.say(f"{session.money(trainer.job.state.terms.token).format(amount)} of stake {done}")
    return {"job": job_id, "stake_wei": amount, **signed}


@command(app, "status")
def status(session: Session, job_id: JobId) -> dict[str, Any]:
    """Show stake, commitments, pay by round and what can be claimed."""
    trainer = _trainer(session, job_id)
    money = session.money(trainer.job.state.terms.token)
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
        f"{trainer.address}: stake {money.format(state.stakes.get(trainer.address, 0))}, "
        f"claimable {money.format(claimable)}" + (", slashed" if trainer.slashed else "")
    )
    session.table(
        f"job {job_id}", ["round", "phase", "committed", "payout (wei)", "claimed"], [list(r.values()) for r in rows]
    )
    return {
        "job": job_id,
        "address": trainer.address,
        "stake_wei": state.stakes.get(trainer.address, 0),
        "claimable_wei": claimable,
        "aggregator": trainer.named,
        "slashed": trainer.slashed,
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
    aggregator: Aggregator = None,
    poll_seconds: Poll = 0.5,
) -> dict[str, Any]:
    """Join, train and submit in every round, then claim and leave when the job ends. Ctrl-C and start again at will."""
    from market.services import loop

    trainer = _trainer(session, job_id)
    trainer.aggregator = None if aggregator is None else parse_address(aggregator, "--aggregator")
    _equip(session, trainer, task, shard, alpha, split_seed, seed, behaviour)
    money = session.money(trainer.job.state.terms.token)
    amount = money.parse(stake) if stake else trainer.job.state.terms.stake_min
    if not trainer.joined and not trainer.job.state.finished(trainer.job.now):
        session.confirm(f"Stake {money.format(amount)} in job {job_id}?")
        trainer.stake = amount
    loop.run(trainer, poll_seconds=poll_seconds, report=session.report)
    slashed = "the stake was slashed" if trainer.slashed else "no stake left"
    session.say(f"paid {money.format(trainer.paid)} in all; {slashed} in job {job_id}")
    return {"job": job_id, "paid_wei": trainer.paid, "slashed": trainer.slashed}


def _trainer(session: Session, job_id: int, relayer_file: Path | None = None) -> Trainer:
    from market.services.journal import Journal
    from market.services.trainer import Trainer, trainer_folder

    folder = trainer_folder(session.settings.state, session.account.address, job_id)
    job = session.job(job_id, signing=relayer_file is not None)
    return Trainer(job, session.account, Journal(folder), report=session.report)


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
