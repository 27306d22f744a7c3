"""Vectors of settlements: from inner products, stakes and memory to weights, scores, payouts, scale and memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.carried import EMPTY, Carried
from aggregator.fixedpoint import IntVector, entry_dtype
from aggregator.gram import GramMatrix, gram_matrix
from aggregator.products import Layout, Products, pack_products
from aggregator.rows import products_of_rows
from aggregator.rules import RULES, get_rule
from aggregator.scores import SCORES
from aggregator.settlement import Outcome, RoundRules, settle

Case = dict[str, Any]
ETHER = 10**18
UINT128_MAX = 2**128 - 1


class Stream:
    """Integers that follow from a name alone."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def below(self, limit: int) -> int:
        """Return the next integer, 0 to limit - 1; the bias is below ``limit / 2**256``."""
        self._count += 1
        return int.from_bytes(hashlib.sha256(f"{self._name}/{self._count}".encode()).digest(), "big") % limit

    def data(self, length: int) -> bytes:
        """Return the next ``length`` bytes, at most 32."""
        return self.below(1 << (8 * length)).to_bytes(length, "big")

    def updates(self, count: int, dimension: int, limit: int) -> list[list[int]]:
        """Return updates with entries in -limit..limit."""
        return [[self.below(2 * limit + 1) - limit for _ in range(dimension)] for _ in range(count)]


def settlement_cases() -> Iterator[Case]:
    """Yield the cases of ``settlement.json``."""
    yield from _ordinary()
    yield from _degenerate()
    yield from _attacked()
    yield from _money()
    yield from _extremes()
    yield from _scales()
    yield from _attested()
    yield from _by_every_rule()
    yield from _by_every_score()
    yield from _shaped_payouts()


def _ordinary() -> Iterator[Case]:
    """Random updates, every n that a job is likely to have and the most it may have."""
    for n, f in ((3, 0), (4, 0), (5, 1), (6, 1), (7, 2), (8, 1), (10, 2), (13, 5), (32, 6), (64, 30)):
        updates = Stream(f"ordinary/{n}").updates(n, 40, 60)
        yield _case(f"multi-krum, {n} random updates, f = {f}", updates, byzantine=f)
    for n in (1, 2, 3, 5, 16, 64):
        yield _case(f"mean of {n} random updates", Stream(f"mean/{n}").updates(n, 40, 60), rule="mean")
    yield _case("f above what 6 updates tolerate is capped", Stream("capped").updates(6, 20, 60), byzantine=9)
    yield _case("the largest f there is", Stream("largest f").updates(5, 20, 60), byzantine=2**16 - 1)
    yield _case("16-bit entries", Stream("16 bits").updates(5, 20, 2**15 - 1), bits=16, byzantine=1)
    yield _case("4-bit entries", Stream("4 bits").updates(5, 20, 7), bits=4, headroom_bits=1, byzantine=1)


def _degenerate() -> Iterator[Case]:
    """Ties, zeros and cancellation."""
    same = Stream("same").updates(1, 12, 50)[0]
    other = Stream("other").updates(1, 12, 50)[0]
    zero = [0] * 12
    negative = [-entry for entry in same]
    unit = [[30 * (i == j) for j in range(12)] for i in range(7)]
    for rule in ("multi-krum", "mean"):
        yield _case(f"{rule}: all updates equal", [same] * 5, rule=rule, byzantine=1)
        yield _case(f"{rule}: all updates zero", [zero] * 5, rule=rule, byzantine=1)
        yield _case(f"{rule}: one zero update", [same, zero, same, other, same], rule=rule, byzantine=0)
        yield _case(f"{rule}: equal distances", unit, rule=rule, byzantine=2)
    yield _case("two camps of three, decided by position", [same, other] * 3, byzantine=1)
    yield _case("copies of one update outweigh the rest", [other, same, same, same, zero], byzantine=1)
    yield _case("two opposite updates cancel in the mean", [same, negative], rule="mean")
    yield _case("opposite updates of unequal stake", [same, negative], rule="mean", stakes=[3 * ETHER, ETHER])
    yield _case("opposite camps", [same, negative, same, negative, same], byzantine=1)
    yield _case("one lone update that is not zero", [zero, zero, same, zero], rule="mean")


