"""What follows from inner products, checked on chain: as the Python core says, and the rest refused by name."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from web3.contract import Contract

from aggregator.carried import Carried
from aggregator.errors import InvalidInput, OutOfRange
from aggregator.products import Layout, Products, check_products, pack_products
from aggregator.rows import products_of_rows
from aggregator.rules import RULES
from aggregator.scores import SCORES
from aggregator.settlement import RoundRules
from tests.contracts.harness import TRANSACTION_GAS_CAP, Chain, Reverted, refused
from tests.contracts.rules.matrices import Case, random_case
from tests.contracts.statements import Statement, of_case, settled, with_gram, word
from tests.vectors.cases import settlement_cases

MARKET_GAS = 3_000_000
"""What Market.settleRound itself may need on top of the verification, at 64 trainers."""

GAS = {
    ("mean", 8): 159_000,
    ("mean", 64): 2_492_000,
    ("multi-krum", 8): 165_000,
    ("multi-krum", 64): 2_462_000,
}
"""Gas of a transaction to the verifier alone, by rule and number of updates; f as large as it may be, and the dearer
of two orders of distances."""

UINT128_MAX = 2**128 - 1
QUICK, SLOW, LARGE = 16, 400, 6
SETTLING_RULES = [rule for rule in RULES.values() if rule.settles]
SETTLING_SCORES = [score for score in SCORES.values() if score.settles]
RUNNING_VALUES = frozenset({"marginal-value", "shapley-reference", "alignment"})
"""Rules and scores whose memory has the format that random cases have."""


def random_claim(seed: int, n: int | None = None) -> Statement:
    """Return the honest statement of a random round; seeds go through all pairs of rules and scores."""
    rng = random.Random(seed)
    rule = SETTLING_RULES[seed % len(SETTLING_RULES)]
    score = SETTLING_SCORES[seed // len(SETTLING_RULES) % len(SETTLING_SCORES)]
    needed = rule.needs_reference or score.needs_reference
    while True:
        left_out = rng.random() < 0.2  # the reference, in a job that has one
        case = random_case(rng, n or rng.randint(3, 9), reference=needed and not left_out, history=rule.needs_history)
        layout = case.products.layout
        if layout.history != rule.needs_history:
            continue
        terms = RoundRules(
            *(rule.id, score.id, case.byzantine, (1 << 31) - 1, 16, rng.randint(0, 13)),
            budget=rng.choice([1, 7, rng.randint(1, 10**20), UINT128_MAX]),
            reference=layout.reference or left_out or needed,
            floor_bps=rng.choice([0, 1, 5_000, 10_000, rng.randint(0, 10_000)]),
            cap_bps=rng.choice([0, 10_000, 30_000, 65_535]),
        )
        try:
            return settled(
                *(terms, case.products, case.stakes),
                scale_exponent=rng.choice([-64, -63, 63, 64, rng.randint(-64, 64)]),
                carried=_memory(case, rule.id, score.id),
                trainers=case.trainers,
            )
        except OutOfRange:  # no updates of so many entries have these products
            continue


def _memory(case: Case, rule: str, score: str) -> Carried:
    return Carried(
        rule=case.memory if rule in RUNNING_VALUES else b"",
        score=case.memory if score in RUNNING_VALUES else b"",
        floor=case.memory,
    )


@pytest.mark.parametrize("seed", range(QUICK))
def test_python_and_solidity_agree(seed: int, chain: Chain, verifier: Contract) -> None:
    chain.call(verifier.functions.verify(random_claim(seed), b""))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_python_and_solidity_agree_on_more(block: int, chain: Chain, verifier: Contract) -> None:
    size = SLOW // 10
    for seed in range(QUICK + block * size, QUICK + (block + 1) * size):
        try:
            chain.call(verifier.functions.verify(random_claim(seed), b""))
        except Reverted as error:
            raise AssertionError(f"they differ on seed {seed}") from error


@pytest.mark.slow
@pytest.mark.parametrize("n", [32, 64])
@pytest.mark.parametrize("seed", range(1000, 1000 + LARGE))
def test_python_and_solidity_agree_on_large_rounds(seed: int, n: int, chain: Chain, verifier: Contract) -> None:
    chain.call(verifier.functions.verify(random_claim(seed, n), b""))


FLAT = RoundRules("multi-krum", "shapley", 1, 3, 8, 3, 10**18)


def small_products(**rows: bool) -> Products:
    """Return five updates of three entries and extra rows."""
    updates = [np.array([i, 2, -i], dtype=np.int8) for i in range(5)]
    layout = Layout(5, **rows)
    extras = [np.array([1, 2, k], dtype=np.int64) for k in range(layout.extras)]
    return products_of_rows(layout, updates, extras, bits=8)


def small_claim(rule: str = "multi-krum", products: Products | None = None) -> Statement:
    products = products or small_products()
    return settled(replace(FLAT, rule=rule), products, [10**18] * products.n)


def _products(matrix: Sequence[Sequence[int]], layout: Layout | None = None) -> Products:
    return Products(layout or Layout(len(matrix)), tuple(tuple(map(int, row)) for row in matrix))


def test_ids_of_rules_and_scores_are_those_of_the_core(chain: Chain, verifier: Contract) -> None:
    ask, pairs = verifier.functions.supportsJob, [(rule, SCORES["shapley"]) for rule in SETTLING_RULES]
    for rule, score in [*pairs, *((RULES["mean"], score) for score in SETTLING_SCORES)]:
        assert chain.call(ask(word(rule.id), word(score.id), 1, True, 48))
        needed = rule.needs_reference or score.needs_reference
        assert chain.call(ask(word(rule.id), word(score.id), 1, False, 48)) is not needed


@pytest.mark.parametrize(
    ("rule", "score"),
    [("median", "shapley"), ("mean", "sharpley"), ("mean ", "shapley"), ("krum", "shapley"), ("", "")],
)
def test_other_rules_and_scores_are_refused(rule: str, score: str, chain: Chain, verifier: Contract) -> None:
    assert not chain.call(verifier.functions.supportsJob(word(rule), word(score), 1, True, 48))
    claim = with_gram(small_claim(), rule=word(rule), score=word(score))
    known = rule in {one.id for one in SETTLING_RULES}
    with refused("Registry_UnknownScore" if known else "Registry_UnknownRule"):
        chain.call(verifier.functions.verify(claim, b""))


BY_RULE_OR_SCORE = [
    case for case in settlement_cases() if case.name.startswith(("rule ", "score ")) and "round 2" in case.name
]


@pytest.mark.slow
@pytest.mark.parametrize("case", BY_RULE_OR_SCORE, ids=lambda case: case.name)
def test_one_unit_more_or_less_of_any_figure_is_refused_by_every_rule_and_score(
    case: Any, chain: Chain, verifier: Contract
) -> None:
    claim = of_case(case)
    chain.call(verifier.functions.verify(claim, b""))
    errors = {
        "weights": "Settling_WrongWeight",
        "scores": "Settling_WrongScore",
        "payouts": "Settling_WrongPayout",
    }
    for field, error in errors.items():
        for index in range(len(case.stakes)):
            for step in (1, -1):
                values = list(claim[field])
                values[index] += step
                if values[index] < 0 and field != "scores":
                    continue
                with refused(error, index=index, posted=values[index], expected=values[index] - step):
                    chain.call(verifier.functions.verify(claim | {field: values}, b""))


def test_every_rule_and_score_has_such_a_round() -> None:
    assert {case.rules.rule for case in BY_RULE_OR_SCORE} == {rule.id for rule in SETTLING_RULES}
    assert {case.rules.score for case in BY_RULE_OR_SCORE} == {score.id for score in SETTLING_SCORES}


# -- extra rows, shares, memory ---------------------------------------------------------------------------------------


def test_a_reference_row_is_for_jobs_that_have_one(chain: Chain, verifier: Contract) -> None:
    rules = replace(FLAT, reference=True)
    claim = settled(rules, small_products(reference=True), [10**18] * 5)
    chain.call(verifier.functions.verify(claim, b""))
    with refused("Settling_UnexpectedReference"):
        chain.call(verifier.functions.verify(claim | {"referenceExpected": False}, b""))


def test_without_its_reference_a_jobs_budget_goes_by_the_floors_score(chain: Chain, verifier: Contract) -> None:
    """Whatever the job's score is, and whatever its floor."""
    rng = np.random.default_rng(1)
    common = rng.integers(-40, 41, 400)
    updates = [(common + rng.integers(-20, 21, 400)).astype(np.int8) for _ in range(5)]
    products = products_of_rows(Layout(5), updates, [], bits=8)
    terms = {"dimension": 400, "reference": True}
    stakes = [10**18] * 5
    found = [
        settled(replace(FLAT, score=score, floor_bps=floor, **terms), products, stakes)  # type: ignore[arg-type]
        for score, floor in (("shapley-reference", 0), ("shapley", 5_000), ("alignment", 10_000))
    ]
    for claim in found:
        chain.call(verifier.functions.verify(claim, b""))
    assert found[0]["payouts"] == found[1]["payouts"] == found[2]["payouts"]
    assert sum(found[0]["payouts"]) > 10**18 - 5
    with refused("Settling_WrongScore"):
        chain.call(verifier.functions.verify(found[1] | {"referenceExpected": False}, b""))


