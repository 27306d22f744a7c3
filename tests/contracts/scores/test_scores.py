"""Python and Solidity agree on every score that settles: a few matrices at once, a hundred thousand in a long run.

``GRAMERCY_MATRICES=100000 pytest tests/contracts/scores -m slow -k matrices`` is the long run; its default is short.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from aggregator.products import MAX_EXTRA_SQUARE, Layout, Products
from aggregator.roster import MAX_ENTRIES
from aggregator.rules import WEIGHT_ONE
from aggregator.running import ENTRY_BYTES, remember
from aggregator.scores import SCORES
from tests.contracts.harness import Chain
from tests.contracts.rules.machines import AnvilMachine, PyEvm
from tests.contracts.rules.matrices import UPDATE_SQUARE_MAX, Case, dearest, small_size, trainers
from tests.contracts.rules.questions import (
    Question,
    assert_answered,
    assert_never_wrong,
    code_of,
    contract_name,
    score_call,
    score_question,
    terms_of,
)
from tests.contracts.scores.rounds import random_weights, rounds_of_a_job, wrong_hints

RUNNING = ["alignment", "shapley-reference"]
SETTLING = [score.id for score in SCORES.values() if score.settles]
MATRICES = int(os.environ.get("GRAMERCY_MATRICES", "1000"))
_PORTION = 1_000
MAGNITUDE = 1 << 200


def extreme_case(n: int, signs: list[int], extra_square: int) -> Case:
    """Rows at the limits of what may be: every inner product as large as its squares allow."""
    layout = Layout(n, reference=True, previous=True)
    lengths = [UPDATE_SQUARE_MAX] * n + [extra_square] * 2
    root = {UPDATE_SQUARE_MAX: 1, extra_square: round((extra_square / UPDATE_SQUARE_MAX) ** 0.5)}
    factors = [sign * root[square] for sign, square in zip([*signs, 1, -1], lengths, strict=True)]
    matrix = [[a * b * UPDATE_SQUARE_MAX for b in factors] for a in factors]
    return Case(Products(layout, tuple(map(tuple, matrix))), 0, (1,) * n, trainers(n))


@pytest.mark.parametrize("score", SETTLING)
def test_contract_knows_its_id_and_its_rows(score: str, chain: Chain) -> None:
    name = contract_name(score)
    assert name is not None
    contract = chain.deploy(name)
    assert chain.call(contract.functions.id()).rstrip(b"\0").decode() == score
    assert chain.call(contract.functions.needsReference()) == SCORES[score].needs_reference


@pytest.mark.parametrize("score", SETTLING)
def test_python_and_solidity_agree(score: str, machine: PyEvm) -> None:
    rng = random.Random(f"few {score}")
    questions = [asked for n in range(1, 8) for asked in rounds_of_a_job(rng, SCORES[score], n)]
    assert_answered(machine, code_of(score), questions)
    assert sum(asked.expected is not None for asked in questions) > len(questions) // 2


@pytest.mark.parametrize("score", SETTLING)
def test_wrong_hints_change_no_score(score: str, machine: PyEvm) -> None:
    rng = random.Random(f"hints {score}")
    assert_never_wrong(machine, code_of(score), [wrong_hints(rng, SCORES[score], n) for n in range(1, 9)])


@pytest.mark.parametrize("score", SETTLING)
@pytest.mark.parametrize("n", [1, 2, 5, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("extra_square", [UPDATE_SQUARE_MAX, MAX_EXTRA_SQUARE])
def test_extremes_agree_and_stay_below_their_bound(score: str, n: int, extra_square: int, machine: PyEvm) -> None:
    for signs in ([1] * n, [1, -1] * (n // 2) + [1] * (n % 2)):
        case = extreme_case(n, signs, extra_square)
        for weights in ((WEIGHT_ONE // n,) * n, (WEIGHT_ONE, *[0] * (n - 1))):
            assert_answered(machine, code_of(score), [score_question(SCORES[score], case, weights, b"")])
            told = terms_of(case) | {"dimension": 1}
            scored = SCORES[score].score(case.products, weights, trainers=case.trainers, memory=b"", **told)
            assert all(abs(value) < MAGNITUDE for value in scored.scores)


@pytest.mark.parametrize("score", SETTLING)
def test_a_missing_reference_row_is_refused_where_it_is_needed(score: str, machine: PyEvm) -> None:
    rng = random.Random(1)
    case = next(iter(dearest(5)))
    asked = score_question(SCORES[score], case, random_weights(rng, case), b"")
    assert (asked.expected is None) == SCORES[score].needs_reference
    assert_answered(machine, code_of(score), [asked])


@pytest.mark.parametrize("score", SETTLING)
@pytest.mark.parametrize("count", [0, 4, 6])
def test_weights_of_another_number_are_refused(score: str, count: int, machine: PyEvm) -> None:
    case = next(iter(dearest(5, reference=True)))
    refused = Question(score_call(case, (1,) * count, b"", b""), None)
    assert_answered(machine, code_of(score), [refused])


@pytest.mark.parametrize("score", SETTLING)
def test_inner_products_of_another_length_are_refused(score: str, machine: PyEvm) -> None:
    case = next(iter(dearest(5, reference=True)))
    call = score_call(case, (1,) * 5, b"", b"")
    for place in (1, 2, 3):  # with a row less, or a row more, than the bytes hold
        start = 4 + 4 * 32 + place * 32
        flag = bytes(31) + bytes([1 - call[start + 31]])
        changed = call[:start] + flag + call[start + 32 :]
        assert_answered(machine, code_of(score), [Question(changed, None)])


@pytest.mark.parametrize("score", RUNNING)
@pytest.mark.parametrize("length", [1, ENTRY_BYTES - 1, ENTRY_BYTES + 1, ENTRY_BYTES * (MAX_ENTRIES + 1)])
def test_other_bytes_are_no_memory(score: str, length: int, machine: PyEvm) -> None:
    case = next(iter(dearest(5, reference=True)))
    weights = (WEIGHT_ONE // 5,) * 5
    hints = SCORES[score].hints(case.products, weights, trainers=case.trainers, memory=b"", **terms_of(case))
    assert_answered(machine, code_of(score), [Question(score_call(case, weights, bytes(length), hints), None)])


@pytest.mark.parametrize("score", RUNNING)
def test_any_entries_are_a_memory(score: str, machine: PyEvm) -> None:
    """Values of any size, an address twice, and as many absent trainers as there is room for."""
    rng = random.Random(f"memory {score}")
    for case in dearest(5, reference=True):
        addresses = [rng.choice([*case.trainers, rng.randbytes(20)]) for _ in range(rng.choice([3, 9, MAX_ENTRIES]))]
        values = [rng.choice([-(2**127), 2**127 - 1, rng.randint(-(2**64), 2**64)]) for _ in addresses]
        memory = b"".join(a + v.to_bytes(16, "big", signed=True) for a, v in zip(addresses, values, strict=True))
        asked = score_question(SCORES[score], case, (WEIGHT_ONE // 5,) * 5, memory)
        assert_answered(machine, code_of(score), [asked])


@pytest.mark.parametrize("score", [*RUNNING, "leave-one-out"])
def test_no_other_square_passes_for_the_median(score: str, machine: PyEvm) -> None:
    rows = [(1, 0), (2, 1), (3, 1), (4, 2), (1, 1)]
    matrix = tuple(tuple(a * c + b * d for c, d in rows) for a, b in rows)
    case = Case(Products(Layout(4, reference=True), matrix), 0, (1,) * 4, trainers(4))
    weights = (WEIGHT_ONE // 4,) * 4  # of 1, 5, 10 and 20 the lower median is 5
    right = score_question(SCORES[score], case, weights, b"")
    assert_answered(machine, code_of(score), [right])
    calls = [score_call(case, weights, b"", square.to_bytes(32, "big")) for square in (0, 1, 4, 6, 10, 20, 21)]
    assert_answered(machine, code_of(score), [Question(call, None) for call in calls])


def test_who_has_merits_but_no_weight_scores_nothing(machine: PyEvm) -> None:
    matrix = ((100, 100), (100, 200))
    case = Case(Products(Layout(2), matrix), 0, (1, 1), trainers(2))
    memory = remember(b"", case.trainers, [1 << 60, 1 << 60])
    asked = score_question(SCORES["alignment"], case, (WEIGHT_ONE, 0), memory)
    assert_answered(machine, code_of("alignment"), [asked])


@pytest.mark.parametrize("sign", [1, -1])
def test_values_beyond_all_bounds_saturate(sign: int, machine: PyEvm) -> None:
    """A row of no update: its product with the reference is far above what their lengths allow."""
    matrix = ((1, 0, sign << 122), (0, 1, 0), (sign << 122, 0, 1))
    case = Case(Products(Layout(2, reference=True), matrix), 0, (1, 1), trainers(2), dimension=1)
    asked = score_question(SCORES["shapley-reference"], case, (WEIGHT_ONE // 2,) * 2, b"")
    assert_answered(machine, code_of("shapley-reference"), [asked])


@pytest.mark.parametrize("score", RUNNING)
def test_a_round_needs_a_trainer_for_each_update(score: str, machine: PyEvm) -> None:
    case = next(iter(dearest(5, reference=True)))
    right = score_question(SCORES[score], case, (WEIGHT_ONE // 5,) * 5, b"")
    assert_answered(machine, code_of(score), [right])
    fewer = replace(case, trainers=case.trainers[:4])
    hints = SCORES[score].hints(case.products, (1,) * 5, trainers=case.trainers, memory=b"", **terms_of(case))
    assert_answered(machine, code_of(score), [Question(score_call(fewer, (1,) * 5, b"", hints), None)])


@pytest.mark.parametrize("score", SETTLING)
def test_matrices_by_the_thousand(score: str, anvil: AnvilMachine) -> None:
    rng = random.Random(f"matrices {score}")
    for start in range(0, MATRICES, _PORTION):
        count = min(_PORTION, MATRICES - start) // 3
        questions = [asked for _ in range(count) for asked in rounds_of_a_job(rng, SCORES[score], small_size(rng))]
        assert_answered(anvil, code_of(score), questions)
        wrong = [wrong_hints(rng, SCORES[score], small_size(rng)) for _ in range(count // 10)]
        assert_never_wrong(anvil, code_of(score), wrong)


@pytest.mark.parametrize("score", SETTLING)
def test_matrices_of_the_largest_rounds(score: str, anvil: AnvilMachine) -> None:
    rng = random.Random(f"largest {score}")
    sizes = (32, 63, 64, 64)
    assert_answered(anvil, code_of(score), [asked for n in sizes for asked in rounds_of_a_job(rng, SCORES[score], n)])
