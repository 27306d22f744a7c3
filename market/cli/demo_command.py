"""``gramercy demo``: a whole market on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import Reference, Rule, Score
from market.cli.session import Session

SETUP_VARIABLE = "GRAMERCY_SETUP_SECONDS"
"""Set by ``scripts/demo``: how long the set-up before this command took."""

_REPLACED = frozenset({"as_json", "storage"})


def demo(
    session: Session,
    trainers: Annotated[int, typer.Option(min=3, max=64, help="Trainers in all.")] = 8,
    byzantine: Annotated[int, typer.Option(min=0, help="How many of them attack.")] = 2,
    attack: Annotated[
        str,
        typer.Option(
            help="sign-flip, label-flip, gaussian, free-rider, copy, alie, ipm, min-max, min-sum, backdoor; several "
            "with commas."
        ),
    ] = "sign-flip",
    rounds: Annotated[int, typer.Option(min=1, max=1000)] = 5,
    task: Annotated[
        str, typer.Option(help="digits, mnist, fashion-mnist, with :mlp or :cnn; or a .py file.")
    ] = "digits",
    rule: Rule = None,
    score: Score = None,
    reference: Reference = None,
    chain: Annotated[str, typer.Option(help="embedded, anvil, or a development chain's RPC URL.")] = "embedded",
    storage: Annotated[str, typer.Option(help="local, ipfs (a js-ipfs daemon), or a storage URL.")] = "local",
    alpha: Annotated[float, typer.Option(min=0.01, help="Dirichlet alpha of the split; smaller is more uneven.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    folder: Annotated[Path | None, typer.Option(help="Run folder; default: a new one under runs/.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of the dashboard; default: 8420, or a free one.")
    ] = None,
    keep_serving: Annotated[
        bool | None,
        typer.Option(
            "--serve/--no-serve",
            help="Serve the dashboard after the end, until Ctrl-C; default: on a terminal, without --json.",
        ),
    ] = None,
    show: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Serve the dashboard of this finished run's folder, no more."),
    ] = None,
) -> dict[str, Any]:
    """Run a whole market: escrow, stakes, training, aggregation, settlement, claims; leave model and report behind.

    The dashboard is served meanwhile.
    """
    if show is not None:
        return _show(session, show, port)
    from market.demo.plan import DemoPlan
    from market.demo.report import print_result, write_picture, write_report
    from market.demo.result import write_result
    from market.demo.run import run_demo

    plan = DemoPlan(
        folder=folder or Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S"),
        trainers=trainers,
        byzantine=byzantine,
        attack=attack,
        rounds=rounds,
        task=task,
        rule=rule,
        score=score,
        reference=reference,
        chain=chain,
        storage=storage,
        alpha=alpha,
        seed=seed,
        program="scripts/demo" if os.environ.get(SETUP_VARIABLE) else "gramercy demo",
    )
    setup_seconds = float(os.environ.get(SETUP_VARIABLE) or 0) + _fetch_data(session, task)
    serving = session.console.is_terminal and json_file is None if keep_serving is None else keep_serving
    with run_demo(plan, session.console, port=port) as (result, dashboard):
        write_result(result, plan.folder / "result.json", setup_seconds=setup_seconds)
        if json_file:
            write_result(result, json_file, setup_seconds=setup_seconds)
        write_report(result, plan.folder / "report.html")
        write_picture(result, plan.folder / "summary.png")
        print_result(result, session.console)
        session.say(f"the dashboard, again at any time: {result.show_command}")
        if serving:
            session.say(f"the dashboard, until Ctrl-C: {result.dashboard_url}")
            dashboard.wait()
    return result.to_json(setup_seconds)


def _show(session: Session, folder: Path, port: int | None) -> dict[str, Any]:
    """Serve a finished run."""
    from market.demo.kept import show_run
    from market.demo.watched import choose_port

    def ready(address: str) -> None:
        session.report("dashboard-ready", {"url": address})
        session.say("this run's chain is gone: pages show what was kept, and nothing moves any more")
        session.say(f"the dashboard, until Ctrl-C: {address}")

    show_run(folder, choose_port(port), ready)
    return {"stopped": True}


def _fetch_data(session: Session, task: str) -> float:
    """Fetch the task's data set if it is one that has to be; return the seconds it took."""
    from market.trainer import datasets

    started = time.monotonic()
    name = task.partition(":")[0]
    if name in datasets.FETCHABLE:
        datasets.fetch(name, progress=session.say)
    return time.monotonic() - started


def add_demo(app: typer.Typer) -> None:
    """Add ``gramercy demo``."""
    command(app, "demo", without=_REPLACED)(demo)
