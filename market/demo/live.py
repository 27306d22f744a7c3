"""The live view: round, phase, accuracy, and what becomes of each trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from market.chain.transactions import format_coins
from market.demo.stage import Stage
from market.domain import Address, Phase
from market.rounds import JobState
from market.services.view import Verdict

PHASE_STYLE = {
    Phase.OPEN: "cyan",
    Phase.SETTLING: "yellow",
    Phase.CHALLENGEABLE: "magenta",
    Phase.FINAL: "green",
    Phase.VOID: "red",
}


@dataclass
class Board:
    """What is known so far, for showing."""

    stage: Stage
    rounds: int
    job: JobState | None = None
    now: int = 0
    accuracy: list[float] = field(default_factory=list)
    verdicts: dict[Address, Verdict] = field(default_factory=dict)
    settle_gas: list[int] = field(default_factory=list)
    note: str = ""
    address: str = ""

    def render(self) -> Panel:
        """Return the board as it stands."""
        return Panel(
            Group(self._headline(), self._progress(), self._trainers(), Text(self.note, style="dim")),
            title="Gramercy",
            title_align="left",
            border_style="blue",
            subtitle=self.address or None,
            subtitle_align="left",
        )

    def _headline(self) -> Text:
        if self.job is None:
            return Text("setting up the market ...")
        latest = self.job.latest
        phase = self.job.phase(self.now)
        text = Text.assemble(
            "round ",
            (f"{latest.number if latest else 0}/{self.rounds}", "bold"),
            "   phase ",
            (phase.name.lower(), PHASE_STYLE.get(phase, "white")),
            "   escrow ",
            (format_coins(self.job.escrow), "bold"),
        )
        if self.accuracy:
            text.append(f"   accuracy {self.accuracy[-1]:.1%}", style="bold green")
        if self.settle_gas:
            text.append(f"   gas of a settlement {self.settle_gas[-1]:,}")
        return text

    def _progress(self) -> Table:
        line = Table.grid()  # a bar alone does not end its line
        line.add_row(
            ProgressBar(total=self.rounds, completed=len(self.job.settled_rounds) if self.job else 0, width=60)
        )
        return line

    def _trainers(self) -> Table:
        table = Table(header_style="bold", expand=True)
        table.add_column("trainer", no_wrap=True)
        table.add_column("behaviour", no_wrap=True)
        table.add_column("this round", no_wrap=True)
        table.add_column("latest verdict", ratio=1)
        table.add_column("score", justify="right")
        table.add_column("earned", justify="right")
        for actor in self.stage.trainers:
            style = "" if actor.role == "honest" else "red"
            table.add_row(
                Text(actor.name, style=style),
                Text(actor.role, style=style),
                self._status(actor.address),
                self._verdict(actor.address),
                self.score(actor.address),
                format_coins(earned(self.job, actor.address))[:10],
            )
        return table

    def score(self, trainer: Address) -> str:
        """Return a trainer's latest score, as a share of all positive scores of its round."""
        total = sum(max(verdict.score, 0) for verdict in self.verdicts.values())
        if trainer not in self.verdicts or total == 0:
            return ""
        return f"{self.verdicts[trainer].score / total:.1%}"

    def _status(self, trainer: Address) -> str:
        if self.job is None or trainer not in self.job.stakes:
            return "[dim]joining[/dim]"
        latest = self.job.latest
        if latest is None:
            return "staked"
        return "[green]committed[/green]" if latest.commit_of(trainer) else "training"

    def _verdict(self, trainer: Address) -> Text:
        verdict = self.verdicts.get(trainer)
        if verdict is None:
            return Text("")
        return Text(verdict.reason, style="green" if verdict.accepted else "red")


def earned(job: JobState | None, trainer: Address) -> int:
    """Return a trainer's payouts of all settled rounds, in wei."""
    return sum(state.payouts.get(trainer, 0) for state in job.rounds) if job else 0


class View:
    """Shows the board live on a terminal, and as one line a round elsewhere."""

    def __init__(self, board: Board, console: Console, *, quiet: bool) -> None:
        self.board = board
        self._console = console
        self._quiet = quiet
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal and not quiet else None

    def __enter__(self) -> View:
        """Start showing."""
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        if self._live:
            self.refresh()
            self._live.stop()

    def refresh(self) -> None:
        """Show the board's present state."""
        if self._live:
            self._live.update(self.board.render())

    def round_done(self, number: int) -> None:
        """Tell a settled round in a line where there is no live display."""
        if self._quiet or self._live:
            return
        rejected = [
            actor.name
            for actor in self.board.stage.trainers
            if actor.address in self.board.verdicts and not self.board.verdicts[actor.address].accepted
        ]
        self._console.print(
            f"round {number}/{self.board.rounds}: accuracy {self.board.accuracy[-1]:.1%}, "
            f"rejected: {', '.join(rejected) or 'nobody'}, settlement {self.board.settle_gas[-1]:,} gas",
            soft_wrap=True,
            markup=False,
        )
        for actor in self.board.stage.trainers:
            if actor.address in self.board.verdicts:
                reason = self.board.verdicts[actor.address].reason
                score = self.board.score(actor.address)
                self._console.print(
                    f"   {actor.name} ({actor.role}): score {score}, {reason}", soft_wrap=True, markup=False
                )
