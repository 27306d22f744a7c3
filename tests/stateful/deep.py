"""Long histories of the market against its reducers: ``python -m tests.stateful.deep --steps 20000 --seed 1``.

A seed gives a batch of histories; batches with the seed, the one after it and so on run until that many rules ran.
The last line is JSON: ``failing_seed`` is the batch in which contract and reducers parted, whose steps are printed
before; ``--seed`` of it alone plays it again. Actions that the rules take on the way count beside the steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from typing import Any

from hypothesis import seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.stateful.test_market_machine import COMMON_SETTINGS, MarketMachine

HISTORIES = 20
STEPS = 50


class Tally:
    """What ran."""

    def __init__(self) -> None:
        self.steps = self.histories = 0
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()


def counted(tally: Tally) -> type[MarketMachine]:
    """Return the machine that counts what it does."""

    class Counted(MarketMachine):
        begun = False

        @invariant()
        def counts_a_step(self) -> None:
            """Runs once as a history begins, and after each rule."""
            tally.steps += self.begun
            tally.histories += not self.begun
            self.begun = True

        def _act(self, job: Any, call: Any, sender: str, refusal: str | None, **how: Any) -> None:
            super()._act(job, call, sender, refusal, **how)
            (tally.accepted if refusal is None else tally.refused)[call.fn_name] += 1
            tally.refusals[refusal or ""] += refusal is not None

    return Counted


def run(steps: int, first_seed: int, histories: int = HISTORIES) -> dict[str, Any]:
    """Run batches of so many histories until ``steps`` rules ran, or one fails; return what to report."""
    tally, number, began = Tally(), first_seed, time.monotonic()
    failing: int | None = None
    while tally.steps < steps and failing is None:
        batch = settings(COMMON_SETTINGS, derandomize=False, max_examples=histories, stateful_step_count=STEPS)
        try:
            run_state_machine_as_test(seed(number)(counted(tally)), settings=batch)
        except Exception:
            traceback.print_exc()
            failing = number
        seconds = time.monotonic() - began
        print(f"seed {number}: {tally.steps:,} steps, {tally.histories} histories, {seconds:.0f} s", flush=True)
        number += 1
    return {
        "steps": tally.steps,
        "histories": tally.histories,
        "seeds": [first_seed, number - 1],
        "failing_seed": failing,
        "actions": {
            name: {"accepted": tally.accepted[name], "refused": tally.refused[name]}
            for name in sorted({*tally.accepted, *tally.refused})
        },
        "refusals": {name: count for name, count in sorted(tally.refusals.items()) if count},
        "seconds": round(time.monotonic() - began, 1),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run; return 1 where contract and reducers parted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=20_000, help="rules to run, at least")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first batch")
    given = parser.parse_args(arguments)
    report = run(given.steps, given.seed)
    print(json.dumps(report))
    return int(report["failing_seed"] is not None)


if __name__ == "__main__":
    sys.exit(main())
