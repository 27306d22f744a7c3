"""From the rows of a step to the aggregate: the market's rules, rules by coordinate, and byzfl's."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from aggregator.coordinatewise import bulyan, coordinate_median, trimmed_mean
from aggregator.errors import InvalidInput
from aggregator.products import IntMatrix, Layout, Products
from aggregator.rules import RULES, WEIGHT_ONE, Decision, get_rule
from scripts.benchmarks.peers_environment import AGGREGATION

STAKE = 10**18
_ATTACKERS_BITS = 40
"""Attackers try their rows on inner products rounded to this many bits."""
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a step.

    Attributes
    ----------
    entries
        Integers in float32 (exact), (n + 1, d): updates, the reference.
    products
        Their inner products, and those of further rows.
    unit
        What one unit of an entry is in the library's terms: gradients, for one local step.

    """

    entries: torch.Tensor
    products: Products
    unit: float


@dataclass(frozen=True, slots=True)
class Applied:
    """The aggregate (d,), in units of the entries, and the decision behind it where there is one."""

    aggregate: torch.Tensor
    decision: Decision | None


class Aggregation(Protocol):
    """A rule of any kind, with whatever it remembers.

    Attributes
    ----------
    needs_history
        Whether it reads running sums.
    proven
        Whether a settlement can be proven by it.

    """

    needs_history: bool
    proven: bool

    def apply(self, rows: Rows) -> Applied:
        """Aggregate, and remember."""
        ...

    def weigh(self, products: Float) -> Float:
        """Return the weights (n,) that inner products (n + 1, n + 1) would get now; for attackers who know the rule."""
        ...


class GramAggregation:
    """A rule of the registry, with exact integers."""

    def __init__(self, rule_id: str, byzantine: int) -> None:
        self._rule, self._byzantine = get_rule(rule_id), byzantine
        self.needs_history, self.proven = self._rule.needs_history, self._rule.settles
        self._memory = b""
        self._history: IntMatrix | None = None

    def apply(self, rows: Rows) -> Applied:
        """Decide, and add up."""
        decision = self._decide(rows.products)
        self._memory, self._history = decision.memory, rows.products.history
        weights = torch.tensor([weight / WEIGHT_ONE for weight in decision.weights], dtype=torch.float32)
        return Applied(weights @ rows.entries[: rows.products.n], decision)

    def weigh(self, products: Float) -> Float:
        """Return the weights; running sums are taken as they were a step ago."""
        n = len(products) - 1
        exponent = _ATTACKERS_BITS - int(np.frexp(np.abs(products).max() + 1e-300)[1])
        symmetric = (products + products.T) / 2
        whole = np.rint(np.ldexp(symmetric, exponent)).astype(np.int64).tolist()
        found = Products(Layout(n, reference=True), tuple(map(tuple, whole)))
        if self.needs_history:
            found = with_history(found, self._history or found.gram)
        return np.array(self._decide(found).weights, dtype=np.float64) / WEIGHT_ONE

    def _decide(self, products: Products) -> Decision:
        return self._rule.decide(
            products, self._byzantine, [STAKE] * products.n, trainers=addresses(products.n), memory=self._memory
        )


class VectorAggregation:
    """A function of the updates themselves."""

    needs_history = False
    proven = False

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._function = function

    def apply(self, rows: Rows) -> Applied:
        """Aggregate the updates; decisions stay inside."""
        updates = rows.entries[: rows.products.n] * rows.unit
        return Applied(self._function(updates).to(torch.float32) / rows.unit, None)

    def weigh(self, products: Float) -> Float:  # noqa: ARG002
        """Refuse: attacks that search need weights."""
        raise InvalidInput("attacks that try their rows need a rule of the Gram family")


def aggregation(name: str, byzantine: int) -> Aggregation:
    """Return a rule: an id of the registry, ``coordinate-median``, ``trimmed-mean``, ``bulyan``, ``byzfl:NAME``.

    Raises
    ------
    InvalidInput
        If there is none.

    """
    if name in RULES:
        return GramAggregation(name, byzantine)
    if name.startswith("byzfl:"):
        return VectorAggregation(_byzfl(name.removeprefix("byzfl:"), byzantine))
    ours: dict[str, Callable[[list[NDArray[np.float32]]], NDArray[np.float32]]] = {
        "coordinate-median": coordinate_median,
        "trimmed-mean": lambda updates: trimmed_mean(updates, byzantine),
        "bulyan": lambda updates: bulyan(updates, byzantine),
    }
    if name not in ours:
        raise InvalidInput(f"there is no rule {name!r}")
    return VectorAggregation(lambda updates: torch.from_numpy(ours[name](list(updates.numpy()))))


def addresses(n: int) -> tuple[bytes, ...]:
    """Return the trainers' addresses."""
    return tuple((index + 1).to_bytes(20, "big") for index in range(n))


def with_history(products: Products, sums: IntMatrix) -> Products:
    """Return the products with the running sums' Gram matrix (n, n); their products with other rows are left 0."""
    layout, m, n = products.layout, len(products.matrix), products.n
    head = [(*row, *(0,) * n) for row in products.matrix]
    tail = [((0,) * m + tuple(row)) for row in sums]
    whole = Layout(n, reference=layout.reference, previous=layout.previous, history=True)
    return Products(whole, tuple(head + tail))


BYZFL = (
    "mean",
    "median",
    "trimmed-mean",
    "geometric-median",
    "multi-krum",
    "clipping",
    "nnm+trimmed-mean",
    "clipping+nnm+trimmed-mean",
    "clipping+nnm+geometric-median",
    "caf",
)
"""byzfl's rules of the comparison, with its defaults."""


def _byzfl(name: str, byzantine: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a chain of byzfl's rules with its defaults: clipping at norm 2, smoothing 0.1."""
    a, p = _byzfl_modules()
    last: dict[str, Callable[[], Any]] = {
        "mean": a.Average, "median": a.Median, "trimmed-mean": lambda: a.TrMean(byzantine),
        "geometric-median": a.GeometricMedian, "multi-krum": lambda: a.MultiKrum(byzantine), "clipping": a.Average,
        "caf": lambda: a.CAF(byzantine),
    }  # fmt: skip
    *before, final = name.split("+")
    if final not in last or set(before) - {"clipping", "nnm"}:
        raise InvalidInput(f"there is no byzfl rule {name!r}", hint=f"choose one of: {', '.join(BYZFL)}")
    steps = [p.Clipping() if step == "clipping" else p.NNM(byzantine) for step in before]
    if final == "clipping":
        steps.append(p.Clipping())
    rule = last[final]()

    def run(updates: torch.Tensor) -> torch.Tensor:
        for step in steps:
            updates = step(updates)
        result: torch.Tensor = rule(updates)
        return result

    return run


def _byzfl_modules() -> tuple[Any, Any]:
    """Import byzfl's rules from the peers' environment, without its ``__init__``, which imports torchvision."""
    if "byzfl" not in sys.modules:
        AGGREGATION.prepare()
        sites = [str(path) for path in Path(AGGREGATION.folder).glob("lib/python*/site-packages")]
        found = importlib.machinery.PathFinder.find_spec("byzfl", sites)
        if found is None:
            raise InvalidInput("byzfl is not in the peers' environment")
        package = types.ModuleType("byzfl")
        package.__path__ = list(found.submodule_search_locations or [])
        sys.modules["byzfl"] = package
    return (
        importlib.import_module("byzfl.aggregators.aggregators"),
        importlib.import_module("byzfl.aggregators.preaggregators"),
    )
