"""Ten thousand mutated settlements: Python accepts exactly what Solidity accepts, and some of them are accepted."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import pytest

from aggregator.bn254 import P, R
from tests.contracts.judge import judge
from tests.contracts.proven import Proven, proven, proven_with_all
from tests.contracts.tampering import GRAM_PROOF, unclaimed
from tests.contracts.wire import encode_call, python_accepts, selector, values_of

pytestmark = [pytest.mark.node, pytest.mark.slow]

CHAIN_ID = 31337
N, D = 7, 20
SEEDS, ROUNDS = 6, 3
MUTANTS, BLOCKS = 10_000, 10
WORD = 32

Mutation = Callable[[random.Random, list[Proven]], bytes]


def pool() -> list[Proven]:
    """Return honest settlements: several rounds, each proven with several seeds."""
    return [
        settle(N, D, CHAIN_ID, seed=bytes([seed]) * 32, number=1 + number)
        for number in range(ROUNDS)
        for seed in range(SEEDS)
        for settle in (proven, proven_with_all)
    ]


def arguments(settled: Proven, proof: bytes) -> bytes:
    return encode_call("verify", values_of("verify", settled.statement), proof)


def honest(rng: random.Random, settled: list[Proven]) -> bytes:
    """A proof with other randomness is as good."""
    one = rng.choice(settled)
    return arguments(one, one.proof)


def exchanged(rng: random.Random, settled: list[Proven]) -> bytes:
    """A proof of the same round is good, whatever its randomness; one of another round is not."""
    return arguments(rng.choice(settled), rng.choice(settled).proof)


def spliced(rng: random.Random, settled: list[Proven]) -> bytes:
    """Words of two good proofs of one round."""
    one = rng.choice(settled)
    other = rng.choice([two for two in settled if two.statement == one.statement])
    at = WORD * rng.randrange(len(GRAM_PROOF.words) + 1)
    return arguments(one, one.proof[:at] + other.proof[at:])


def flipped(rng: random.Random, settled: list[Proven]) -> bytes:
    """Some bits anywhere, or one bit twice, which is none."""
    one = rng.choice(settled)
    data, claimed = bytearray(arguments(one, one.proof)), claimed_bytes(one)
    for _ in range(rng.choice([1, 1, 2, 5])):
        data[rng.choice(claimed)] ^= 1 << rng.randrange(8)
    return bytes(data)


@cache
def claimed_bytes(settled: Proven) -> list[int]:
    """Return where calldata say something: Python reads padding, and no hints; Solidity the other way round."""
    left_out = unclaimed("verify", values_of("verify", settled.statement), settled.proof)
    return [at for at in range(len(arguments(settled, settled.proof))) if at not in left_out]


def overwritten(rng: random.Random, settled: list[Proven]) -> bytes:
    """A word of the calldata replaced by another one of it, or by a value at some edge."""
    one = rng.choice(settled)
    data = arguments(one, one.proof)
    words = [data[at : at + WORD] for at in range(0, len(data), WORD)]
    claimed = [at // WORD for at in claimed_bytes(one) if at % WORD == 0]
    edges = [0, 1, P, P - 1, R, R - 1, 2**256 - 1, 2**255, 2**64, 2**128]
    words[rng.choice(claimed)] = rng.choice([rng.choice(words), rng.choice(edges).to_bytes(WORD, "big")])
    return b"".join(words)


def encoded_otherwise(rng: random.Random, settled: list[Proven]) -> bytes:
    """The same field elements in words that are not canonical."""
    one = rng.choice(settled)
    word = rng.randrange(len(GRAM_PROOF.words))
    modulus = R if word in GRAM_PROOF.scalars else P
    at = WORD * word
    value = int.from_bytes(one.proof[at : at + WORD], "big") + modulus * rng.randrange(5)
    return arguments(one, one.proof[:at] + value.to_bytes(WORD, "big") + one.proof[at + WORD :])


def resized(rng: random.Random, settled: list[Proven]) -> bytes:
    """Bytes cut off, or appended, where nobody looks for them."""
    data = honest(rng, settled)
    return data + rng.randbytes(rng.randrange(65)) if rng.random() < 0.5 else data[: rng.randrange(len(data))]


MUTATIONS: tuple[Mutation, ...] = (honest, exchanged, spliced, flipped, overwritten, encoded_otherwise, resized)


@pytest.fixture(scope="module")
def settled() -> list[Proven]:
    return pool()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_python_and_solidity_agree(block: int, settled: list[Proven]) -> None:
    rng = random.Random(block)
    key = settled[0].key
    mutants = [rng.choice(MUTATIONS)(rng, settled) for _ in range(MUTANTS // BLOCKS)]
    with judge(key) as contract:
        solidity = list(contract.accepts(selector("verify"), mutants))
    python = [python_accepts(key, "verify", mutant) for mutant in mutants]
    disagreed = [mutant.hex() for mutant, mine, theirs in zip(mutants, python, solidity, strict=True) if mine != theirs]
    assert not disagreed
    print(f"{sum(python)} of {len(mutants)} accepted")
    assert len(mutants) // 10 < sum(python) < len(mutants) // 2
