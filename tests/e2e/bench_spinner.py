"""A measurement that never ends, or that divides by what it is given; for the tests of measuring processes."""

from __future__ import annotations

from scripts.benchmarks.process import Figures, serve


def measure(asked: Figures) -> Figures:
    if "divisor" in asked:
        return {"quotient": 1 / asked["divisor"]}
    while True:
        pass


if __name__ == "__main__":
    serve(measure)
