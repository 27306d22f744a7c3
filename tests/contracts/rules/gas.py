"""Gas of rule and score contracts: measured, and kept in gas.json.

``python -m tests.contracts.rules.gas [ID ...]`` measures all, or those named, and writes them down. Gas is that of the
execution on py-evm, in the dearest of the rounds of ``matrices.dearest``; a settlement also pays the hints' calldata.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from aggregator.rules import RULES
from aggregator.scores import SCORES
from tests.contracts.harness import Chain
from tests.contracts.rules.machines import PyEvm
from tests.contracts.rules.matrices import dearest
from tests.contracts.rules.questions import Question, assert_answered, code_of, question, score_question, terms_of

RECORD = Path(__file__).with_name("gas.json")
SIZES = (8, 16, 32, 64)
Recorded = dict[str, dict[str, dict[str, int]]]
"""Rules and scores by id, then number of updates, then ``gas`` and ``hint_bytes``."""


def settling() -> list[str]:
    """Return the ids of all rules and scores that settle."""
    rules = [rule.id for rule in RULES.values() if rule.settles]
    return rules + [score.id for score in SCORES.values() if score.settles]


def measure(machine: PyEvm, contract_id: str, n: int) -> dict[str, int]:
    """Return the gas of the dearest of a few rounds of n updates, and the bytes of their hints."""
    questions = list(_questions(contract_id, n))
    code = code_of(contract_id)
    assert_answered(machine, code, questions)
    gas = max(outcome.gas for outcome in machine.run(code, [asked.call for asked in questions]))
    return {"gas": gas, "hint_bytes": max(asked.hint_bytes for asked in questions)}


def _questions(contract_id: str, n: int) -> Iterator[Question]:
    if rule := RULES.get(contract_id):
        for case in dearest(n, reference=rule.needs_reference, history=rule.needs_history):
            yield question(rule, case)
        return
    score, weights = SCORES[contract_id], [(1 << 32) // n] * n
    for case in dearest(n, reference=score.needs_reference):
        scored = score.score(case.products, weights, trainers=case.trainers, memory=b"", **terms_of(case))
        memory = scored.memory
        yield score_question(score, case, weights, memory)


def read() -> Recorded:
    """Return what is written down."""
    recorded: Recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return recorded


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="rules and scores; all if none is named")
    wanted = parser.parse_args(arguments).ids or settling()
    machine = PyEvm(Chain())
    for contract_id in wanted:
        found = {str(n): measure(machine, contract_id, n) for n in SIZES}
        print(contract_id, *(f"{n}: {figures['gas']:,}" for n, figures in found.items()), sep="  ")
        recorded = read() | {contract_id: found}
        RECORD.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
