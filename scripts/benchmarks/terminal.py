"""Progress on the error output, so that the figures alone are on the standard output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from aggregator.srs import Progress as Advance

Item = TypeVar("Item")
console = Console(stderr=True)


def counted(what: str, items: Sequence[Item]) -> Iterable[Item]:
    """Yield the items under a bar."""
    with _bars() as bars:
        yield from bars.track(items, description=what)


@contextmanager
def stages() -> Iterator[_Stages]:
    """Show a bar for each stage of work on a reference string."""
    with _bars() as bars:
        yield _Stages(bars)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is under way whose length is not known."""
    with _bars() as bars:
        bars.add_task(what, total=None)
        yield


class _Stages:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars

    def __call__(self, name: str, points: int) -> Advance:
        task = self._bars.add_task(name, total=points)
        return lambda done: self._bars.advance(task, done)


def _bars() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
