"""Which cells are run: the setting of the comparison, the quick selection, and the whole table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from aggregator.errors import OutOfRange
from aggregator.rules import RULES
from scripts.benchmarks.attacks.aggregations import BYZFL
from scripts.benchmarks.attacks.attacks import ATTACKS
from scripts.benchmarks.attacks.cell import Cell

PEER_SPLITS = ("dirichlet:0.5", "dirichlet:0.1", "gamma:0.33", "gamma:0")
PEER_ATTACKS = ("sign-flip", "alie", "label-flip", "ipm")
SPLITS = ("iid", "dirichlet:1.0", "dirichlet:0.5", "dirichlet:0.3", "dirichlet:0.1", "gamma:0.33", "gamma:0")
DEFAULT, WITHOUT_REFERENCE = "marginal-value", "foolsgold"
SEARCHING = ("optimal-alie", "optimal-ipm", "adaptive")
"""Attacks that try their rows on the rule, which only rules of the Gram family allow."""
OURS = tuple(rule.id for rule in RULES.values() if rule.settles)
UNPROVEN = ("coordinate-median", "trimmed-mean", "bulyan", *(rule.id for rule in RULES.values() if not rule.settles))
PEERS = tuple(f"byzfl:{name}" for name in BYZFL)
_TASKS = (("mnist", "mlp"), ("mnist", "cnn"), ("digits", "mlp"))
_SHARES = ((9, 1), (8, 2), (7, 3))
_DIGITS_ROOT = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """A part of the table: all combinations, each for ``seeds`` seeds."""

    rules: tuple[str, ...]
    attacks: tuple[str, ...]
    splits: tuple[str, ...]
    seeds: int
    settings: tuple[tuple[str, str, int, int], ...] = (("mnist", "mlp", 10, 4),)

    def cells(self) -> Iterator[Cell]:
        """Yield the cells, seed by seed, with the attack-free runs that they are compared with."""
        for seed, (data, model, honest, byzantine), split in product(range(self.seeds), self.settings, self.splits):
            base = Cell(data=data, model=model, split=split, honest=honest, byzantine=byzantine, seed=seed)
            base = replace(base, root=_DIGITS_ROOT) if data == "digits" else base
            yield base.attack_free()
            for attack, rule in product(self.attacks, self.rules):
                if attack not in SEARCHING or rule in RULES:
                    yield replace(base, rule=rule, attack=attack)


def quick() -> list[Cell]:
    """Return what runs within ten minutes on two cores: the default against the strongest peers, one seed."""
    chosen = (DEFAULT, WITHOUT_REFERENCE, "mean", "multi-krum", "byzfl:clipping", "byzfl:nnm+trimmed-mean")
    return _listed(
        Plan(chosen, PEER_ATTACKS, ("dirichlet:0.1", "gamma:0"), seeds=1),
        Plan((DEFAULT,), (*PEER_ATTACKS, "none"), PEER_SPLITS, seeds=1),
        Plan((DEFAULT,), tuple(ATTACKS), ("dirichlet:0.3",), seeds=1, settings=(("digits", "mlp", 8, 2),)),
    )


def comparison(seeds: int) -> list[Cell]:
    """Return the setting of byzfl's comparison: 10 honest and 4 Byzantine trainers, MNIST, four splits."""
    attacks = (*PEER_ATTACKS, "none")
    return _listed(
        Plan((DEFAULT, WITHOUT_REFERENCE, "mean"), attacks, PEER_SPLITS, seeds),
        Plan(PEERS, PEER_ATTACKS, PEER_SPLITS, seeds),
        Plan((DEFAULT,), tuple(ATTACKS), PEER_SPLITS, seeds),
        Plan((*OURS, *UNPROVEN), PEER_ATTACKS, PEER_SPLITS, seeds),
    )


def whole(seeds: int) -> list[Cell]:
    """Return three tasks at 10, 20 and 30 % Byzantine: the default under every attack, others under four."""
    settings = tuple((*task, *share) for task in reversed(_TASKS) for share in _SHARES)
    others = ("mean", WITHOUT_REFERENCE, "multi-krum", "centred-clipping", "byzfl:clipping", "byzfl:nnm+trimmed-mean")
    return _listed(
        Plan((DEFAULT,), tuple(ATTACKS), SPLITS, seeds, settings),
        Plan(others, PEER_ATTACKS, SPLITS, seeds, settings),
    )


def selected(asked: str, seeds: int) -> list[Cell]:
    """Return ``quick``, ``comparison`` or ``all`` cells.

    Raises
    ------
    OutOfRange
        If there are no seeds.

    """
    if seeds < 1:
        raise OutOfRange("--seeds is at least 1")
    if asked == "quick":
        return quick()
    return comparison(seeds) if asked == "comparison" else _merged(comparison(seeds), whole(seeds))


def _listed(*plans: Plan) -> list[Cell]:
    return _merged(*(list(plan.cells()) for plan in plans))


def _merged(*lists: Sequence[Cell]) -> list[Cell]:
    return list(dict.fromkeys(cell for cells in lists for cell in cells))