@pytest.mark.parametrize("rule", ["mean", "foolsgold"])
def test_running_sums_are_there_where_the_rule_reads_them(rule: str, chain: Chain, verifier: Contract) -> None:
    has = rule == "foolsgold"
    claim = small_claim(rule, small_products(history=has))
    chain.call(verifier.functions.verify(claim, b""))
    other = small_products(history=not has)
    changed = with_gram(claim, history=not has, gram=pack_products(other))
    with refused("Settling_WrongHistory", posted=not has, expected=has):
        chain.call(verifier.functions.verify(changed, b""))


def test_running_sums_follow_from_the_updates(chain: Chain, verifier: Contract) -> None:
    claim = small_claim("foolsgold", small_products(history=True))
    points = list(claim["gram"]["commitments"])
    for place in range(5, 10):
        changed = [*points[:place], (0, 0), *points[place + 1 :]]
        with refused("History_WrongPoint", index=place - 5):
            chain.call(verifier.functions.verify(with_gram(claim, commitments=changed), b""))


@pytest.mark.parametrize(("floor", "cap"), [(10_001, 0), (0, 1), (0, 9_999)])
def test_shares_out_of_range_are_refused_by_both(floor: int, cap: int, chain: Chain, verifier: Contract) -> None:
    with pytest.raises(OutOfRange):
        settled(replace(FLAT, floor_bps=floor, cap_bps=cap), small_products(), [10**18] * 5)
    with refused("Settling_InvalidShares", floorBps=floor, capBps=cap):
        chain.call(verifier.functions.verify(with_gram(small_claim(), floorBps=floor, capBps=cap), b""))


