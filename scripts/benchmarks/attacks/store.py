"""Finished cells on disk: one JSON object a line, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.process import Figures


class Store:
    """Results by their cells' full parameters and code version, in the file ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = {_text(key): figures for key, figures in self._lines()}

    def get(self, cell: Cell) -> Figures | None:
        """Return a cell's figures, if it was finished by this version of the code."""
        return self._found.get(_text(cell.key()))

    def put(self, cell: Cell, figures: Figures) -> None:
        """Append a cell's figures."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as stream:
            stream.write(json.dumps({"cell": cell.key(), "figures": figures}) + "\n")
        self._found[_text(cell.key())] = figures

    def missing(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return the cells that are not finished, each once, in order."""
        return [cell for cell in dict.fromkeys(cells) if self.get(cell) is None]

    def _lines(self) -> Iterator[tuple[Figures, Figures]]:
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # the line during which a run was ended
                continue
            yield entry["cell"], entry["figures"]


def _text(key: Figures) -> str:
    return json.dumps(key, sort_keys=True)
