"""The solver that halmos is given for products and quotients: cvc5, on words translated to integers.

A solver of bits expands a product of two words of 256 bits into gates, and ends for none of these proofs; on integers
they take about a second. Run by halmos's environment: `python integers.py [--option=value ...] query.smt2`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cvc5  # type: ignore[import-not-found]  # of halmos's environment

_WORD = r"\(_ BitVec (\d+)\)"
_UNINTERPRETED = re.compile(rf"\(declare-fun f_evm_(bv\w+)_(\d+) \({_WORD} {_WORD}\) {_WORD}\)")
_ASSERTION = re.compile(r"^\(assert\b.*?(?=^\(|\Z)", re.MULTILINE | re.DOTALL)
_OF_BITS = re.compile(r"\(bv(?:and|or|xor|not|shl|lshr|ashr)\b")


def interpret(query: str) -> str:
    """Return the query with the machine's own products and quotients, for which halmos first asks functions unknown."""
    return _UNINTERPRETED.sub(_definition, query).replace("(set-logic QF_AUFBV)", "(set-logic ALL)")


def weaken(query: str) -> str:
    """Return the query without the assertions about single bits: where this has no solution, the whole has none."""
    return _ASSERTION.sub(lambda match: "" if _OF_BITS.search(match[0]) else match[0], query)


def solve(query: str, options: dict[str, str]) -> list[str]:
    """Return the answers to the query's commands."""
    solver = cvc5.Solver(cvc5.TermManager())
    for name, value in options.items():
        solver.setOption(name, value)
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, query, "query")
    answers = []
    while not (command := parser.nextCommand()).isNull():
        answers.append(command.invoke(solver, parser.getSymbolManager()))
    return answers


def main() -> None:
    """Ask the weakened query first, and the whole one where that has a solution."""
    *given, path = sys.argv[1:]
    options = dict(option.lstrip("-").split("=") for option in given)
    whole = interpret(Path(path).read_text())
    weak = weaken(whole)
    answers = solve(weak, options)
    if weak != whole and "unsat\n" not in answers:
        answers = solve(whole, options)
    print("".join(answers), end="")


def _definition(match: re.Match[str]) -> str:
    operation, width = match[1], match[2]
    word = f"(_ BitVec {width})"
    value = f"({operation} x y)"
    if operation != "bvmul":  # the machine's quotient and remainder by zero are zero
        value = f"(ite (= y (_ bv0 {width})) y {value})"
    return f"(define-fun f_evm_{operation}_{width} ((x {word}) (y {word})) {word} {value})"


if __name__ == "__main__":
    main()