def _attacked() -> Iterator[Case]:
    """Honest updates near one another, and attackers far away or against them."""
    stream = Stream("attacked")
    direction = stream.updates(1, 30, 20)[0]
    honest = [[a + b for a, b in zip(direction, noise, strict=True)] for noise in stream.updates(8, 30, 4)]
    flipped = [[-entry for entry in update] for update in honest[:2]]
    scaled = [[max(-127, min(127, 5 * entry)) for entry in update] for update in honest[:2]]
    yield _case("sign flips against multi-krum", honest[2:] + flipped, byzantine=2)
    yield _case("sign flips against the mean earn nothing", honest[2:] + flipped, rule="mean")
    yield _case("boosted updates against multi-krum", scaled + honest[2:], byzantine=2)
    yield _case("boosted updates against the mean", scaled + honest[2:], rule="mean")
    yield _case("a majority of sign flips against the mean", honest[:1] + flipped, rule="mean")


def _money() -> Iterator[Case]:
    """Budgets and stakes at the edges of their types."""
    updates = Stream("money").updates(5, 20, 60)
    for name, budget in (("1 wei", 1), ("4 wei", 4), ("2^128 - 1", UINT128_MAX)):
        yield _case(f"budget of {name}", updates, budget=budget, byzantine=1)
    yield _case("budget of 1 wei, mean", updates, budget=1, rule="mean")
    yield _case("stakes from 1 to 5", updates, stakes=[1, 2, 3, 4, 5], byzantine=1)
    yield _case("stakes 3 wei and 2^128 - 1", updates, stakes=[3, UINT128_MAX] * 2 + [UINT128_MAX], rule="mean")
    yield _case("a stake too small for a weight", updates, stakes=[1, ETHER, ETHER, ETHER, ETHER], rule="mean")
    yield _case("weights that do not divide 2^32", updates, stakes=[7, 11, 13, 17, 19], rule="mean")
    thirds = [ETHER, 2 * ETHER, 3 * ETHER, 5 * ETHER, 8 * ETHER]
    yield _case("unequal stakes under multi-krum", updates, stakes=thirds, byzantine=1)


def _extremes() -> Iterator[Case]:
    """Largest Gram entries: every entry of an update at the end of its range, at the largest dimension."""
    for bits in (4, 8, 16):
        dimension = (1 << (63 - 2 * bits)) - 1
        square = dimension * ((1 << (bits - 1)) - 1) ** 2
        for rule in ("multi-krum", "mean"):
            name = f"{rule}, {bits} bits, all entries at +-(2^{bits - 1} - 1), the largest d"
            gram = _signs_gram([1, 1, -1, 1, 1], square)
            yield _gram_case(name, gram, dimension=dimension, bits=bits, rule=rule, headroom_bits=1, byzantine=1)
    dimension = (1 << 31) - 1
    bound = _signs_gram([1, -1, 1, 1], dimension << 30)
    yield _gram_case("entries at the bound that a contract checks", bound, dimension=dimension, bits=16, rule="mean")


def _scales() -> Iterator[Case]:
    """The scale rule: every step, the thresholds on both sides, and the clamps at +-64."""
    dimension, bits, headroom_bits = 100, 8, 3
    for step in range(-2, 3):
        threshold = dimension << (2 * (bits - 1 - headroom_bits) + 1 + 2 * step)
        for excess in (0, 1):
            gram = np.diag(np.full(3, threshold + excess, dtype=np.int64))
            yield _gram_case(
                f"median {excess} above the threshold of step {step}", gram, dimension=dimension, byzantine=0
            )
    small, large = np.diag([1, 1, 1]), np.diag([1_600_000] * 3)
    for exponent, gram in ((64, large), (63, large), (-64, small), (-63, small), (64, small), (-64, large)):
        name = f"scale exponent {exponent} with {'large' if gram is large else 'small'} norms"
        yield _gram_case(name, gram.astype(np.int64), dimension=100, scale_exponent=exponent)
    even = np.diag(np.array([10, 60_000, 200_000, 1_000_000], dtype=np.int64))
    yield _gram_case("the lower median of four", even, dimension=100, rule="mean")


