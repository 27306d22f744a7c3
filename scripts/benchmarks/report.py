"""The answers of benchmarks as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.benchmarks.process import Figures
from scripts.benchmarks.rules.main import table as rules_table

_KILO = 1_000
_WIDTH, _WIDE = 140, 190
"""Of what is written to a file."""
_HIDDEN = {"schema", "benchmark", "parameters", "kernel", "machine", "cores_used", "growth", "seconds"}
_GROWTH_COLUMNS = (
    "median_seconds",
    "median_cpu_seconds",
    "ns_per_entry",
    "gram_seconds",
    "check_seconds",
    "settlement_seconds",
    "peak_bytes",
)


def show(answer: Figures) -> None:
    """Print an answer."""
    out = Console()
    if not out.is_terminal:
        out.width = _WIDTH
    machine = answer["machine"]
    load = "unknown" if machine["load_before"] is None else f"{machine['load_before']:.1f}"
    out.print(
        f"[bold]{answer['benchmark']}[/bold]  {answer['kernel']['name']} kernel: {answer['kernel']['description']}, "
        f"{answer['kernel']['compiler'] or 'compiler unknown'}; "
        f"{answer['cores_used']} of {machine['cores']} cores ({machine['architecture']}), load before {load}",
        highlight=False,
    )
    if answer["benchmark"] == "gas":
        out.print(_gas(answer["rows"]))
        out.print(_contracts(answer["contracts"]))
    elif answer["benchmark"] == "peers":
        _peers(out, answer)
    elif answer["benchmark"] == "rules":
        if not out.is_terminal:
            out.width = _WIDE
        out.print(rules_table(answer["rules"]))
    else:
        out.print(_figures(answer))
    for variable, series in answer.get("growth", {}).items():
        out.print(_growth(variable, series))


def _figures(answer: Figures) -> Table:
    parameters = answer["parameters"]
    sizes = ("n", "d", "bits", "events", "jobs", "trainers")
    size = ", ".join(f"{name} = {parameters[name]:,}" for name in sizes if name in parameters)
    table = Table(title=size, show_header=False)
    for key, value in answer.items():
        if key in _HIDDEN:
            continue
        if isinstance(value, dict):
            for step, seconds in value.items():
                table.add_row(f"  {step}", _value("step_seconds", seconds))
        else:
            table.add_row(key.replace("_", " "), _value(key, value))
    return table


def _growth(variable: str, series: Figures) -> Table:
    columns = [column for column in _GROWTH_COLUMNS if column in series["rows"][0]]
    caption, against = "", "d log d" if variable == "d" else variable
    if series["exponent"] is not None:
        caption = "; ".join(
            f"{time} time grows as {variable}^{series[prefix + 'exponent']:.2f}, "
            f"in the last step {series[prefix + 'last_step']:.2f} times as much as {against}"
            for prefix, time in (("", "wall"), ("cpu_", "CPU"))
        )
    table = Table(title=f"growth over {variable}", caption=caption)
    for name in (variable, *columns):
        table.add_column(name.replace("_", " "), justify="right")
    for row in series["rows"]:
        table.add_row(f"{row[variable]:,}", *(_value(column, row[column]) for column in columns))
    return table


def _gas(rows: Sequence[Figures]) -> Table:
    table = Table(title="gas, transaction base and calldata included")
    _columns(table, ("n", "f", "d", "verify", "limit", "settle", "limit", "d", "verify", "settle"))
    for row in rows:
        table.add_row(
            str(row["n"]),
            str(row["byzantine"]),
            f"{row['d']:,}",
            f"{row['verify_gas']:,}",
            _limit(row["verify_limit"]),
            f"{row['settle_gas']:,}",
            _limit(row["settle_limit"]),
            f"{row['d_other']:,}",
            f"{row['verify_gas_other']:,}",
            f"{row['settle_gas_other']:,}",
        )
    return table


def _contracts(rows: Sequence[Figures]) -> Table:
    sizes = sorted({row["n"] for row in rows})
    table = Table(title="gas of rule and score contracts, execution alone, as the tests keep it on record")
    _columns(table, ("contract", *(f"n = {n}" for n in sizes), "bytes of hints"))
    for name in dict.fromkeys(row["id"] for row in rows):
        found = {row["n"]: row for row in rows if row["id"] == name}
        figures = (f"{found[n]['gas']:,}" if n in found else "-" for n in sizes)
        table.add_row(name, *figures, str(found[max(found)]["hint_bytes"]))
    return table


def _peers(out: Console, answer: Figures) -> None:
    table = Table(title=f"CPU time, each size granted {answer['limit_cpu_seconds']} s", caption=_versions(answer))
    _columns(table, ("prover", "n", "d", "set-up", "prove (CPU)", "prove (wall)", "µs an entry", "peak", "proof"))
    for ours in (answer["ours"], *answer["ours_at_peers_sizes"]):
        table.add_row(
            "gramercy, everything",
            *(str(ours["n"]), f"{ours['d']:,}", "-"),
            *(f"{ours['everything_cpu_seconds']:.3f} s", "-"),
            *(f"{ours['cpu_us_per_entry']:.3f}", _value("bytes", ours["peak_bytes"]), str(ours["proof_bytes"])),
        )
    for peer in answer["peers"]:
        table.add_section()
        for row in peer["rows"]:
            table.add_row(
                peer["name"],
                *(str(row["n"]), f"{row['d']:,}"),
                *(f"{row[f'{key}_seconds']:.2f} s" for key in ("setup_cpu", "prove_cpu", "prove")),
                *(f"{row['cpu_us_per_entry']:,.0f}", _value("bytes", row["peak_bytes"]), f"{row['proof_bytes']:,}"),
            )
    out.print(table)
    for peer in answer["peers"]:
        out.print(f"[bold]{peer['name']}[/bold]: {peer['note']}; stopped at {peer['stopped']}", highlight=False)
        times = peer["times_dearer"]
        if times:
            out.print(
                f"  an entry costs {times['at_largest']:,.0f} times as much as with gramercy "
                f"({times['at_largest_proof_alone']:,.0f} proof against proof, {times['at_largest_with_set_up']:,.0f} "
                f"with the peer's set-up, {times['at_peers_size']:,.0f} at the peer's own size)",
                highlight=False,
            )


def _versions(answer: Figures) -> str:
    return ", ".join(f"{name} {version}" for name, version in answer["versions"].items())


def _columns(table: Table, names: Iterable[str]) -> None:
    for index, name in enumerate(names):
        table.add_column(name, justify="left" if index == 0 else "right")


def _limit(value: int | None) -> str:
    return "" if value is None else f"<= {value:,}"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("seconds"):
        return f"{value:.3f} s" if value >= 1 else f"{value * _KILO:.2f} ms"
    if name.endswith("bytes") and value >= _KILO**2:
        return f"{value / _KILO**2:,.0f} MB"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
