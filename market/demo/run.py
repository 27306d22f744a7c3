"""The main job: one whole market, from funding to the last claim, then the baselines and the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from rich.console import Console

from market.chain import rpc
from market.chain.market import MarketClient
from market.chain.settlements import recorded_settlement, verification_gas
from market.demo.kept import MODEL
from market.demo.ledger import gas_by_kind, read_transactions, write_transactions
from market.demo.live import Board, View, earned
from market.demo.plan import (
    BOND_WEI,
    CHALLENGE_SECONDS,
    COMMIT_SECONDS,
    LIFETIME_SECONDS,
    ROUND_BUDGET_WEI,
    SETTLE_SECONDS,
    STAKE_WEI,
    DemoPlan,
)
from market.demo.result import DemoResult, ProofFigures
from market.demo.signals import Signals
from market.demo.stage import CommandProcess, Stage, set_stage, start_role
from market.demo.watched import Dashboard, Record
from market.domain import Phase
from market.errors import RoleFailed
from market.rounds import JobState, RoundState
from market.services.audit import audit, inputs_of
from market.services.job import Job
from market.services.owner import download_model
from market.services.publishing import withheld_until
from market.services.reference_row import root_count, split_root
from market.services.simulation import SimulatedTrainer, simulate
from market.services.view import exclusions_of, verdicts
from market.storage.base import open_storage
from market.storage.cid import Cid
from market.trainer.behaviours import make_behaviour
from market.trainer.local_round import evaluate_vector
from market.trainer.parameters import ModelSchema
from market.trainer.partition import partition
from market.trainer.task import Samples, Task, load_task

_POLL_SECONDS = 0.1
_SILENT_SECONDS = 60.0
_STALL_SECONDS = 300.0
_EXIT_SECONDS = 120.0


@contextlib.contextmanager
def run_demo(
    plan: DemoPlan, console: Console, *, port: int | None = None, quiet: bool = False
) -> Iterator[tuple[DemoResult, Dashboard]]:
    """Run the whole market and give what it showed; chain and dashboard go on until the block is left.

    The run folder keeps everything; ``port`` is the dashboard's, see :func:`market.demo.watched.choose_port`. However
    it ends, by Ctrl-C, SIGTERM or SIGHUP too, no process that was started is left. In the block these signals do
    nothing but end :meth:`market.demo.watched.Dashboard.wait`.

    Raises
    ------
    InvalidInput
        If task, rule or attack is unknown; found out before anything is started.
    RoleFailed
        If a role's process ends with an error, or nothing moves for minutes.
    GramercyError
        If chain, storage or task cannot be used.
    KeyboardInterrupt
        If a signal asked for the end while the market ran.

    """
    load_task(plan.task)
    _ = plan.split  # a rule or score that cannot settle shows before anything is started
    for attack in plan.attacks:
        make_behaviour(attack)
    started = time.monotonic()

    def tell(step: str) -> None:
        if not quiet:
            console.print(step, style="dim", highlight=False, soft_wrap=True)

    tell(f"starting the chain ({plan.chain}) and the storage ({plan.storage}), deploying the contracts ...")
    with Signals().handled() as signals, contextlib.ExitStack() as stack:
        stage = stack.enter_context(set_stage(plan, signals))
        dashboard = Dashboard(stage, plan.folder, port)
        stack.callback(dashboard.stop)
        with signals.allowed(), contextlib.ExitStack() as roles:
            view = View(Board(stage, plan.rounds), console, quiet=quiet)
            result = _run(plan, stage, dashboard, view, tell, started, roles)
        yield result, dashboard


def _run(
    plan: DemoPlan,
    stage: Stage,
    dashboard: Dashboard,
    view: View,
    tell: Callable[[str], None],
    started: float,
    stack: contextlib.ExitStack,
) -> DemoResult:
    tell("the owner publishes the task and pays the escrow ...")
    created = _role(stage, "owner", _creation(plan, stage), plan, stack).result(_EXIT_SECONDS)
    storage = stack.enter_context(open_storage(stage.storage_url))
    market = MarketClient(stage.w3, stage.market)
    job = Job(market, storage, created["job"], plan.folder / "observer")
    board = view.board
    board.job, board.address = job.state, dashboard.await_address()
    tell(f"watch it live at {board.address}")
    record = stack.enter_context(contextlib.closing(Record(plan.folder, job)))
    tell(f"starting an aggregator and {plan.trainers} trainers, each a process with its own key ...")
    processes = _start_roles(plan, stage, job.job_id, stack)
    with view:
        _watch(plan, job, view, record, processes)
        board.note = "claiming payouts and stakes ..."
        view.refresh()
        for process in processes:
            process.result(_EXIT_SECONDS)
        closing = _role(stage, "owner", ["owner", "close", str(job.job_id)], plan, stack)
        refund = int(closing.result(_EXIT_SECONDS)["refund_wei"])
        job.refresh()
        board.job, board.note = job.state, "done"
    wall_seconds = time.monotonic() - started
    download_model(job, plan.folder / MODEL)
    tell("checking every settlement again, from chain and storage alone ...")
    audited = audit(job)
    proofs = _proof_figures(job, board, processes[0].events("proven"))
    transactions = read_transactions(market)
    write_transactions(plan.folder / "transactions.jsonl", transactions)
    tell("computing the baselines (no attack; no defence) ...")
    baselines_started = time.monotonic()
    accuracy = {"robust": board.accuracy, **_baselines(plan, job)}
    baseline_seconds = time.monotonic() - baselines_started
    record.complete()
    return DemoResult(
        plan=plan,
        accuracy={name: accuracy[name] for name in ("attack_free", "robust", "undefended")},
        payouts_wei=_paid(job.state, stage),
        roles={actor.address: actor.role for actor in (stage.owner, stage.aggregator, *stage.trainers)},
        names={actor.address: actor.name for actor in (stage.owner, stage.aggregator, *stage.trainers)},
        refund_wei=refund,
        gas=gas_by_kind(transactions),
        contract_balance_wei=market.balance(),
        payouts_match=all(_recomputed(job, state) for state in job.state.settled_rounds),
        wall_seconds=wall_seconds,
        baseline_seconds=baseline_seconds,
        transactions=transactions,
        proofs=proofs,
        audit_holds=not audited.failures,
        dashboard_url=dashboard.url,
    )


def _proof_figures(job: Job, board: Board, told: list[dict[str, Any]]) -> list[ProofFigures]:
    """Return the figures of each round's proof: size and time as the aggregator told them, gas from the chain."""
    found = []
    for place, state in enumerate(job.state.settled_rounds):
        recorded = recorded_settlement(job.market, job.job_id, state.number)
        event = next(event for event in told if event["round"] == state.number)
        found.append(
            ProofFigures(
                round=state.number,
                updates=len(state.included),
                proof_bytes=len(recorded.proof),
                prove_seconds=float(event["prove_seconds"]),
                verify_gas=verification_gas(
                    job.market, job.state.terms.verifier, recorded.statement.gram, recorded.proof
                ),
                settle_gas=board.settle_gas[place],
            )
        )
    return found


