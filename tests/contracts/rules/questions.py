"""Questions to rule and score contracts, and the answers that the Python core expects of them, to the byte.

How a rule's author uses it::

    def test_contract_agrees(machine):
        cases = random_cases(seed, 100, range(1, 12))
        assert_answered(machine, code_of(rule), [question(rule, case) for case in cases])
        assert_never_wrong(machine, code_of(rule), [q for case in cases for q in with_wrong_hints(rng, rule, case)])
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from web3 import Web3

from aggregator.errors import RuleNotApplicable
from aggregator.products import pack_products
from aggregator.rules import Decision, Rule
from aggregator.scores import Score
from scripts import compile_contracts
from tests.contracts.harness import artifact
from tests.contracts.rules.machines import Machine
from tests.contracts.rules.matrices import Case

_WORD = 32
_ROUND = "(uint256,bool,bool,bool,uint16,uint64,address[],uint128[],bytes)"
_DECIDE = Web3.keccak(text=f"decide({_ROUND},bytes,bytes)")[:4]
_SCORE = Web3.keccak(text=f"score({_ROUND},uint64[],bytes,bytes)")[:4]


@dataclass(frozen=True, slots=True)
class Question:
    """A call, and the output it must have; None where it must revert."""

    call: bytes
    expected: bytes | None
    about: object = None
    hint_bytes: int = 0


# -- contracts --------------------------------------------------------------------------------------------------------


def contract_name(contract_id: str) -> str | None:
    """Return the contract of a rule or score: the file whose name is the id without its signs, in any case."""
    wanted = "".join(character for character in contract_id if character.isalnum())
    names = compile_contracts.RULES_AND_SCORES.values()
    return next((name for name in names if name.lower() == wanted), None)


@cache
def code_of(contract_id: str) -> bytes:
    """Return the deployed code of a rule or score, from its artifact; it has no state, so any account may hold it."""
    name = contract_name(contract_id)
    if name is None:
        raise AssertionError(f"no file of contracts/rules or contracts/scores is named for {contract_id!r}")
    built = artifact(name)
    if built["immutables"]:
        raise AssertionError(f"{name} has immutables")
    return bytes.fromhex(built["deployedBytecode"][2:])


# -- rules ------------------------------------------------------------------------------------------------------------


def question(rule: Rule, case: Case) -> Question:
    """Ask a rule's contract about a round, with the hints of the core."""
    try:
        decision = decide(rule, case)
    except RuleNotApplicable:
        return Question(decide_call(case, b""), None, case)
    hints = hints_of(rule, case)
    return Question(decide_call(case, hints), encode_decision(decision), case, len(hints))


def decide(rule: Rule, case: Case) -> Decision:
    """Return the core's decision."""
    return rule.decide(case.products, case.byzantine, case.stakes, trainers=case.trainers, memory=case.memory)


def hints_of(rule: Rule, case: Case) -> bytes:
    """Return the core's hints."""
    return rule.hints(case.products, case.byzantine, case.stakes, trainers=case.trainers, memory=case.memory)


def with_wrong_hints(rng: random.Random, rule: Rule, case: Case, count: int = 8) -> list[Question]:
    """Ask about a round with ``count`` changed hints; ``expected`` stays the right answer."""
    try:
        decision = decide(rule, case)
    except RuleNotApplicable:
        return []
    right = hints_of(rule, case)
    expected = encode_decision(decision)
    wrong = (changed(rng, right) for _ in range(count))
    return [Question(decide_call(case, hints), expected, (case, hints)) for hints in wrong if hints != right]


