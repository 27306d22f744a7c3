"""Vectors of proofs: statements, what they are proven from, every challenge on the way, the bytes that come out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.bn254 import R, encode_point
from aggregator.commitments import Blinding, RoundId, commit, encode_blinding
from aggregator.fixedpoint import IntVector, entry_dtype
from aggregator.products import Layout, pack_products
from aggregator.proofs import GramStatement, open_chunk, prove
from aggregator.proofs.gram_proof import GramProof, canonical_scalar, curve_point
from aggregator.proofs.transcript import GramTranscript, OpeningTranscript
from aggregator.rows import products_of_rows
from aggregator.settlement import RoundRules
from aggregator.srs import development_srs

Case = dict[str, Any]
SRS_SIZE = 32
_ROUND = RoundId(chain_id=31337, market=bytes(range(1, 21)), job_id=2**80 + 5, number=7)


def proofs() -> Iterator[Case]:
    """Yield the cases of ``proofs.json``."""
    yield _proof("three updates of five entries", n=3, d=5, bits=8)
    yield _proof("one update of one entry", n=1, d=1, bits=4)
    yield _proof("as many entries as there is room for, 16 bits", n=4, d=SRS_SIZE - 8, bits=16)
    yield _proof("zeros", n=2, d=3, bits=8, limit=0)
    yield _proof("a reference row", n=3, d=5, bits=8, extras=("reference",))
    yield _proof("the previous aggregate", n=3, d=5, bits=8, extras=("previous",))
    yield _proof("running sums", n=3, d=5, bits=8, extras=("history",))
    yield _proof("every extra row", n=2, d=SRS_SIZE - 8, bits=16, extras=("reference", "previous", "history"))


def openings() -> Iterator[Case]:
    """Yield the cases of ``openings.json``."""
    aggregate = np.array([5, -3, 2**46, 0, 0, -(2**40), 1, 9, -1], dtype=np.int64)
    for name, start, count in (
        ("the whole vector", 0, 9),
        ("the first entry", 0, 1),
        ("the last entry", 8, 1),
        ("a chunk in the middle", 2, 4),
        ("beyond the end", 7, 4),
        ("the last power", SRS_SIZE - 1, 1),
    ):
        yield _opening(name, aggregate, start, count)
    yield _opening("the zero vector, unblinded: every point is infinity", np.zeros(3, dtype=np.int64), 0, 3, (0, 0, 0))


def _proof(name: str, *, n: int, d: int, bits: int, limit: int | None = None, extras: Sequence[str] = ()) -> Case:
    draw = _Draw(f"proof/{name}")
    largest = (1 << (bits - 1)) - 1 if limit is None else limit
    layout = Layout(n, **dict.fromkeys(extras, True))
    updates = [_update([draw.below(2 * largest + 1) - largest for _ in range(d)], bits) for _ in range(n)]
    rows: list[IntVector | npt.NDArray[np.int64]] = [*updates]
    if layout.reference:
        rows.append(_update([draw.below(2 * largest + 1) - largest for _ in range(d)], bits))
    for _ in range(layout.total - len(rows)):
        rows.append(np.array([draw.below(largest << 33) - (largest << 32) for _ in range(d)], dtype=np.int64))
    blindings = [draw.blinding() for _ in rows]
    srs = development_srs(SRS_SIZE)
    statement = GramStatement(
        round_id=_ROUND,
        aggregator=draw.below(1 << 160).to_bytes(20, "big"),
        rules=RoundRules("multi-krum", "shapley", 1, d, bits, bits - 3, 10**18 + 1, layout.reference, 5_000, 30_000),
        scale_exponent=-9,
        trainers=tuple(draw.below(1 << 160).to_bytes(20, "big") for _ in range(n)),
        stakes=tuple(draw.below(1 << 128) for _ in range(n)),
        commitments=tuple(commit(srs, u, h) for u, h in zip(rows, blindings, strict=True)),
        gram=pack_products(products_of_rows(layout, updates, rows[n:], bits=bits)),
        reference=layout.reference,
        previous=layout.previous,
        history=layout.history,
    )
    seed = draw.below(1 << 256).to_bytes(32, "big")
    proof = prove(srs, statement, rows, blindings, seed=seed)
    return {
        "name": name,
        **_round(),
        "aggregator": statement.aggregator.hex(),
        "rule": statement.rules.rule,
        "score": statement.rules.score,
        "byzantine": statement.rules.byzantine,
        "dimension": d,
        "bits": bits,
        "headroom_bits": statement.rules.headroom_bits,
        "scale_exponent": statement.scale_exponent,
        "budget": str(statement.rules.budget),
        "job_reference": statement.rules.reference,
        "floor_bps": statement.rules.floor_bps,
        "cap_bps": statement.rules.cap_bps,
        "reference": statement.reference,
        "previous": statement.previous,
        "history": statement.history,
        "trainers": [trainer.hex() for trainer in statement.trainers],
        "stakes": [str(stake) for stake in statement.stakes],
        "rows": [[str(entry) for entry in row.tolist()] for row in rows],
        "blindings": [encode_blinding(blinding).hex() for blinding in blindings],
        "seed": seed.hex(),
        "commitments": [encode_point(point).hex() for point in statement.commitments],
        "gram": statement.gram.hex(),
        "message": statement.encode(srs.key.digest).hex(),
        **_gram_challenges(statement.encode(srs.key.digest), proof, layout.total),
        "proof": proof.hex(),
    }


def _gram_challenges(message: bytes, proof: bytes, rows: int) -> Case:
    sent = GramProof.decode(proof)
    transcript = GramTranscript(message)
    state = transcript.statement_state
    lambdas = transcript.mask(sent.mask, sent.mask_square, rows)
    z = transcript.correlation(sent.correlation)
    gamma = transcript.evaluations(sent.at_z, sent.at_inverse, sent.correlation_at_z)
    return {
        "state": state.hex(),
        "lambdas": [str(factor) for factor in lambdas],
        "z": str(z),
        "gamma": str(gamma),
    }


def _opening(
    name: str, vector: npt.NDArray[np.int64], start: int, count: int, blinding: Blinding | None = None
) -> Case:
    blinding = _Draw(f"opening/{name}").blinding() if blinding is None else blinding
    srs = development_srs(SRS_SIZE)
    statement, proof = open_chunk(srs, _ROUND, vector, blinding, start=start, count=count)
    message = statement.encode(srs.key.digest)
    transcript = OpeningTranscript(message)
    z = transcript.cross(curve_point(proof, 0), curve_point(proof, 2))
    vector_at_z, positive_at_z, blinding_at_z = (canonical_scalar(proof, word) for word in (4, 5, 6))
    gamma = transcript.evaluations(vector_at_z, positive_at_z, blinding_at_z)
    delta = transcript.quotients(curve_point(proof, 7), curve_point(proof, 9))
    return {
        "name": name,
        **_round(),
        "entries": [str(entry) for entry in vector.tolist()],
        "blinding": encode_blinding(blinding).hex(),
        "commitment": encode_point(statement.commitment).hex(),
        "start": start,
        "values": [str(value) for value in statement.values],
        "message": message.hex(),
        "rho": str(transcript.rho),
        "z": str(z),
        "gamma": str(gamma),
        "delta": str(delta),
        "proof": proof.hex(),
    }


def _update(entries: list[int], bits: int) -> IntVector:
    wide = np.array(entries, dtype=np.int64)
    return wide.astype(np.int8) if entry_dtype(bits) == np.int8 else wide.astype(np.int16)


def _round() -> Case:
    return {
        "chain_id": str(_ROUND.chain_id),
        "market": _ROUND.market.hex(),
        "job_id": str(_ROUND.job_id),
        "round": _ROUND.number,
    }


class _Draw:
    """Integers that follow from a name alone."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def below(self, limit: int) -> int:
        self._count += 1
        return int.from_bytes(hashlib.sha512(f"{self._name}/{self._count}".encode()).digest(), "big") % limit

    def blinding(self) -> Blinding:
        return self.below(R), self.below(R), self.below(R)
