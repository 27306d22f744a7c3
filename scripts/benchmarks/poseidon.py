"""Poseidon as circomlib has it, in plain Python: the digests that a circuit's public outputs are compared with.

Grassi, Khovratovich, Rechberger, Roy, Schofnegger, "Poseidon: A New Hash Function for Zero-Knowledge Proof Systems",
USENIX Security 2021, with the constants of circomlib's ``poseidon_constants_old.circom``; the circuit uses an
equivalent, optimised form. 16 inputs a permutation (width 17, 8 full and 68 partial rounds).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
RATE = 16
_WIDTH, _FULL_ROUNDS, _PARTIAL_ROUNDS = RATE + 1, 8, 68
_WORD_BITS = 253


class Poseidon:
    """The permutation; ``constants`` is the text of circomlib's file."""

    def __init__(self, constants: str) -> None:
        rounds, matrix = (
            [int(word, 16) for word in re.findall(r"0x[0-9a-f]+", _branch(constants, name))]
            for name in ("POSEIDON_C", "POSEIDON_M")
        )
        self._constants = rounds
        self._rows = [matrix[start : start + _WIDTH] for start in range(0, _WIDTH * _WIDTH, _WIDTH)]

    def digest(self, entries: Sequence[int], bits: int) -> int:
        """Return the digest of signed entries: packed, shifted into the positive, hashed as ``bound.circom`` does."""
        per_word, shift = _WORD_BITS // bits, 1 << (bits - 1)
        words = [
            sum((entry + shift) << (bits * t) for t, entry in enumerate(entries[start : start + per_word]))
            for start in range(0, len(entries), per_word)
        ]
        state = 0
        for start in range(0, len(words), RATE):
            block = words[start : start + RATE]
            state = self._permute([state, *block, *[0] * (RATE - len(block))])
        return state

    def _permute(self, state: list[int]) -> int:
        for number in range(_FULL_ROUNDS + _PARTIAL_ROUNDS):
            keys = self._constants[number * _WIDTH : (number + 1) * _WIDTH]
            state = [(value + key) % R for value, key in zip(state, keys, strict=True)]
            full = not _FULL_ROUNDS // 2 <= number < _FULL_ROUNDS // 2 + _PARTIAL_ROUNDS
            state = [pow(value, 5, R) if full or i == 0 else value for i, value in enumerate(state)]
            state = [sum(map(int.__mul__, state, row)) % R for row in self._rows]
        return state[0]


def read_constants(circomlib: str) -> str:
    """Return the text of the constants in an installed circomlib."""
    return (Path(circomlib) / "poseidon_constants_old.circom").read_text()


def _branch(text: str, function: str) -> str:
    """Return what a function of the file returns for this width."""
    start = text.index(f"t == {_WIDTH}", text.index(f"function {function}("))
    end = text.find("else", start)
    return text[start : end if end >= 0 else len(text)]