def test_memory_is_what_is_behind_the_digest(chain: Chain, verifier: Contract) -> None:
    rules = replace(FLAT, score="reputation")
    first = settled(rules, small_products(), [10**18] * 5)
    assert any(first["nextMemoryDigest"])
    for field, error in (
        ("memoryDigest", "Carried_WrongDigest"),
        ("nextMemoryDigest", "Registry_WrongMemory"),
    ):
        with refused(error):
            chain.call(verifier.functions.verify(first | {field: b"\7" * 32}, b""))
    for carried in (b"\0" * 12, b"\0\0\0\1"):
        with refused("Carried_WrongDigest"):
            chain.call(verifier.functions.verify(first | {"witness": first["witness"] | {"carried": carried}}, b""))


def test_a_proof_is_refused_as_none_is_looked_at(chain: Chain, verifier: Contract) -> None:
    with refused("Attested_UnexpectedProof", length=1):
        chain.call(verifier.functions.verify(small_claim(), b"\0"))


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("weights", "Settling_WrongWeight"),
        ("scores", "Settling_WrongScore"),
        ("payouts", "Settling_WrongPayout"),
    ],
)
@pytest.mark.parametrize("index", range(5))
def test_one_unit_less_is_refused_too(field: str, error: str, index: int, chain: Chain, verifier: Contract) -> None:
    claim = small_claim("mean")
    values = list(claim[field])
    values[index] -= 1
    with refused(error, index=index, posted=values[index], expected=values[index] + 1):
        chain.call(verifier.functions.verify(claim | {field: values}, b""))


def test_a_smaller_scale_exponent_is_refused_too(chain: Chain, verifier: Contract) -> None:
    claim = small_claim()
    exponent = claim["nextScaleExponent"]
    with refused("Settling_WrongScale", posted=exponent - 1, expected=exponent):
        chain.call(verifier.functions.verify(claim | {"nextScaleExponent": exponent - 1}, b""))


@pytest.mark.parametrize("field", ["weights", "scores", "payouts"])
@pytest.mark.parametrize("length", [0, 4, 6])
def test_lists_of_another_length_are_refused(field: str, length: int, chain: Chain, verifier: Contract) -> None:
    claim = small_claim()
    values = (claim[field] + [0])[:length]
    with refused("Settling_WrongLength", field=field, length=length, expected=5):
        chain.call(verifier.functions.verify(claim | {field: values}, b""))


@pytest.mark.parametrize("length", [0, 119, 121, 128])
def test_a_gram_matrix_of_another_length_is_refused(length: int, chain: Chain, verifier: Contract) -> None:
    claim = small_claim()
    packed = (claim["gram"]["gram"] + bytes(8))[:length]
    with refused("Gram_WrongLength", field="gram", length=length, expected=120):
        chain.call(verifier.functions.verify(with_gram(claim, gram=packed), b""))


