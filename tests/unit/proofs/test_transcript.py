"""Transcripts: the order is forced, every message counts, forbidden challenges are refused."""

from __future__ import annotations

from typing import Any

import pytest
from eth_hash.auto import keccak

from aggregator.bn254 import GENERATOR, Point, R
from aggregator.errors import InvalidProof
from aggregator.proofs.transcript import GramTranscript, OpeningTranscript, Transcript

OTHER = (1, 21888242871839275222246405745257275088696311157297823662689037894645226208581)  # -GENERATOR


def test_the_state_is_what_the_protocol_says() -> None:
    transcript = Transcript("gramercy/gram/1")
    state = keccak(b"gramercy/gram/1")
    transcript.absorb("statement", b"abc")
    state = keccak(state + b"statement".ljust(32, b"\0") + (3).to_bytes(32, "big") + b"abc")
    assert transcript.state == state
    assert transcript.challenge("z") == keccak(state + b"z".ljust(32, b"\0"))


def test_lambdas_are_independent_words_of_128_bits() -> None:
    transcript = GramTranscript(b"s")
    lambdas = transcript.mask(GENERATOR, 5, 64)
    assert len(set(lambdas)) == 64
    assert all(0 <= value < 1 << 128 for value in lambdas)
    assert max(lambdas) >= 1 << 124
    assert GramTranscript(b"s").mask(GENERATOR, 5, 3) == lambdas[:3]


def gram_challenges(
    *,
    statement: bytes = b"s",
    mask: Point = GENERATOR,
    square: int = 1,
    s: Point = GENERATOR,
    values: tuple[int, int, int] = (2, 3, 4),
) -> list[int]:
    transcript = GramTranscript(statement)
    lambdas = transcript.mask(mask, square, 2)
    z = transcript.correlation(s)
    return [*lambdas, z, transcript.evaluations(*values)]


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"statement": b"t"}, 0),
        ({"mask": OTHER}, 0),
        ({"square": 2}, 0),
        ({"s": OTHER}, 2),
        ({"values": (5, 3, 4)}, 3),
        ({"values": (2, 5, 4)}, 3),
        ({"values": (2, 3, 5)}, 3),
    ],
)
def test_every_message_changes_every_later_challenge(change: dict[str, Any], first: int) -> None:
    honest, changed = gram_challenges(), gram_challenges(**change)
    assert honest[:first] == changed[:first]
    assert all(before != after for before, after in zip(honest[first:], changed[first:], strict=True))


def test_challenges_cannot_be_drawn_out_of_order() -> None:
    with pytest.raises(RuntimeError):
        GramTranscript(b"s").correlation(GENERATOR)
    with pytest.raises(RuntimeError):
        GramTranscript(b"s").evaluations(1, 2, 3)
    transcript = GramTranscript(b"s")
    transcript.mask(GENERATOR, 1, 1)
    with pytest.raises(RuntimeError):
        transcript.mask(GENERATOR, 1, 1)
    with pytest.raises(RuntimeError):
        OpeningTranscript(b"s").quotients(GENERATOR, GENERATOR)


@pytest.mark.parametrize("word", [0, R, 1, R - 1, R + 1])
def test_forbidden_evaluation_points_are_refused(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transcript, "challenge", lambda self, label: word.to_bytes(32, "big"))
    with pytest.raises(InvalidProof):
        Transcript("t").evaluation_point("z")


def test_a_zero_scalar_is_refused_and_others_are_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    for word, expected in ((R, None), (0, None), (R + 5, 5), (7, 7)):
        monkeypatch.setattr(Transcript, "challenge", lambda self, label, word=word: word.to_bytes(32, "big"))
        if expected is None:
            with pytest.raises(InvalidProof):
                Transcript("t").scalar("gamma")
        else:
            assert Transcript("t").scalar("gamma") == expected
