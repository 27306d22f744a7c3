"""A run told: the final table for the terminal, and a self-contained HTML page with plots."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

from market.chain.transactions import format_coins
from market.demo.plan import ROUND_BUDGET_WEI
from market.demo.result import DemoResult

_LABELS = {"attack_free": "attack-free", "robust": "robust market", "undefended": "undefended mean"}
_COLOURS = {"attack_free": "#7a7f87", "robust": "#1f6feb", "undefended": "#d1242f"}
_TOLERANCE = 0.02
_HONEST, _ATTACKER = "#1f6feb", "#d1242f"


def print_result(result: DemoResult, console: Console) -> None:
    """Print who was paid what, what came back, the accuracies and the checks."""
    pay = Table(title="Who was paid what", title_justify="left", header_style="bold")
    for column in ("role", "behaviour", "address"):
        pay.add_column(column)
    pay.add_column("paid (coins)", justify="right")
    for address, amount in result.payouts_wei.items():
        role = result.roles[address]
        style = "" if role == "honest" else "red"
        pay.add_row(result.names[address], role, address, format_coins(amount), style=style)
    escrow = ROUND_BUDGET_WEI * result.plan.rounds
    pay.add_section()
    pay.add_row("owner", "escrow paid in", "", format_coins(escrow))
    pay.add_row("owner", "came back", "", format_coins(result.refund_wei))
    console.print(pay)

    accuracy = Table(title="Accuracy after each round", title_justify="left", header_style="bold")
    accuracy.add_column("")
    for number in range(1, result.plan.rounds + 1):
        accuracy.add_column(str(number), justify="right")
    for name, values in result.accuracy.items():
        accuracy.add_row(_LABELS[name], *(f"{value:.1%}" for value in values))
    console.print(accuracy)

    gas = Table(title="Gas", title_justify="left", header_style="bold")
    gas.add_column("transaction")
    for column in ("count", "median", "max"):
        gas.add_column(column, justify="right")
    for kind, figures in result.gas.items():
        gas.add_row(kind, str(figures["count"]), f"{figures['median']:,}", f"{figures['max']:,}")
    console.print(gas)

    proofs = Table(title="Proofs", title_justify="left", header_style="bold")
    for column in ("round", "updates", "bytes", "proving (s)", "verification (gas, estimated)", "settlement (gas)"):
        proofs.add_column(column, justify="right")
    for row in proof_rows(result):
        proofs.add_row(*row)
    console.print(proofs)

    for words, good in (*checks(result), *observations(result)):
        console.print(f"[{'green' if good else 'bold red'}]{'yes' if good else 'NO '}[/] {words}")
    console.print(
        f"market {result.wall_seconds:.1f} s, baselines {result.baseline_seconds:.1f} s; "
        f"model, report and transactions: {result.plan.folder}/",
        soft_wrap=True,
        markup=False,
    )


def checks(result: DemoResult) -> list[tuple[str, bool]]:
    """Return what the run must show, in words, each with whether it did."""
    escrow = ROUND_BUDGET_WEI * result.plan.rounds
    return [
        ("the contract holds exactly zero", result.contract_balance_wei == 0),
        (
            "payouts and refund add up to the escrow, to the wei",
            sum(result.payouts_wei.values()) + result.refund_wei == escrow,
        ),
        ("Python computes the same payouts as the contract", result.payouts_match),
        ("every settlement holds when checked from chain and storage alone", result.audit_holds),
    ]


def proof_rows(result: DemoResult) -> list[list[str]]:
    """Return the table of proofs: round, updates, bytes, proving time, gas of verification and of the settlement."""
    return [
        [
            str(proof.round),
            str(proof.updates),
            str(proof.proof_bytes),
            f"{proof.prove_seconds:.2f}",
            f"{proof.verify_gas:,}",
            f"{proof.settle_gas:,}",
        ]
        for proof in result.proofs
    ]


def observations(result: DemoResult) -> list[tuple[str, bool]]:
    """Return how the defence did in this run; with other attacks and data it may do worse than in the default run."""
    final = {name: values[-1] for name, values in result.accuracy.items()}
    honest = [amount for address, amount in result.payouts_wei.items() if result.roles[address] == "honest"]
    others = [amount for address, amount in result.payouts_wei.items() if result.roles[address] != "honest"]
    found = [
        (
            "the market's final accuracy is within 2 points of the attack-free one",
            final["robust"] >= final["attack_free"] - _TOLERANCE,
        )
    ]
    if others:
        limit = statistics.median(honest) / 100
        found.append(("every attacker was paid at most 1 % of the median honest trainer", max(others) <= limit))
    return found


def write_report(result: DemoResult, path: Path) -> None:
    """Write the HTML report: one file, plots inside as SVG, nothing loaded from elsewhere."""
    template = Environment(
        loader=PackageLoader("market.demo"), autoescape=True, undefined=StrictUndefined
    ).get_template("report.html")
    trainers = [
        {
            "name": result.names[address],
            "role": result.roles[address],
            "address": address,
            "paid": format_coins(amount),
        }
        for address, amount in result.payouts_wei.items()
    ]
    page = template.render(
        plan=result.plan,
        accuracy=[
            {"label": _LABELS[name], "values": [f"{value:.1%}" for value in values]}
            for name, values in result.accuracy.items()
        ],
        trainers=trainers,
        escrow=format_coins(ROUND_BUDGET_WEI * result.plan.rounds),
        refund=format_coins(result.refund_wei),
        gas=result.gas,
        proofs=proof_rows(result),
        checks=[*checks(result), *observations(result)],
        plots={
            "accuracy": _svg(_draw_accuracy, result),
            "pay": _svg(_draw_pay, result),
            "gas": _svg(_draw_gas, result),
        },
        wall_seconds=f"{result.wall_seconds:.1f}",
    )
    path.write_text(page, encoding="utf-8")


def write_picture(result: DemoResult, path: Path) -> None:
    """Write accuracy and pay side by side as one PNG: the run at a glance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained", facecolor="white")
    accuracy, pay = figure.subplots(1, 2)
    _draw_accuracy(accuracy, result)
    _draw_pay(pay, result)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_accuracy(axes: Any, result: DemoResult) -> None:
    for name, values in result.accuracy.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", label=_LABELS[name], color=_COLOURS[name])
    axes.set_ylim(0, 1)
    axes.set_xlabel("round")
    axes.set_xticks(range(1, result.plan.rounds + 1))
    axes.legend(frameon=False)
    _title(axes, "Accuracy by round")


def _draw_pay(axes: Any, result: DemoResult) -> None:
    honest = [result.roles[address] == "honest" for address in result.payouts_wei]
    names = [
        result.names[address] if good else f"{result.names[address]} ({result.roles[address]})"
        for address, good in zip(result.payouts_wei, honest, strict=True)
    ]
    bars = axes.barh(
        names,
        [amount / 10**18 for amount in result.payouts_wei.values()],
        color=[_HONEST if good else _ATTACKER for good in honest],
    )
    axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    _title(axes, "Pay by trainer (coins)")


def _draw_gas(axes: Any, result: DemoResult) -> None:
    kinds = [kind for kind in result.gas if kind != "transfer"]
    axes.barh(kinds, [result.gas[kind]["median"] for kind in kinds], color=_HONEST)
    axes.set_xscale("log")
    axes.invert_yaxis()
    _title(axes, "Gas by kind of transaction (median)")


def _title(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _svg(draw: Callable[[Any, DemoResult], None], result: DemoResult) -> str:
    """Return one plot as SVG; text stays text, so that it can be read and searched."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    draw(figure.subplots(), result)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gramercy"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
