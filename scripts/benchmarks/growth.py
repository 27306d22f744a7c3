"""How a figure grows with d or n: a series of measurements and the exponent fitted to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from scripts.benchmarks.process import Figures

UPDATES = (4, 8, 16, 32, 64)
_FIRST_EXPONENT = 4


def dimensions(largest: int) -> tuple[int, ...]:
    """Return 10^4, 10^5, ... up to ``largest``; that alone if it is less."""
    found = []
    entries = 10**_FIRST_EXPONENT
    while entries <= largest:
        found.append(entries)
        entries *= 10
    return tuple(found) or (largest,)


def series(
    variable: str,
    values: Sequence[int],
    measure: Callable[[int], Figures],
    *,
    against: Callable[[int], float] = float,
) -> Figures:
    """Measure at each value of the variable.

    Returns
    -------
    Figures
        ``rows``; and, of wall and CPU time alike, the ``exponent`` of the power of the variable that fits best, and
        ``last_step``: how many times more the last row costs than the one before, over how many times more
        ``against`` says (1 or less: no worse).

    """
    rows = [{variable: value, **measure(value)} for value in values]
    found: Figures = {"rows": rows}
    for prefix, key in (("", "median_seconds"), ("cpu_", "median_cpu_seconds")):
        costs = [float(row[key]) for row in rows]
        found[f"{prefix}exponent"] = exponent(values, costs)
        steps = zip(costs, map(against, values), strict=True)
        found[f"{prefix}last_step"] = _last_step(list(steps))
    return found


def exponent(values: Sequence[int], costs: Sequence[float]) -> float | None:
    """Return the slope of the least-squares line through the logarithms; None for fewer than two points."""
    if len(values) < 2:  # noqa: PLR2004
        return None
    xs, ys = [math.log(value) for value in values], [math.log(cost) for cost in costs]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    over = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - x_mean) ** 2 for x in xs)


def d_log_d(dimension: int) -> float:
    """Return ``d log d``."""
    return dimension * math.log(dimension)


def _last_step(costs: Sequence[tuple[float, float]]) -> float | None:
    if len(costs) < 2:  # noqa: PLR2004
        return None
    (before, expected_before), (last, expected_last) = costs[-2:]
    return last / before / (expected_last / expected_before)