def _creation(plan: DemoPlan, stage: Stage) -> list[str]:
    """Return the owner's command."""
    return [
        "owner", "create", "--task", plan.task, "--name", f"demo: {plan.task}",
        "--verifier", stage.verifier, "--aggregator", stage.aggregator.address,
        "--bond", f"{BOND_WEI}wei",
        "--rounds", str(plan.rounds), "--round-budget", f"{ROUND_BUDGET_WEI}wei", "--stake", f"{STAKE_WEI}wei",
        "--byzantine", str(plan.byzantine), "--max-trainers", str(plan.trainers),
        "--rule", plan.split.rule, "--score", plan.split.score,
        "--reference" if plan.split.reference else "--no-reference",
        "--commit-seconds", str(COMMIT_SECONDS), "--settle-seconds", str(SETTLE_SECONDS),
        "--challenge-seconds", str(CHALLENGE_SECONDS), "--lifetime", str(LIFETIME_SECONDS), "--seed", str(plan.seed),
    ]  # fmt: skip


def _start_roles(plan: DemoPlan, stage: Stage, job_id: int, stack: contextlib.ExitStack) -> list[CommandProcess]:
    """Start the aggregator, the owner where it commits reference rows, and every trainer: processes with own keys."""
    processes = [
        _role(stage, "aggregator", ["aggregator", "run", str(job_id), "--open-at", str(plan.trainers)], plan, stack)
    ]
    if plan.split.reference:
        arguments = ["owner", "run", str(job_id), "--seed", str(plan.seed)]
        processes.append(_role(stage, "owner", arguments, plan, stack))
    for place, behaviour in enumerate(plan.behaviours):
        arguments = [
            "trainer", "run", str(job_id), "--shard", f"{place + 1}/{plan.trainers}", "--alpha", str(plan.alpha),
            "--split-seed", str(plan.seed), "--seed", str(plan.trainer_seed(place)), "--behaviour", behaviour,
        ]  # fmt: skip
        processes.append(_role(stage, f"trainer-{place + 1}", arguments, plan, stack))
    return processes


def _role(stage: Stage, name: str, arguments: list[str], plan: DemoPlan, stack: contextlib.ExitStack) -> CommandProcess:
    actor = next(each for each in (stage.owner, stage.aggregator, *stage.trainers) if each.name == name)
    with stage.signals.held():
        process = start_role(stage, actor, arguments, plan.folder)
        stack.callback(process.stop)
    return process