IMPOSSIBLE: list[tuple[str, dict[tuple[int, int], int], str, dict[str, Any]]] = [
    ("negative norm", {(1, 1): -1}, "Gram_OutOfRange", {"i": 1, "j": 1, "value": -1}),
    ("norm above the bound", {(2, 2): 3 * 2**14 + 1}, "Gram_OutOfRange", {"i": 2, "j": 2, "value": 3 * 2**14 + 1}),
    ("least int64", {(0, 0): -(2**63)}, "Gram_OutOfRange", {"i": 0, "j": 0, "value": -(2**63)}),
    ("inner product above the norms", {(0, 2): 101}, "Gram_NotGram", {"i": 0, "j": 2}),
    ("inner product below minus the norms", {(0, 2): -101}, "Gram_NotGram", {"i": 0, "j": 2}),
    ("greatest inner product", {(1, 2): 2**63 - 1}, "Gram_NotGram", {"i": 1, "j": 2}),
    ("least inner product", {(1, 2): -(2**63)}, "Gram_NotGram", {"i": 1, "j": 2}),
    ("negative square of an extra row", {(3, 3): -1}, "Gram_OutOfRange", {"i": 3, "j": 3, "value": -1}),
    ("extra row too large", {(4, 4): 2**126 + 1}, "Gram_OutOfRange", {"i": 4, "j": 4, "value": 2**126 + 1}),
    ("greatest int128", {(4, 4): 2**127 - 1}, "Gram_OutOfRange", {"i": 4, "j": 4, "value": 2**127 - 1}),
    ("product with an update above both", {(1, 3): 101}, "Gram_NotGram", {"i": 1, "j": 3}),
    ("product with an update below both", {(1, 3): -101}, "Gram_NotGram", {"i": 1, "j": 3}),
    ("product of extra rows above both", {(3, 4): 101}, "Gram_NotGram", {"i": 3, "j": 4}),
    ("least int128", {(3, 4): -(2**127)}, "Gram_NotGram", {"i": 3, "j": 4}),
]


@pytest.mark.parametrize(
    ("changes", "error", "fields"), [row[1:] for row in IMPOSSIBLE], ids=[row[0] for row in IMPOSSIBLE]
)
def test_products_of_no_rows_are_refused_by_both(
    changes: dict[tuple[int, int], int], error: str, fields: dict[str, Any], chain: Chain, verifier: Contract
) -> None:
    layout = Layout(3, reference=True, previous=True)
    matrix = [[100 * (i == j) for j in range(5)] for i in range(5)]
    claim = settled(replace(FLAT, reference=True), _products(matrix, layout), [10**18] * 3)
    for (i, j), value in changes.items():
        matrix[i][j] = matrix[j][i] = value
    impossible = _products(matrix, layout)
    with pytest.raises(InvalidInput):
        check_products(impossible, dimension=3, bits=8)
    with refused(error, **fields):
        chain.call(verifier.functions.verify(with_gram(claim, gram=pack_products(impossible)), b""))


@pytest.mark.parametrize("square", [0, 100, 2**126])
def test_the_greatest_products_of_parallel_rows_pass(square: int, chain: Chain, verifier: Contract) -> None:
    signs = [1, 1, -1, 1, -1]
    roots = [10, 10, 10, 10, math.isqrt(square)]
    matrix = [[s * t * a * b for t, b in zip(signs, roots, strict=True)] for s, a in zip(signs, roots, strict=True)]
    layout = Layout(3, reference=True, previous=True)
    claim = settled(replace(FLAT, rule="mean", reference=True), _products(matrix, layout), [10**18] * 3)
    chain.call(verifier.functions.verify(claim, b""))


def test_multi_krum_of_two_updates_is_refused(chain: Chain, verifier: Contract) -> None:
    claim = small_claim("mean", _products([[100, 0], [0, 100]]))
    with refused("Nearest_TooFewUpdates", updates=2):
        chain.call(verifier.functions.verify(with_gram(claim, rule=word("multi-krum")), b""))


def gas_of(chain: Chain, verifier: Contract, rule: str, n: int, *, ascending: bool) -> int:
    """Return the gas of a transaction that verifies n updates at the largest f, the dearest there is."""
    rng = random.Random(n)
    positions = range(n) if ascending else [rng.randint(0, 10_000) for _ in range(n)]
    gram = _products([[a * b for b in positions] for a in positions])
    terms = RoundRules(rule, "shapley", (n - 3) // 2, 10**6, 16, 3, 10**18)
    claim = settled(terms, gram, [10**18] * n)
    return int(chain.send(verifier.functions.verify(claim, b""))["gasUsed"])


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "n"), list(GAS))
def test_gas_of_a_verification_is_as_recorded(rule: str, n: int, chain: Chain, verifier: Contract) -> None:
    gas = max(gas_of(chain, verifier, rule, n, ascending=ascending) for ascending in (True, False))
    assert gas == pytest.approx(GAS[rule, n], rel=0.02)
    assert gas < TRANSACTION_GAS_CAP - MARKET_GAS
