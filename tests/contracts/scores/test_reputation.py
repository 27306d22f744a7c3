"""The reputation score's contract answers as the Python core does, memory included, whatever it is given."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from aggregator.errors import InvalidInput
from aggregator.roster import MAX_ENTRIES
from aggregator.rules.base import WEIGHT_ONE
from aggregator.scores.reputation import Entry, Reputation, encode_reputations
from aggregator.similarity import SIMILARITY_ONE
from tests.contracts.harness import Chain
from tests.contracts.rules.machines import PyEvm
from tests.contracts.rules.matrices import Case, dearest, random_case, trainers
from tests.contracts.rules.questions import Question, assert_answered, code_of, encode_scored, score_call

SCORE = Reputation()


def asked(case: Case, weights: tuple[int, ...], memory: bytes) -> Question:
    call = score_call(case, weights, memory, b"")
    try:
        scored = SCORE.score(case.products, weights, trainers=case.trainers, memory=memory)
    except InvalidInput:
        return Question(call, None, case)
    return Question(call, encode_scored(scored.scores, scored.memory), (case, weights, memory))


def random_weights(rng: random.Random, n: int) -> tuple[int, ...]:
    masses = [rng.choice([0, 1, rng.randint(0, 10**6)]) for _ in range(n)]
    return tuple(WEIGHT_ONE * mass // max(sum(masses), 1) for mass in masses)


def random_memory(rng: random.Random, case: Case) -> bytes:
    strangers = [rng.randbytes(20) for _ in range(rng.choice([0, 1, 5, MAX_ENTRIES]))]
    addresses = [trainer for trainer in case.trainers if rng.random() < 0.7] + strangers
    if rng.random() < 0.2:
        addresses += addresses[:3]
    rng.shuffle(addresses)
    entries: list[Entry] = [
        (address, rng.choice([0, SIMILARITY_ONE, rng.randint(0, SIMILARITY_ONE)])) for address in addresses
    ]
    return rng.choice([b"", encode_reputations(entries), encode_reputations(entries), encode_reputations(entries)])


def questions(seed: int, count: int) -> Iterator[Question]:
    rng = random.Random(seed)
    for _ in range(count):
        case = random_case(rng, rng.choice([1, 2, 3, 5, 8]))
        yield asked(case, random_weights(rng, case.n), random_memory(rng, case))


def test_python_and_solidity_agree(machine: PyEvm) -> None:
    drawn = list(questions(1, 60))
    assert_answered(machine, code_of("reputation"), drawn)
    assert sum(question.expected is not None for question in drawn) > 40


@pytest.mark.slow
def test_the_largest_rounds_and_memories_agree(machine: PyEvm) -> None:
    rng = random.Random(2)
    case = random_case(rng, 64)
    for seen, absent in ((64, 64), (0, MAX_ENTRIES), (64, 0), (30, 98)):
        addresses = [rng.randbytes(20) for _ in range(absent)] + list(case.trainers[:seen])
        memory = encode_reputations([(address, rng.randint(0, SIMILARITY_ONE)) for address in addresses])
        assert_answered(machine, code_of("reputation"), [asked(case, (WEIGHT_ONE // 64,) * 64, memory)])


@pytest.mark.parametrize(
    "memory",
    [
        bytes(27),
        bytes(29),
        bytes(28 * (MAX_ENTRIES + 1)),
        bytes(20) + (SIMILARITY_ONE + 1).to_bytes(8, "big"),
        bytes(28) + b"\xff" * 28,
    ],
)
def test_a_memory_that_no_round_leaves_is_refused(machine: PyEvm, memory: bytes) -> None:
    case = next(dearest(3))
    question = asked(case, (1, 2, 3), memory)
    assert question.expected is None
    assert_answered(machine, code_of("reputation"), [question])


def test_every_trainer_must_be_named(machine: PyEvm) -> None:
    case = next(dearest(3))
    for count in (2, 4):
        named = Case(case.products, case.byzantine, case.stakes, trainers(count))
        question = asked(named, (1, 2, 3), b"")
        assert question.expected is None
        assert_answered(machine, code_of("reputation"), [question])


def test_rounds_one_after_the_other_carry_the_same_memory(machine: PyEvm) -> None:
    rng = random.Random(4)
    memory = b""
    for _ in range(12):
        case = random_case(rng, 5)
        present = tuple(rng.sample(trainers(9), 5))
        named = Case(case.products, case.byzantine, case.stakes, present)
        weights = (WEIGHT_ONE // 5,) * 5
        question = asked(named, weights, memory)
        assert_answered(machine, code_of("reputation"), [question])
        memory = SCORE.score(named.products, weights, trainers=present, memory=memory).memory
    assert len(memory) == 9 * 28


def test_contract_knows_its_id_and_its_rows(chain: Chain) -> None:
    contract = chain.deploy("Reputation")
    assert chain.call(contract.functions.id()).rstrip(b"\0") == b"reputation"
    assert not chain.call(contract.functions.needsReference())
