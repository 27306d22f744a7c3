"""Write the shared test vectors of ``tests/vectors``; ``--check`` proves that the committed files match the core.

Inputs come from a counter hashed with SHA-256, not from a random generator whose stream may change between releases:
the same files come out everywhere. Formats are described in ``tests/vectors/README.md``.
"""

from __future__ import annotations

import argparse
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
from aggregator.fixedpoint import IntVector, Quantiser  # noqa: E402
from aggregator.srs import development_srs  # noqa: E402
from scripts.history_vectors import history_cases  # noqa: E402
from scripts.proof_vectors import SRS_SIZE, openings, proofs  # noqa: E402
from scripts.settlement_vectors import Stream, entries_of, settlement_cases  # noqa: E402

VECTORS = ROOT / "tests" / "vectors"
Case = dict[str, Any]
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
    yield _apply("multiples of 2^32", plain, model, aggregate)
    yield _apply("between multiples of 2^32", plain, model, aggregate + 12345)
    yield _apply("nothing to apply", plain, model, np.zeros(16, dtype=np.int64))
    tensors = Quantiser(bits=16, scale_exponent=-20, lengths=(2, 2), offsets=(3, -7))
    large = np.array([2**47, -(2**47), 2**47 - 1, 1], dtype=np.int64)
    yield _apply("tensors of their own scale", tensors, model[:4], large)


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


def _apply(name: str, quantiser: Quantiser, model: Any, aggregate: Any) -> Case:
    return {
        "name": name,
        **_terms(quantiser),
        "model": _float_hex(model),
        "aggregate": [str(entry) for entry in aggregate.tolist()],
        "result": _float_hex(quantiser.apply(model, aggregate)),
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
        yield _commitment(name, entries_of(entries, bits))


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
    "history.json": lambda: {"cases": list(history_cases())},
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
