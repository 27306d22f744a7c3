"""Coverage of the market by the forge tests: `python -m tests.forge.coverage` fails below 98 % of lines or branches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.forge.forge import ROOT, run_forge

LEAST = 0.98
MEASURED = ("contracts/Market.sol", "contracts/Forwarder.sol", "contracts/market/", "contracts/libraries/Assets.sol")
_REPORT = ROOT / "build" / "forge" / "lcov.info"


@dataclass(slots=True)
class Counts:
    """Lines and branches of one file: how many there are, and how many a test went through."""

    lines: int = 0
    lines_hit: int = 0
    branches: int = 0
    branches_hit: int = 0

    def add(self, other: Counts) -> None:
        """Add another file's counts to these."""
        self.lines += other.lines
        self.lines_hit += other.lines_hit
        self.branches += other.branches
        self.branches_hit += other.branches_hit

    @property
    def line_share(self) -> float:
        """Share of the lines that were hit; 1 of none."""
        return self.lines_hit / self.lines if self.lines else 1.0

    @property
    def branch_share(self) -> float:
        """Share of the branches that were hit; 1 of none."""
        return self.branches_hit / self.branches if self.branches else 1.0


def read_report(text: str) -> Iterator[tuple[str, Counts]]:
    """Yield what an lcov report says of each file of ``MEASURED``, by its path in the repository."""
    path, counts = "", Counts()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        hit = value.rpartition(",")[2] not in {"0", "-"}
        if key == "SF":
            path, counts = value, Counts()
        elif key == "DA":
            counts.lines += 1
            counts.lines_hit += hit
        elif key == "BRDA":
            counts.branches += 1
            counts.branches_hit += hit
        elif key == "end_of_record" and path.startswith(MEASURED):
            yield path, counts


def measure(report: Path = _REPORT) -> dict[str, Counts]:
    """Run the tests on a market that forge compiles, and return the counts by file; about two minutes.

    Without the optimizer but for the least that the compiler's intermediate form needs, so that code keeps its place
    in the sources: a line that the compiler merges with another counts as missed.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    done = run_forge(
        [
            "coverage",
            *("--ir-minimum", "--report", "lcov", "--report-file", str(report)),
            *("--no-match-contract", "Invariants"),
        ],
        profile="coverage",
        environment={"GRAMERCY_FORGE_MARKET": "compiled"},
    )
    if done.returncode:
        sys.exit(done.stdout)
    return dict(read_report(report.read_text()))


def main() -> None:
    """Print a line a file, and fail where too little is covered."""
    total = Counts()
    for path, counts in measure().items():
        total.add(counts)
        print(_line(path, counts))
    print(_line("all", total))
    if not total.lines or min(total.line_share, total.branch_share) < LEAST:
        sys.exit(f"below {LEAST:.0%}")


def _line(name: str, counts: Counts) -> str:
    lines = f"{counts.lines_hit}/{counts.lines} lines ({counts.line_share:.1%})"
    return f"{name}: {lines}, {counts.branches_hit}/{counts.branches} branches ({counts.branch_share:.1%})"


if __name__ == "__main__":
    main()