def _attested() -> Iterator[Case]:
    """Matrices of no updates at all that pass what the contract checks: it attests, it does not prove."""
    gram = np.full((4, 4), -900, dtype=np.int64)
    np.fill_diagonal(gram, 1000)
    yield _gram_case("not positive definite, negative scores all over", gram, dimension=10, rule="mean")
    stream = Stream("attested")
    upper = np.triu([[stream.below(2001) - 1000 for _ in range(6)] for _ in range(6)], 1)
    symmetric = upper + upper.T + np.diag([1000 + stream.below(50) for _ in range(6)])
    yield _gram_case("random and not positive definite", symmetric.astype(np.int64), dimension=10, byzantine=1)


def _by_every_rule() -> Iterator[Case]:
    """Every rule that a job can name, with the rows that it reads and with all of them, over two rounds."""
    for rule in (rule for rule in RULES.values() if rule.settles):
        yield from _played(f"rule {rule.id}", {"rule": rule.id}, needs_reference=rule.needs_reference)


def _by_every_score() -> Iterator[Case]:
    """Every score that a job can name, likewise."""
    for score in (score for score in SCORES.values() if score.settles):
        yield from _played(f"score {score.id}", {"score": score.id}, needs_reference=score.needs_reference)


def _played(name: str, terms: Mapping[str, Any], *, needs_reference: bool) -> Iterator[Case]:
    for what, job in (
        ("what it reads", _Job(terms, reference=needs_reference)),
        ("all extra rows", _Job(terms, reference=True, previous=True)),
    ):
        for number in (1, 2):
            yield job.case(f"{name}, {what}, round {number}", number)


def _shaped_payouts() -> Iterator[Case]:
    """Floors and caps; references left out, and what that does to memories."""
    for floor_bps, cap_bps in ((0, 10_000), (1, 0), (5_000, 30_000), (10_000, 10_000), (9_999, 65_535)):
        shares = {"floor_bps": floor_bps, "cap_bps": cap_bps}
        yield _Job(shares, reference=True, previous=True).case(f"floor {floor_bps}, cap {cap_bps}", 2)
    for rule, score in (("multi-krum", "shapley"), ("fltrust", "shapley-reference"), ("marginal-value", "reputation")):
        terms = {"rule": rule, "score": score, "floor_bps": 5_000, "cap_bps": 30_000}
        job = _Job(terms, reference=True, previous=True, left_out=2)
        yield job.case(f"{rule} and {score}, reference left out of round 2", 2)


@dataclass
class _Job:
    """A job of seven trainers a round, most of them in both of two rounds.

    ``left_out`` is the round whose settlement leaves the reference row out.
    """

    terms: Mapping[str, Any]
    reference: bool = False
    previous: bool = False
    left_out: int = 0
    updates: int = 7
    dimension: int = 100  # fewer, and agreement could be chance: the floor's score would pay nobody
    _sums: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict)

    def case(self, name: str, number: int) -> Case:
        """Return round ``number``, after the rounds before it."""
        self._sums.clear()
        question = self._question(1, EMPTY)
        for current in range(2, number + 1):
            question = self._question(current, question.outcome.memory)
        return question.case(name)

    def _question(self, number: int, memory: Carried) -> _Question:
        stream, n = Stream(f"job/{number}"), self.updates
        direction = Stream("job/direction").updates(1, self.dimension, 30)[0]
        noise = stream.updates(n, self.dimension, 20)
        flipped = [[(-d if i == number else d) + e for d, e in zip(direction, noise[i], strict=True)] for i in range(n)]
        updates = [entries_of(update, 8) for update in flipped]
        trainers = [100 + i + 2 * (number - 1) for i in range(n)]
        terms: dict[str, Any] = {"rule": "multi-krum", "score": "shapley", "reference": self.reference, **self.terms}
        rules = RoundRules(**terms, byzantine=1, dimension=self.dimension, bits=8, headroom_bits=3, budget=ETHER)
        history = get_rule(rules.rule).needs_history
        layout = Layout(n, self.reference and number != self.left_out, self.previous and number > 1, history)
        extras: list[Any] = [entries_of(direction, 8)] * layout.reference
        if layout.previous:
            extras.append(np.array([(stream.below(61) - 30) << 32 for _ in range(self.dimension)], dtype=np.int64))
        if history:
            for trainer, update in zip(trainers, updates, strict=True):
                self._sums[trainer] = self._sums.get(trainer, np.int64(0)) + update.astype(np.int64)
                extras.append(self._sums[trainer])
        products = products_of_rows(layout, updates, extras, bits=8)
        return _Question(rules, products, [ETHER * (2 + i % 3) for i in range(n)], -10, trainers, memory)


