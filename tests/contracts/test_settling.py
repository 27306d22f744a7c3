"""What follows from a Gram matrix, checked on chain: as the Python core says, and the rest refused by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from web3.contract import Contract

from aggregator.errors import InvalidInput
from aggregator.gram import GramMatrix, check_dimension, check_gram, gram_matrix, pack_gram
from aggregator.rules import RULES
from aggregator.scores import SHAPLEY
from aggregator.settlement import RoundRules, settle
from tests.contracts.harness import TRANSACTION_GAS_CAP, Chain, Reverted, refused
from tests.contracts.statements import Statement, statement, with_gram

MARKET_GAS = 3_000_000
"""What Market.settleRound itself may need on top of the verification, at 64 trainers."""

GAS = {
    ("mean", 8): 114_000,
    ("mean", 16): 266_000,
    ("mean", 32): 691_000,
    ("mean", 64): 2_676_000,
    ("multi-krum", 8): 142_000,
    ("multi-krum", 16): 405_000,
    ("multi-krum", 32): 1_435_000,
    ("multi-krum", 64): 5_823_000,
}
"""Gas of a transaction to the verifier alone, by rule and number of updates; f as large as it may be, and the dearer
of two orders of distances."""

UINT128_MAX = 2**128 - 1
QUICK, SLOW, LARGE = 40, 280, 6


def random_terms(rng: random.Random, rule: str, n: int) -> RoundRules:
    bits = rng.randint(4, 16)
    largest = (1 << (63 - 2 * bits)) - 1
    dimension = rng.choice([1, rng.randint(1, 1000), rng.randint(1, largest), largest])
    check_dimension(dimension, bits)
    return RoundRules(
        rule=rule,
        score=SHAPLEY,
        byzantine=rng.choice([0, (n - 3) // 2, n, rng.randint(0, n)]),
        dimension=dimension,
        bits=bits,
        headroom_bits=rng.randint(0, bits - 3),
        budget=rng.choice([1, n - 1, rng.randint(1, 10**20), UINT128_MAX]),
    )


def of_updates(rng: random.Random, n: int, bits: int, dimension: int) -> GramMatrix:
    """Return the Gram matrix of a few integer columns, each of which stands for a share of all coordinates."""
    limit = (1 << (bits - 1)) - 1
    columns = rng.randint(1, min(4, dimension))
    entries = [[rng.choice([-limit, 0, limit, rng.randint(-limit, limit)]) for _ in range(columns)] for _ in range(n)]
    for i in range(n):
        if rng.random() < 0.4:  # a copy, or the opposite, of another update: equal scores
            entries[i] = [rng.choice([1, -1]) * entry for entry in entries[rng.randrange(n)]]
    shares = [dimension // columns] * columns
    gram = [[sum(s * a * b for s, a, b in zip(shares, u, v, strict=True)) for v in entries] for u in entries]
    return np.array(gram, dtype=np.int64)


def of_nothing(rng: random.Random, n: int, bits: int, dimension: int) -> GramMatrix:
    """Return a symmetric matrix at the limits of what the checks let through, of no updates in general."""
    bound = dimension << (2 * bits - 2)
    norms = [rng.choice([0, bound, rng.randint(0, bound)]) for _ in range(n)]
    gram = np.zeros((n, n), dtype=np.int64)
    for i in range(n):
        gram[i, i] = norms[i]
        for j in range(i):
            largest = (norms[i] + norms[j]) // 2
            gram[i, j] = gram[j, i] = rng.choice([-largest, 0, largest, rng.randint(-largest, largest)])
    return gram


def random_stakes(rng: random.Random, n: int) -> list[int]:
    return [rng.choice([1, 10**18, UINT128_MAX, rng.randint(1, 10**21)]) for _ in range(n)]


def random_claim(seed: int, n: int | None = None) -> Statement:
    rng = random.Random(seed)
    rule = sorted(RULES)[seed % 2]
    n = n or rng.randint(3, 9)
    terms = random_terms(rng, rule, n)
    build: Callable[..., GramMatrix] = rng.choice([of_updates, of_nothing])
    gram = build(rng, n, terms.bits, terms.dimension)
    stakes = [10**18] * n if rng.random() < 0.5 else random_stakes(rng, n)
    exponent = rng.choice([-64, -63, 63, 64, rng.randint(-64, 64)])
    outcome = settle(terms, gram, stakes, scale_exponent=exponent)
    return statement(terms, gram, stakes, scale_exponent=exponent, outcome=outcome)


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


def small_claim(rule: str = "multi-krum", gram: GramMatrix | None = None) -> Statement:
    updates = [np.array([i, 2, -i], dtype=np.int8) for i in range(5)]
    gram = gram_matrix(updates, bits=8) if gram is None else gram
    terms = RoundRules(rule, SHAPLEY, 1, 3, 8, 3, 10**18)
    stakes = [10**18] * len(gram)
    outcome = settle(terms, gram, stakes, scale_exponent=0)
    return statement(terms, gram, stakes, scale_exponent=0, outcome=outcome)


def test_ids_of_rules_and_score_are_those_of_the_core(chain: Chain, verifier: Contract) -> None:
    for rule in RULES:
        assert chain.call(verifier.functions.supportsJob(_word(rule), _word(SHAPLEY), 1))


@pytest.mark.parametrize(("rule", "score"), [("median", SHAPLEY), ("mean", "cosine"), ("mean ", SHAPLEY), ("", "")])
def test_other_rules_and_scores_are_refused(rule: str, score: str, chain: Chain, verifier: Contract) -> None:
    assert not chain.call(verifier.functions.supportsJob(_word(rule), _word(score), 1))
    claim = with_gram(small_claim(), rule=_word(rule), score=_word(score))
    with refused("Settling_Unsupported", rule=_word(rule), score=_word(score)):
        chain.call(verifier.functions.verify(claim, b""))


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
]


@pytest.mark.parametrize(
    ("changes", "error", "fields"), [row[1:] for row in IMPOSSIBLE], ids=[row[0] for row in IMPOSSIBLE]
)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_matrices_of_no_updates_are_refused_by_both(
    rule: str,
    changes: dict[tuple[int, int], int],
    error: str,
    fields: dict[str, Any],
    chain: Chain,
    verifier: Contract,
) -> None:
    gram = np.diag(np.full(3, 100, dtype=np.int64))
    claim = small_claim(rule, gram)
    for (i, j), value in changes.items():
        gram[i, j] = gram[j, i] = value
    with pytest.raises(InvalidInput):
        check_gram(gram, dimension=3, bits=8)
    with refused(error, **fields):
        chain.call(verifier.functions.verify(with_gram(claim, gram=pack_gram(gram)), b""))


def test_the_greatest_inner_products_of_equal_and_opposite_updates_pass(chain: Chain, verifier: Contract) -> None:
    gram = np.array([[100, 100, -100], [100, 100, -100], [-100, -100, 100]], dtype=np.int64)
    chain.call(verifier.functions.verify(small_claim("mean", gram), b""))


def test_multi_krum_of_two_updates_is_refused(chain: Chain, verifier: Contract) -> None:
    claim = small_claim("mean", np.diag(np.full(2, 100, dtype=np.int64)))
    with refused("MultiKrum_TooFewUpdates", updates=2):
        chain.call(verifier.functions.verify(with_gram(claim, rule=_word("multi-krum")), b""))


def gas_of(chain: Chain, verifier: Contract, rule: str, n: int, *, ascending: bool) -> int:
    """Return the gas of a transaction that verifies n updates at the largest f, the dearest there is."""
    rng = random.Random(n)
    positions = range(n) if ascending else [rng.randint(0, 10_000) for _ in range(n)]
    gram = np.array([[a * b for b in positions] for a in positions], dtype=np.int64)
    terms = RoundRules(rule, SHAPLEY, (n - 3) // 2, 10**6, 16, 3, 10**18)
    outcome = settle(terms, gram, [10**18] * n, scale_exponent=0)
    claim = statement(terms, gram, [10**18] * n, scale_exponent=0, outcome=outcome)
    return int(chain.send(verifier.functions.verify(claim, b""))["gasUsed"])


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "n"), list(GAS))
def test_gas_of_a_verification_is_as_recorded(rule: str, n: int, chain: Chain, verifier: Contract) -> None:
    gas = max(gas_of(chain, verifier, rule, n, ascending=ascending) for ascending in (True, False))
    assert gas == pytest.approx(GAS[rule, n], rel=0.02)
    assert gas < TRANSACTION_GAS_CAP - MARKET_GAS


def _word(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")
