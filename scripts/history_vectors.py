"""Cases of ``history.json``: running sums over the rounds of a job, as commitments and as what is carried on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from aggregator.bn254 import GENERATOR, encode_point
from aggregator.carried import Carried
from aggregator.commitments import linear_combination
from aggregator.history import advance
from scripts.settlement_vectors import Stream

Case = dict[str, Any]


def history_cases() -> Iterator[Case]:
    """Yield jobs, each a list of rounds one after the other."""
    yield _job("the scale falls and rises", [(0, "ab"), (-2, "ab"), (-1, "ab"), (5, "ab")])
    yield _job("trainers come, go and come back", [(0, "abc"), (0, "ca"), (-1, "db"), (-3, "abcd")])
    yield _job("a sum starts again where its multiplier would exceed 2^30", [(0, "ab"), (-29, "a"), (-30, "ab")])
    yield _job("the ends of the scale", [(-64, "a"), (64, "a"), (35, "a"), (6, "a")])
    yield _job("a sum that cancels to nothing", [(0, "ab"), (0, "ab"), (0, "a")], opposite=1)
    crowd = "".join(map(chr, range(33, 97)))
    others = "".join(map(chr, range(161, 225)))
    yield _job("of more than 128 the longest absent are dropped", [(0, crowd), (0, others), (0, "xyz")])


def _job(name: str, rounds: Sequence[tuple[int, str]], opposite: int | None = None) -> Case:
    """Play rounds of (scale exponent, trainers); in round ``opposite`` each commits the opposite of its sum."""
    stream, carried, played = Stream(f"history/{name}"), b"", []
    sums: dict[bytes, int] = {}
    for number, (exponent, letters) in enumerate(rounds):
        trainers = [bytes([ord(letter)]) * 20 for letter in letters]
        factors = [-sums[trainer] if number == opposite else 1 + stream.below(2**40) for trainer in trainers]
        sums.update(zip(trainers, factors, strict=True))
        commitments = [linear_combination([GENERATOR], [factor]) for factor in factors]
        advanced = advance(carried, trainers, commitments, scale_exponent=exponent)
        carried = advanced.carried
        played.append(
            {
                "scale_exponent": exponent,
                "trainers": [trainer.hex() for trainer in trainers],
                "commitments": [encode_point(point).hex() for point in commitments],
                "sums": [encode_point(point).hex() for point in advanced.commitments],
                "carried": carried.hex(),
                "digest": Carried(history=carried).digest().hex(),
            }
        )
    return {"name": name, "rounds": played}