@dataclass(frozen=True)
class _Question:
    """What a settlement is computed from."""

    rules: RoundRules
    products: Products
    stakes: Sequence[int]
    scale_exponent: int
    trainers: Sequence[int]
    memory: Carried = EMPTY

    @property
    def addresses(self) -> list[bytes]:
        return [trainer.to_bytes(20, "big") for trainer in self.trainers]

    @property
    def outcome(self) -> Outcome:
        return settle(
            self.rules,
            self.products,
            self.stakes,
            scale_exponent=self.scale_exponent,
            trainers=self.addresses,
            memory=self.memory,
        )

    def case(self, name: str) -> Case:
        rules, layout, outcome = self.rules, self.products.layout, self.outcome
        return {
            "name": name,
            "rule": rules.rule,
            "score": rules.score,
            "byzantine": rules.byzantine,
            "dimension": str(rules.dimension),
            "bits": rules.bits,
            "headroom_bits": rules.headroom_bits,
            "scale_exponent": self.scale_exponent,
            "budget": str(rules.budget),
            "job_reference": rules.reference,
            "floor_bps": rules.floor_bps,
            "cap_bps": rules.cap_bps,
            "reference": layout.reference,
            "previous": layout.previous,
            "history": layout.history,
            "trainers": [address.hex() for address in self.addresses],
            "stakes": [str(stake) for stake in self.stakes],
            "gram": pack_products(self.products).hex(),
            "carried": self.memory.encode().hex(),
            "accepted": list(outcome.accepted),
            "weights": list(outcome.weights),
            "scores": [str(score) for score in outcome.scores],
            "payouts": [str(payout) for payout in outcome.payouts],
            "next_scale_exponent": outcome.next_scale_exponent,
            "next_carried": outcome.memory.encode().hex(),
            "rule_hints": outcome.rule_hints.hex(),
            "score_hints": outcome.score_hints.hex(),
            "floor_hints": outcome.floor_hints.hex(),
        }


def entries_of(values: Sequence[int], bits: int) -> IntVector:
    """Return entries in the dtype of so many bits."""
    wide = np.array(values, dtype=np.int64)
    return wide.astype(np.int8) if entry_dtype(bits) == np.int8 else wide.astype(np.int16)


def _signs_gram(signs: Sequence[int], square: int) -> GramMatrix:
    return np.array([[a * b * square for b in signs] for a in signs], dtype=np.int64)


def _case(name: str, updates: Sequence[Sequence[int]], *, bits: int = 8, **terms: Any) -> Case:
    vectors = [entries_of(update, bits) for update in updates]
    return _gram_case(name, gram_matrix(vectors, bits=bits), dimension=len(updates[0]), bits=bits, **terms)


def _gram_case(
    name: str,
    gram: GramMatrix,
    *,
    dimension: int,
    rule: str = "multi-krum",
    byzantine: int = 0,
    bits: int = 8,
    headroom_bits: int = 3,
    scale_exponent: int = -10,
    budget: int = ETHER,
    stakes: Sequence[int] | None = None,
) -> Case:
    question = _Question(
        RoundRules(rule, "shapley", byzantine, dimension, bits, headroom_bits, budget),
        Products.of_updates(gram.tolist()),
        stakes or [ETHER] * len(gram),
        scale_exponent,
        range(100, 100 + len(gram)),
    )
    return question.case(name)
