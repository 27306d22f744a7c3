"""A round's settlement: computed from opened updates, proven, checked, and kept until it is on chain."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

from aggregator import settlement as core
from aggregator.aggregate import aggregate_root
from aggregator.bn254 import Point, decompress
from aggregator.commitments import RoundId, combine_blindings
from aggregator.gram import gram_matrix, pack_gram, weighted_sum
from aggregator.proofs import GramStatement, Statement, prove, verify
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.randomness import SEED_BYTES
from aggregator.srs import Srs
from market.domain import Address, JobTerms, Settlement, UpdateCommitted
from market.services.report import Report, silent
from market.services.updates import OpenedUpdate, pack_aggregate
from market.storage.unixfs import compute_cid


@dataclass(frozen=True, slots=True)
class RoundInputs:
    """What the chain says of a round that is to be settled: the same for whoever settles or checks it."""

    round_id: RoundId
    terms: JobTerms
    scale_exponent: int
    stakes: Mapping[Address, int]

    def gram_statement(self, commits: Sequence[UpdateCommitted], gram: bytes) -> GramStatement:
        """Return the statement of the Gram argument about the included commitments.

        Raises
        ------
        InvalidPoint
            If a recorded commitment is not a compressed point.

        """
        return GramStatement(
            round_id=self.round_id,
            rules=self.terms.round_rules,
            scale_exponent=self.scale_exponent,
            trainers=tuple(bytes.fromhex(commit.trainer[2:]) for commit in commits),
            stakes=tuple(self.stakes[commit.trainer] for commit in commits),
            commitments=tuple(decompress(commit.commitment) for commit in commits),
            gram=gram,
        )

    def statement(self, commits: Sequence[UpdateCommitted], posted: Settlement) -> Statement:
        """Return the whole statement of a posted settlement; errors as for :meth:`gram_statement`."""
        return Statement(
            gram=self.gram_statement(commits, posted.gram),
            weights=posted.weights,
            scores=posted.scores,
            payouts=posted.payouts,
            aggregate_commitment=posted.aggregate_commitment,
            next_scale_exponent=posted.next_scale_exponent,
        )


@dataclass(frozen=True, slots=True)
class PreparedSettlement:
    """A settlement with its proof, ready to send, and the aggregate's file, to be published once it is on chain.

    Not before: two aggregators may prepare one round with different trainers included, and the difference of two
    published aggregates can be a single trainer's update.
    """

    settlement: Settlement
    proof: bytes
    aggregate: bytes

    def to_record(self) -> dict[str, Any]:
        """Return all but the file as JSON can hold it; integers beyond 2**53 are kept exactly."""
        fields = {
            name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(self.settlement).items()
        }
        return {"settlement": fields, "proof": self.proof.hex()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], aggregate: bytes) -> PreparedSettlement:
        """Return what :meth:`to_record` described, with its file."""
        kinds = Settlement.__annotations__
        fields: dict[str, Any] = {}
        for name, value in record["settlement"].items():
            if kinds[name] == "bytes":
                fields[name] = bytes.fromhex(value)
            else:
                fields[name] = tuple(value) if isinstance(value, list) else value
        return cls(Settlement(**fields), bytes.fromhex(record["proof"]), aggregate)


def prepare_settlement(
    inputs: RoundInputs,
    srs: Srs,
    opened: Sequence[OpenedUpdate],
    exclusions: Mapping[Address, str],
    report: Report = silent,
) -> PreparedSettlement:
    """Compute a round's outcome and aggregate, prove them, and check the proof as the contract will.

    Outcome and aggregate follow from the updates alone; the proof also from fresh secret randomness.

    Raises
    ------
    RuleNotApplicable
        If there are too few updates for the job's rule.
    InvalidProof
        If the own proof does not verify, which no input can bring about: nothing is sent then.

    """
    terms, number = inputs.terms, inputs.round_id.number
    updates, commits = [update.entries for update in opened], [update.commit for update in opened]
    gram = gram_matrix(updates, bits=terms.bits)
    stakes = [inputs.stakes[commit.trainer] for commit in commits]
    outcome = core.settle(terms.round_rules, gram, stakes, scale_exponent=inputs.scale_exponent)
    aggregate = weighted_sum(updates, outcome.weights)
    blindings = [update.blinding for update in opened]
    notes = {"exclusions": json.dumps(dict(exclusions), sort_keys=True)}
    file = pack_aggregate(aggregate, combine_blindings(outcome.weights, blindings), notes)
    encoded = compute_cid(BytesIO(file))
    report("aggregated", {"round": number, "accepted": list(outcome.accepted), "cid": str(encoded.cid)})

    statement = inputs.gram_statement(commits, pack_gram(gram))
    started = time.monotonic()
    proof = prove(srs, statement, updates, blindings, seed=secrets.token_bytes(SEED_BYTES))
    settlement = Settlement(
        included=sum(1 << commit.index for commit in commits),
        commitment_ys=tuple(_ordinate(point) for point in statement.commitments),
        gram=statement.gram,
        weights=outcome.weights,
        scores=outcome.scores,
        payouts=outcome.payouts,
        next_scale_exponent=outcome.next_scale_exponent,
        aggregate_commitment=aggregate_commitment(statement, outcome.weights),
        aggregate_root=aggregate_root(aggregate),
        aggregate_cid=encoded.cid.to_bytes(),
        aggregate_bytes=len(file),
    )
    proven = time.monotonic()
    verify(srs.key, inputs.statement(commits, settlement), proof)
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
