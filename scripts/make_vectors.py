"""Write the shared test vectors of ``tests/vectors``; ``--check`` proves that the committed files match the core.

Inputs come from a counter hashed with SHA-256, not from a random generator whose stream may change between releases:
the same files come out everywhere. Formats are described in ``tests/vectors/README.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aggregator.aggregate import aggregate_root, leaf_path  # noqa: E402
from aggregator.bn254 import GENERATOR, G2Point, R, compress, encode_point, unpack_points  # noqa: E402
from aggregator.commitments import commit, encode_blinding, linear_combination  # noqa: E402
from aggregator.errors import NonFiniteUpdate  # noqa: E402
from aggregator.fixedpoint import IntVector, Quantiser, entry_dtype  # noqa: E402
from aggregator.gram import GramMatrix, gram_matrix, pack_gram  # noqa: E402
from aggregator.settlement import RoundRules, settle  # noqa: E402
from aggregator.srs import development_srs  # noqa: E402
from scripts.proof_vectors import SRS_SIZE, openings, proofs  # noqa: E402

VECTORS = ROOT / "tests" / "vectors"
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


def _entries(values: Sequence[int], bits: int) -> IntVector:
    wide = np.array(values, dtype=np.int64)
    return wide.astype(np.int8) if entry_dtype(bits) == np.int8 else wide.astype(np.int16)


def _signs_gram(signs: Sequence[int], square: int) -> GramMatrix:
    return np.array([[a * b * square for b in signs] for a in signs], dtype=np.int64)


def _case(name: str, updates: Sequence[Sequence[int]], *, bits: int = 8, **terms: Any) -> Case:
    vectors = [_entries(update, bits) for update in updates]
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
    stakes = stakes or [ETHER] * len(gram)
    rules = RoundRules(rule, "shapley", byzantine, dimension, bits, headroom_bits, budget)
    outcome = settle(rules, gram, stakes, scale_exponent=scale_exponent)
    return {
        "name": name,
        "rule": rule,
        "score": "shapley",
        "byzantine": byzantine,
        "dimension": str(dimension),
        "bits": bits,
        "headroom_bits": headroom_bits,
        "scale_exponent": scale_exponent,
        "budget": str(budget),
        "stakes": [str(stake) for stake in stakes],
        "gram": pack_gram(gram).hex(),
        "accepted": list(outcome.accepted),
        "weights": list(outcome.weights),
        "scores": [str(score) for score in outcome.scores],
        "payouts": [str(payout) for payout in outcome.payouts],
        "next_scale_exponent": outcome.next_scale_exponent,
    }


_HALVES = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 0.50000006, 1.4999999, 1.5000001, 0.0, -0.0]
_SMALLEST, _LARGEST = 1e-45, 3.4028235e38


def quantiser_cases() -> Iterator[Case]:
    """Yield the cases of ``quantiser.json``."""
    yield _quantise("ties go to even", _HALVES, scale_exponent=0)
    yield _quantise("ties go to even at another scale", [value / 1024 for value in _HALVES], scale_exponent=-10)
    yield _quantise(
        "8 bits saturate at 127", [126.5, 127.0, 127.4, 127.5, 128.0, -127.4, -127.5, -1e30], scale_exponent=0
    )
    yield _quantise("16 bits saturate at 32767", [32767.4, 32767.5, 32768, -32768, -32767.4], bits=16, scale_exponent=0)
    yield _quantise("9 bits need int16", [255, 256, -255, -256, 127.5, -128.5], bits=9, scale_exponent=0)
    yield _quantise("4 bits saturate at 7", [7.4, 7.5, -7.4, -7.5, 3.5, 4.5, 6.5], bits=4, scale_exponent=0)
    ends = [_SMALLEST, -_SMALLEST, _LARGEST, -_LARGEST, 2.0**-64, 2.0**-65, 2.0**64, 2.0**71]
    for exponent in (-64, 0, 64):
        yield _quantise(f"ends of float32 at scale exponent {exponent}", ends, scale_exponent=exponent)
    values = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]
    yield _quantise(
        "tensors of their own scale", values, scale_exponent=-2, lengths=[3, 0, 3, 1], offsets=[0, 5, -3, 4]
    )
    yield _quantise("offsets at both ends", [1.0, 1.0], scale_exponent=64, lengths=[1, 1], offsets=[-64, 64])
    stream = Stream("quantiser")
    ordinary = [(stream.below(2001) - 1000) / 7000 for _ in range(64)]
    for bits in (4, 8, 12, 16):
        yield _quantise(f"64 values at {bits} bits", ordinary, bits=bits, scale_exponent=-(bits - 2))


def refused_cases() -> Iterator[Case]:
    """Yield updates that the quantiser refuses, with the entry it names."""
    for name, value in (("nan", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
        quantiser = Quantiser(bits=8, scale_exponent=0, lengths=(2, 3), offsets=(0, 1))
        update = np.array([1, 2, 3, value, value], dtype=np.float32)
        try:
            quantiser.quantise(update)
        except NonFiniteUpdate as error:
            yield {"name": name, **_terms(quantiser), "update": _float_hex(update), "entry": error.details["entry"]}


def apply_cases() -> Iterator[Case]:
    """Yield models, aggregates and the models of the next round."""
    stream = Stream("apply")
    plain = Quantiser(bits=8, scale_exponent=-9, lengths=(16,), offsets=(0,))
    model = np.array([(stream.below(2001) - 1000) / 700 for _ in range(16)], dtype=np.float32)
    aggregate = np.array([(stream.below(255) - 127) << 32 for _ in range(16)], dtype=np.int64)
    yield _apply("weights of sum 2^32", plain, model, aggregate, 1 << 32)
    yield _apply("weights rounded down", plain, model, aggregate + 12345, (1 << 32) - 5)
    yield _apply("nothing to apply", plain, model, np.zeros(16, dtype=np.int64), 1)
    tensors = Quantiser(bits=16, scale_exponent=-20, lengths=(2, 2), offsets=(3, -7))
    large = np.array([2**47, -(2**47), 2**47 - 1, 1], dtype=np.int64)
    yield _apply("tensors of their own scale", tensors, model[:4], large, 1 << 32)


def _quantise(
    name: str,
    values: Sequence[float],
    *,
    scale_exponent: int,
    bits: int = 8,
    lengths: Sequence[int] | None = None,
    offsets: Sequence[int] = (0,),
) -> Case:
    quantiser = Quantiser(bits, scale_exponent, tuple(lengths or [len(values)]), tuple(offsets))
    update = np.array(values, dtype=np.float32)
    result = quantiser.quantise(update)
    return {
        "name": name,
        **_terms(quantiser),
        "update": _float_hex(update),
        "entries": result.entries.tolist(),
        "saturated": result.saturated,
    }


def _apply(name: str, quantiser: Quantiser, model: Any, aggregate: Any, weight_sum: int) -> Case:
    return {
        "name": name,
        **_terms(quantiser),
        "model": _float_hex(model),
        "aggregate": [str(entry) for entry in aggregate.tolist()],
        "weight_sum": weight_sum,
        "result": _float_hex(quantiser.apply(model, aggregate, weight_sum)),
    }


def _terms(quantiser: Quantiser) -> Case:
    return {
        "bits": quantiser.bits,
        "scale_exponent": quantiser.scale_exponent,
        "lengths": list(quantiser.lengths),
        "offsets": list(quantiser.offsets),
    }


def _float_hex(values: Any) -> list[str]:
    digits = np.asarray(values, dtype=">f4").tobytes().hex()
    return [digits[i : i + 8] for i in range(0, len(digits), 8)]


def compressed_points() -> Iterator[Case]:
    """Yield points of the curve with their words."""
    for name, point in (
        ("generator", GENERATOR),
        ("its negative", linear_combination([GENERATOR], [-1])),
        ("infinity", None),
        *((f"multiple {k}", linear_combination([GENERATOR], [Stream(f"multiple/{k}").below(R)])) for k in range(4)),
    ):
        yield {"name": name, "point": encode_point(point).hex(), "compressed": compress(point).hex()}


def update_commitments() -> Iterator[Case]:
    """Yield commitments to updates under the development SRS of 16 powers."""
    for name, bits, entries in (
        ("8-bit update", 8, [0, 1, -1, 127, -127]),
        ("16-bit update", 16, [0, 1, -1, 258, -32767, 32767]),
        ("as long as the reference string", 4, [7, -7] * 8),
        ("zeros", 8, [0, 0, 0]),
    ):
        yield _commitment(name, _entries(entries, bits))


def aggregates() -> Iterator[Case]:
    """Yield aggregates with their commitments and roots."""
    yield from (
        _commitment(name, vector) | {"root": aggregate_root(vector).hex()}
        for name, vector in (
            ("aggregate", np.array([0, 1, -1, 2**40 + 258, -(2**47)], dtype=np.int64)),
            ("one entry", np.array([-7], dtype=np.int64)),
        )
    )


def trees() -> Iterator[Case]:
    """Yield aggregates that are too long to list: entry k is ``(k * 2654435761 mod 2**48) - 2**47``."""
    for length in (127, 128, 129, 385, 1025):
        vector = (np.arange(length, dtype=np.int64) * 2654435761) % 2**48 - 2**47
        leaf = (length - 1) // 128
        path = [node.hex() for node in leaf_path(vector, leaf)]
        yield {
            "name": f"{length} entries",
            "length": length,
            "root": aggregate_root(vector).hex(),
            "leaf": leaf,
            "path": path,
        }


def reference_strings() -> Iterator[Case]:
    """Yield development reference strings, all points uncompressed."""
    for size in (9, 16):
        srs = development_srs(size)
        yield {
            "name": f"{size} powers",
            "size": size,
            "digest": srs.key.digest.hex(),
            "powers_digest": srs.key.powers_digest.hex(),
            "powers": [encode_point(point).hex() for point in unpack_points(srs.powers)],
            "blinding": [encode_point(point).hex() for point in srs.key.blinding],
            "tau_g2": _g2_hex(srs.key.tau_g2),
            "tau2_g2": _g2_hex(srs.key.tau2_g2),
        }


def _commitment(name: str, entries: IntVector | npt.NDArray[np.int64]) -> Case:
    stream = Stream(f"commitment/{name}")
    blinding = stream.below(R), stream.below(R), stream.below(R)
    return {
        "name": name,
        "entries": [str(entry) for entry in entries.tolist()],
        "blinding": encode_blinding(blinding).hex(),
        "commitment": compress(commit(development_srs(16), entries, blinding)).hex(),
    }


def _g2_hex(point: G2Point) -> str:
    (x_real, x_imaginary), (y_real, y_imaginary) = point
    return "".join(f"{word:064x}" for word in (x_imaginary, x_real, y_imaginary, y_real))


FILES: dict[str, Callable[[], Case]] = {
    "settlement.json": lambda: {"cases": list(settlement_cases())},
    "quantiser.json": lambda: {
        "quantise": list(quantiser_cases()),
        "refused": list(refused_cases()),
        "apply": list(apply_cases()),
    },
    "commitments.json": lambda: {
        "points": list(compressed_points()),
        "updates": list(update_commitments()),
        "aggregates": list(aggregates()),
        "trees": list(trees()),
    },
    "srs.json": lambda: {"development": list(reference_strings())},
    "proofs.json": lambda: {"powers": SRS_SIZE, "cases": list(proofs())},
    "openings.json": lambda: {"powers": SRS_SIZE, "cases": list(openings())},
}


def texts() -> dict[str, str]:
    """Return the files' texts by name."""
    return {name: json.dumps(build(), indent=1) + "\n" for name, build in FILES.items()}


def main() -> None:
    """Write the files, or compare them with the core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    arguments = parser.parse_args()
    stale = [name for name, text in texts().items() if _read(VECTORS / name) != text]
    if arguments.check:
        sys.exit(f"out of date: {', '.join(stale)}; run scripts/make_vectors.py" if stale else 0)
    VECTORS.mkdir(exist_ok=True)
    for name in stale:
        (VECTORS / name).write_text(texts()[name])
        print(f"{name}: written")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    main()
