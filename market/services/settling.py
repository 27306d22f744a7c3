"""A round's settlement: computed from opened updates, proven, checked, and kept until it is on chain."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.aggregate import aggregate_root
from aggregator.bn254 import Point
from aggregator.commitments import Blinding, combine_blindings
from aggregator.fixedpoint import IntVector
from aggregator.gram import WideVector, weighted_sum
from aggregator.products import pack_products
from aggregator.proofs import prove, verify
from aggregator.proofs.statement import Witness
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.randomness import SEED_BYTES
from aggregator.rows import products_of_rows
from aggregator.srs import Srs
from market.domain import REFERENCE_BIT, Address, Settlement
from market.services.report import Report, silent
from market.services.round_inputs import RoundInputs
from market.services.updates import OpenedUpdate, pack_aggregate
from market.storage.unixfs import compute_cid


@dataclass(frozen=True, slots=True)
class ExtraRows:
    """Vectors and blindings of the extra rows, None or empty for those that are not there."""

    reference: tuple[IntVector, Blinding] | None = None
    previous: tuple[npt.NDArray[np.int64], Blinding] | None = None
    history: tuple[tuple[npt.NDArray[np.int64], Blinding], ...] = ()

    @property
    def rows(self) -> tuple[tuple[WideVector | IntVector, Blinding], ...]:
        """The rows that are there, in the order of a statement."""
        singles = tuple(row for row in (self.reference, self.previous) if row is not None)
        return (*singles, *self.history)


NO_EXTRA_ROWS = ExtraRows()


@dataclass(frozen=True, slots=True)
class PreparedSettlement:
    """A settlement with its proof, ready to send, and the aggregate's file.

    The file is published once the settlement is on chain and to stay; see :mod:`market.services.publishing`.
    """

    settlement: Settlement
    proof: bytes
    aggregate: bytes

    def to_record(self) -> dict[str, Any]:
        """Return all but the file as JSON can hold it; integers beyond 2**53 are kept exactly."""
        fields = asdict(self.settlement)
        return {
            "settlement": _hex(fields) | {"witness": _hex(fields["witness"])},
            "proof": self.proof.hex(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], aggregate: bytes) -> PreparedSettlement:
        """Return what :meth:`to_record` described, with its file."""
        fields = _unhex(record["settlement"], Settlement.__annotations__)
        fields["history"] = tuple(map(tuple, fields["history"]))
        fields["witness"] = Witness(**_unhex(fields["witness"], Witness.__annotations__))
        return cls(Settlement(**fields), bytes.fromhex(record["proof"]), aggregate)


def prepare_settlement(
    inputs: RoundInputs,
    srs: Srs,
    opened: Sequence[OpenedUpdate],
    exclusions: Mapping[Address, str],
    aggregator: Address,
    extras: ExtraRows = NO_EXTRA_ROWS,
    report: Report = silent,
) -> PreparedSettlement:
    """Compute a round's outcome and aggregate, prove them for ``aggregator``, and check the proof as the contract will.

    Outcome and aggregate follow from the rows alone; the proof also from fresh secret randomness.

    Raises
    ------
    WrongShape
        If an extra row is missing that the round has.
    RuleNotApplicable
        If there are too few updates for the job's rule.
    InvalidProof
        If the own proof does not verify, which no input can bring about: nothing is sent then.

    """
    number = inputs.round_id.number
    updates, commits = [update.entries for update in opened], [update.commit for update in opened]
    reference, history = extras.reference is not None, bool(extras.history)
    layout = inputs.layout(len(updates), reference=reference, history=history)
    products = products_of_rows(layout, updates, [row for row, _ in extras.rows], bits=inputs.terms.bits)
    outcome = inputs.outcome(commits, products)
    aggregate = weighted_sum(updates, outcome.weights)
    blindings = [update.blinding for update in opened]
    notes = {"exclusions": json.dumps(dict(exclusions), sort_keys=True)}
    file = pack_aggregate(aggregate, combine_blindings(outcome.weights, blindings), notes)
    encoded = compute_cid(BytesIO(file))
    report("aggregated", {"round": number, "accepted": list(outcome.accepted), "cid": str(encoded.cid)})

    sums = inputs.advanced(commits) if history else None
    points = () if sums is None else sums.commitments
    memory = outcome.memory if sums is None else replace(outcome.memory, history=sums.carried)
    statement = inputs.gram_statement(commits, pack_products(products), aggregator, reference=reference, history=points)
    started = time.monotonic()
    proof = prove(
        srs,
        statement,
        [*updates, *(row for row, _ in extras.rows)],
        [*blindings, *(blinding for _, blinding in extras.rows)],
        seed=secrets.token_bytes(SEED_BYTES),
    )
    settlement = Settlement(
        included=sum(1 << commit.index for commit in commits) | reference << REFERENCE_BIT,
        commitment_ys=tuple(map(_ordinate, statement.commitments[: layout.total - len(points)])),
        history=tuple(point or (0, 0) for point in points),
        gram=statement.gram,
        weights=outcome.weights,
        scores=outcome.scores,
        payouts=outcome.payouts,
        next_scale_exponent=outcome.next_scale_exponent,
        next_memory_digest=memory.digest(),
        aggregate_commitment=aggregate_commitment(statement, outcome.weights),
        aggregate_root=aggregate_root(aggregate),
        aggregate_cid=encoded.cid.to_bytes(),
        aggregate_bytes=len(file),
        witness=Witness(inputs.carried.encode(), outcome.rule_hints, outcome.score_hints, outcome.floor_hints),
    )
    proven = time.monotonic()
    verify(srs.key, inputs.statement(commits, settlement, aggregator), proof)
    report(
        "proven",
        {
            "round": number,
            "proof_bytes": len(proof),
            "prove_seconds": round(proven - started, 3),
            "verify_seconds": round(time.monotonic() - proven, 3),
        },
    )
    return PreparedSettlement(settlement, proof, file)


def _ordinate(point: Point) -> int:
    return 0 if point is None else point[1]


def _hex(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}


def _unhex(fields: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if kinds[name] == "bytes":
            found[name] = bytes.fromhex(value)
        else:
            found[name] = tuple(value) if isinstance(value, list) else value
    return found