def _watch(plan: DemoPlan, job: Job, view: View, record: Record, processes: list[CommandProcess]) -> None:
    """Follow the market to its end: show it, and move chain time whenever all that can act have acted."""
    board = view.board
    task = load_task(plan.task)
    validation = _evaluation_samples(plan, task)
    schema = ModelSchema(job.manifest.entries)
    moved = time.monotonic()
    while not job.state.finished(job.now):
        if job.refresh():
            moved = time.monotonic()
        board.job, board.now = job.state, job.now
        for state in job.state.settled_rounds[len(board.accuracy) :]:
            _await_aggregate(job, state)
            _show_settlement(job, board, state)
            model = job.model(len(board.accuracy) + 1)
            found = evaluate_vector(task, schema, model, validation)
            board.accuracy.append(found.accuracy)
            record.add(state.number, found)
            view.round_done(state.number)
        view.refresh()
        record.enter()
        for process in processes:
            if not process.running:
                process.result()  # raises with the role's own words, unless it finished early by right
        if _move_time(job, time.monotonic() - moved):
            continue
        if time.monotonic() - moved > _STALL_SECONDS:
            raise RoleFailed(f"nothing has moved for {_STALL_SECONDS:.0f} s", hint=f"see {plan.folder / 'logs'}")
        time.sleep(_POLL_SECONDS)
    board.job, board.now = job.state, job.now


def _await_aggregate(job: Job, state: RoundState) -> None:
    """Wait for the file of a settled round; time moves on where it is published later in the challenge window."""
    until = withheld_until(job.state.terms, state, job.now)
    if until is not None:
        rpc.set_time(job.market.w3, until)
        job.refresh()
    deadline = time.monotonic() + _SILENT_SECONDS
    while state.settled and not job.storage.has(Cid.parse(state.settled.settlement.aggregate_cid)):
        if time.monotonic() > deadline:
            raise RoleFailed(f"the aggregate of round {state.number} was not published")
        time.sleep(_POLL_SECONDS)


def _show_settlement(job: Job, board: Board, state: RoundState) -> None:
    terms = job.state.terms
    found = verdicts(state, terms.rule, terms.byzantine, exclusions_of(job, state))
    board.verdicts = {verdict.trainer: verdict for verdict in found}
    board.settle_gas.append(job.market.settlement_gas(job.job_id, state.number))


def _move_time(job: Job, idle_seconds: float) -> bool:
    """Jump to the next boundary when nobody is left to act before it; return whether time moved.

    A role that stays silent is waited for a while, then time passes it by, as it would on any chain.
    """
    latest = job.state.latest
    if latest is None:
        return False
    phase = latest.phase(job.now)
    silent = idle_seconds > _SILENT_SECONDS
    target = job.now
    if phase is Phase.OPEN and (silent or len(latest.commits) == len(job.state.stakes)):
        target = latest.opened.commit_end
    elif phase is Phase.CHALLENGEABLE and latest.settled is not None:
        target = latest.settled.challenge_end
    elif phase is Phase.SETTLING and silent:
        patience_ends = latest.opened.commit_end + SETTLE_SECONDS // 2
        target = patience_ends if job.now < patience_ends else latest.opened.settle_end
    if target <= job.now:
        return False
    rpc.set_time(job.market.w3, target)
    return True


def _baselines(plan: DemoPlan, job: Job) -> dict[str, list[float]]:
    """Return accuracy by round of the plain mean, without attackers and with them."""
    task = load_task(plan.task)
    data = task.load_data()
    parts = partition(data.train.labels.numpy(), plan.trainers, plan.alpha, plan.seed)
    mean = replace(job.state.terms.round_rules, rule="mean", score="shapley", reference=False, floor_bps=0)
    found = {}
    for name, behaviours in (("attack_free", ["honest"] * plan.trainers), ("undefended", plan.behaviours)):
        trainers = [
            SimulatedTrainer(
                data.train.subset(parts[place]), make_behaviour(behaviour), plan.trainer_seed(place), STAKE_WEI
            )
            for place, behaviour in enumerate(behaviours)
        ]
        history = simulate(
            task,
            job.manifest,
            job.model(0),
            trainers,
            mean,
            rounds=plan.rounds,
            scale_exponent=job.state.terms.scale_exponent,
            validation=_evaluation_samples(plan, task),
        )
        found[name] = [each.evaluation.accuracy for each in history]
    return found


def _evaluation_samples(plan: DemoPlan, task: Task) -> Samples:
    """Return the held-out samples, without those on which the owner trains its reference rows."""
    held_out = task.load_data().validation
    return split_root(held_out, root_count(len(held_out)), plan.seed)[1] if plan.split.reference else held_out


def _paid(state: JobState, stage: Stage) -> dict[str, int]:
    return {actor.address: earned(state, actor.address) for actor in stage.trainers}


def _recomputed(job: Job, state: RoundState) -> bool:
    """Whether Python's own arithmetic gives the payouts that the contract recorded."""
    if state.settled is None:
        return False
    posted = state.settled.settlement
    outcome = inputs_of(job, state).posted_outcome(state.included, posted)
    return (outcome.weights, outcome.scores, outcome.payouts, outcome.next_scale_exponent) == (
        posted.weights,
        posted.scores,
        posted.payouts,
        posted.next_scale_exponent,
    )