def changed(rng: random.Random, hints: bytes) -> bytes:
    """Return hints with bits flipped, bytes or words permuted, cut short, drawn out, or drawn anew."""
    data = bytearray(hints)
    if not data:
        return rng.randbytes(_WORD)
    place = rng.randrange(len(data))
    word = place - place % _WORD
    kind = rng.randrange(10)
    if kind == 0:
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[place] = (data[place] + rng.choice([1, -1])) % 256
    elif kind == 2:
        other = rng.randrange(len(data))
        data[place], data[other] = data[other], data[place]
    elif kind == 3:
        other = rng.randrange(len(data) // _WORD) * _WORD
        data[word : word + _WORD], data[other : other + _WORD] = data[other : other + _WORD], data[word : word + _WORD]
    elif kind == 4:
        value = (int.from_bytes(data[word : word + _WORD], "big") + rng.choice([1, -1])) % (1 << 256)
        data[word : word + _WORD] = value.to_bytes(_WORD, "big")
    elif kind == 5:
        data = data[: rng.choice([0, place, len(data) - 1, max(0, len(data) - _WORD)])]
    elif kind == 6:
        data += rng.choice([bytes(1), bytes(_WORD), rng.randbytes(_WORD)])
    elif kind == 7:
        data[word : word + _WORD] = rng.choice([bytes(_WORD), b"\xff" * _WORD, rng.randbytes(_WORD)])
    elif kind == 8:
        rng.shuffle(data)
    else:
        data = bytearray(rng.randbytes(len(data)))
    return bytes(data)


def decide_call(case: Case, hints: bytes) -> bytes:
    """Return the calldata of ``IRule.decide``."""
    parts = [_round(case), _dynamic(case.memory), _dynamic(hints)]
    offsets = [3 * _WORD + sum(map(len, parts[:i])) for i in range(3)]
    return bytes(_DECIDE) + _words(*offsets) + b"".join(parts)


def encode_decision(decision: Decision) -> bytes:
    """Return a decision as ``IRule.decide`` returns it."""
    accepted = sum(1 << i for i, ok in enumerate(decision.accepted) if ok)
    weights = _list(decision.weights)
    return _words(accepted, 3 * _WORD, 3 * _WORD + len(weights)) + weights + _dynamic(decision.memory)


# -- scores -----------------------------------------------------------------------------------------------------------


def score_question(score: Score, case: Case, weights: Sequence[int], memory: bytes) -> Question:
    """Ask a score's contract about a round, with the hints of the core."""
    asked: dict[str, Any] = {"trainers": case.trainers, "memory": memory} | terms_of(case)
    try:
        scored = score.score(case.products, weights, **asked)
    except RuleNotApplicable:
        return Question(score_call(case, weights, memory, b""), None, case)
    hints = score.hints(case.products, weights, **asked)
    call = score_call(case, weights, memory, hints)
    return Question(call, encode_scored(scored.scores, scored.memory), (case, weights, memory), len(hints))


def terms_of(case: Case) -> dict[str, int]:
    """Return what a score is told of the job."""
    return {"dimension": case.dimension, "byzantine": case.byzantine}


def score_call(case: Case, weights: Sequence[int], memory: bytes, hints: bytes) -> bytes:
    """Return the calldata of ``IScore.score``."""
    parts = [_round(case), _list(weights), _dynamic(memory), _dynamic(hints)]
    offsets = [4 * _WORD + sum(map(len, parts[:i])) for i in range(4)]
    return bytes(_SCORE) + _words(*offsets) + b"".join(parts)


def encode_scored(scores: Sequence[int], memory: bytes) -> bytes:
    """Return scores and memory as ``IScore.score`` returns them."""
    listed = _list(scores)
    return _words(2 * _WORD, 2 * _WORD + len(listed)) + listed + _dynamic(memory)


# -- answers ----------------------------------------------------------------------------------------------------------


def assert_answered(machine: Machine, code: bytes, questions: Sequence[Question]) -> None:
    """Check that every answer is the expected one, and that what Python refuses reverts."""
    for asked, outcome in zip(questions, machine.run(code, [q.call for q in questions]), strict=True):
        answer = outcome.data if outcome.ok else None
        assert answer == asked.expected, _difference(asked, outcome.ok, outcome.data)


def assert_never_wrong(machine: Machine, code: bytes, questions: Sequence[Question]) -> int:
    """Check that every answer is a revert or the expected one; return how many reverted."""
    reverts = 0
    for asked, outcome in zip(questions, machine.run(code, [q.call for q in questions]), strict=True):
        assert not outcome.ok or outcome.data == asked.expected, _difference(asked, outcome.ok, outcome.data)
        reverts += not outcome.ok
    return reverts


def _difference(asked: Question, ok: bool, data: bytes) -> str:
    expected = "a revert" if asked.expected is None else "\n" + "\n".join(_shown(asked.expected))
    found = "\n" + "\n".join(_shown(data)) if ok else f"a revert with {data.hex()}"
    return f"{asked.about}\nexpected {expected}\nfound {found}"


def _shown(data: bytes) -> Iterator[str]:
    return (data[i : i + _WORD].hex() for i in range(0, len(data), _WORD))


# -- ABI --------------------------------------------------------------------------------------------------------------


def _round(case: Case) -> bytes:
    layout = case.products.layout
    parts = [_list([int.from_bytes(t, "big") for t in case.trainers]), _list(case.stakes)]
    parts.append(_dynamic(pack_products(case.products)))
    offsets = [9 * _WORD + sum(map(len, parts[:i])) for i in range(3)]
    flags = (layout.updates, layout.reference, layout.previous, layout.history, case.byzantine, case.dimension)
    return _words(*flags, *offsets) + b"".join(parts)


def _list(values: Sequence[int]) -> bytes:
    return _words(len(values), *values)


def _dynamic(data: bytes) -> bytes:
    return _words(len(data)) + data + bytes(-len(data) % _WORD)


def _words(*values: int) -> bytes:
    return b"".join((value % (1 << 256)).to_bytes(_WORD, "big") for value in values)
